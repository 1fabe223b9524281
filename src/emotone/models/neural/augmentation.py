"""Altering clips in training, a batch at a time, on whatever device they are.

Everything random comes from the generator that is handed in; one that `generator` made of the same
numbers alters the same batch in the same way.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emotone.models.neural.frontend import HOP_S, PITCH_HZ, WARPS, Spectra
from emotone.models.neural.settings import Augmentation

_KNOTS = 5
"""Points that an equaliser's gain is drawn at, and interpolated between."""

_CURVE = 64
"""Steps in which an equaliser's gain follows the mel scale."""

_TELEPHONE_HZ = ((200.0, 450.0), (3000.0, 3700.0))
"""Where the two edges of a telephone's band lie. Lines differ, and of a voice's fundamental the
lower one leaves all, some or nothing: a network that met 300 Hz alone would rely on it."""

_LIMIT_HZ = 3400.0
"""The lowest upper edge of other band limits."""

_SLOPE_HZ = (50.0, 250.0)
"""Over which a band limit falls from 1 to 0."""

_TELEPHONE_SHARE = 0.6
"""Of the band limits: those of a telephone line."""

_SPEED_OF_SOUND = 343.0
_ROOM_M3 = (20.0, 200.0)
_DISTANCE_M = (0.3, 3.0)
"""From the mouth to the microphone in a room."""

_NOISES = (0.3, 0.2)
"""Shares of white and of low-passed noise; the rest is babble."""

_WRAP = 1024
"""Samples of silence that keep the end of a clip out of its beginning, where filters wrap it."""

_MU = 255.0
"""Of the companding of ITU-T G.711."""

_LINE_DB = (-36.0, -16.0)
"""Levels of speech on a telephone line re full scale; ITU-T P.830 has -26 as the nominal one."""


def derived_seed(*numbers: int) -> int:
    """One seed of several numbers, such as the user's, the epoch and the step."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def generator(device: torch.device, *numbers: int) -> torch.Generator:
    """A generator for this device, seeded by `derived_seed`."""
    made = torch.Generator(device=device)
    made.manual_seed(derived_seed(*numbers))
    return made


class Chance:
    """Draws of one step, all from one generator, on its device."""

    def __init__(self, source: torch.Generator) -> None:
        self.source = source

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers."""
        drawn = torch.rand(*shape, generator=self.source, device=self.source.device)
        return low + (high - low) * drawn

    def normal(self, *shape: int) -> Tensor:
        """Normal numbers of mean 0 and deviation 1."""
        return torch.randn(*shape, generator=self.source, device=self.source.device)

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from `low` to below `high`."""
        return torch.randint(
            low, max(high, low + 1), shape, generator=self.source, device=self.source.device
        )

    def chosen(self, share: float | Tensor, *shape: int) -> Tensor:
        """True for about this share."""
        return self.uniform(0, 1, *shape) < share

    def beta(self, both: float) -> float:
        """A single number of a Beta distribution whose parameters are the same."""
        return float(np.random.default_rng(int(self.whole(0, 2**31, 1))).beta(both, both))

    def one(self, low: float, high: float) -> float:
        """A single uniform number."""
        return float(self.uniform(low, high, 1))


def alter_waveforms(
    waveforms: Tensor, lengths: Tensor, settings: Augmentation, chance: Chance, rate: int
) -> tuple[Tensor, Tensor]:
    """Speed, room, noise and line, in this order.

    Parameters
    ----------
    waveforms
        Shape ``(B, N)``, 0 after each clip's end.
    lengths
        Samples of each, int64 ``(B,)``.
    settings, chance
        What to do, and where randomness comes from.
    rate
        In Hz.

    Returns
    -------
    waveforms, lengths
        New ones; N differs where clips were slowed down.
    """
    waveforms, lengths = _change_speed(waveforms, lengths, settings, chance)
    waveforms = _add_room(waveforms, settings, chance, rate) * _inside(waveforms, lengths)
    waveforms = _add_noise(waveforms, lengths, settings, chance)
    waveforms = _pass_line(waveforms, lengths, settings, chance, rate)
    return waveforms * _inside(waveforms, lengths), lengths


def draw_hop(settings: Augmentation, chance: Chance, hop: int) -> int:
    """The samples between frames of this step."""
    return round(hop * math.exp(chance.one(-settings.tempo, settings.tempo)))


def draw_warps(settings: Augmentation, chance: Chance, batch: int) -> Tensor | None:
    """Which warping of the front end each clip gets, int64 ``(B,)``."""
    if not settings.warp:
        return None
    drawn = chance.whole(0, WARPS, batch)
    middle = torch.full_like(drawn, WARPS // 2)
    return torch.where(chance.chosen(settings.warp_share, batch), drawn, middle)


def alter_spectra(spectra: Spectra, settings: Augmentation, chance: Chance) -> Spectra:
    """Pitch of the pitch-gram, and masks.

    Parameters
    ----------
    spectra
        As the front end gave them.
    settings, chance
        As in `alter_waveforms`.
    """
    mel, lags = spectra.mel, _transposed(spectra.lags, settings, chance)
    batch, bands, length = mel.shape
    time = torch.arange(length, device=mel.device)
    longest = min(round(settings.time_mask_s / HOP_S), length // 6)
    for _ in range(settings.time_masks):
        covered = _stretches(chance, batch, longest, length, time)[:, None]
        mel, lags = mel.masked_fill(covered, 0), lags.masked_fill(covered, 0)
    band = torch.arange(bands, device=mel.device)
    widest = min(settings.band_mask_bands, bands)
    for _ in range(settings.band_masks):
        mel = mel.masked_fill(_stretches(chance, batch, widest, bands, band)[:, :, None], 0)
    return spectra._replace(mel=mel * spectra.mask, lags=lags)


def mix(values: Tensor, partners: Tensor, ratio: float) -> Tensor:
    """``ratio`` parts of each row and the rest of its partner's."""
    return ratio * values + (1 - ratio) * values[partners]


def mix_spectra(spectra: Spectra, partners: Tensor, ratio: float) -> Spectra:
    """Mixup of spectra; what counts in either clip counts in their mixture."""
    frames = spectra.frames
    return Spectra(
        mix(spectra.mel, partners, ratio),
        mix(spectra.lags, partners, ratio),
        torch.maximum(spectra.mask, spectra.mask[partners]),
        None if frames is None else torch.maximum(frames, frames[partners]),
    )


def _transposed(lags: Tensor, settings: Augmentation, chance: Chance) -> Tensor:
    """A pitch-gram with the voice of some clips higher or lower, by whole rows."""
    batch, rows, _ = lags.shape
    if rows < 2:
        return lags
    furthest = round(settings.pitch * (rows - 1) / math.log2(PITCH_HZ[1] / PITCH_HZ[0]))
    moved = chance.whole(-furthest, furthest + 1, batch, 1)
    moved = moved * chance.chosen(settings.pitch_share, batch)[:, None]
    source = (torch.arange(rows, device=lags.device) - moved).clamp(0, rows - 1)
    return lags.gather(1, source[:, :, None].expand_as(lags))


def _inside(waveforms: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(waveforms.shape[1], device=waveforms.device) < lengths[:, None]


def _power(waveforms: Tensor, lengths: Tensor) -> Tensor:
    return waveforms.square().sum(1) / lengths


def _change_speed(
    waveforms: Tensor, lengths: Tensor, settings: Augmentation, chance: Chance
) -> tuple[Tensor, Tensor]:
    batch = len(waveforms)
    factors = torch.exp(chance.uniform(-settings.speed, settings.speed, batch))
    factors = torch.where(chance.chosen(settings.speed_share, batch), factors, 1.0)
    if not settings.speed or not settings.speed_share:
        return waveforms, lengths
    shortened = (lengths / factors).long().clamp_min(1)
    positions = torch.arange(int(shortened.max()), device=waveforms.device) * factors[:, None]
    before = positions.long().clamp_max(waveforms.shape[1] - 2)
    between = (positions - before).clamp(0, 1)
    left, right = waveforms.gather(1, before), waveforms.gather(1, before + 1)
    resampled = torch.lerp(left, right, between)
    return resampled * _inside(resampled, shortened), shortened


def _add_room(waveforms: Tensor, settings: Augmentation, chance: Chance, rate: int) -> Tensor:
    batch, length = waveforms.shape
    rows = chance.chosen(settings.reverb_share, batch).nonzero()[:, 0]
    if not len(rows):
        return waveforms
    response = _responses(settings.reverb_s, chance, len(rows), rate)
    size = 1 << (length + response.shape[1] - 2).bit_length()
    spectrum = torch.fft.rfft(waveforms[rows], size) * torch.fft.rfft(response, size)
    changed = waveforms.clone()
    changed[rows] = torch.fft.irfft(spectrum, size)[:, :length]
    return changed


def _responses(reverb_s: tuple[float, float], chance: Chance, count: int, rate: int) -> Tensor:
    """Impulse responses of rooms from the direct sound on, which is 1; shape ``(count, n)``.

    The images of a source in a room of volume V arrive at 4 pi c^3 t^2 / V a second (Kuttruff, Room
    Acoustics, 4.5), each weaker by its way and by what the walls have taken. Here they come at
    random; their mean, which is sound of no frequency, is taken off. So the direct sound prevails
    up to the critical distance, as in a real room.
    """
    decay_s = chance.uniform(*reverb_s, count, 1)
    low, high = (math.log(edge) for edge in _ROOM_M3)
    volume = torch.exp(chance.uniform(low, high, count, 1))
    low, high = (math.log(edge) for edge in _DISTANCE_M)
    direct_s = torch.exp(chance.uniform(low, high, count, 1)) / _SPEED_OF_SOUND
    after_s = torch.arange(round(reverb_s[1] * rate), device=volume.device) / rate
    flight_s = direct_s + after_s
    density = 4 * math.pi * _SPEED_OF_SOUND**3 * flight_s**2 / (volume * rate)
    few = chance.chosen(density, *density.shape).float() - density
    many = chance.normal(*density.shape) * density.sqrt()  # a Poisson distribution, nearly
    images = torch.where(density < 1, few, many)
    response = images * direct_s / flight_s * 10 ** (-3 * after_s / decay_s)
    response[:, 0] = 1
    return response


def _add_noise(
    waveforms: Tensor, lengths: Tensor, settings: Augmentation, chance: Chance
) -> Tensor:
    batch, length = waveforms.shape
    rows = chance.chosen(settings.noise_share, batch).nonzero()[:, 0]
    if not len(rows):
        return waveforms
    kind = chance.uniform(0, 1, len(rows))
    babbles = kind >= sum(_NOISES)
    noise = waveforms.new_empty(len(rows), length)
    noise[~babbles] = chance.normal(int((~babbles).sum()), length)
    low = ~babbles & (kind >= _NOISES[0])
    noise[low] = F.avg_pool1d(noise[low][:, None], 9, 1, 4)[:, 0]
    noise[babbles] = _babble(waveforms, lengths, rows[babbles], chance)
    noise = noise * _inside(noise, lengths[rows])
    ratio = 10 ** (chance.uniform(*settings.snr_db, len(rows)) / 10)
    wanted = _power(waveforms[rows], lengths[rows]) / ratio
    gain = (wanted / (_power(noise, lengths[rows]) + 1e-12)).sqrt()
    changed = waveforms.clone()
    changed[rows] += noise * gain[:, None]
    return changed


def _babble(waveforms: Tensor, lengths: Tensor, rows: Tensor, chance: Chance) -> Tensor:
    """Three to six others of the batch for each of these clips, equally loud."""
    batch, length = waveforms.shape
    babble = waveforms.new_zeros(len(rows), length)
    for _ in range(int(chance.whole(3, 7, 1))):
        others = (rows + chance.whole(1, batch, len(rows))) % batch
        level = (_power(waveforms[others], lengths[others]) + 1e-12).sqrt()
        voices = waveforms[others] / level[:, None]
        babble = babble + torch.roll(voices, int(chance.one(0, length)), 1)
    return babble


def _pass_line(
    waveforms: Tensor, lengths: Tensor, settings: Augmentation, chance: Chance, rate: int
) -> Tensor:
    """Equaliser and band limit; a telephone's companding where the limit is a telephone's."""
    batch, length = waveforms.shape
    equalised = chance.chosen(settings.equalizer_share, batch)
    limited = chance.chosen(settings.band_share, batch)
    telephone = limited & chance.chosen(_TELEPHONE_SHARE, batch)
    rows = (equalised | limited).nonzero()[:, 0]
    if not len(rows):
        return waveforms
    # A multiple of 1024 transforms fast; what wraps around is short beside the pause that it adds.
    size = -(-(length + _WRAP) // 1024) * 1024
    hertz = torch.arange(size // 2 + 1, device=waveforms.device) * (rate / size)
    gain = _curves(hertz, rate, settings, chance, len(rows)) * equalised[rows, None]
    gain = 10 ** (gain / 20)
    top_hz = max(0.475 * rate, _LIMIT_HZ)
    upper = _LIMIT_HZ * (top_hz / _LIMIT_HZ) ** chance.uniform(0, 1, len(rows), 1)
    lower = chance.uniform(*_TELEPHONE_HZ[0], len(rows), 1)
    phoned = telephone[rows, None]
    upper = torch.where(phoned, chance.uniform(*_TELEPHONE_HZ[1], len(rows), 1), upper)
    lower = torch.where(phoned | chance.chosen(0.3, len(rows), 1), lower, 0.0)
    slope = chance.uniform(*_SLOPE_HZ, len(rows), 1)
    window = ((upper - hertz) / slope + 1).clamp(0, 1)
    window = window * torch.where(lower > 0, ((hertz - lower) / slope + 1).clamp(0, 1), 1.0)
    gain = torch.where(limited[rows, None], gain * window, gain)
    changed = waveforms.clone()
    changed[rows] = torch.fft.irfft(torch.fft.rfft(waveforms[rows], size) * gain, size)[:, :length]
    rows = telephone.nonzero()[:, 0]
    if len(rows):
        changed[rows] = _companded(changed[rows], lengths[rows], chance, rate)
    return changed


def _curves(hertz: Tensor, rate: int, settings: Augmentation, chance: Chance, count: int) -> Tensor:
    """Gain of an equaliser in dB at some frequencies, smooth over the mel scale, (count, n)."""
    knots = chance.normal(count, 1, _KNOTS) * settings.equalizer_db
    curve = F.interpolate(knots, _CURVE + 1, mode="linear", align_corners=True)[:, 0]
    place = torch.log1p(hertz / 700) / math.log1p(rate / 2 / 700) * _CURVE
    before = place.long().clamp(0, _CURVE - 1)
    return torch.lerp(curve[:, before], curve[:, before + 1], (place - before)[None])


def _companded(waveforms: Tensor, lengths: Tensor, chance: Chance, rate: int) -> Tensor:
    """After 8 bits of a mu-law, at some level on the line, and the filter that ends at 4 kHz."""
    level = _power(waveforms, lengths).sqrt()[:, None] + 1e-9
    wanted = 10 ** (chance.uniform(*_LINE_DB, len(lengths), 1) / 20)
    line = (waveforms * (wanted / level)).clamp(-1, 1)
    compressed = line.sign() * torch.log1p(_MU * line.abs()) / math.log1p(_MU)
    coded = (compressed * 127).round() / 127
    line = coded.sign() * torch.expm1(coded.abs() * math.log1p(_MU)) / _MU
    size = -(-(waveforms.shape[1] + _WRAP) // 1024) * 1024
    spectrum = torch.fft.rfft(line, size)
    spectrum[:, size * 4000 // rate + 1 :] = 0
    heard: Tensor = torch.fft.irfft(spectrum, size)[:, : waveforms.shape[1]]
    return heard * (level / wanted)


def _stretches(chance: Chance, batch: int, longest: int, length: int, index: Tensor) -> Tensor:
    """One stretch of up to `longest` places in each row, bool (B, length)."""
    widths = chance.whole(0, longest + 1, batch, 1)
    starts = (chance.uniform(0, 1, batch, 1) * (length - widths + 1)).long()
    return (index >= starts) & (index < starts + widths)
