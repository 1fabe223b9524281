"""Finding a foundation encoder on the user's disk. Loads neither PyTorch nor transformers.

Nothing is fetched, and nothing is run that comes with the weights: an encoder is a folder with
``config.json``, ``preprocessor_config.json`` and weights in the safetensors format.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotone.errors import MissingExtraError, UsageError
from emotone.models.neural.settings import FoundationSettings

KINDS: Final = {
    "wav2vec2": "wav2vec 2.0",
    "hubert": "HuBERT",
    "wavlm": "WavLM",
    "data2vec-audio": "data2vec (the kind that emotion2vec is)",
    "whisper": "Whisper (its encoder)",
}
"""Every ``model_type`` that can be loaded, and what people call it."""

RATE: Final = 16000
"""All of them hear 16 kHz."""

_CONFIG, _INPUT, _PROCESSOR = "config.json", "preprocessor_config.json", "processor_config.json"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_MAX_JSON_BYTES = 64 * 2**20
_OTHERS = re.compile(r"(?:^|\.)(?:decoder|lm_head|proj_out|quantizer|project_\w+|classifier)\.")
_LAYER = re.compile(r"(?:^|\.)encoder\.layers\.(\d+)\.")


@dataclass(frozen=True)
class EncoderFiles:
    """An encoder on disk.

    Attributes
    ----------
    folder
        Where it is.
    kind
        A key of `KINDS`.
    config
        The content of its ``config.json``.
    weights
        Its files of weights, all safetensors.
    normalise
        Whether it takes clips of zero mean and unit variance.
    """

    folder: Path
    kind: str
    config: dict[str, Any]
    weights: tuple[Path, ...]
    normalise: bool

    @property
    def layers(self) -> int:
        """How many transformer layers it has."""
        key = "encoder_layers" if self.kind == "whisper" else "num_hidden_layers"
        count = self.config.get(key)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise _damaged(self.folder / _CONFIG, f"'{key}' is no number from 1")
        return count

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Name and count of numbers of each weight of the encoder, from the files' headers.

        Raises
        ------
        UsageError
            If a file is damaged.
        """
        for path in self.weights:
            for name, entry in _header(path).items():
                if name.startswith("__") or _OTHERS.search(name):
                    continue
                shape = entry.get("shape") if isinstance(entry, dict) else None
                if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape):
                    raise _damaged(path, f"the shape of '{name}' cannot be read")
                yield name, math.prod(shape)


def find(encoder: str) -> EncoderFiles:
    """The files of an encoder.

    Parameters
    ----------
    encoder
        A folder, or the name of a model on the Hugging Face hub that was downloaded before, such as
        ``"microsoft/wavlm-base"``.

    Raises
    ------
    UsageError
        If there is none, it is no speech encoder, or its weights are only there in a format that
        can run code.
    MissingExtraError
        If a name on the hub is given and huggingface_hub is not installed.
    """
    folder = _folder(encoder)
    path = folder / _CONFIG
    if not path.is_file():
        raise UsageError(
            f"there is no {_CONFIG} in it",
            source=folder,
            remedy=f"Give a folder as transformers saves it: {_CONFIG}, {_INPUT}, {_WEIGHTS}.",
        )
    config = _object(path)
    kind = config.get("model_type")
    if kind not in KINDS:
        raise UsageError(
            f"this is no speech encoder that emotone knows, but {kind!r}",
            source=folder,
            remedy=f"Take one of {', '.join(KINDS.values())}.",
        )
    return EncoderFiles(
        folder, kind, config, _weights(folder), kind != "whisper" and _normalises(folder)
    )


def _folder(encoder: str) -> Path:
    folder = Path(encoder).expanduser()
    if folder.is_dir():
        return folder
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", encoder) is None:
        raise UsageError(
            "there is no such folder",
            source=encoder,
            remedy="Give the folder of an encoder, or its name on the Hugging Face hub.",
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError("a foundation encoder", "foundation") from error
    try:
        return Path(snapshot_download(encoder, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise UsageError(
            "it is neither a folder nor was it downloaded; emotone itself downloads no encoder",
            source=encoder,
            remedy=f"Download it once: hf download {encoder}",
        ) from error


def _weights(folder: Path) -> tuple[Path, ...]:
    names = [_WEIGHTS]
    if not (folder / _WEIGHTS).is_file() and (folder / _INDEX).is_file():
        shards = _object(folder / _INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise _damaged(folder / _INDEX, "it lists no weights")
        names = sorted({str(name) for name in shards.values()})
        if any(Path(name).name != name for name in names):
            raise _damaged(folder / _INDEX, "it names files outside of its folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return tuple(folder / name for name in names)
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
        raise UsageError(
            "its weights are a pickle, a format that can run code, and are not loaded",
            source=folder,
            remedy="If you trust them, convert them to safetensors once: "
            'python -c "import sys; from transformers import AutoFeatureExtractor as F, '
            "AutoModel as M; a, b = sys.argv[1:]; M.from_pretrained(a).save_pretrained(b); "
            f'F.from_pretrained(a).save_pretrained(b)" "{folder}" NEW_FOLDER',
        )
    raise UsageError(
        f"there is no {missing[0]} in it", source=folder, remedy="Download the encoder again."
    )


def _normalises(folder: Path) -> bool:
    """What the encoder was trained on: a wrong guess would spoil every answer unnoticed."""
    if (folder / _INPUT).is_file():
        settings: Any = _object(folder / _INPUT)
    elif (folder / _PROCESSOR).is_file():
        settings = _object(folder / _PROCESSOR).get("feature_extractor")
    else:
        raise UsageError(
            f"there is no {_INPUT} in it, which says how the encoder wants its input",
            source=folder,
            remedy="Download that file too, or save the encoder's feature extractor there.",
        )
    if not isinstance(settings, dict) or not isinstance(settings.get("do_normalize", True), bool):
        raise _damaged(folder / _INPUT, "'do_normalize' is neither true nor false")
    rate = settings.get("sampling_rate", RATE)
    if rate != RATE:
        raise UsageError(
            f"the encoder hears {rate!r} Hz, not {RATE}",
            source=folder,
            remedy="Take one for 16 kHz.",
        )
    return bool(settings.get("do_normalize", True))


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise _damaged(path, "it is too large")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, "it cannot be read as JSON") from error
    if not isinstance(content, dict):
        raise _damaged(path, "it holds no JSON object")
    return content


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: its length in 8 bytes, then JSON."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _MAX_JSON_BYTES:
                raise _damaged(path, "its header is too large")
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, "it is no safetensors file") from error
    if not isinstance(header, dict):
        raise _damaged(path, "it is no safetensors file")
    return header


def kept_layers(files: EncoderFiles, settings: FoundationSettings) -> int:
    """How many of the encoder's layers are used.

    Raises
    ------
    UsageError
        If it has fewer than the settings ask for.
    """
    wanted = files.layers if settings.layers is None else settings.layers
    if wanted > files.layers:
        raise UsageError(
            f"the encoder has {files.layers} layers, and {wanted} are asked for",
            source=settings.encoder,
            remedy=f"Give layers from 1 to {files.layers}.",
        )
    return wanted


def lora_targets(kind: str) -> list[str]:
    """The linear layers of an encoder that LoRA adapts.

    Queries and values, as in the original (Hu et al. 2021). WavLM's attention takes the weights
    without calling the layers, so that adapters there would never learn: its feed-forward layers.
    """
    if kind == "wavlm":
        return ["intermediate_dense", "output_dense"]
    return ["q_proj", "v_proj"]


def check_size(settings: FoundationSettings, limit: int) -> None:
    """Refuse, before anything is trained, what would not fit into a bundle.

    Parameters
    ----------
    settings
        Of the body.
    limit
        Bytes that a bundle holds at most.

    Raises
    ------
    UsageError
        If the encoder's weights alone take more; or as in `find`.
    """
    files = find(settings.encoder)
    kept = kept_layers(files, settings)
    targets = lora_targets(files.kind) if settings.tune == "lora" else []
    by_layer: dict[int | None, int] = {}
    for name, count in files.sizes():
        match = _LAYER.search(name)
        layer = None if match is None else int(match[1])
        # What LoRA adds to a rounded weight makes it an unrounded one.
        halved = settings.half and not any(f".{target}." in name for target in targets)
        by_layer[layer] = by_layer.get(layer, 0) + count * (2 if halved else 4)
    size = sum(size for layer, size in by_layer.items() if layer is None or layer < kept)
    if size <= limit:
        return
    fitting, left = 0, limit - by_layer.get(None, 0)
    while fitting < kept and left >= by_layer.get(fitting, 0):
        left -= by_layer.get(fitting, 0)
        fitting += 1
    remedies = []
    if fitting:
        remedies.append(f"use its first {fitting} of {files.layers} layers (layers={fitting})")
    if settings.tune == "lora":
        remedies.append("tune all of it, which is rounded again (tune=full)")
    if not settings.half:
        remedies.append("let its weights be rounded to 16 bits (half=true)")
    remedies.append("take a smaller encoder")
    advice = " or ".join(remedies)
    raise UsageError(
        f"the encoder takes {size / 2**20:.0f} MiB, more than the {limit / 2**20:.0f} MiB "
        "of a bundle",
        source=settings.encoder,
        remedy=f"{advice[0].upper()}{advice[1:]}.",
        code="oversized_bundle",
    )


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(why, source=path, remedy="Download the encoder again.")
