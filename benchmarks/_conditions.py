"""What befalls a clip before a model hears it: noise, rooms, lines, codecs, levels, silence.

Every condition takes a clip at 16 kHz and gives what a file of it would hold: within full scale, in
time with the clip. What is drawn at random is drawn from the clip's own key, so that a clip meets
the same noise on every machine and in whatever company it is tested. Signal-to-noise ratios are
those over the active speech, see `active`.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

from emotone import audio
from emotone.audio import Waveform
from emotone.audio.filters import band_pass, convolve

RATE = 16_000
"""Every clip is brought to this many Hz first."""

SNRS_DB = (20, 10, 5)
RT60S_S = (0.4, 0.8)
TALKERS = 6
"""Voices in the babble."""

ACTIVE_MARGIN_DB = 15.9
"""How far below the active level a frame still counts as speech (ITU-T P.56, method B)."""

LINE_LEVEL_DB = -26.0
"""Active speech level on the telephone line re full scale, the nominal one of ITU-T P.830."""

SILENCE_S = 2.0
FLOOR_DB = -60.0
"""Noise of a quiet room, re the active speech level."""

GAIN_DB = 20.0
CLIPPED = 0.1
"""Share of the samples of active speech that a clipped recording cuts off."""

_ENCODERS = {"libmp3lame": ("fltp", {}), "libopus": ("flt", {"application": "voip"})}
"""Sample format and options of each."""

_ROOMS = 4
_SPEED_OF_SOUND = 343.0
_OVERSAMPLING = 4

Samples = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class TooFewVoicesError(Exception):
    """There are not enough clips of other speakers to mix babble from."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip to be tested.

    Attributes
    ----------
    samples
        float32, shape ``(n,)``, at `RATE`, full scale from -1 to 1.
    key
        What it is called on every machine, such as ``"emodb/03a01Fa.opus"``; seeds what is drawn.
    corpus, speaker
        Where it is from and who speaks (as ``corpus/speaker``); None where unknown.
    """

    samples: Samples
    key: str
    corpus: str
    speaker: str | None


class Babble:
    """Voices that talk over a clip.

    Parameters
    ----------
    voices
        Clips of several speakers.
    """

    def __init__(self, voices: Sequence[Clip]) -> None:
        self._voices = [replace(voice, samples=_levelled(voice.samples)) for voice in voices]

    def over(self, clip: Clip, random: np.random.Generator) -> Samples:
        """As long as the clip: `TALKERS` others, equally loud, each from a random place on, again
        and again.

        Raises
        ------
        TooFewVoicesError
            If there are too few clips of others. Where a speaker is unknown, the whole corpus
            counts as the clip's own voice.
        """
        others = [voice for voice in self._voices if _differs(voice, clip)]
        if len(others) < TALKERS:
            raise TooFewVoicesError(
                f"{clip.key}: {len(others)} clips of other speakers are no babble of {TALKERS}"
            )
        total = np.zeros(len(clip.samples), np.float32)
        for index in random.choice(len(others), TALKERS, replace=False):
            voice = others[index].samples
            start = int(random.integers(len(voice)))
            total += np.resize(np.roll(voice, -start), len(total))
        return total


@dataclass(frozen=True)
class Condition:
    """One thing that befalls a clip.

    Attributes
    ----------
    name
        ``"white-10"``; what comes before the first dash is its group.
    description
        For people.
    change
        Gives the sound and its rate.
    """

    name: str
    description: str
    change: Callable[[Clip, np.random.Generator, Babble], Waveform]

    @property
    def group(self) -> str:
        """``"white"``, ``"babble"``, ``"room"``, ..."""
        return self.name.partition("-")[0]

    def apply(self, clip: Clip, babble: Babble) -> Waveform:
        """The clip under the condition, the same each time."""
        heard = self.change(clip, generator(f"{self.name}:{clip.key}"), babble)
        peak = float(np.abs(heard.samples).max(initial=0.0))
        samples = heard.samples / np.float32(max(1.0, peak))
        return Waveform(samples.astype(np.float32, copy=False), heard.rate)


def generator(key: str) -> np.random.Generator:
    """Random numbers that belong to a text, the same on every machine."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def active(samples: Samples) -> Mask:
    """Which samples are speech: those in frames of 20 ms at most 15.9 dB below the active level.

    The active level is the mean power of these very frames (cf. ITU-T P.56, method B, which takes
    an envelope where this takes frames).

    Returns
    -------
    ndarray
        bool, shape ``(n,)``; all True for digital silence.
    """
    size = RATE // 50
    frames = np.zeros((-(-len(samples) // size), size))
    frames.flat[: len(samples)] = samples
    power = np.square(frames).mean(axis=1)
    chosen = power > 0
    if not chosen.any():
        return np.ones(len(samples), np.bool_)
    while True:
        # What is quiet is left out, which raises the mean: it ends, and never with nothing.
        louder = chosen & (power >= power[chosen].mean() * 10 ** (-ACTIVE_MARGIN_DB / 10))
        if np.array_equal(louder, chosen):
            mask: Mask = np.repeat(chosen, size)[: len(samples)]
            return mask
        chosen = louder


def mixed(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """The sum of both, at that ratio of their powers over the active speech."""
    speech = active(samples)
    ratio = _power(samples[speech]) / max(_power(noise[speech]), 1e-20)
    return samples + np.float32(np.sqrt(ratio / 10 ** (snr_db / 10))) * noise


@functools.cache
def rooms(rt60_s: float) -> tuple[Samples, ...]:
    """Impulse responses of a few rooms with that reverberation time, from the direct sound on.

    Rooms of 4 to 8 by 3 to 6 by 2.5 to 3.5 m, the microphone 1 to 2 m from the mouth, neither
    within 0.5 m of a wall, by the image-source method (Allen & Berkley 1979) with one absorption
    for all walls. It is Eyring's for that time at first, and then corrected by the time measured on
    the response (`decay_s`), since a box with even walls does not decay as a diffuse field does.
    """
    random = generator(f"rooms:{rt60_s}")
    found: list[Samples] = []
    while len(found) < _ROOMS:
        size = random.uniform((4, 3, 2.5), (8, 6, 3.5))
        mouth = random.uniform(0.5, size - 0.5)
        direction = random.normal(size=3)
        distance = random.uniform(1.0, 2.0)
        microphone = mouth + distance * direction / np.linalg.norm(direction)
        if (microphone > 0.5).all() and (microphone < size - 0.5).all():
            found.append(_room(size, mouth, microphone, rt60_s))
    return tuple(found)


def decay_s(response: Samples, rate: int = RATE) -> float:
    """The reverberation time RT60 of an impulse response, from its decay by 5 to 25 dB.

    By Schroeder's backward integration; T20 of ISO 3382-1.
    """
    left = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    level = 10 * np.log10(np.maximum(left / left[0], 1e-12))
    part = np.flatnonzero((level <= -5) & (level >= -25))
    slope = np.polyfit(part / rate, level[part], 1)[0]
    return float(-60 / slope)


def through_codec(samples: Samples, container: str, codec: str, bit_rate: int) -> Samples:
    """What is left of mono sound at `RATE` after a real encoder and decoder, in time with it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=RATE, layout="mono")
        context = stream.codec_context
        context.bit_rate = bit_rate
        context.time_base = Fraction(1, RATE)
        context.format, context.options = _ENCODERS[codec]
        context.open()
        frame = av.AudioFrame.from_ndarray(
            samples[np.newaxis], format=context.format.name, layout="mono"
        )
        frame.sample_rate, frame.pts = RATE, 0
        queue = av.AudioFifo()
        queue.write(frame)
        while (piece := queue.read(context.frame_size, partial=True)) is not None:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    # FFmpeg takes off what the encoders put in front; libsndfile leaves 6.5 ms of Opus at 16 kHz.
    pieces = []
    with av.open(io.BytesIO(buffer.getvalue()), "r") as coded:
        rate = coded.streams.audio[0].rate
        converter = av.AudioResampler("fltp", "mono", rate)
        for decoded in [*coded.decode(audio=0), None]:
            pieces += [piece.to_ndarray()[0] for piece in converter.resample(decoded)]
    return _as_long_as(samples, audio.resample(np.concatenate(pieces), rate, RATE))


def _white(snr_db: int) -> Condition:
    def change(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
        noise = random.standard_normal(len(clip.samples), dtype=np.float32)
        return Waveform(mixed(clip.samples, noise, snr_db), RATE)

    return Condition(f"white-{snr_db}", f"white noise at {snr_db} dB SNR", change)


def _babble(snr_db: int) -> Condition:
    def change(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
        return Waveform(mixed(clip.samples, babble.over(clip, random), snr_db), RATE)

    return Condition(f"babble-{snr_db}", f"{TALKERS} other voices at {snr_db} dB SNR", change)


def _reverberant(rt60_s: float) -> Condition:
    def change(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
        response = rooms(rt60_s)[int(random.integers(_ROOMS))]
        wet = convolve(np.pad(clip.samples, (0, len(response))), response)
        return Waveform(_scaled_as(clip.samples, wet), RATE)

    return Condition(f"room-{rt60_s}", f"a room with RT60 {rt60_s} s", change)


def _telephone(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
    # It stays at 8 kHz, as a recorded call is.
    narrow = audio.resample(band_pass(clip.samples, RATE, 300, 3400), RATE, 8000)
    level = np.sqrt(_power(clip.samples[active(clip.samples)]))
    call = io.BytesIO()
    soundfile.write(
        call,
        np.clip(narrow * (10 ** (LINE_LEVEL_DB / 20) / max(level, 1e-10)), -1, 1),
        8000,
        format="WAV",
        subtype="ULAW",
    )
    call.seek(0)
    return Waveform(soundfile.read(call, dtype="float32")[0], 8000)


def _coded(name: str, container: str, codec: str, kilobits: int) -> Condition:
    def change(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
        return Waveform(through_codec(clip.samples, container, codec, 1000 * kilobits), RATE)

    return Condition(f"{name.lower()}-{kilobits}", f"{name} at {kilobits} kbit/s", change)


def _quieter(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
    return Waveform(_from_16_bits(clip.samples * np.float32(10 ** (-GAIN_DB / 20))), RATE)


def _louder(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
    # The steps of 16 bits are what is raised; too much gain, which overdrives, is `_clipped`.
    gain = np.float32(10 ** (GAIN_DB / 20))
    quiet = clip.samples / (gain * max(float(np.abs(clip.samples).max()), 1e-10))
    return Waveform(_from_16_bits(quiet) * gain, RATE)


def _digital_silence(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
    return Waveform(np.pad(clip.samples, round(SILENCE_S * RATE)), RATE)


def _room_tone(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
    padded = np.pad(clip.samples, round(SILENCE_S * RATE))
    spectrum = np.fft.rfft(random.standard_normal(len(padded)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    pink = np.fft.irfft(spectrum, len(padded)).astype(np.float32)
    return Waveform(mixed(padded, pink, -FLOOR_DB), RATE)


def _clipped(clip: Clip, random: np.random.Generator, babble: Babble) -> Waveform:
    limit = np.quantile(np.abs(clip.samples[active(clip.samples)]), 1 - CLIPPED)
    limit = np.float32(max(limit, 1e-10))
    return Waveform(np.clip(clip.samples, -limit, limit) / limit, RATE)


CLEAN = Condition(
    "clean", "the clip as it is", lambda clip, random, babble: Waveform(clip.samples, RATE)
)

CONDITIONS: tuple[Condition, ...] = (
    CLEAN,
    *map(_white, SNRS_DB),
    *map(_babble, SNRS_DB),
    *map(_reverberant, RT60S_S),
    Condition("telephone", "300 to 3400 Hz at 8 kHz, G.711 mu-law", _telephone),
    _coded("MP3", "mp3", "libmp3lame", 32),
    _coded("MP3", "mp3", "libmp3lame", 16),
    _coded("Opus", "ogg", "libopus", 12),
    _coded("Opus", "ogg", "libopus", 8),
    Condition("gain-minus-20", "20 dB quieter, in 16 bits", _quieter),
    Condition(
        "gain-plus-20",
        f"recorded with its peak at -{GAIN_DB:g} dB in 16 bits, then {GAIN_DB:g} dB louder, up to "
        "full scale: nothing overdrives",
        _louder,
    ),
    Condition("silence-digital", f"{SILENCE_S:g} s of zeros on either side", _digital_silence),
    Condition(
        "silence-room",
        f"{SILENCE_S:g} s on either side, pink noise at {FLOOR_DB:g} dB re the speech throughout",
        _room_tone,
    ),
    Condition(
        "clipping",
        f"overdriven: cut off where {100 * CLIPPED:g} % of the speech is louder, raised to full "
        "scale",
        _clipped,
    ),
)
"""Every condition, the clean one first."""


def _room(
    size: npt.NDArray[np.float64],
    mouth: npt.NDArray[np.float64],
    microphone: npt.NDArray[np.float64],
    rt60_s: float,
) -> Samples:
    rate = _OVERSAMPLING * RATE  # so that rounding an arrival to a sample puts it off by 8 us only
    reach = _SPEED_OF_SOUND * rt60_s
    times, strengths, bounces = _images(size, mouth, microphone, reach)
    places = np.rint((times - times.min()) * rate).astype(np.int64)
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    # Eyring: RT60 = 24 ln(10) V / (-c S ln(1 - absorption)); each bounce leaves its square root.
    loss = 24 * np.log(10) * size.prod() / (_SPEED_OF_SOUND * surface * rt60_s)
    for _ in range(3):
        arrivals = strengths * np.exp(-0.5 * loss * bounces)
        response = np.bincount(places, arrivals, minlength=round(rt60_s * rate)).astype(np.float32)
        # All images add up in phase near 0 Hz, which no room does; Allen & Berkley cut it off too.
        response = audio.resample(band_pass(response, rate, 60, rate), rate, RATE)
        loss *= decay_s(response) / rt60_s
    return response / np.float32(np.sqrt(np.square(response).sum()))


def _images(
    size: npt.NDArray[np.float64],
    mouth: npt.NDArray[np.float64],
    microphone: npt.NDArray[np.float64],
    reach_m: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Arrival time in s, strength before losses, and bounces of every image within reach."""
    offsets, counts = [], []
    for length, source, listener in zip(size, mouth, microphone, strict=True):
        order = np.arange(-int(reach_m / (2 * length)) - 1, int(reach_m / (2 * length)) + 2)
        offsets.append(
            np.concatenate(
                [2 * order * length + source - listener, 2 * order * length - source - listener]
            )
        )
        counts.append(np.concatenate([np.abs(2 * order), np.abs(2 * order - 1)]))
    x, y, z = np.ix_(*map(np.square, offsets))
    distance = np.sqrt(x + y + z)
    within = distance <= reach_m
    a, b, c = np.ix_(*counts)
    near = distance[within]
    return near / _SPEED_OF_SOUND, 1 / near, (a + b + c)[within].astype(np.float64)


def _differs(voice: Clip, clip: Clip) -> bool:
    if voice.speaker is None or clip.speaker is None:
        return voice.corpus != clip.corpus
    return voice.speaker != clip.speaker


def _power(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).mean())


def _levelled(samples: Samples) -> Samples:
    level = np.sqrt(_power(samples[active(samples)]))
    levelled: Samples = (samples / max(level, 1e-10)).astype(np.float32)
    return levelled


def _scaled_as(dry: Samples, wet: Samples) -> Samples:
    """The second with the active level of the first."""
    level = np.sqrt(_power(dry[active(dry)]))
    scaled: Samples = (_levelled(wet) * level).astype(np.float32)
    return scaled


def _to_16_bits(samples: Samples) -> npt.NDArray[np.int16]:
    whole: npt.NDArray[np.int16]
    whole = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return whole


def _from_16_bits(samples: Samples) -> Samples:
    return _to_16_bits(samples).astype(np.float32) / np.float32(32768)


def _as_long_as(samples: Samples, other: Samples) -> Samples:
    short = max(0, len(samples) - len(other))
    return np.pad(other, (0, short))[: len(samples)].astype(np.float32)
