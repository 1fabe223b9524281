"""Audio in: any source into mono float32, whole or in blocks, and prepared for features.

>>> import numpy as np
>>> from emotone import audio
>>> audio.read((np.sin(np.arange(48000) / 9), 48000), rate=16000).duration_s
1.0

Importing this loads NumPy alone; soundfile, soxr and FFmpeg come with the first source that needs
them.
"""

from __future__ import annotations

from emotone.audio.files import find_audio, is_audio_path, is_folder
from emotone.audio.limits import Limits
from emotone.audio.preparation import Preparation
from emotone.audio.reading import AudioInfo, probe, read, read_blocks
from emotone.audio.resampling import resample
from emotone.audio.sources import Source, source_name
from emotone.audio.waveform import Waveform

__all__ = [
    "AudioInfo",
    "Limits",
    "Preparation",
    "Source",
    "Waveform",
    "find_audio",
    "is_audio_path",
    "is_folder",
    "probe",
    "read",
    "read_blocks",
    "resample",
    "source_name",
]
