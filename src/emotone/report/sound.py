"""The sound of a recording inside a page: its overview and, small enough to send, its audio."""

from __future__ import annotations

import io

import av
import numpy as np

from emotone.audio import Source
from emotone.audio.limits import DEFAULT_LIMITS, Limits
from emotone.audio.reading import blocks_if_silent_too
from emotone.audio.waveform import FloatArray
from emotone.features.overview import RATE, Overview, OverviewBuilder

BITS_PER_S = 32_000
"""An hour takes 14 MB and, in the letters of a page, 19 MB: less than what mail takes."""


def hear(
    source: Source,
    *,
    channel: int | None = None,
    audio: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Overview, bytes | None]:
    """The overview of a source and its audio as MP3, from one reading, in blocks.

    Parameters
    ----------
    source, channel, limits
        As for `emotone.audio.read_blocks`.
    audio
        Whether to encode it.

    Raises
    ------
    AudioError
        If the source cannot be read.
    """
    builder = OverviewBuilder(RATE)
    encoder = Mp3Encoder(RATE) if audio else None
    for block in blocks_if_silent_too(source, rate=RATE, channel=channel, limits=limits):
        builder.add(block.samples)
        if encoder is not None:
            encoder.add(block.samples)
    return builder.finish(), None if encoder is None else encoder.finish()


class Mp3Encoder:
    """Mono MP3 from blocks of samples. Every browser plays it, which cannot be said of Opus.

    Parameters
    ----------
    rate
        Of the samples in Hz, one that MP3 has.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mp3")
        # LAME's seventh level takes half the time of its usual one.
        self._stream = self._container.add_stream(
            "libmp3lame", rate=rate, layout="mono", options={"compression_level": "7"}
        )
        self._stream.bit_rate = BITS_PER_S
        self._given = 0

    def add(self, samples: FloatArray) -> None:
        """Take the next samples, float32, shape ``(n,)``, full scale from -1 to 1."""
        if not len(samples):
            return
        within = np.clip(samples, -1, 1)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(within, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._given
        self._given += len(samples)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """The whole file; it says by how much encoding pads it, so that players cut that off."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()
