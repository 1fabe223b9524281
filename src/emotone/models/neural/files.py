"""Where a training leaves what it needs to go on after it was cut off."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

CHECKPOINT = "last.ckpt"
"""The state after the last full epoch, in the folder of a model."""


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """Folders of a training.

    Attributes
    ----------
    checkpoints
        Where the state after each epoch is kept; a training that finds its own goes on from there,
        to the same result, and so does one of more cycles of the same length. None keeps nothing.
    logs
        Where the curves are written for TensorBoard; None for nowhere.
    fresh
        Whether to start over, whatever the folder of checkpoints holds.
    """

    checkpoints: Path | None = None
    logs: Path | None = None
    fresh: bool = False

    def part(self, name: str) -> TrainingFiles:
        """The same for one of several models, such as that of a fold: a folder in each."""
        return replace(
            self,
            checkpoints=None if self.checkpoints is None else self.checkpoints / name,
            logs=None if self.logs is None else self.logs / name,
        )

    def clear(self) -> None:
        """Remove the checkpoints of all parts, and folders that are empty then."""
        if self.checkpoints is None:
            return
        for path in list(self.checkpoints.rglob(CHECKPOINT)):
            path.unlink()
            folder = path.parent
            with contextlib.suppress(OSError):  # something else is in there
                while folder != self.checkpoints:
                    folder.rmdir()
                    folder = folder.parent
        with contextlib.suppress(OSError):
            self.checkpoints.rmdir()
