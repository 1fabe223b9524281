"""The body of the family ``foundation``: an encoder that was pre-trained on plenty of speech.

wav2vec 2.0, HuBERT, WavLM, data2vec and Whisper's encoder, through transformers. What the encoder
says at each of its layers is summed with learned weights, as in SUPERB (Yang et al., Interspeech
2021), pooled over time and projected. Padding changes nothing, also where the models as they are
published would let it through.
"""

from __future__ import annotations

import copy
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from emotone.errors import MissingExtraError, TrainingError, UsageError
from emotone.models.neural import encoders
from emotone.models.neural.encoders import EncoderFiles
from emotone.models.neural.layers import AttentiveStatistics, Embedding, masked_mean
from emotone.models.neural.settings import FoundationSettings

FULL_LR = 1e-5
"""Learning rate of an encoder that is tuned in full, unless the user says otherwise."""


class FoundationBody(nn.Module):
    """A foundation encoder, a weighted sum of its layers, pooling over time, an embedding.

    Parameters
    ----------
    settings
        Which encoder, and how much of it is trained.
    rate
        Of the waveforms, in Hz; 16000.

    Attributes
    ----------
    dimension
        Length of the embedding.
    layer_weights
        Logits of the weights of the encoder's input embedding and of each layer's output.
    fingerprint
        A checksum of the encoder's weights that are not trained, which checkpoints leave out.

    Raises
    ------
    UsageError
        If the encoder is not there or cannot be used, see `emotone.models.neural.encoders.find`.
    MissingExtraError
        If transformers (or peft, for LoRA) is not installed.
    """

    fingerprint: Tensor

    def __init__(self, settings: FoundationSettings, rate: int) -> None:
        super().__init__()
        if rate != encoders.RATE:
            raise UsageError(
                f"foundation encoders hear {encoders.RATE} Hz, and the clips have {rate} Hz",
                remedy="Prepare the clips at 16 kHz.",
            )
        files = encoders.find(settings.encoder)
        model = _load(files, encoders.kept_layers(files, settings))
        self.half_weights = settings.half
        if settings.half:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.copy_(parameter.half())
        self.tune = settings.tune
        self.encoder: Encoder = (
            WhisperSpeech(model) if files.kind == "whisper" else WaveSpeech(model, files.normalise)
        )
        self._set_trainable(settings, files.kind)
        self.layer_weights = nn.Parameter(torch.zeros(self.encoder.depth + 1))
        width = self.encoder.width
        self.pool = Statistics() if settings.pooling == "statistics" else AttentiveStatistics(width)
        self.embedding = Embedding(2 * width, settings.embedding, settings.dropout)
        self.dimension = settings.embedding
        self.encoder_lr = settings.encoder_lr
        if settings.tune == "full" and self.encoder_lr is None:
            self.encoder_lr = FULL_LR
        # Named once: a copy whose parameters are all fixed must still save what was trained.
        self._fixed = frozenset(
            f"encoder.{name}"
            for name, parameter in self.encoder.named_parameters()
            if not parameter.requires_grad
        )
        self.register_buffer("fingerprint", torch.tensor(self._checksum()))
        hooked = cast(Any, self)  # the stubs leave the types of hooks open
        hooked.register_state_dict_post_hook(_leave_out_fixed)
        hooked.register_load_state_dict_pre_hook(_put_in_fixed)
        self.train(self.training)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings of waveforms (B, N), each ``lengths`` samples long; (B, dimension)."""
        trained = self.tune != "frozen"
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            states, mask = self.encoder(waveforms, lengths)
        weights = self.layer_weights.softmax(0)
        mixed = sum(weight * state for weight, state in zip(weights, states, strict=True))
        frames = cast(Tensor, mixed).transpose(1, 2)
        if mask is None:
            mask = torch.ones_like(frames[:, :1])
        return cast(Tensor, self.embedding(self.pool(frames, mask.to(frames.dtype))))

    def train(self, mode: bool = True) -> FoundationBody:
        """As in PyTorch, but what of the encoder is not trained stays as it is in use."""
        super().train(mode)
        if self.tune == "frozen":
            self.encoder.eval()
        for part in self.encoder.stem:
            part.eval()
        return self

    def slow_parameters(self) -> list[nn.Parameter]:
        """The parameters that learn at `encoder_lr`; none where that is None."""
        if self.encoder_lr is None:
            return []
        return [p for p in self.encoder.parameters() if p.requires_grad]

    def for_export(self) -> FoundationBody:
        """A copy to be written as ONNX: in evaluation mode, its LoRA merged into the weights."""
        body = copy.deepcopy(self).eval()
        if self.tune == "lora":
            _merge(body.encoder)
        body._fixed = frozenset()  # PyTorch's exporter finds the weights in the state
        return body

    def _set_trainable(self, settings: FoundationSettings, kind: str) -> None:
        self.encoder.requires_grad_(settings.tune == "full")
        for part in self.encoder.stem:
            part.requires_grad_(False)
        if settings.tune == "lora":
            _add_lora(self.encoder.model, settings, kind)

    def _checksum(self) -> int:
        checksum = 0
        for name, parameter in self.named_parameters():
            if name in self._fixed:
                checksum = zlib.crc32(name.encode(), checksum)
                checksum = zlib.crc32(parameter.detach().cpu().numpy().data.cast("B"), checksum)
        return checksum


class Encoder(nn.Module):
    """A transformers model with its input in front.

    Attributes
    ----------
    model
        The model.
    depth, width
        How many layers it has, and how many channels each.
    """

    depth: int
    width: int

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    @property
    def stem(self) -> list[nn.Module]:
        """What hears the waveform; it is never trained."""
        raise NotImplementedError

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """What each layer says, each ``(B, T, width)``, and which frames count, ``(B, 1, T)``.

        The embedding that the first layer sees comes first. The mask is None where all count.
        """
        raise NotImplementedError


class WaveSpeech(Encoder):
    """wav2vec 2.0 and its kin: convolutions on the waveform, then a transformer.

    Published with group normalisation over all of a batch's samples and (data2vec) stacked
    convolutions over all frames, padding included; here both stop where a clip ends.
    """

    def __init__(self, model: nn.Module, normalise: bool) -> None:
        super().__init__(model)
        config = self.model.config
        self.depth, self.width = config.num_hidden_layers, config.hidden_size
        self.normalise = normalise
        self.convolutions = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.shortest = 1
        for kernel, stride in reversed(self.convolutions):
            self.shortest = (self.shortest - 1) * stride + kernel
        first = self.model.feature_extractor.conv_layers[0]
        self.norms: list[ClipNorm] = []
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            first.layer_norm = ClipNorm(first.layer_norm)
            self.norms.append(first.layer_norm)
        embedding = self.model.encoder.pos_conv_embed
        self.positions: list[MaskedLayer] = []
        if hasattr(embedding, "layers"):
            embedding.layers = nn.ModuleList(MaskedLayer(layer) for layer in embedding.layers)
            self.positions.extend(embedding.layers)

    @property
    def stem(self) -> list[nn.Module]:
        """See `Encoder.stem`."""
        return [self.model.feature_extractor]

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """See `Encoder.forward`."""
        inside = mask = frames = None
        if lengths is not None:
            # A clip shorter than one frame counts as followed by silence, which makes one.
            waveforms = F.pad(waveforms, (0, max(0, self.shortest - waveforms.shape[1])))
            lengths = lengths.clamp_min(self.shortest)
            inside = _inside(waveforms.shape[1], lengths)
            frames = lengths
            for number, (kernel, stride) in enumerate(self.convolutions):
                frames = torch.div(frames - kernel, stride, rounding_mode="floor") + 1
                if number == 0:
                    for norm in self.norms:
                        norm.frames = frames
            length = waveforms.shape[1]
            for kernel, stride in self.convolutions:
                length = (length - kernel) // stride + 1
            mask = _inside(length, frames)[:, None].float()
            for layer in self.positions:
                layer.mask = mask
        try:
            with warnings.catch_warnings():
                # WavLM hands PyTorch masks of two types, which it warns of and takes.
                warnings.filterwarnings("ignore", message="Support for mismatched")
                said = self.model(
                    self._normalised(waveforms, inside),
                    attention_mask=inside,
                    output_hidden_states=True,
                )
        finally:
            for norm in self.norms:
                norm.frames = None
            for layer in self.positions:
                layer.mask = None
        # Large models normalise once more after the last layer, which the list leaves out.
        return (*said.hidden_states[:-1], said.last_hidden_state), mask

    def _normalised(self, waveforms: Tensor, inside: Tensor | None) -> Tensor:
        x = waveforms.float()
        weights = torch.ones_like(x) if inside is None else inside.float()
        x = x * weights
        if not self.normalise:
            return x
        count = weights.sum(1, keepdim=True)
        x = (x - x.sum(1, keepdim=True) / count) * weights
        return x / (x.square().sum(1, keepdim=True) / count + 1e-7).sqrt()


class WhisperSpeech(Encoder):
    """Whisper's encoder on as many frames as a clip has, not always on 30 s as it is published.

    What comes after 30 s is not heard: the model knows no later positions.
    """

    positions: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        config = self.model.config
        self.depth, self.width = config.encoder_layers, config.d_model
        self.longest = config.max_source_positions * 2 * LogMel.HOP
        self.log_mel = LogMel(config.num_mel_bins)

    @property
    def stem(self) -> list[nn.Module]:
        """See `Encoder.stem`."""
        return [self.model.conv1, self.model.conv2, self.model.embed_positions]

    def forward(
        self, waveforms: Tensor, lengths: Tensor | None
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """See `Encoder.forward`."""
        step = 2 * LogMel.HOP
        waveforms = waveforms[:, : self.longest]
        mask = bias = None
        frames = (waveforms.shape[1] + step - 1) // step
        if lengths is not None:
            lengths = lengths.clamp(1, self.longest)
            waveforms = waveforms * _inside(waveforms.shape[1], lengths)
            inside = _inside(frames, torch.div(lengths + step - 1, step, rounding_mode="floor"))
            mask = inside[:, None].float()
            bias = torch.zeros_like(mask).masked_fill(mask == 0, torch.finfo(torch.float32).min)
            bias = bias[:, None]
        mel = self.log_mel(waveforms)[:, :, : self.longest // LogMel.HOP]
        x = F.gelu(self.model.conv1(mel))
        x = F.gelu(self.model.conv2(x))[:, :, :frames].transpose(1, 2)
        x = x + self.model.embed_positions.weight[:frames]
        x = F.dropout(x, self.model.dropout, self.training)
        states = [x]
        for layer in self.model.layers:
            x = layer(x, None if bias is None else bias.to(x.dtype))
            states.append(x)
        states[-1] = self.model.layer_norm(x)
        return tuple(states), mask


class LogMel(nn.Module):
    """Whisper's log-mel spectrogram of clips (B, N) with nothing after them but silence.

    Frames of 25 ms under a Hann window, centred every 10 ms; power in mel bands on Slaney's scale,
    its logarithm (base 10) cut off 8 below its maximum, plus 4, over 4. Gives ``(B, bands, T)``, a
    few frames of silence at the end included, so that a convolution hears what it would hear of a
    clip that is filled up to 30 s.
    """

    SIZE, HOP = 400, 160
    AFTER = 4

    basis: Tensor
    bank: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        bins = self.SIZE // 2 + 1
        bank = mel_filter_bank(
            num_frequency_bins=bins,
            num_mel_filters=bands,
            min_frequency=0.0,
            max_frequency=encoders.RATE / 2,
            sampling_rate=encoders.RATE,
            norm="slaney",
            mel_scale="slaney",
        )
        time = torch.arange(self.SIZE, dtype=torch.float64)
        # Whole turns are taken off in whole numbers, before cosine and sine lose digits to them.
        turns = torch.outer(torch.arange(bins), torch.arange(self.SIZE)) % self.SIZE
        angles = 2 * torch.pi * turns / self.SIZE
        window = 0.5 - 0.5 * torch.cos(2 * torch.pi * time / self.SIZE)
        basis = torch.cat([angles.cos(), angles.sin()]) * window
        self.register_buffer("basis", basis[:, None].float(), persistent=False)
        self.register_buffer("bank", torch.from_numpy(bank.T).float(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """See the class."""
        with torch.autocast(waveforms.device.type, enabled=False):
            half = self.SIZE // 2
            x = F.pad(waveforms.float()[:, None], (half, 0), mode="reflect")
            x = F.pad(x, (0, half + self.AFTER * self.HOP))
            both = F.conv1d(x, self.basis, stride=self.HOP)
            power = both[:, : half + 1].square() + both[:, half + 1 :].square()
            log = torch.matmul(self.bank, power).clamp_min(1e-10).log10()
            top = log.amax(dim=(1, 2), keepdim=True)
            return (torch.maximum(log, top - 8.0) + 4.0) / 4.0


class ClipNorm(nn.GroupNorm):
    """Group normalisation, a group per channel, over the frames of each clip and not its padding.

    Attributes
    ----------
    frames
        How many frames each clip has, ``(B,)``; None where all count.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps)
        self.weight, self.bias = norm.weight, norm.bias
        self.frames: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Of and to the shape ``(B, channels, T)``."""
        if self.frames is None:
            return super().forward(x)
        mask = _inside(x.shape[2], self.frames)[:, None].float()
        wide = x.float()
        mean = masked_mean(wide, mask)[:, :, None]
        variance = masked_mean((wide - mean).square(), mask)[:, :, None]
        normal = (wide - mean) * (variance + self.eps).rsqrt()
        return (normal * self.weight[:, None] + self.bias[:, None]).to(x.dtype)


class MaskedLayer(nn.Module):
    """A layer that sees zeros after a clip's end, as it would if the clip were alone.

    Attributes
    ----------
    mask
        1.0 where a frame counts, ``(B, 1, T)``; None where all do.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """What the layer makes of ``(B, channels, T)``."""
        return cast(Tensor, self.layer(x if self.mask is None else x * self.mask.to(x.dtype)))


class Statistics(nn.Module):
    """Mean and standard deviation over the frames that count, ``(B, 2 * width)``."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of ``(B, width, T)``, in 32 bits."""
        x, mask = x.float(), mask.float()
        mean = masked_mean(x, mask)
        variance = masked_mean((x - mean[:, :, None]).square(), mask)
        return torch.cat([mean, (variance + 1e-5).sqrt()], 1)


def _load(files: EncoderFiles, layers: int) -> nn.Module:
    """The encoder in evaluation mode, in 32 bits, with its first layers."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("a foundation encoder", "foundation") from error
    known: dict[str, tuple[Any, Any]] = {
        "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
        "hubert": (transformers.HubertConfig, transformers.HubertModel),
        "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
        "data2vec-audio": (transformers.Data2VecAudioConfig, transformers.Data2VecAudioModel),
        "whisper": (transformers.WhisperConfig, transformers.WhisperModel),
    }
    configs, models = known[files.kind]
    try:
        config = configs.from_dict(files.config)
        # Augmentation is the training's own business, and a skipped layer would have no output.
        config.mask_time_prob = config.mask_feature_prob = 0.0
        config.layerdrop = config.encoder_layerdrop = 0.0
        config.add_adapter = False
        if files.kind == "whisper":
            config.encoder_layers, config.decoder_layers = layers, 1
        else:
            config.num_hidden_layers = layers
        with _quiet(transformers):
            model, found = models.from_pretrained(
                files.folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, TypeError, ArithmeticError) as error:
        raise _unusable(files, str(error).splitlines()[0] if str(error) else "") from error
    except Exception as error:  # safetensors and transformers' own checks have errors of their own
        if type(error).__module__.partition(".")[0] in ("safetensors", "huggingface_hub"):
            raise _unusable(files, str(error)) from error
        raise
    absent = [
        name
        for name in [*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])]
        if not name.startswith("decoder.")
    ]
    if absent:
        raise _unusable(files, f"{len(absent)} weights are missing, such as {min(absent)}")
    model = model.encoder if files.kind == "whisper" else model
    for module in model.modules():
        # Weight normalisation helps training from scratch; here its product is the weight.
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return cast(nn.Module, model.eval())


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers' bars and its report of unused weights off the terminal."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _unusable(files: EncoderFiles, why: str) -> UsageError:
    return UsageError(
        f"the encoder cannot be loaded: {why or 'its files do not fit together'}",
        source=files.folder,
        remedy="Download it again.",
    )


def _add_lora(model: nn.Module, settings: FoundationSettings, kind: str) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("LoRA", "foundation") from error
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=cast(int, settings.lora_alpha),  # a ratio: any number will do
        target_modules=encoders.lora_targets(kind),
    )
    inject_adapter_in_model(config, model)


def _merge(module: nn.Module) -> None:
    """Add every low-rank update to the weight that it belongs to."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, child in list(module.named_children()):
        if isinstance(child, BaseTunerLayer):
            child.merge()
            setattr(module, name, child.get_base_layer())
        else:
            _merge(child)


def _inside(length: int, lengths: Tensor) -> Tensor:
    """Which of `length` places belong to clips of `lengths`, bool ``(B, length)``."""
    return torch.arange(length, device=lengths.device) < lengths[:, None]


def _leave_out_fixed(
    body: FoundationBody, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    """Keep what the encoder's own files hold out of checkpoints."""
    for name in body._fixed:
        state.pop(prefix + name, None)


def _put_in_fixed(body: FoundationBody, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Take what a checkpoint leaves out from the encoder, which must be the same."""
    saved = state.get(f"{prefix}fingerprint")
    if saved is not None and int(saved) != int(body.fingerprint):
        raise TrainingError(
            "the checkpoint was made with another encoder",
            remedy="Put the encoder back that the training began with, or start the training over.",
        )
    own = dict(body.named_parameters())
    for name in body._fixed:
        state.setdefault(prefix + name, own[name].detach())
