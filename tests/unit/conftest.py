"""What tests of several rooms ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import bundles
from commands import Done, caller


@pytest.fixture
def emotone(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """The command line, with a cache and models of the test's own."""
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMOTONE_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("EMOTONE_DEBUG", raising=False)
    return caller(capfd)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A small bundle among the models of the test."""
    return bundles.write(tmp_path / "models" / "toy.emotone")
