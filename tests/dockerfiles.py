"""Reads a Dockerfile as far as the tests need: instructions in order, stages, JSON arguments."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """What follows one FROM."""

    image: str
    name: str | None
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of each such instruction."""
        return [argument for name, argument in self.steps if name == instruction]

    def last(self, instruction: str) -> str:
        """The one that holds."""
        return self.all(instruction)[-1]

    def command(self, instruction: str) -> list[str]:
        """The words of an instruction in the form of JSON."""
        return json.loads(self.last(instruction))

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets, as it is written."""
        pairs = (pair for argument in self.all("ENV") for pair in shlex.split(argument))
        return dict(pair.split("=", 1) for pair in pairs)


def stages(path: Path) -> list[Stage]:
    """The stages of a Dockerfile."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, argument = line.split(None, 1)
        if name == "FROM":
            image, _, stage = argument.partition(" AS ")
            found.append(Stage(image, stage or None))
        else:
            found[-1].steps.append((name, argument))
    return found
