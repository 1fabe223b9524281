"""The training of a network: Lightning's loop, with checkpoints that lead to the same result."""

from __future__ import annotations

import copy
import ctypes
import io
import json
import logging
import math
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as L
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader

from emotone.errors import MissingExtraError, TrainingError
from emotone.models.neural import augmentation
from emotone.models.neural.augmentation import Chance, derived_seed
from emotone.models.neural.bodies import DescribedBody, SpectralBody
from emotone.models.neural.data import (
    Batch,
    EvenBatches,
    LabelledClips,
    TrainingBatches,
    even_batches,
    padded,
)
from emotone.models.neural.files import CHECKPOINT, TrainingFiles
from emotone.models.neural.foundation import FoundationBody
from emotone.models.neural.frontend import FrontEnd
from emotone.models.neural.network import Logits, Network, contrast, probabilities
from emotone.models.neural.settings import Augmentation, Settings

Progress = Callable[[int, int, str], None]
"""Called with steps done, of how many, and a word on the losses."""

Weights = dict[str, Tensor]

_MALLOPT = {-4: 0, -1: 2**31 - 1, -2: 2**28}
"""Of malloc.h: no blocks apart from the heap (M_MMAP_MAX), which never shrinks (M_TRIM_THRESHOLD)
and grows by so many bytes (M_TOP_PAD)."""

_STATE = "emotone"
"""Key of what we keep in a checkpoint beside Lightning's own."""

_FORM = 2
"""Of that; and whatever else changes what a resumed training would compute."""

_DROPOUT = 1
"""Told to `derived_seed` beside a step's numbers, so that dropout draws other numbers than what
alters the clips."""

_FRAMES = 32
"""Frames of a batch in training are a multiple of this."""

_STATISTICS_CLIPS = 500
"""Clips that the front end's standardisation is computed on."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a network learns from.

    Attributes
    ----------
    training
        The clips themselves.
    validation
        Clips that decide when to stop and which epoch is best; None for all epochs.
    watched
        Clips whose loss is only written down, or None.
    corpora
        Names behind the indices of corpora.
    balanced
        Whether each corpus gives as many clips of each emotion per epoch.
    """

    training: LabelledClips
    validation: LabelledClips | None
    watched: LabelledClips | None
    corpora: Sequence[str]
    balanced: bool


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


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take numbers that are too small for full precision for zero.

    They turn up all over a network in training, and a processor takes many times as long over them.
    PyTorch's threads inherit this when the first parallel operation starts them, so it has to be on
    by then.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def standardise(network: Network, data: LabelledClips, seed: int) -> None:
    """Let a spectral body's front end know mean and deviation of the training clips."""
    end = getattr(network.body, "front_end", None)
    if not isinstance(end, FrontEnd):
        return
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        end.standardise(
            [
                end.analyse(torch.from_numpy(data.clips[row])[None], None)
                for row in chosen[:_STATISTICS_CLIPS].tolist()
            ]
        )


def described(network: Network, data: TrainingData, settings: Settings, seed: int) -> TrainingData:
    """The data with descriptions in place of sound, for a body that hears by nothing else."""
    body = network.body
    if not isinstance(body, DescribedBody):
        return data

    def views(part: LabelledClips, count: int) -> LabelledClips:
        return replace(part, views=_views(body, part, count, settings.augmentation, seed))

    return replace(
        data,
        training=views(data.training, settings.body.views),
        validation=None if data.validation is None else views(data.validation, 1),
        watched=None if data.watched is None else views(data.watched, 1),
    )


def _views(
    body: DescribedBody,
    part: LabelledClips,
    count: int,
    altered: Augmentation | None,
    seed: int,
) -> npt.NDArray[np.float32]:
    """Standardised functionals of clips as they are, and `count` - 1 times altered."""
    end = body.front_end
    found = np.empty((count, len(part), end.described), dtype=np.float32)
    with torch.no_grad():
        for view in range(count):
            for number, rows in enumerate(even_batches(part.clips)):
                waveforms, lengths = padded([part.clips[int(row)] for row in rows])
                hop, warps = None, None
                if view and altered is not None:
                    chance = Chance(augmentation.generator(end.mean.device, seed, view, number))
                    waveforms, lengths = augmentation.alter_waveforms(
                        waveforms, lengths, altered, chance, end.rate
                    )
                    hop = augmentation.draw_hop(altered, chance, end.hop)
                    warps = augmentation.draw_warps(altered, chance, len(lengths))
                found[view, rows] = end.functionals(
                    waveforms, lengths, hop=hop, warps=warps
                ).numpy()
    return found


def fit(
    network: Network,
    data: TrainingData,
    settings: Settings,
    *,
    seed: int,
    files: TrainingFiles,
    progress: Progress | None = None,
) -> Outcome:
    """Train a network, or go on with a training that was cut off.

    Parameters
    ----------
    network
        Untrained; its weights are what the training starts from.
    data
        What it learns from.
    settings
        How.
    seed
        Of the draws of clips, their alteration and dropout.
    files
        Where the state is kept, and logs.
    progress
        Told how far it is, after each step. An exception it raises ends the training.

    Raises
    ------
    TrainingError
        If the folder of checkpoints holds another training, or the loss is not finite.
    MissingExtraError
        If logs are asked for and TensorBoard is not installed.
    KeyboardInterrupt
        On Ctrl-C; the checkpoint of the last full epoch is left.
    """
    with tempfile.TemporaryDirectory(prefix="emotone-") as scratch:
        folder = files.checkpoints or Path(scratch)
        path = folder / CHECKPOINT
        if files.fresh:
            path.unlink(missing_ok=True)
        fingerprint = _fingerprint(network, data, settings, seed)
        state = _left_behind(path, fingerprint) if path.exists() else None
        if state is None or not _finished(state, settings):
            learner = Learner(
                network, described(network, data, settings, seed), settings, seed, fingerprint
            )
            _run(learner, settings, folder, files.logs, path if state else None, progress)
        return _outcome(path)


class Learner(L.LightningModule):
    """One step of the training, one of the validation, and the moving average of the weights."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        settings: Settings,
        seed: int,
        fingerprint: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.data, self.settings = data, settings
        self.seed, self.fingerprint = seed, dict(fingerprint)
        self.curves: dict[str, list[float]] = {"training": [], "validation": [], "watched": []}
        self.best: Weights | None = None
        self.seconds = 0.0
        self._began = time.monotonic()
        self._totals: dict[str, list[float]] = {}

    # -- data

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of the current epoch."""
        trainer = self.trainer
        share = (trainer.global_rank, trainer.world_size)
        return _loader(self.batches(trainer.current_epoch, share))

    def batches(self, epoch: int, share: tuple[int, int] = (0, 1)) -> TrainingBatches:
        """Those of any epoch."""
        return TrainingBatches(
            self.data.training,
            self.data.corpora,
            self.settings.training,
            seed=self.seed,
            epoch=epoch,
            balanced=self.data.balanced,
            share=share,
        )

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """The held-out clips and the watched ones, as far as there are any."""
        return [_loader(EvenBatches(part)) for _, part in self._held_out()]

    def _held_out(self) -> list[tuple[str, LabelledClips]]:
        parts = {"validation": self.data.validation, "watched": self.data.watched}
        return [(name, part) for name, part in parts.items() if part is not None and len(part)]

    # -- steps

    def configure_optimizers(self) -> Any:
        """AdamW on what can be learned, its rate rising and falling once."""
        training = self.settings.training
        optimizer = torch.optim.AdamW(
            parameter_groups(self.network, training.lr),
            weight_decay=training.weight_decay,
            betas=(0.9, 0.98),
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=training.epochs * len(self.batches(0, (0, self.trainer.world_size))),
            pct_start=training.warmup,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        """Begin to add up the loss."""
        self._totals = {}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The mean loss of some altered clips."""
        numbers = (self.seed, self.current_epoch, index, self.global_rank)
        torch.manual_seed(derived_seed(_DROPOUT, *numbers))
        chance = Chance(augmentation.generator(self.device, *numbers))
        embeddings, partners, ratio = self._embeddings(batch, chance)
        logits = self.network.heads(embeddings)
        losses = self._losses(logits, batch) * batch.weights
        if partners is not None:
            other = Batch(*(values[partners] for values in batch))
            losses = ratio * losses + (1 - ratio) * self._losses(logits, other) * other.weights
        loss = losses.mean()
        weight = self.settings.training.contrast
        if weight and partners is None:
            loss = loss + weight * contrast(embeddings, batch.labels)
        self._add("training", float(loss.detach()) * len(losses), len(losses))
        self.log("training_loss", loss.detach())
        return loss

    def _embeddings(self, batch: Batch, chance: Chance) -> tuple[Tensor, Tensor | None, float]:
        """Of altered clips; and, where they are mixed, with which others and at what ratio."""
        training, altered = self.settings.training, self.settings.augmentation
        body = self.network.body
        waveforms, lengths = batch.waveforms, batch.lengths
        partners, ratio = None, 1.0
        if len(lengths) > 1 and chance.one(0, 1) < training.mixup:
            drawn = chance.beta(training.mixup_alpha)
            ratio = max(drawn, 1 - drawn)
            partners = chance.uniform(0, 1, len(lengths)).argsort()
        if isinstance(body, DescribedBody):
            rows = batch.rows
            if partners is not None:
                rows = augmentation.mix(rows, partners, ratio)
            return body.encode(rows), partners, ratio
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            if altered is not None:
                waveforms, lengths = augmentation.alter_waveforms(
                    waveforms, lengths, altered, chance, self.data.training.clips.rate
                )
            if isinstance(body, SpectralBody):
                end, hop, warps = body.front_end, None, None
                if altered is not None:
                    hop = augmentation.draw_hop(altered, chance, end.hop)
                    warps = augmentation.draw_warps(altered, chance, len(lengths))
                waveforms = _to_few_shapes(waveforms, hop or end.hop)
                spectra = end(waveforms, lengths, hop=hop, warps=warps)
                if altered is not None:
                    spectra = augmentation.alter_spectra(spectra, end, altered, chance)
                if partners is not None:
                    spectra = augmentation.mix_spectra(spectra, partners, ratio)
            elif partners is not None:
                waveforms = augmentation.mix(waveforms, partners, ratio)
                lengths = torch.maximum(lengths, lengths[partners])
        embeddings = (
            body.encode(spectra) if isinstance(body, SpectralBody) else body(waveforms, lengths)
        )
        return embeddings, partners, ratio

    def _listen(self, network: Network, batch: Batch) -> Logits:
        """What a network says to clips as they are."""
        if isinstance(network.body, DescribedBody):
            return network.heads(network.body.encode(batch.rows))
        return cast(Logits, network(batch.waveforms, batch.lengths))

    def _losses(self, logits: Logits, batch: Batch) -> Tensor:
        return self.network.losses(
            logits,
            batch.labels,
            batch.corpora,
            smoothing=self.settings.training.label_smoothing,
            own_weight=self.settings.training.own_weight,
            general_weight=self.settings.training.general_weight,
            open_share=self.settings.training.open_share,
        )

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        """Move the average; early on it forgets faster, so that the first weights do not linger."""
        step = self.global_step
        decay = min(self.settings.training.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            average, current = self.average.state_dict(), self.network.state_dict()
            for name, values in average.items():
                if values.dtype.is_floating_point:
                    values.lerp_(current[name], 1 - decay)
                else:
                    values.copy_(current[name])

    def validation_step(self, batch: Batch, index: int, dataloader_idx: int = 0) -> None:
        """Add up the log loss of the average's scores."""
        name = self._held_out()[dataloader_idx][0]
        logits = self._listen(self.average, batch)
        if name == "validation":
            scores = probabilities(self.average, logits, batch.corpora, 1.0, 1.0)
        else:  # as the exported model hears them, which does not know the corpus
            scores = logits.general.softmax(1)
        losses = -scores.gather(1, batch.labels[:, None]).clamp_min(1e-12).log()
        self._add(name, float(losses.sum()), len(losses))

    def on_validation_epoch_start(self) -> None:
        """Begin to add up the losses."""
        self._totals = {k: v for k, v in self._totals.items() if k == "training"}

    def on_validation_epoch_end(self) -> None:
        """Write the losses down and remember the weights if they are the best so far."""
        for name, _ in self._held_out():
            loss = self._mean(name)
            self.curves[name].append(loss)
            self.log(f"{name}_loss", loss)
            if name == "validation" and loss <= min(self.curves[name]):
                weights = self.average.state_dict()
                self.best = {key: values.detach().cpu().clone() for key, values in weights.items()}

    def on_train_epoch_end(self) -> None:
        """Write the training loss down.

        Raises
        ------
        TrainingError
            If a loss is not finite.
        """
        self.curves["training"].append(self._mean("training"))
        if not all(math.isfinite(curve[-1]) for curve in self.curves.values() if curve):
            raise TrainingError("the loss is not finite", remedy="Lower lr, or the weights.")

    def _add(self, name: str, loss: float, clips: int) -> None:
        total = self._totals.setdefault(name, [0.0, 0.0])
        total[0] += loss
        total[1] += clips

    def _mean(self, name: str) -> float:
        loss, clips = self._totals[name]
        return loss / clips

    # -- state

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put beside Lightning's state what it does not know of."""
        checkpoint[_STATE] = {
            "fingerprint": self.fingerprint,
            "curves": self.curves,
            "best": self.best,
            "seconds": self.seconds + time.monotonic() - self._began,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it from there."""
        state = checkpoint[_STATE]
        self.curves, self.best = state["curves"], state["best"]
        self.seconds = state.get("seconds", 0.0)


def parameter_groups(network: Network, lr: float) -> list[dict[str, Any]]:
    """What can be learned, for an optimizer: matrices, which decay, and the rest, which does not.

    A foundation encoder's part of either may learn at a rate of its own.
    """
    body = network.body
    slow = body.slow_parameters() if isinstance(body, FoundationBody) else []
    apart = {id(parameter) for parameter in slow}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
    groups: list[dict[str, Any]] = []
    for part, rate in ((rest, lr), (slow, getattr(body, "encoder_lr", lr))):
        if part:
            groups.append({"params": [p for p in part if p.ndim > 1], "lr": rate})
            vectors = [p for p in part if p.ndim <= 1]
            groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    return groups


class _WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are there in full or not at all, whenever the process is killed.

    Lightning's own go by the folder of temporary files; moved from there to another disk, half of
    one may be left.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
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


def _to_few_shapes(waveforms: Tensor, hop: int) -> Tensor:
    """Pad waveforms to a number of frames that many batches share.

    PyTorch prepares convolutions for every shape anew, which takes as long as to compute them.
    """
    frames = 1 + waveforms.shape[1] // hop
    wanted = -(-frames // _FRAMES) * _FRAMES
    return F.pad(waveforms, (0, (wanted - 1) * hop - waveforms.shape[1] // hop * hop))


class _Reporter(Callback):
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, *arguments: Any
    ) -> None:
        learner = cast(Learner, module)
        epochs = learner.settings.training.epochs
        said = f"epoch {trainer.current_epoch + 1} of {epochs}"
        for name, what in (("training", "loss"), ("validation", "validation")):
            if learner.curves[name]:
                said += f", {what} {learner.curves[name][-1]:.3f}"
        self.progress(trainer.global_step, epochs * int(trainer.num_training_batches), said)


def _keep_memory() -> None:
    """Let the C library keep what is freed for the next step: a tenth of the time and more.

    glibc gives blocks as large as a layer's output back to the system, which has to clear them
    again at the next step. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in _MALLOPT.items():
            mallopt(option, value)


def _run(
    learner: Learner,
    settings: Settings,
    folder: Path,
    logs: Path | None,
    resume: Path | None,
    progress: Progress | None,
) -> None:
    training = settings.training
    _keep_memory()
    accelerator, devices = _devices(training.accelerator, training.devices)
    callbacks: list[Callback] = [
        ModelCheckpoint(
            folder,
            filename=Path(CHECKPOINT).stem,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    ]
    if learner.data.validation is not None and training.patience is not None:
        callbacks.append(
            EarlyStopping("validation_loss", patience=training.patience, check_finite=False)
        )
    if logs is not None:
        callbacks.append(LearningRateMonitor("step"))
    if progress is not None and devices == 1:  # it cannot follow into other processes
        callbacks.append(_Reporter(progress))
    with _quiet(), _interruptible(), torch.random.fork_rng():
        trainer = L.Trainer(
            max_epochs=training.epochs,
            accelerator=accelerator,
            devices=devices,
            # Not the usual "ddp", which would run the user's whole command once per device.
            strategy="auto" if devices == 1 else "ddp_spawn",
            sync_batchnorm=devices > 1 and accelerator != "cpu",
            precision=cast(Any, precision(training.precision, accelerator)),
            logger=False if logs is None else _logger(logs),
            callbacks=callbacks,
            gradient_clip_val=training.clip_norm,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            enable_progress_bar=progress is not None and devices > 1,
            enable_model_summary=False,
            default_root_dir=folder,
            plugins=[_WholeCheckpoints()],
        )
        trainer.fit(learner, ckpt_path=resume, weights_only=True)


def device(accelerator: str) -> torch.device:
    """Where a single network runs."""
    kind = _devices(accelerator, 1)[0]
    return torch.device("cuda" if kind in ("gpu", "cuda") else kind)


def _devices(accelerator: str, devices: int | str) -> tuple[str, int]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if accelerator == "auto":
        accelerator = "cuda" if gpus else "cpu"
    if devices == "auto":
        return accelerator, gpus if accelerator in ("gpu", "cuda") else 1
    return accelerator, int(devices)


def precision(asked: str, accelerator: str) -> str:
    """What "auto" comes to on this machine."""
    if asked != "auto":
        return asked
    if accelerator == "cpu":
        fast = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    else:
        fast = accelerator in ("gpu", "cuda") and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


def _logger(folder: Path) -> TensorBoardLogger:
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("writing logs for TensorBoard", "train") from error
    return TensorBoardLogger(folder, name="", version="")


def _loader(batches: TrainingBatches | EvenBatches) -> DataLoader[Batch]:
    return DataLoader(batches, batch_size=None)


def _fingerprint(
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
    return found | {name: json.dumps(value) for name, value in values.items()}


def _left_behind(path: Path, fingerprint: Mapping[str, str]) -> dict[str, Any]:
    """Our state in a checkpoint of this very training."""
    remedy = (
        "Start over with --fresh (fresh=True in Python), or name another folder of checkpoints."
    )
    try:
        state: dict[str, Any] = _load(path)[_STATE]
        theirs = dict(state["fingerprint"])
    except Exception as error:  # whatever a damaged file makes of its reader
        raise TrainingError(
            f"the checkpoint cannot be read ({type(error).__name__})", source=path, remedy=remedy
        ) from error
    different = [name for name in fingerprint if theirs.get(name) != fingerprint[name]]
    if different:
        raise TrainingError(
            f"it is a checkpoint of a training with other {', '.join(different)}",
            source=path,
            remedy=remedy,
        )
    return state


def _load(path: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint


def _finished(state: dict[str, Any], settings: Settings) -> bool:
    """Whether a training is through, by its epochs or by Lightning's rule of early stopping."""
    curves, training = state["curves"], settings.training
    if len(curves["training"]) >= training.epochs:
        return True
    losses = curves["validation"]
    if not losses or training.patience is None:
        return False
    return bool(len(losses) - 1 - losses.index(min(losses)) >= training.patience)


def _outcome(path: Path) -> Outcome:
    checkpoint = _load(path)
    state = checkpoint[_STATE]
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's notes to its users, which ours are not, off the screen."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(lightning|torch)\.")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be Ctrl-C: Lightning turns it into an exit and ignores it from then on."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
