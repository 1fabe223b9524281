"""The training of a network: Lightning's loop, with checkpoints that lead to the same result."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import TensorBoardLogger

from emotone.errors import MissingExtraError
from emotone.models.neural.checkpoints import (
    Outcome,
    WholeCheckpoints,
    fingerprint_of,
    is_finished,
    left_behind,
    outcome_of,
)
from emotone.models.neural.data import TrainingData
from emotone.models.neural.descriptions import described
from emotone.models.neural.devices import chosen_devices, keep_memory
from emotone.models.neural.files import CHECKPOINT, TrainingFiles
from emotone.models.neural.learner import Learner
from emotone.models.neural.network import Network
from emotone.models.neural.settings import Settings

Progress = Callable[[int, int, str], None]
"""Called with steps done, of how many, and a word on the losses."""


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
        How, `emotone.models.neural.devices.settled`.
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
        fingerprint = fingerprint_of(network, data, settings, seed)
        state = left_behind(path, fingerprint, settings.training.epochs) if path.exists() else None
        if state is None or not is_finished(state, settings):
            learner = Learner(
                network, described(network, data, settings, seed), settings, seed, fingerprint
            )
            _run(learner, settings, folder, files.logs, path if state else None, progress)
        return outcome_of(path)


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


def _run(
    learner: Learner,
    settings: Settings,
    folder: Path,
    logs: Path | None,
    resume: Path | None,
    progress: Progress | None,
) -> None:
    training = settings.training
    keep_memory()
    accelerator, devices = chosen_devices(training.accelerator, training.devices)
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
            precision=cast(Any, training.precision),
            logger=False if logs is None else _logger(logs),
            # At least once per epoch, however few batches there are.
            log_every_n_steps=max(1, min(50, len(learner.batches(0, (0, devices))))),
            callbacks=callbacks,
            gradient_clip_val=training.clip_norm,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            enable_progress_bar=progress is not None and devices > 1,
            enable_model_summary=False,
            default_root_dir=folder,
            plugins=[WholeCheckpoints()],
        )
        trainer.fit(learner, ckpt_path=resume, weights_only=True)


def _logger(folder: Path) -> TensorBoardLogger:
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("writing logs for TensorBoard", "train") from error
    return TensorBoardLogger(folder, name="", version="")


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
