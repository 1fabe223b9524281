"""Audio made up for tests: signals, and their encoding into every container."""

from __future__ import annotations

import io
import os
import struct
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float32]


def tone(seconds: float = 1.0, rate: int = 16_000, hz: float = 440.0, channels: int = 1) -> Samples:
    """A sine at half of full scale; each further channel an octave up. Shape (n,) or (n, ch)."""
    time = np.arange(round(seconds * rate)) / rate
    columns = [0.5 * np.sin(2 * np.pi * hz * 2**k * time) for k in range(channels)]
    samples = np.stack(columns, axis=1).astype(np.float32)
    return samples[:, 0] if channels == 1 else samples


def noise(seconds: float = 1.0, rate: int = 16_000, seed: int = 0) -> Samples:
    """White noise at a tenth of full scale."""
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(round(seconds * rate))).astype(np.float32)


def encode(
    samples: npt.NDArray[np.float32],
    rate: int = 16_000,
    container: str = "WAV",
    codec: str = "PCM_16",
) -> bytes:
    """Encode with soundfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=codec)
    return buffer.getvalue()


def encode_av(
    samples: npt.NDArray[np.float32],
    rate: int,
    container: str,
    codec: str,
    *,
    video: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    """Encode with FFmpeg, with a few black pictures beside it where video is asked for."""
    import av

    columns = samples.reshape(len(samples), -1)
    # FFmpeg moves an index to the front by opening its output again, so that needs a real file.
    handle, path = tempfile.mkstemp()
    os.close(handle)
    with av.open(path, "w", format=container, options=options or {}) as out:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[columns.shape[1]]
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 128_000
        pictures = None
        if video:
            pictures = out.add_stream("mpeg4" if container != "webm" else "libvpx", rate=10)
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuv420p"
            for index in range(max(1, round(10 * len(samples) / rate))):
                picture = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")
                picture.pts = index
                out.mux(pictures.encode(picture))
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(columns.T), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts = rate, 0
        fifo = av.AudioFifo()
        for piece in resampler.resample(frame):
            fifo.write(piece)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size)) is not None:
            out.mux(stream.encode(piece))
        if (piece := fifo.read(0, partial=True)) is not None:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
        if pictures is not None:
            out.mux(pictures.encode(None))
    encoded = Path(path).read_bytes()
    Path(path).unlink()
    return encoded


def wav(
    samples: npt.NDArray[np.float32],
    rate: int = 16_000,
    *,
    channels: int | None = None,
    data_size: int | None = None,
) -> bytes:
    """A float32 WAV whose header says what it is told to say."""
    count = 1 if samples.ndim == 1 else samples.shape[1]
    body = samples.astype("<f4").tobytes()
    fields = struct.pack("<HHIIHH", 3, count if channels is None else channels, rate,
                         rate * count * 4, count * 4, 32)  # fmt: skip
    size = len(body) if data_size is None else data_size
    return (
        b"RIFF" + struct.pack("<I", min(36 + size, 2**32 - 1)) + b"WAVEfmt " + struct.pack("<I", 16)
        + fields + b"data" + struct.pack("<I", size) + body
    )  # fmt: skip
