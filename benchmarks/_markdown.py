"""Figures from benchmarks/results/ as Markdown, between markers in a document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import _records

Record = dict[str, Any]


def read_results(folder: Path = _records.RESULTS) -> list[Record]:
    """Every record of every result; some hold a list of them, some a single one."""
    found: list[Record] = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found += content if isinstance(content, list) else [content]
    return found


def table(header: list[str], rows: Iterable[list[str]], *, numbers: bool = True) -> str:
    """A Markdown table; columns of numbers, all but the first, are aligned to the right."""
    lines = [header, ["---", *["--:" if numbers else "---"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percent(value: float) -> str:
    """``73.1``."""
    return f"{100 * value:.1f}"


def footer(records: list[Record], command: str) -> str:
    """Where the figures come from."""
    machines = ", ".join(sorted({record["machine"] for record in records}))
    return f"Measured by `{command}` on {machines}."


def replaced(text: str, name: str, content: str, document: str = "README.md") -> str:
    """The text with other content between the markers of that name.

    What stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` is written anew; nothing
    else is touched.
    """
    pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
    middle = f"{content}\n" if content else ""
    found, count = re.subn(pattern, lambda match: match[1] + middle + match[2], text, flags=re.S)
    if count != 1:
        raise SystemExit(f"{document} must have the markers {name}:begin and {name}:end once")
    return found
