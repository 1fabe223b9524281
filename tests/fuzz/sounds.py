"""Short files of every container that is read, to begin from."""

from __future__ import annotations

import functools

import audio_files

_SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "wavex": ("WAVEX", "PCM_24"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "alaw": ("WAV", "ALAW"),
    "adpcm": ("WAV", "IMA_ADPCM"),
}
_FFMPEG = {
    "m4a": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "mka": ("matroska", "libopus"),
    "webm": ("webm", "libopus"),
    "aac": ("adts", "aac"),
    "wma": ("asf", "wmav2"),
    "avi": ("avi", "mp3"),
    "ts": ("mpegts", "aac"),
    "flv": ("flv", "aac"),
}


@functools.cache
def encoded_briefly() -> dict[str, bytes]:
    """A fifth of a second of a tone, by the name of its form."""
    found = {}
    for name, (container, codec) in _SOUNDFILE.items():
        found[name] = audio_files.encode(audio_files.tone(0.2), 16_000, container, codec)
    for name, (container, codec) in _FFMPEG.items():
        rate = 48_000 if codec == "libopus" else 44_100
        found[name] = audio_files.encode_av(audio_files.tone(0.2, rate), rate, container, codec)
    return found
