"""The header fields of audio files that emotone reads itself, from files and from pipes."""

from __future__ import annotations

import io

from sounds import encoded_briefly

import audio_files
from emotone.audio import headers
from emotone.errors import EmotoneError
from emotone.live import wav


def seeds() -> list[bytes]:
    """A short file of every container, whole; and those that a pipe may bring."""
    sound = audio_files.tone(0.1)
    return [
        *encoded_briefly().values(),
        *(audio_files.wav(sound, data_size=size) for size in (0, 2**31 - 1, 2**32 - 1)),
        b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0" + bytes(28) + audio_files.wav(sound)[12:],
        b"RIFX" + audio_files.wav(sound)[4:],
    ]


def one_input(data: bytes) -> None:
    """What is found out lies within what it can be, whatever the bytes are."""
    handle = io.BytesIO(data)
    found = headers.inspect(handle, len(data))
    assert handle.tell() == 0, "the decoder begins at the start"
    assert found.promised_ratio >= 1.0
    assert found.promised_s is None or found.promised_s >= 0
    if len(data) >= 12 and wav.is_wav(data[:12]):
        stream = io.BytesIO(data[12:])
        try:
            header = wav.read_header(data[:12], stream.read, "pipe")
        except EmotoneError:
            return
        assert header.channels >= 1
        assert header.length is None or header.length >= 0
        frame = header.encoding.width * header.channels
        rest = header.samples + stream.read()
        samples = header.encoding.decode(rest[: len(rest) // frame * frame], header.channels)
        assert samples.shape == (len(rest) // frame, header.channels)
