"""What every refusal has to be like."""

from __future__ import annotations

from emotone.errors import EmotoneError

_LONGEST = 2_000


def check(error: EmotoneError) -> None:
    """It says what is wrong, briefly, in words and without the insides of a program."""
    text = str(error)
    assert error.cause.strip(), error
    assert len(text) < _LONGEST, text
    assert "object at 0x" not in text, text
    assert "Traceback" not in text, text
    assert error.code.isidentifier(), error.code
