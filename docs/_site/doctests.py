"""For the Python reference: examples in the text of a docstring become blocks of code.

The packages' docstrings are in the form of numpy, where an example outside of the section Examples
is known by its ``>>>``. In Markdown that would be a quotation in a quotation in a quotation.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_SECTION = re.compile(r"^Examples\n-+\n", re.MULTILINE)
_EXAMPLE = re.compile(r"(?:^|(?<=\n\n))(>>> .*?)(?=\n\n(?!>>> )|\Z)", re.DOTALL)


class Doctests(Extension):
    """Fences examples in the part of a docstring before its section Examples."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called by Griffe for each object that it has read."""
        if obj.docstring is None or ">>> " not in obj.docstring.value:
            return
        text = obj.docstring.value
        section = _SECTION.search(text)
        end = section.start() if section else len(text)
        obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\1\n```", text[:end].rstrip()) + (
            f"\n\n{text[end:]}" if section else ""
        )
