"""The parameters of the neural families: names, defaults, ranges. Loads no PyTorch.

A user sets them flat, as those of any family: ``{"epochs": 30, "width": 128, "augment.speed": 0}``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from emotone.errors import UsageError
from emotone.models.neural.fields import (
    checked,
    flag,
    interval,
    is_whole,
    number,
    one_of,
    text,
    whole,
    wholes,
)

T = TypeVar("T")


def _is_counts(value: Any) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(key, str) and is_whole(n, 0, 10**9) for key, n in value.items())
    )


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes
    ----------
    epochs
        Passes over the training part at most.
    batch_size
        Clips per step.
    lr
        Peak of the learning rate, which rises over `warmup` and falls to zero over the rest
        (one-cycle schedule, Smith & Topin 2018).
    optimizer
        What moves the weights: "adamw", or "muon", which makes each step of a matrix orthogonal
        (Jordan et al. 2024) and learns as much in fewer epochs, which take a little longer. Trained
        so on the nine corpora, networks heard new voices worse.
    warmup
        Share of the steps of a cycle over which the learning rate rises.
    cycles
        How often the learning rate rises and falls, each time over as many epochs (warm restarts,
        Loshchilov & Hutter 2017). After a restart the loss rises before it falls, so with early
        stopping the patience must outlast a cycle.
    weight_decay
        Decoupled, on matrices only.
    label_smoothing
        Share of the target that is spread over all emotions (of the corpus).
    mixup
        Share of the steps in which pairs of clips are mixed (Zhang et al. 2018).
    mixup_alpha
        Both parameters of the Beta distribution that the mixing ratio is drawn from.
    ema
        Decay per step of the moving average of the weights, which is the model in the end; 0 for
        the last weights themselves.
    clip_norm
        Bound on the norm of the gradient.
    validation
        Share of the speakers (of the clips where speakers are unknown or fewer than three), within
        the training part, that the training is stopped and calibrated by. 0 trains on everything
        for all epochs.
    hold_out
        What is held out: "speakers", for a model that will hear others, or "clips", for one that
        will hear those that it learns from.
    patience
        Epochs without a better validation loss before the training stops; null for never. The
        model is that of the best epoch all the same.
    clips_per_epoch
        How many clips of each corpus an epoch draws, by name: all of them where a name is missing
        or the mapping is null. More than there are repeats some.
    own_weight, general_weight
        Weights of the losses of the heads of each corpus and of the general head. With one corpus
        there is the general head alone, and neither matters.
    open_share
        Share of the general head's loss that is taken over all emotions; the rest is taken over
        those of the clip's corpus. Without any the head does not learn to tell the emotions of one
        corpus from those of another, and errs where the corpus is not known.
    contrast
        Weight of the supervised contrastive loss, in steps without mixing; 0 for none.
    max_seconds
        Longer clips are cropped at random in training (never in prediction).
    temperature
        Divides the logits; null fits it on the validation part.
    precision
        "auto": bfloat16 where processor or accelerator have it in hardware, else 32 bits;
        "bf16-mixed", "32-true".
    accelerator, devices
        As Lightning's Trainer has them. "auto" takes every CUDA device that there is, else the
        processor. Several devices take `batch_size` clips each per step, in processes of their own:
        a script that trains so needs ``if __name__ == "__main__"``.
    augment
        Whether clips are altered in training, in the ways of `Augmentation`.
    """

    epochs: int = whole(50, 1, 100_000)
    batch_size: int = whole(32, 2, 65_536)
    lr: float = number(2e-3, 1e-9, 10)
    optimizer: str = one_of("adamw", "adamw", "muon")
    warmup: float = number(0.2, 0.01, 0.9)
    cycles: int = whole(1, 1, 1000)
    weight_decay: float = number(0.03, 0, 100)
    label_smoothing: float = number(0.1, 0, 0.9)
    mixup: float = number(0.5, 0, 1)
    mixup_alpha: float = number(0.4, 0.01, 100)
    ema: float = number(0.99, 0, 0.99999)
    clip_norm: float = number(3.0, 0.001, 1e6)
    validation: float = number(0.15, 0, 0.9)
    hold_out: str = one_of("speakers", "speakers", "clips")
    patience: int | None = whole(15, 1, 100_000, optional=True)
    clips_per_epoch: Mapping[str, int] | None = checked(
        None, _is_counts, 'Give an object such as {"ravdess": 1600}, or null.'
    )
    own_weight: float = number(0.5, 0, 100)
    general_weight: float = number(1.0, 0, 100)
    open_share: float = number(0.3, 0, 1)
    contrast: float = number(0.0, 0, 100)
    max_seconds: float = number(4.0, 0.3, 600)
    temperature: float | None = number(None, 0.001, 1000, optional=True)
    precision: str = one_of("auto", "auto", "bf16-mixed", "32-true")
    accelerator: str = one_of("auto", "auto", "cpu", "gpu", "cuda", "mps")
    devices: int | str = checked(
        "auto", lambda v: v == "auto" or is_whole(v, 1, 1024), "Give auto or a number from 1."
    )
    augment: bool = flag(True)

    def __post_init__(self) -> None:
        if self.epochs % self.cycles:
            raise UsageError(
                f"{self.epochs} epochs do not divide into {self.cycles} cycles",
                remedy=f"Let epochs be a multiple of {self.cycles}.",
            )
        cycle = self.epochs // self.cycles
        if self.cycles > 1 and self.validation and self.patience and self.patience < cycle:
            raise UsageError(
                f"the patience of {self.patience} epochs ends before a cycle of {cycle} does",
                remedy=f"Give patience={cycle} or more, or null.",
            )


@dataclass(frozen=True)
class Augmentation:
    """How clips are altered in training. A share is that of the clips that are altered so.

    Attributes
    ----------
    speed, speed_share
        Played faster or slower, pitch and formants with it, by a factor of ``exp(u)`` with u drawn
        from -speed to speed.
    warp, warp_share
        Vocal-tract length: the frequency axis is warped by a factor of ``exp(u)`` with u from -warp
        to warp (Jaitly & Hinton 2013). For bodies with a log-mel front end.
    tempo
        Faster or slower at the same pitch: the hop between frames is scaled by ``exp(u)`` with u
        from -tempo to tempo, once per step. For bodies with a log-mel front end.
    pitch, pitch_share
        A pitch-gram is moved up or down by as many octaves at most, so that a voice counts by how
        its pitch moves more than by how high it is. For `crnn`, whose body sees one.
    noise_share, snr_db
        White noise, low-passed noise or, for half of them, babble (three to six other clips of the
        batch, equally loud), at a signal-to-noise ratio drawn from this range in dB.
    reverb_share, reverb_s
        A room of 20 to 200 cubic metres, the microphone 0.3 to 3 m away: echoes that thicken, and
        whose level drops by 60 dB in a time drawn from this range in seconds.
    equalizer_share, equalizer_db
        Gain that varies smoothly over frequency, of this standard deviation in dB.
    band_share
        A band limit: for three in five a telephone's, from 200 to 450 Hz up to 3 to 3.7 kHz and the
        8 bits of G.711, for the others an upper edge drawn from 3.4 kHz up to near the top, and for
        three in ten of these a telephone's lower one.
    time_masks, time_mask_s
        Stretches of time that are blanked, and the longest one, in seconds (SpecAugment, Park et
        al. 2019). For bodies that see spectra: not `functionals`, `ridge` and `foundation`.
    band_masks, band_mask_bands
        Groups of adjacent mel bands that are blanked, and the largest one. For the same bodies.
    """

    speed: float = number(0.12, 0, 0.5)
    speed_share: float = number(0.8, 0, 1)
    warp: float = number(0.16, 0, 0.4)
    warp_share: float = number(0.8, 0, 1)
    tempo: float = number(0.15, 0, 0.5)
    pitch: float = number(0.45, 0, 2)
    pitch_share: float = number(0.6, 0, 1)
    noise_share: float = number(0.5, 0, 1)
    snr_db: tuple[float, float] = interval((3.0, 25.0), -20, 100)
    reverb_share: float = number(0.2, 0, 1)
    reverb_s: tuple[float, float] = interval((0.15, 0.9), 0.02, 5)
    equalizer_share: float = number(0.5, 0, 1)
    equalizer_db: float = number(3.0, 0, 40)
    band_share: float = number(0.3, 0, 1)
    time_masks: int = whole(2, 0, 100)
    time_mask_s: float = number(0.25, 0, 10)
    band_masks: int = whole(2, 0, 100)
    band_mask_bands: int = whole(10, 0, 256)


@dataclass(frozen=True)
class Cnn1dSettings:
    """A stack of convolutions over time on MFCCs, as the tutorials have it.

    Attributes
    ----------
    mfcc
        Cepstral coefficients, the first included.
    width
        Channels of the first convolution; the others have two and four times as many.
    embedding
        Numbers per clip that the heads see.
    dropout
        Share of channels or numbers that are dropped in training.
    """

    mfcc: int = whole(40, 2, 64)
    width: int = whole(64, 4, 1024)
    embedding: int = whole(128, 2, 4096)
    dropout: float = number(0.2, 0, 0.9)


@dataclass(frozen=True)
class Cnn2dSettings:
    """Convolutions over time and frequency on a log-mel spectrogram.

    Attributes
    ----------
    channels
        Of the four stages, each of which halves time and frequency.
    embedding, dropout
        As in `Cnn1dSettings`.
    """

    channels: tuple[int, ...] = wholes((24, 48, 96, 128), 1, 1024)
    embedding: int = whole(128, 2, 4096)
    dropout: float = number(0.2, 0, 0.9)


@dataclass(frozen=True)
class RecurrentSettings:
    """A recurrent network over log-mel frames of 20 ms.

    Attributes
    ----------
    width
        Units in each direction.
    layers
        Recurrent layers.
    embedding, dropout
        As in `Cnn1dSettings`.
    """

    width: int = whole(128, 2, 2048)
    layers: int = whole(2, 1, 8)
    embedding: int = whole(128, 2, 4096)
    dropout: float = number(0.2, 0, 0.9)


@dataclass(frozen=True)
class CrnnSettings:
    """Convolutions on log-mel bands and on a pitch-gram, then residual blocks over time.

    Attributes
    ----------
    lags
        Rows of the pitch-gram: periods of 60 to 500 Hz.
    channels
        Of the three convolutions on the bands.
    width, lag_width
        Channels per frame that come from the bands and from the pitch-gram.
    blocks
        Residual blocks over time, their dilation 1, 2 and 4 in turn.
    recurrent
        Layers of a bidirectional GRU after the blocks.
    attention
        Layers of self-attention, of four heads each, after that.
    embedding, dropout
        As in `Cnn1dSettings`.
    """

    lags: int = whole(48, 4, 256)
    channels: tuple[int, ...] = wholes((24, 48, 64), 1, 1024)
    width: int = whole(144, 4, 2048)
    lag_width: int = whole(48, 4, 2048)
    blocks: int = whole(4, 0, 64)
    recurrent: int = whole(1, 0, 8)
    attention: int = whole(1, 0, 16)
    embedding: int = whole(192, 2, 4096)
    dropout: float = number(0.1, 0, 0.9)

    def __post_init__(self) -> None:
        parts = 4 if self.attention else 2
        if (self.width + self.lag_width) % parts:
            raise UsageError(
                f"width and lag_width add up to {self.width + self.lag_width}",
                remedy=f"Let {parts} divide their sum.",
            )


@dataclass(frozen=True)
class FunctionalsSettings:
    """A perceptron on functionals: statistics of the clip in openSMILE's tradition.

    Attributes
    ----------
    hidden
        Units of the first layer.
    embedding
        Of the second: numbers per clip that the heads see.
    input_dropout, dropout
        Share of the functionals, and of the units of both layers, that are dropped in training.
    views
        How often each clip is described before the training: once as it is, the other times
        altered. Each step of the training takes one of them.
    """

    hidden: int = whole(512, 2, 8192)
    embedding: int = whole(256, 2, 4096)
    input_dropout: float = number(0.2, 0, 0.9)
    dropout: float = number(0.5, 0, 0.9)
    views: int = whole(3, 1, 100)


@dataclass(frozen=True)
class RidgeSettings:
    """Ridge regression from functionals to emotions, several corpora at once, in closed form.

    Attributes
    ----------
    ridge
        Weight of the penalty, times the number of functionals.
    kernel
        What a Gaussian kernel counts beside the linear one, for what no weighted sum can tell; 0
        for the linear one alone.
    width
        How fast the Gaussian kernel falls with the distance of two clips: to ``exp(-width)`` at a
        squared distance equal to the variance of all clips.
    components
        How many principal components of the functionals the distance is taken in, at most.
    landmarks
        How many clips, altered ones among them, span the Gaussian kernel (Nystroem), at most.
    own
        From 0, all corpora share their weights, to 1, they have nothing in common: the share of
        the weights' prior variance that is each corpus's own.
    speakers
        How strongly the weights avoid the directions in which the mean clips of speakers differ; 0
        for not at all.
    balance
        Exponent of an emotion's rarity in its weight: 0 counts clips, 1 counts emotions alike, as
        sampling="balanced" does. At either a corpus weighs its clips_per_epoch altogether; between
        them one whose emotions are unlike in number weighs some percent less.
    sharpness
        Factor from what is predicted, shares of an emotion, to logits.
    views
        How often each clip is described: once as it is, the other times altered.
    altered
        Weight of the altered descriptions together.
    """

    ridge: float = number(0.1, 1e-3, 1e4)
    kernel: float = number(1.0, 0, 1000)
    width: float = number(1.0, 1e-3, 1000)
    components: int = whole(128, 1, 3000)
    landmarks: int = whole(1024, 2, 8000)
    own: float = number(0.5, 0.01, 0.99)
    speakers: float = number(3.0, 0, 1e6)
    balance: float = number(0.5, 0, 1)
    sharpness: float = number(2.5, 0.01, 1000)
    views: int = whole(4, 1, 100)
    altered: float = number(0.6, 0, 1)


@dataclass(frozen=True)
class ConformerSettings:
    """Convolutional subsampling by four, then Conformer blocks (Gulati et al. 2020).

    Attributes
    ----------
    width
        Channels per frame, a multiple of `heads`.
    heads
        Of the self-attention.
    blocks
        Conformer blocks.
    kernel
        Frames that the depthwise convolution sees; odd.
    embedding, dropout
        As in `Cnn1dSettings`.
    """

    width: int = whole(128, 4, 2048)
    heads: int = whole(4, 1, 64)
    blocks: int = whole(4, 1, 64)
    kernel: int = checked(15, lambda v: is_whole(v, 1, 99) and v % 2 == 1, "Give an odd number.")
    embedding: int = whole(128, 2, 4096)
    dropout: float = number(0.1, 0, 0.9)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UsageError(
                f"the width is {self.width} and the heads are {self.heads}",
                remedy="Let the heads divide the width.",
            )


@dataclass(frozen=True)
class FoundationSettings:
    """A pre-trained speech encoder, a weighted sum of its layers, pooling over time.

    Attributes
    ----------
    encoder
        Its folder, or its name on the Hugging Face hub if it was downloaded before.
    tune
        "frozen": the encoder stays as it is; "lora": low-rank updates of it are trained (Hu et al.
        2021); "full": all of it but the convolutions that hear the waveform.
    layers
        How many of its transformer layers are used, the first ones; null for all.
    pooling
        "statistics": mean and standard deviation over time; "attentive": weighted by what is said.
    lora_rank, lora_alpha
        Rank of the updates, and the factor they are scaled by times the rank.
    encoder_lr
        Peak of the encoder's learning rate; null for 1e-5 in full tuning and that of everything
        else for LoRA.
    half
        Whether the encoder's weights are rounded to 16 bits when it is loaded, and again after a
        full tuning. They take half the space in a bundle, but for those that LoRA updates. It
        calculates in 32 bits all the same.
    embedding, dropout
        As in `Cnn1dSettings`.
    """

    encoder: str = text("", "Give a folder, or the name of a model on the Hugging Face hub.")
    tune: str = one_of("frozen", "frozen", "lora", "full")
    layers: int | None = whole(None, 1, 1000, optional=True)
    pooling: str = one_of("statistics", "statistics", "attentive")
    lora_rank: int = whole(8, 1, 1024)
    lora_alpha: float = number(16.0, 0.001, 10_000)
    encoder_lr: float | None = number(None, 0, 1, optional=True)
    half: bool = flag(True)
    embedding: int = whole(256, 2, 4096)
    dropout: float = number(0.2, 0, 0.9)

    def __post_init__(self) -> None:
        if not self.encoder:
            raise UsageError(
                "the family 'foundation' needs an encoder",
                remedy="Give its folder or its name on the Hugging Face hub: "
                "encoder=microsoft/wavlm-base",
            )


BODIES: dict[str, type[Any]] = {
    "cnn1d": Cnn1dSettings,
    "cnn2d": Cnn2dSettings,
    "lstm": RecurrentSettings,
    "gru": RecurrentSettings,
    "crnn": CrnnSettings,
    "conformer": ConformerSettings,
    "functionals": FunctionalsSettings,
    "ridge": RidgeSettings,
    "foundation": FoundationSettings,
}
"""What each neural family's body can be set to."""

CLOSED_FORM = ("ridge",)
"""Families that are solved for, not trained in epochs."""

AUGMENT = "augment."
"""What the names of the parameters of `Augmentation` begin with."""


@dataclass(frozen=True)
class Settings:
    """All parameters of a neural family, sorted by whom they concern.

    Attributes
    ----------
    family
        A name in `BODIES`.
    training, augmentation
        See there; `augmentation` is None where `TrainingSettings.augment` is off.
    body
        An instance of the family's class in `BODIES`.
    """

    family: str
    training: TrainingSettings
    augmentation: Augmentation | None
    body: Any

    @classmethod
    def of(cls, family: str, params: Mapping[str, Any]) -> Settings:
        """The settings that `parameters.resolve` gave flat."""
        training = _chosen(TrainingSettings, params)
        return cls(
            family=family,
            training=training,
            augmentation=_chosen(Augmentation, params, AUGMENT) if training.augment else None,
            body=_chosen(BODIES[family], params),
        )


@dataclass(frozen=True)
class MemberSettings:
    """What a hybrid knows of a member beside the member's own parameters.

    Attributes
    ----------
    weight
        What its answer counts in the mean.
    """

    weight: float = number(1.0, 0.001, 1000)


def _chosen(kind: type[T], params: Mapping[str, Any], prefix: str = "") -> T:
    names = [entry.name for entry in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values = {name: params[prefix + name] for name in names if prefix + name in params}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
