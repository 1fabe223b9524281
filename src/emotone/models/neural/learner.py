"""What happens to a network in training, step by step, under Lightning's loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from typing import Any, cast

import lightning.pytorch as L
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from emotone.errors import TrainingError
from emotone.models.neural import augmentation
from emotone.models.neural.augmentation import Chance, derived_seed
from emotone.models.neural.bodies import DescribedBody, SpectralBody
from emotone.models.neural.checkpoints import STATE, Weights
from emotone.models.neural.data import (
    Batch,
    EvenBatches,
    LabelledClips,
    TrainingBatches,
    TrainingData,
)
from emotone.models.neural.foundation import FoundationBody
from emotone.models.neural.network import Logits, Network, contrast, probabilities
from emotone.models.neural.optimizer import Muon
from emotone.models.neural.settings import Settings

_DROPOUT = 1
"""Told to `derived_seed` beside a step's numbers, so that dropout draws other numbers than what
alters the clips."""

_FRAMES = 32
"""Frames of a batch in training are a multiple of this."""


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
        """The optimizer of what can be learned, its rate rising and falling once per cycle."""
        training = self.settings.training
        orthogonal = training.optimizer == "muon"
        kind = Muon if orthogonal else torch.optim.AdamW
        optimizer = kind(
            parameter_groups(self.network, training.lr, orthogonal=orthogonal),
            weight_decay=training.weight_decay,
            betas=(0.9, 0.98),  # the first is moved by the schedule: 0.95, 0.85 at the peak, 0.95
        )
        schedule = OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=self._cycle * len(self.batches(0, (0, self.trainer.world_size))),
            pct_start=training.warmup,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    @property
    def _cycle(self) -> int:
        """Epochs over which the learning rate rises and falls once."""
        training = self.settings.training
        return training.epochs // training.cycles

    def on_train_epoch_start(self) -> None:
        """Begin to add up the loss, and after a cycle of the learning rate the next one."""
        self._totals = {}
        if self.current_epoch and self.current_epoch % self._cycle == 0:
            schedule = cast(OneCycleLR, self.lr_schedulers())
            schedule.last_epoch = -1
            schedule.step()

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
            with torch.autocast(self.device.type, enabled=False):
                loss = loss + weight * contrast(embeddings.float(), batch.labels)
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
                    spectra = augmentation.alter_spectra(spectra, altered, chance)
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
        checkpoint[STATE] = {
            "fingerprint": self.fingerprint,
            "curves": self.curves,
            "best": self.best,
            "seconds": self.seconds + time.monotonic() - self._began,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it from there."""
        state = checkpoint[STATE]
        self.curves, self.best = state["curves"], state["best"]
        self.seconds = state.get("seconds", 0.0)


def parameter_groups(
    network: Network, lr: float, *, orthogonal: bool = False
) -> list[dict[str, Any]]:
    """What can be learned, for an optimizer: matrices, which decay, and the rest, which does not.

    A foundation encoder's part of either may learn at a rate of its own. For `Muon` the matrices of
    the body are a group apart, without those of the encoder, whose learning is only fine-tuned, and
    those of the heads, whose rows are emotions and no directions to be made alike.
    """
    body = network.body
    slow = body.slow_parameters() if isinstance(body, FoundationBody) else []
    apart = {id(parameter) for parameter in slow}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
    hidden: set[int] = set()
    if orthogonal:
        hidden = {id(p) for p in body.parameters() if p.ndim > 1} - apart
    groups: list[dict[str, Any]] = []
    for part, rate in ((rest, lr), (slow, getattr(body, "encoder_lr", lr))):
        if part:
            matrices = [p for p in part if p.ndim > 1]
            groups.append({"params": [p for p in matrices if id(p) not in hidden], "lr": rate})
            vectors = [p for p in part if p.ndim <= 1]
            groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    if hidden:
        turned = [p for p in rest if id(p) in hidden]
        groups.append({"params": turned, "lr": lr, "orthogonal": True})
    return groups


def _to_few_shapes(waveforms: Tensor, hop: int) -> Tensor:
    """Pad waveforms to a number of frames that many batches share.

    PyTorch prepares convolutions for every shape anew, which takes as long as to compute them.
    """
    frames = 1 + waveforms.shape[1] // hop
    wanted = -(-frames // _FRAMES) * _FRAMES
    return F.pad(waveforms, (0, (wanted - 1) * hop - waveforms.shape[1] // hop * hop))


def _loader(batches: TrainingBatches | EvenBatches) -> DataLoader[Batch]:
    return DataLoader(batches, batch_size=None)
