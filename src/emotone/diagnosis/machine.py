"""What the machine has: its processor, an accelerator for training, microphones, codecs."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from emotone.diagnosis.finding import Finding
from emotone.errors import EmotoneError, MissingExtraError
from emotone.features.job import cores

_USED_FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "asimd")
"""Of a processor: those that the arithmetic of NumPy and ONNX Runtime makes use of."""

_CODECS = ("aac", "mp3", "opus", "vorbis", "flac", "alac", "wmav2", "ac3", "amrnb", "amrwb", "g722",
           "g729", "gsm", "pcm_alaw", "pcm_mulaw", "adpcm_ms")  # fmt: skip
"""What recordings are mostly coded in, as FFmpeg calls it."""


def examine(*, ask_torch: bool | None = None) -> Iterator[Finding]:
    """Processor, accelerator, microphones and codecs.

    Parameters
    ----------
    ask_torch
        Whether to import PyTorch, which takes seconds, to ask for an accelerator; where there are
        signs of one when None.
    """
    yield _processor()
    yield _accelerator(ask_torch)
    yield _microphones()
    yield _codecs()


def _processor() -> Finding:
    name, features = platform.processor() or platform.machine(), list[str]()
    information = Path("/proc/cpuinfo")
    if information.exists():
        text = information.read_text(errors="replace")
        model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
        name = model[1] if model else name
        flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
        there = set(flags[1].split()) if flags else set()
        features = [feature for feature in _USED_FEATURES if feature in there]
    can = cores()
    told = f"{name}, {can} core{'s' if can > 1 else ''} to use"
    return Finding(
        "machine",
        "processor",
        "fine",
        f"{told}: {', '.join(features)}" if features else told,
        facts={"name": name, "cores": can, "features": features},
    )


def _has_signs_of_one() -> bool:
    devices = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return apple or bool(shutil.which("nvidia-smi")) or any(Path(d).exists() for d in devices)


def _accelerator(ask_torch: bool | None) -> Finding:
    signs = _has_signs_of_one()
    if not (signs if ask_torch is None else ask_torch):
        return Finding("machine", "accelerator", "fine", "none; it is needed for training alone")
    if find_spec("torch") is None:
        return Finding(
            "machine",
            "accelerator",
            "absent",
            "there seems to be one, but PyTorch is not installed to use it",
            "pip install 'emotone[train]'",
        )
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("Apple GPU")
    if names:
        return Finding("machine", "accelerator", "fine", ", ".join(names), facts={"devices": names})
    if not signs:
        return Finding("machine", "accelerator", "fine", "none; it is needed for training alone")
    return Finding(
        "machine",
        "accelerator",
        "absent",
        f"there seems to be one, but PyTorch {torch.__version__} does not see it",
        "Install the build of PyTorch for it: https://pytorch.org/get-started/locally/",
    )


def _microphones() -> Finding:
    from emotone.live.microphone import devices

    try:
        found = devices()
    except MissingExtraError as error:
        return Finding(
            "machine", "microphones", "absent", error.cause, "pip install 'emotone[live]'"
        )
    except EmotoneError as error:
        return Finding("machine", "microphones", "absent", error.cause, error.remedy)
    if not found:
        return Finding(
            "machine",
            "microphones",
            "absent",
            "none is connected, or this program may not use it",
            "Connect one; emotone listen --list-devices shows it then",
        )
    names = [each.name for each in found]
    return Finding("machine", "microphones", "fine", ", ".join(names), facts={"devices": names})


def _codecs() -> Finding:
    try:
        import av
    except ImportError as error:
        return Finding(
            "machine",
            "codecs",
            "broken",
            f"PyAV does not load ({error})",
            "pip install --force-reinstall av",
        )
    missing = []
    for name in _CODECS:
        try:
            av.Codec(name, "r")
        except ValueError:  # av.codec.UnknownCodecError is one
            missing.append(name)
    version = getattr(av, "ffmpeg_version_info", "")
    there = [name for name in _CODECS if name not in missing]
    told = f"FFmpeg {version} in PyAV {av.__version__} decodes {', '.join(there)}"
    return Finding(
        "machine",
        "codecs",
        "absent" if missing else "fine",
        f"{told}; not {', '.join(missing)}" if missing else told,
        "pip install --force-reinstall --only-binary :all: av" if missing else None,
        {"ffmpeg": version, "decodes": there, "missing": missing},
    )
