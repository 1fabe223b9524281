"""What an examination finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["fine", "absent", "broken"]
"""``"fine"``; ``"absent"``, which not everybody needs; or ``"broken"``, which has to be mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    area
        What it belongs to: ``"packages"``, ``"machine"``, ``"model"``, ``"cache"``, …
    name
        What was looked at.
    state
        How it is.
    detail
        What was found, in words.
    remedy
        The command that mends it, or what to do; None where there is nothing to do.
    facts
        The same for programs.
    """

    area: str
    name: str
    state: State
    detail: str
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain types, ready for JSON."""
        return {
            "area": self.area,
            "name": self.name,
            "state": self.state,
            "detail": self.detail,
            "remedy": self.remedy,
            "facts": dict(self.facts),
        }
