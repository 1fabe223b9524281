"""Front end, bodies and augmentation: what they compute, and what must not change it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import speech
from emotone.errors import UsageError
from emotone.models.neural import augmentation, bodies
from emotone.models.neural.augmentation import Chance
from emotone.models.neural.data import hold_out
from emotone.models.neural.frontend import WARPS, FrontEnd, mel_bank
from emotone.models.neural.network import Network, contrast
from emotone.models.neural.parameters import resolve
from emotone.models.neural.settings import Augmentation, Settings

FAMILIES = ["cnn1d", "cnn2d", "lstm", "gru", "crnn", "conformer"]
QUIET = Augmentation(
    speed=0, warp=0, tempo=0, noise_share=0, reverb_share=0, equalizer_share=0, band_share=0,
    time_masks=0, band_masks=0, pitch_share=0,
)  # fmt: skip


def body(family: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return bodies.make(Settings.of(family, resolve(family, {})), 16000).eval()


def chance(*numbers: int) -> Chance:
    return Chance(augmentation.generator(torch.device("cpu"), *numbers))


def voices(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    clips, _, _ = speech.clips(count)
    length = int(clips.lengths.max())
    waveforms = torch.zeros(count, length)
    for i in range(count):
        waveforms[i, : clips.lengths[i]] = torch.from_numpy(clips[i])
    return waveforms, torch.from_numpy(clips.lengths)


# -- front end


def test_the_pitch_gram_peaks_at_the_pitch() -> None:
    end = FrontEnd(16000, lags=48)
    hertz = np.geomspace(60, 500, 48)
    for pitch in (120.0, 300.0):
        phase = 2 * np.pi * pitch * np.arange(8000) / 16000
        tone = sum(np.sin(k * phase) / k for k in range(1, 10))
        lags = end(torch.from_numpy(tone[None].astype(np.float32))).lags[0, :, 20:30].mean(1)
        found = hertz[lags.numpy().argmax()]
        assert min(abs(math.log2(found / pitch)), abs(math.log2(2 * found / pitch))) < 0.06


@pytest.mark.parametrize("gain", [0.01, 1.7])
def test_the_level_does_not_matter(gain: float) -> None:
    waveforms, _ = voices()
    end = FrontEnd(16000, lags=48)
    for ours, theirs in zip(end(waveforms)[:3], end(gain * waveforms)[:3], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


def test_silence_is_masked_and_changes_nothing() -> None:
    waveforms, _ = voices(1)
    silence = torch.zeros(1, 1600)
    end = FrontEnd(16000)
    plain, longer = end(waveforms), end(torch.cat([silence, waveforms, silence], 1))
    assert longer.mask[0, 0, :8].sum() == 0
    torch.testing.assert_close(longer.mel[:, :, 12:50], plain.mel[:, :, 2:40], atol=0.02, rtol=0)


def test_no_sound_at_all_gives_numbers() -> None:
    for length in (1, 200, 4800):
        for values in FrontEnd(16000, lags=8)(torch.zeros(2, length))[:3]:
            assert torch.isfinite(values).all()


def test_standardisation_takes_mean_and_deviation_away() -> None:
    waveforms, _ = voices(1)
    end = FrontEnd(16000)
    found = end.analyse(waveforms, None)
    heard = found.mask[0, 0] > 0
    end.standardise([found])
    mel = end(waveforms).mel[0][:, heard]
    torch.testing.assert_close(mel.mean(1), torch.zeros(64), atol=1e-3, rtol=0)
    torch.testing.assert_close(mel.std(1), torch.ones(64), atol=1e-3, rtol=0)


def test_warping_moves_the_bands_and_keeps_the_edges() -> None:
    centre = mel_bank(16000, 512, 64, 1.0) @ np.arange(257)
    up = mel_bank(16000, 512, 64, 1.15) @ np.arange(257)
    np.testing.assert_allclose(up[20:40] / centre[20:40], 1.15, atol=0.02)
    assert up[-1] <= 256


# -- bodies


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(family: str) -> None:
    waveforms, lengths = voices()
    network = body(family)
    junk = torch.randn(len(waveforms), 4000)
    longer = torch.cat([waveforms, torch.zeros(len(waveforms), 4000)], 1)
    inside = torch.arange(longer.shape[1]) < lengths[:, None]
    longer = torch.where(inside, longer, torch.cat([junk.repeat(1, 8)], 1)[:, : longer.shape[1]])
    with torch.no_grad():
        together = network(longer, lengths)
        for i, length in enumerate(lengths.tolist()):
            alone = network(waveforms[i : i + 1, :length])
            torch.testing.assert_close(together[i : i + 1], alone, atol=2e-5, rtol=1e-4)
    assert together.shape == (3, network.dimension)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_bodies_are_small(family: str) -> None:
    assert sum(values.numel() for values in body(family).parameters()) < 2_500_000


def test_a_head_for_each_corpus_keeps_to_its_emotions() -> None:
    torch.manual_seed(0)
    has = torch.tensor([[True, True, False], [True, True, True]])
    network = Network(body("cnn1d"), has).eval()
    waveforms, lengths = voices(2)
    logits = network(waveforms, lengths)
    assert logits.own is not None
    assert logits.own.shape == (2, 2, 3)
    general, own = network.restricted(logits, torch.tensor([0, 1]))
    assert own is not None
    assert general[0, 2] == own[0, 2] == -1e4
    torch.testing.assert_close(own[1], logits.own[1, 1])
    losses = network.losses(
        logits,
        torch.tensor([1, 2]),
        torch.tensor([0, 1]),
        smoothing=0.0,
        own_weight=2.0,
        general_weight=0.5,
        open_share=0.4,
    )
    targets = ([0, 1], [1, 2])
    expected = (
        -2 * own.log_softmax(1)[targets]
        - 0.5 * 0.6 * general.log_softmax(1)[targets]
        - 0.5 * 0.4 * logits.general.log_softmax(1)[targets]
    )
    torch.testing.assert_close(losses, expected)


def test_the_contrast_is_low_where_one_emotion_lies_together() -> None:
    """By hand: two pairs at right angles, cosine 1 within and 0 between, temperature 0.15."""
    embeddings = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 1.0], [1.0, 1.0]])
    apart = torch.tensor([0, 0, 1, 1, 2])  # the last has no partner, and is among the others
    one, half = math.exp(1 / 0.15), math.exp(math.sqrt(0.5) / 0.15)
    expected = -math.log(one / (one + 2 + half))
    assert float(contrast(embeddings, apart)) == pytest.approx(expected, rel=1e-4)
    assert float(contrast(embeddings, torch.tensor([0, 1, 0, 1, 2]))) > expected + 3
    assert float(contrast(embeddings, torch.arange(5))) == 0


# -- augmentation


def test_the_same_numbers_alter_in_the_same_way() -> None:
    waveforms, lengths = voices()
    settings = Augmentation(noise_share=1, reverb_share=1)
    first, again, other = (
        augmentation.alter_waveforms(waveforms, lengths, settings, chance(*numbers), 16000)[0]
        for numbers in ((0, 1), (0, 1), (0, 2))
    )
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_nothing_on_alters_nothing() -> None:
    waveforms, lengths = voices()
    altered, same = augmentation.alter_waveforms(waveforms, lengths, QUIET, chance(0), 16000)
    torch.testing.assert_close(altered, waveforms)
    assert torch.equal(same, lengths)
    end = FrontEnd(16000)
    spectra = end(waveforms, lengths)
    torch.testing.assert_close(
        augmentation.alter_spectra(spectra, QUIET, chance(0)).mel, spectra.mel
    )
    assert augmentation.draw_hop(QUIET, chance(0), 160) == 160
    assert augmentation.draw_warps(QUIET, chance(0), 3) is None


def test_noise_has_the_ratio_that_was_asked_for() -> None:
    waveforms, lengths = voices()
    settings = dataclasses.replace(QUIET, noise_share=1, snr_db=(10, 10))
    altered, _ = augmentation.alter_waveforms(waveforms, lengths, settings, chance(3), 16000)
    noise = (altered - waveforms).square().sum(1)
    ratio_db = 10 * torch.log10(waveforms.square().sum(1) / noise)
    torch.testing.assert_close(ratio_db, torch.full((3,), 10.0), atol=0.1, rtol=0)
    outside = torch.arange(altered.shape[1]) >= lengths[:, None]
    assert altered[outside].abs().max() == 0


def test_speed_changes_length_and_pitch_together() -> None:
    tone = torch.sin(2 * torch.pi * 400 * torch.arange(16000) / 16000).repeat(8, 1)
    settings = dataclasses.replace(QUIET, speed=0.2, speed_share=1)
    altered, lengths = augmentation.alter_waveforms(
        tone, torch.full((8,), 16000), settings, chance(1), 16000
    )
    for wave, length in zip(altered, lengths.tolist(), strict=True):
        peak = torch.fft.rfft(wave[:length]).abs().argmax() * 16000 / length
        assert float(peak) * length / 16000 == pytest.approx(400, abs=2)
    assert len(set(lengths.tolist())) > 4


def rooms(count: int, reverb_s: float) -> torch.Tensor:
    """What a click becomes in so many rooms, from its own place on; (count, 16000)."""
    click = torch.zeros(count, 16100)
    click[:, 100] = 1
    settings = dataclasses.replace(QUIET, reverb_share=1, reverb_s=(reverb_s, reverb_s))
    lengths = torch.full((count,), 16100)
    altered, _ = augmentation.alter_waveforms(click, lengths, settings, chance(0), 16000)
    assert altered[:, :100].abs().max() < 1e-4
    return altered[:, 100:]


def test_a_room_keeps_the_start_and_falls_by_60_decibels_in_its_time() -> None:
    heard = rooms(40, 0.3)
    torch.testing.assert_close(heard[:, 0], torch.ones(40), atol=1e-3, rtol=0)
    energy = heard.square().mean(0)
    fall_db = 10 * torch.log10(energy[1001:1801].sum() / energy[3401:4201].sum())
    assert float(fall_db) == pytest.approx(30, abs=2)  # 60 dB in 0.3 s is 30 dB in 0.15 s


def test_a_rooms_echoes_thicken_and_far_from_the_mouth_they_prevail() -> None:
    heard = rooms(200, 0.6)
    early, late = (
        float((part**4).mean(1).div(part.square().mean(1) ** 2).median())
        for part in (heard[:, 16:176], heard[:, 1600:1760])
    )
    assert early > 9  # single echoes
    assert late == pytest.approx(3, abs=0.4)  # as many as make a normal distribution
    direct_db = -10 * torch.log10(heard[:, 1:].square().sum(1))
    # At the critical distance, 0.057 sqrt(V / RT60), it is 0: at 0.33 m in the least of the rooms,
    # at 1.04 m in the largest. So it is from 11 dB at 0.3 m down to -19 dB at 3 m.
    assert -21 < float(direct_db.min()) < -12
    assert 7 < float(direct_db.max()) < 13


def gains_db(settings: Augmentation, level_db: float = -20.0) -> torch.Tensor:
    """What 300 clips of noise lose on the line, in dB at 0, 50, ..., 8000 Hz; (300, 161)."""
    noise = chance(9).normal(1, 16000).repeat(300, 1) * 10 ** (level_db / 20)
    lengths = torch.full((300,), 16000)
    altered, _ = augmentation.alter_waveforms(noise, lengths, settings, chance(4), 16000)

    def power(waveforms: torch.Tensor) -> torch.Tensor:
        frames = waveforms.unfold(1, 320, 160) * torch.hann_window(320)
        return torch.fft.rfft(frames).abs().square().mean(1)

    return 10 * torch.log10(power(altered) / power(noise) + 1e-12)


def test_an_equaliser_is_smooth_and_in_decibels() -> None:
    found = gains_db(dataclasses.replace(QUIET, equalizer_share=1, equalizer_db=6))
    assert float(found[:, 160].std()) == pytest.approx(6, rel=0.15)  # at the last of the knots
    assert found.diff(dim=1).abs().max() < 4
    some = gains_db(dataclasses.replace(QUIET, equalizer_share=0.5, equalizer_db=6))
    assert 0.4 < float((some.abs().amax(1) < 0.1).float().mean()) < 0.6


def test_a_band_limit_ends_between_a_telephones_and_the_top() -> None:
    found = gains_db(dataclasses.replace(QUIET, band_share=0.6))
    untouched = found.abs().amax(1) < 0.1
    assert 0.3 < float(untouched.float().mean()) < 0.5
    telephone = found[:, 82:].amax(1) < -60  # nothing above 4.1 kHz
    assert 0.25 < float(telephone.float().mean()) < 0.45
    # What speaks passes, nearly nothing else does, and 8 bits leave a little noise.
    assert found[telephone][:, 10:59].abs().max() < 0.5
    assert -60 < float(found[telephone][:, 79].median()) < -25
    wider = ~untouched & ~telephone
    edges = (found[wider] > -3).float().cumsum(1).argmax(1) * 50.0
    assert 3300 < float(edges.min()) < 4200
    assert 6500 < float(edges.max()) < 7800


def test_telephones_differ_in_where_their_band_begins_and_ends() -> None:
    found = gains_db(dataclasses.replace(QUIET, band_share=1))
    passed = found[found[:, 82:].amax(1) < -60] > -3
    begin, end = passed.float().argmax(1) * 50.0, passed.float().cumsum(1).argmax(1) * 50.0
    assert float(begin.min()) <= 200
    assert 350 <= float(begin.max()) <= 450
    assert float(end.min()) <= 3150
    assert 3600 <= float(end.max()) <= 4000


def test_voices_in_a_babble_are_equally_loud() -> None:
    tones = torch.stack(
        [torch.sin(2 * torch.pi * 500 * n * torch.arange(16000) / 16000) for n in range(1, 9)]
    )
    quiet = tones * 10 ** -torch.linspace(0, 3, 8)[:, None]
    settings = dataclasses.replace(QUIET, noise_share=1, snr_db=(0, 0))
    altered, _ = augmentation.alter_waveforms(
        quiet, torch.full((8,), 16000), settings, chance(0), 16000
    )
    added = torch.fft.rfft(altered - quiet).abs()[:, 500:4001:500]
    babbles = added.amin(1) < 1e-6 * added.amax(1)  # lines alone, and not all of them
    assert 1 <= int(babbles.sum()) <= 7
    for voices in added[babbles]:
        heard = voices[voices > 1e-3 * voices.max()]
        assert len(heard) >= 2
        count = heard / heard.min()  # a voice may be drawn twice
        assert float(count.max()) < 6.5


def test_of_the_noises_half_are_babble_and_three_in_ten_white() -> None:
    # A babble of 500 Hz tones is one; of the others low-passed noise has little at 4 kHz.
    tones = torch.sin(2 * torch.pi * 500 * torch.arange(4000) / 16000).repeat(400, 1)
    settings = dataclasses.replace(QUIET, noise_share=1, snr_db=(0, 0))
    altered, _ = augmentation.alter_waveforms(
        tones, torch.full((400,), 4000), settings, chance(0), 16000
    )
    power = torch.fft.rfft(altered - tones).abs().square()
    babble = power[:, 120:131].sum(1) > 0.9 * power.sum(1)
    white = ~babble & (power[:, 900:1100].mean(1) > 0.3 * power.mean(1))
    assert float(babble.float().mean()) == pytest.approx(0.5, abs=0.07)
    assert float(white.float().mean()) == pytest.approx(0.3, abs=0.07)


def test_echoes_do_not_add_up_at_no_frequency() -> None:
    heard = rooms(40, 0.6)[:, 1:]
    coherent = heard.sum(1).square() / heard.square().sum(1)
    assert float(coherent.median()) < 3  # 1 where nothing adds up; in phase it would be hundreds


def test_a_pitch_gram_moves_by_octaves() -> None:
    seconds = torch.arange(16000) / 16000
    buzz = sum(torch.cos(2 * torch.pi * 170 * n * seconds) for n in range(1, 15))
    end = FrontEnd(16000, lags=97)
    spectra = end(torch.as_tensor(buzz)[None].repeat(300, 1))
    settings = dataclasses.replace(QUIET, pitch=0.5, pitch_share=0.5)
    altered = augmentation.alter_spectra(spectra, settings, chance(0))
    rows = spectra.lags[:, :, 50].argmax(1), altered.lags[:, :, 50].argmax(1)
    octaves = (rows[1] - rows[0]) / 96 * math.log2(500 / 60)
    assert 0.45 < float(octaves.abs().max()) <= 0.52
    assert 0.4 < float((octaves == 0).float().mean()) < 0.65
    assert torch.equal(altered.mel, spectra.mel)


def test_masks_blank_time_and_bands() -> None:
    waveforms, lengths = voices(1)
    end = FrontEnd(16000)
    spectra = end(waveforms, lengths)
    settings = dataclasses.replace(
        QUIET, time_masks=1, time_mask_s=0.1, band_masks=1, band_mask_bands=10
    )
    blank_frames, blank_bands = set(), set()
    for number in range(20):
        blank = augmentation.alter_spectra(spectra, settings, chance(number)).mel[0] == 0
        blank_frames.add(int(blank[:, spectra.mask[0, 0] > 0].all(0).sum()))
        blank_bands.add(int(blank.all(1).sum()))
    assert 3 < max(blank_frames) <= 10
    assert 3 < max(blank_bands) <= 10


def test_warps_stay_in_range() -> None:
    drawn = augmentation.draw_warps(Augmentation(warp_share=0.5), chance(0), 1000)
    assert drawn is not None
    assert drawn.min() == 0
    assert drawn.max() == WARPS - 1
    assert 450 < int((drawn == WARPS // 2).sum()) < 600


# -- what is held out, and parameters


def test_speakers_are_held_out_whole() -> None:
    labels = np.arange(40) % 4
    groups = [f"s{i // 4 % 5}" for i in range(40)]
    rows, disjoint = hold_out(labels, np.zeros(40, dtype=np.int64), groups, 0.2, 0)
    assert disjoint
    held = {groups[i] for i in rows}
    assert len(held) == 1
    assert not held & {groups[i] for i in set(range(40)) - set(rows.tolist())}


def test_clips_are_held_out_where_speakers_are_unknown_or_few() -> None:
    labels = np.arange(40) % 4
    for groups in (None, ["a", "b"] * 20):
        rows, disjoint = hold_out(labels, np.zeros(40, dtype=np.int64), groups, 0.2, 0)
        assert not disjoint
        assert np.bincount(labels[rows]).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"epoch": 3}, "has no parameter 'epoch'.*Did you mean 'epochs'"),
        ({"epochs": 0}, "Give a whole number"),
        ({"lr": "fast"}, "Give a number"),
        ({"augment.speed": 2}, "Give a number"),
        ({"augment.snr_db": [20, 5]}, "lower first"),
        ({"channels": [8, 8]}, "list of 3"),
        ({"clips_per_epoch": {"ravdess": 1.5}}, "Give an object"),
        ({"precision": "16"}, "bf16-mixed"),
        ({"width": 5}, "divide their sum"),
    ],
)
def test_parameters_are_checked(params: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve("crnn", params)
