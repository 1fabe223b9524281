"""Going through a bundle check by check, and turning it into files for other programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emotone.bundle import storage
from emotone.bundle.card import Card
from emotone.bundle.model import Bundle, check_graph, check_sums
from emotone.errors import BundleError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a bundle and how it went.

    Attributes
    ----------
    name
        What was checked: ``container``, ``card``, ``checksum``, ``graph``, or ``runs``.
    passed
        Whether it is right.
    detail
        What was found, or why it is refused.
    """

    name: str
    passed: bool
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """The check as plain types, ready for JSON."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail}


class _RefusedError(Exception):
    """A check failed, and those after it make no sense."""


def verify(path: str | Path, *, max_bytes: int = storage.DEFAULT_MAX_BYTES) -> list[Check]:
    """The checks of `Bundle.open` one by one, up to the first that fails.

    `emotone.verification.verify` adds whether the model loads and answers.

    Returns
    -------
    list of Check
        In the order in which they are made.
    """
    path = Path(path)
    checks: list[Check] = []

    def step(name: str, attempt: Callable[[], T], describe: Callable[[T], str]) -> T:
        try:
            value = attempt()
        except BundleError as error:
            checks.append(Check(name, False, str(error)))
            raise _RefusedError from error
        checks.append(Check(name, True, describe(value)))
        return value

    try:
        files = step(
            "container",
            lambda: storage.read_files(path, max_bytes=max_bytes),
            lambda files: ", ".join(f"{name} ({len(files[name]):,} bytes)" for name in files),
        )
        card = step(
            "card",
            lambda: Card.from_json(files[storage.CARD], source=path),
            lambda card: f"{card.model}, {len(card.emotions)} emotions",
        )
        step(
            "checksum",
            lambda: check_sums(card, files, source=path),
            lambda _: ", ".join(
                f"{name} {record.sha256[:16]}…" for name, record in card.files.items()
            ),
        )
        step(
            "graph",
            lambda: check_graph(files, source=path),
            lambda found: (
                f"{sum(each.nodes for each in found.values()):,} nodes, "
                f"{sum(each.weights for each in found.values()):,} weights: "
                + ", ".join(sorted({name for each in found.values() for name in each.operators}))
            ),
        )
    except _RefusedError:
        pass
    return checks


def export(bundle: Bundle, target: str | Path) -> Path:
    """Write a bundle anew, in the shape that the target's name asks for.

    Parameters
    ----------
    bundle
        What to write.
    target
        A name ending in ``.emotone`` makes a zip; any other a folder with ``model.onnx``, for any
        ONNX runtime, and ``card.json``.

    Raises
    ------
    BundleError
        If something that is no bundle is in the way, or the place cannot be written.
    """
    target = Path(target)
    # The card is written as it was read: exporting makes no new model.
    storage.write_files(target, bundle.files)
    return target
