"""Reading audio: any source into mono float32, whole or in blocks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emotone.audio.decoding import Decoder, open_decoder
from emotone.audio.limits import DEFAULT_LIMITS, Limits, check_rate
from emotone.audio.resampling import resample, resample_stream
from emotone.audio.sources import Source, source_name
from emotone.audio.waveform import LARGEST, FloatArray, Waveform
from emotone.errors import AudioError, AudioWarning, UsageError
from emotone.interrupts import deferred_each

SILENCE = 2.0**-14
"""Peak-to-peak range up to which there is nothing to hear: one step of 16 bits either way."""

_Silence = Literal["none", "recorded", "any"]
"""Whether all of a source may be silent: no, unless channels cancel each other, or anyhow."""

_EDGE = 0.9999
"""Samples from here on lie at the edge of full scale."""

_CLIPPED = 0.01
"""Of a recording in which so many samples lie there side by side, the loud parts are cut off."""

_FULL_SCALE = 128.0
"""Float samples beyond 42 dB over full scale are integers that nobody scaled."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a source says it holds.

    Attributes
    ----------
    container, codec
        Names as the decoding library gives them, such as ``"FLAC"`` and ``"PCM_16"``.
    rate
        In Hz.
    channels
        Number of channels.
    duration_s
        Length in seconds: as the header states it or, where it states none, counted by decoding.
    """

    container: str
    codec: str
    rate: int
    channels: int
    duration_s: float


def read(
    source: Source,
    *,
    rate: int | None = None,
    channel: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Waveform:
    """Read a whole source.

    WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and their kin are decoded by soundfile; AAC, M4A,
    MP4, MOV, MKV, WebM and whatever soundfile refuses by FFmpeg.

    Parameters
    ----------
    source
        A path, bytes, a binary file object, ``"-"`` for standard input, ``(samples, rate)`` with
        samples of shape ``(n,)`` or ``(n, channels)``, or a `Waveform`.
    rate
        Resample to this many Hz. None keeps the source's own.
    channel
        Take this channel, counted from 0. None takes the mean of all.
    limits
        Shortest and longest audio, and the most memory.

    Returns
    -------
    Waveform
        Mono float32, full scale from -1 to 1.

    Raises
    ------
    AudioError
        When the source cannot be read or holds nothing to hear; its ``code`` says which.
    UsageError
        When ``rate`` is outside 8 to 192 kHz.

    Warns
    -----
    AudioWarning
        When a file is truncated or damaged and part of it was read, or has gaps.

    Examples
    --------
    >>> import numpy as np
    >>> waveform = read((np.sin(np.arange(16000) / 5), 16000), rate=8000)
    >>> waveform.rate, waveform.duration_s
    (8000, 1.0)
    """
    if rate is not None:
        check_rate(rate)
    name = source_name(source)
    with open_decoder(source, limits) as decoder:
        pieces: list[FloatArray] = []
        held = 0
        for piece in _mono(decoder, name, channel, limits):
            pieces.append(piece)
            held += piece.nbytes
            _check_bytes(held, name, limits)
        own_rate = decoder.rate
    samples = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if rate is not None and rate != own_rate:
        _check_bytes(samples.nbytes * rate // own_rate, name, limits)
        samples = resample(samples, own_rate, rate)
    return Waveform(samples, rate or own_rate)


def read_blocks(
    source: Source,
    *,
    block_s: float = 30.0,
    rate: int | None = None,
    channel: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Waveform]:
    """Read a source of any length in blocks, with memory for a few blocks only.

    The blocks joined are what `read` gives. What can only be known at the end, a truncated, silent
    or too short source, is said after the last block.

    Parameters
    ----------
    source, rate, channel, limits
        As in `read`.
    block_s
        Length of every block but the last, in seconds.

    Yields
    ------
    Waveform
        Mono float32, full scale from -1 to 1.

    Raises
    ------
    AudioError, UsageError
        As in `read`.

    Examples
    --------
    >>> import numpy as np
    >>> sound = (np.sin(np.arange(20000) / 5), 8000)
    >>> [block.duration_s for block in read_blocks(sound, block_s=1)]
    [1.0, 1.0, 0.5]
    """
    if rate is not None:
        check_rate(rate)
    if not 0.01 <= block_s <= 24 * 3600:
        raise UsageError(
            f"block_s is {block_s}", remedy="Give a block length from 0.01 to 86400 seconds."
        )
    return _blocks(source, block_s, rate, channel, limits)


def blocks_if_silent_too(
    source: Source,
    *,
    rate: int,
    block_s: float = 30.0,
    channel: int | None = None,
    may_cancel: bool = True,
    tell_clipping: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Waveform]:
    """The blocks of `read_blocks`, which may be silent from beginning to end.

    Parameters
    ----------
    source, block_s, rate, channel, limits
        As in `read_blocks`.
    may_cancel
        Whether they may be silent because channels cancel each other.
    tell_clipping
        Whether to warn where one sample in a hundred and more is clipped.

    Raises
    ------
    AudioError, UsageError
        As `read_blocks`, but for silence.

    Warns
    -----
    AudioWarning
        As `read`, and of clipping.
    """
    silence: _Silence = "any" if may_cancel else "recorded"
    return _blocks(source, block_s, rate, channel, limits, silence, tell_clipping)


def _blocks(
    source: Source,
    block_s: float,
    rate: int | None,
    channel: int | None,
    limits: Limits,
    silence: _Silence = "none",
    tell_clipping: bool = False,
) -> Iterator[Waveform]:
    name = source_name(source)
    with open_decoder(source, limits) as decoder:
        new_rate = rate or decoder.rate
        size = round(block_s * new_rate)
        _check_bytes(4 * size, name, limits)
        mono = _mono(decoder, name, channel, limits, silence, tell_clipping)
        for block in _regroup(resample_stream(mono, decoder.rate, new_rate), size):
            yield Waveform(block, new_rate)


def _regroup(chunks: Iterable[FloatArray], size: int) -> Iterator[FloatArray]:
    """Cut chunks of any length into blocks of one length, and what is left."""
    held: list[FloatArray] = []
    count = 0
    for chunk in chunks:
        start = 0
        while count + len(chunk) - start >= size:
            end = start + size - count
            held.append(chunk[start:end])
            yield np.concatenate(held)
            held, count, start = [], 0, end
        # A copy, or the rest would keep its whole chunk alive.
        held.append(chunk[start:].copy())
        count += len(chunk) - start
    if count:
        yield np.concatenate(held)


def probe(source: Source, *, limits: Limits = DEFAULT_LIMITS) -> AudioInfo:
    """What a source says it holds, mostly from its header.

    Raises
    ------
    AudioError
        As in `read`, except for what only decoding shows (NaN, silence, truncation).

    Examples
    --------
    >>> import numpy as np
    >>> probe((np.zeros((24000, 2), np.int16), 48000))
    AudioInfo(container='samples', codec='int16', rate=48000, channels=2, duration_s=0.5)
    """
    with open_decoder(source, limits) as decoder:
        duration_s = decoder.promised_s
        if duration_s is None:
            frames = 0
            for chunk in deferred_each(decoder.chunks()):
                frames += len(chunk)
                _check_duration(frames, decoder.rate, source_name(source), limits)
            duration_s = frames / decoder.rate
        return AudioInfo(
            decoder.container, decoder.codec, decoder.rate, decoder.channels, duration_s
        )


def _mono(
    decoder: Decoder,
    name: str,
    channel: int | None,
    limits: Limits,
    silence: _Silence = "none",
    tell_clipping: bool = False,
) -> Iterator[FloatArray]:
    """One channel of everything a decoder gives, checked as it comes."""
    if channel is not None and not 0 <= channel < decoder.channels:
        raise AudioError(
            f"there is no channel {channel}; it has {decoder.channels}, counted from 0",
            source=name,
            remedy="Ask for one it has, or for the mean of all.",
            code="no_channels",
        )
    frames = clipped = 0
    low, high = np.inf, -np.inf
    heard = False
    for chunk in deferred_each(decoder.chunks()):
        _check_duration(frames + len(chunk), decoder.rate, name, limits)
        mono = _mix(chunk, channel)
        # The extremes serve every check: they are NaN or infinite where any sample is.
        chunk_low, chunk_high = float(mono.min()), float(mono.max())
        if not (np.isfinite(chunk_low) and np.isfinite(chunk_high)):
            raise _non_finite(chunk if channel is None else mono, frames, decoder.rate, name)
        if max(chunk_high, -chunk_low) > LARGEST:
            raise _too_large(f"its samples reach {max(chunk_high, -chunk_low):.3g}", name)
        low, high = min(low, chunk_low), max(high, chunk_high)
        if tell_clipping and max(chunk_high, -chunk_low) >= _EDGE:
            clipped += _clipped(mono)
        if channel is None and decoder.channels > 1 and not heard:
            heard = bool(np.ptp(chunk, axis=0).max() > SILENCE)
        frames += len(chunk)
        yield mono
    _conclude(decoder, name, frames, limits)
    if high - low <= SILENCE and silence != "any" and (heard or silence == "none"):
        raise AudioError(
            "its channels cancel each other when mixed to one" if heard else "all of it is silent",
            source=name,
            remedy="Pick one channel." if heard else "Check the microphone and the recording.",
            code="silent",
        )
    # Floats may lie beyond full scale, and then nothing is cut off there.
    if clipped > _CLIPPED * frames and max(high, -low) <= 1:
        where = name if channel is None else f"{name}, channel {channel}"
        warnings.warn(
            AudioWarning(
                f"{where}: {100 * clipped / frames:.0f} % of the samples are clipped, cut off at "
                "full scale, which sounds harsher than it was. Record it with less gain."
            ),
            stacklevel=3,
        )
    if max(high, -low) > _FULL_SCALE:
        warnings.warn(
            AudioWarning(
                f"{name}: samples reach {max(high, -low):.0f} where full scale is 1. "
                "Divide integers by their full scale, such as 32768."
            ),
            stacklevel=3,
        )


def _clipped(mono: FloatArray) -> int:
    """Samples at the edge of full scale whose neighbour before is there too, on the same side."""
    edge = np.abs(mono) >= _EDGE
    return int(np.count_nonzero(edge[1:] & edge[:-1] & (mono[1:] * mono[:-1] > 0)))


def _mix(chunk: FloatArray, channel: int | None) -> FloatArray:
    if channel is not None:
        return np.ascontiguousarray(chunk[:, channel])
    if chunk.shape[1] == 1:
        return chunk[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):
        mono: FloatArray = chunk.mean(axis=1, dtype=np.float32)
    return mono


def _check_duration(frames: int, rate: int, name: str, limits: Limits) -> None:
    if frames > limits.max_duration_s * rate:
        raise AudioError(
            f"it is longer than {limits.max_duration_s:g} s, the longest that is accepted",
            source=name,
            remedy="Cut it, or raise max_duration_s.",
            code="too_large",
        )


def _check_bytes(count: int, name: str, limits: Limits) -> None:
    if count > limits.max_bytes:
        raise AudioError(
            f"decoded it takes more than {limits.max_bytes:,} bytes of memory, the most allowed",
            source=name,
            remedy="Read it in blocks, cut it, or raise max_bytes.",
            code="too_large",
        )


def _non_finite(chunk: FloatArray, before: int, rate: int, name: str) -> AudioError:
    columns = chunk.reshape(len(chunk), -1)
    rows = np.flatnonzero(~np.isfinite(columns).all(axis=1))
    if not len(rows):
        return _too_large("its samples are too large to add up", name)
    frame = int(rows[0])
    values = columns[frame]
    value = values[~np.isfinite(values)][0]
    kind = "NaN" if np.isnan(value) else "Inf"
    return AudioError(
        f"sample {before + frame} (at {(before + frame) / rate:.3f} s) is {kind}",
        source=name,
        remedy="Export it again, or replace such samples.",
        code="non_finite",
    )


def _too_large(cause: str, name: str) -> AudioError:
    return AudioError(
        cause,
        source=name,
        remedy="Scale them to full scale, from -1 to 1.",
        code="non_finite",
    )


def _conclude(decoder: Decoder, name: str, frames: int, limits: Limits) -> None:
    """Say what only the end shows: damage, nothing at all, too little."""
    if decoder.note is not None:
        warnings.warn(AudioWarning(f"{name}: {decoder.note}."), stacklevel=4)
    if frames == 0:
        raise AudioError(
            "it holds no audio samples",
            source=name,
            remedy="Record or export it again.",
            code="no_samples",
        )
    if frames < limits.min_duration_s * decoder.rate:
        raise AudioError(
            # Rounded down, or it would be as long as it has to be.
            f"it lasts {int(1000 * frames / decoder.rate) / 1000:.3f} s, less than the "
            f"{limits.min_duration_s:g} s that are needed",
            source=name,
            remedy="Give a longer clip.",
            code="too_short",
        )
