"""The command line, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from emotone.cli.app import run


@dataclass
class Done:
    """A command line that has run in this process."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def caller(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """What runs a command line and tells what it printed."""

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Done(status, out, err)

    return call
