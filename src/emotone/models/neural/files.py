"""Where a training leaves what it needs to go on after it was cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """Folders of a training.

    Attributes
    ----------
    checkpoints
        Where the state after each epoch is kept; a training that finds its own goes on from there,
        to the same result. None keeps nothing.
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
