"""The state of a training in a file: whole, of that very training, and what came of it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from emotone.errors import TrainingError
from emotone.models.neural.data import TrainingData
from emotone.models.neural.network import Network
from emotone.models.neural.settings import Settings, TrainingSettings

Weights = dict[str, Tensor]

STATE = "emotone"
"""Key of what we keep in a checkpoint beside Lightning's own."""

_FORM = 5
"""Of that; and whatever else changes what a resumed training would compute."""

_CYCLE = "epochs per cycle"

_DEFAULTS = {
    entry.name: json.dumps(entry.default)
    for entry in fields(TrainingSettings)
    if entry.default is not MISSING
}
"""What is true of a training that was begun before there was such a setting."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished training.

    Attributes
    ----------
    weights
        Of the network: the moving average at the best epoch, or at the last one without validation.
    training, validation, watched
        Loss after each epoch.
    seconds
        How long the training took, that before a kill included.
    """

    weights: Weights
    training: list[float]
    validation: list[float]
    watched: list[float]
    seconds: float


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are there in full or not at all, whenever the process is killed.

    Lightning's own go by the folder of temporary files; moved from there to another disk, half of
    one may be left.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write beside the target, then put it in its place."""
        target = Path(path)
        written = io.BytesIO()
        torch.save(checkpoint, written)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        with part.open("wb") as file:
            file.write(written.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)


def fingerprint_of(
    network: Network, data: TrainingData, settings: Settings, seed: int
) -> dict[str, str]:
    """What a training must share with a checkpoint to go on from it, in words and as sums."""
    parts = {"training": data.training, "validation": data.validation, "watched": data.watched}
    found = {
        "form": str(_FORM),
        "family": settings.family,
        "seed": str(seed),
        "sampling": str(data.balanced),
        "clips": " ".join(f"{k}:{p.digest()}" for k, p in parts.items() if p is not None),
        "corpora": json.dumps(list(data.corpora)),
        "emotions": json.dumps(network.has.tolist()),
        "augmentation": json.dumps(settings.augmentation and asdict(settings.augmentation)),
    }
    values = asdict(settings.training) | asdict(settings.body)
    # A training of more cycles begins as one of fewer: the number of cycles may differ, not their
    # length.
    values[_CYCLE] = values.pop("epochs") // values.pop("cycles")
    return found | {name: json.dumps(value) for name, value in values.items()}


def left_behind(path: Path, fingerprint: Mapping[str, str], epochs: int) -> dict[str, Any]:
    """Our state in a checkpoint of this very training, or of one of fewer cycles of this length.

    Parameters
    ----------
    path
        The checkpoint.
    fingerprint
        See `fingerprint_of`.
    epochs
        How many the training is to have.

    Raises
    ------
    TrainingError
        If it cannot be read, is of another training, or has more epochs already.
    """
    remedy = (
        "Start over with --fresh (fresh=True in Python), or name another folder of checkpoints."
    )
    try:
        state: dict[str, Any] = _load(path)[STATE]
        theirs = _of_today(dict(state["fingerprint"]), fingerprint)
        done = len(state["curves"]["training"])
    except Exception as error:  # whatever a damaged file makes of its reader
        raise TrainingError(
            f"the checkpoint cannot be read ({type(error).__name__})", source=path, remedy=remedy
        ) from error
    different = [name for name in fingerprint if theirs.get(name) != fingerprint[name]]
    if different:
        raise TrainingError(
            f"it is a checkpoint of a training with other {', '.join(different)}",
            source=path,
            remedy=(
                f"Go on with precision={json.loads(theirs['precision'])}, as it was begun, where "
                f"this machine has that. {remedy}"
                if different == ["precision"]
                else remedy
            ),
        )
    if done > epochs:
        raise TrainingError(
            f"it is a checkpoint after {done} epochs, and {epochs} are asked for",
            source=path,
            remedy=remedy,
        )
    return state


def _of_today(theirs: dict[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The fingerprint of an older emotone's checkpoint as this one would have written it."""
    theirs = _DEFAULTS | theirs
    if _CYCLE not in theirs:
        theirs[_CYCLE] = json.dumps(json.loads(theirs["epochs"]) // json.loads(theirs["cycles"]))
    if theirs["precision"] == json.dumps("auto"):  # what that came to was not written down
        theirs["precision"] = ours["precision"]
    return theirs


def is_finished(state: dict[str, Any], settings: Settings) -> bool:
    """Whether a training is through, by its epochs or by Lightning's rule of early stopping."""
    curves, training = state["curves"], settings.training
    if len(curves["training"]) >= training.epochs:
        return True
    losses = curves["validation"]
    if not losses or training.patience is None:
        return False
    return bool(len(losses) - 1 - losses.index(min(losses)) >= training.patience)


def outcome_of(path: Path) -> Outcome:
    """What a finished training came to."""
    checkpoint = _load(path)
    state = checkpoint[STATE]
    weights = state["best"]
    if weights is None:
        prefix = "average."
        weights = {
            name[len(prefix) :]: values
            for name, values in checkpoint["state_dict"].items()
            if name.startswith(prefix)
        }
    curves = state["curves"]
    return Outcome(
        weights,
        curves["training"],
        curves["validation"],
        curves["watched"],
        state.get("seconds", 0.0),
    )


def _load(path: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint
