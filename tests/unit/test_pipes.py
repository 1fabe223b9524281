"""Named pipes in the place of tables and other files: told of, and not waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Done
from emotone import corpora, evaluation, splits
from emotone.batch import sources
from emotone.errors import EmotoneError
from emotone.pipes import refuse_pipe
from emotone.timeline import exports

Emotone = Callable[..., Done]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes"),
    pytest.mark.timeout(60),  # what opens one waits for ever
]

UTTERANCE = corpora.Utterance(Path("a.wav"), "sad", "mine", "sad")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("clips.csv", corpora.load),
        ("clips.parquet", corpora.load),
        ("clips.csv", lambda path: list(sources.find([path]))),
        ("clips.jsonl", lambda path: list(sources.find([path]))),
        ("clips.txt", lambda path: list(sources.find([path]))),
        ("clips.parquet", lambda path: list(sources.find([path]))),
        ("folds.csv", lambda path: splits.make([UTTERANCE], f"file:{path}")),
        ("answers.csv", evaluation.read_predictions),
        ("answers.jsonl", evaluation.read_predictions),
        ("timeline.json", exports.read),
    ],
)
def test_a_named_pipe_is_refused(name: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    with pytest.raises(EmotoneError, match=r"named pipe|no regular file") as told:
        read(pipe)
    assert str(pipe) in str(told.value)


@pytest.mark.parametrize(
    "command",
    [
        ("plot", "confusion", "PIPE", "-o", "x.png"),
        ("plot", "timeline", "PIPE", "-o", "x.png"),
        ("batch", "PIPE", "out"),
        ("evaluate", "default", "PIPE"),
    ],
)
def test_commands_tell_of_a_named_pipe(
    command: tuple[str, ...], emotone: Emotone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "given.json" if command[0] == "plot" else "given.csv"
    os.mkfifo(name)
    done = emotone(*(name if word == "PIPE" else word for word in command))
    assert done.status in (1, 2)
    assert f"{name}: " in done.err
    assert "named pipe" in done.err or "no regular file" in done.err
    assert not Path("out").exists()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="open files have no names")
def test_what_a_shell_puts_in_place_of_a_command_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"[]")
    os.close(writing)
    try:
        refuse_pipe(f"/dev/fd/{reading}")
        assert Path(f"/dev/fd/{reading}").read_bytes() == b"[]"
    finally:
        os.close(reading)
