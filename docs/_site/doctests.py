"""For the Python reference: examples in the text of a docstring become blocks of code.

The packages' docstrings are in the form of numpy, where an example outside of the section Examples
is known by its ``>>>``. In Markdown that would be a quotation in a quotation in a quotation. And
what is indented after a double colon is code in both, but in Markdown the colons would stay.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Module, Object

_SECTION = re.compile(r"^Examples\n-+\n", re.MULTILINE)
_EXAMPLE = re.compile(r"(?:^|(?<=\n\n))(>>> .*?)(?=\n\n(?!>>> )|\Z)", re.DOTALL)


_LITERAL = re.compile(r"::$", re.MULTILINE)
_FLAG = re.compile(r" *# doctest: \S+$", re.MULTILINE)


class Doctests(Extension):
    """Fences examples in the part of a docstring before its section Examples."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called by Griffe for each object that it has read, but for the package."""
        _fence(obj)

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Called for the package."""
        _fence(pkg)


def _fence(found: Object) -> None:
    if found.docstring is None:
        return
    text = _LITERAL.sub(":", _FLAG.sub("", found.docstring.value))
    section = _SECTION.search(text)
    end = section.start() if section else len(text)
    fenced = _EXAMPLE.sub(r"```pycon\n\1\n```", text[:end].rstrip())
    found.docstring.value = f"{fenced}\n\n{text[end:]}" if section else fenced
