"""Plots and the report over real recordings of several corpora."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

pytest.importorskip("matplotlib", reason="plots need the extra 'report'")
pytest.importorskip("sklearn", reason="training needs the extra 'train'")

from emotone import audio, features, plots
from emotone.corpora import load
from emotone.report import report_from_run, report_html
from emotone.training import train

CLIPS = {
    "ravdess": "ravdess/Actor_05",
    "emodb": "emodb",
    "urdu": "urdu/Angry",
    "turev": "turev/Angry",
    "original at 48 kHz": "originals",
}


@pytest.fixture(scope="module")
def utterances(corpora):
    """A small real corpus: three emotions of six actors of RAVDESS."""
    corpus = load(f"ravdess={corpora / 'ravdess'}")
    chosen = tuple(
        u
        for u in corpus.utterances
        if int(u.speaker) <= 6 and u.emotion in ("angry", "happy", "sad") and u.sentence
    )[::4]
    assert len(chosen) >= 30
    return corpus.with_utterances(chosen)


def pixels_of(png):
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return pixels


@pytest.mark.parametrize("folder", CLIPS.values(), ids=CLIPS.keys())
def test_every_picture_of_a_real_clip(corpora, folder):
    clip = audio.find_audio([corpora / folder])[3]
    wave = audio.read(clip)
    for plot in (
        plots.waveform,
        plots.spectrogram,
        plots.mel_spectrogram,
        plots.mfcc,
        plots.chroma,
    ):
        figure = plot(wave, title=clip.name)
        assert figure.axes[0].get_xlim() == pytest.approx((0, wave.duration_s))
        pixels = pixels_of(plots.render(figure, "png", dpi=50))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20  # something is drawn
        assert (pixels[0] == 255).all()
        assert (pixels[-1] == 255).all()  # nothing is cut off at the edges


def test_the_best_features_of_real_clips_and_their_map(utterances, tmp_path):
    feature_set = features.get("mfcc13+rms")
    matrix = np.stack([features.extract(u.path, "mfcc13+rms") for u in utterances.utterances])
    figure = plots.feature_distributions(matrix, feature_set.names, utterances.labels, which=3)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    # An angry voice is louder than a sad one: level must be among the best three.
    assert feature_set.names[-1] in titles
    assert plots.save(figure, tmp_path / "features.svg").stat().st_size > 5000
    map_figure = plots.embedding_map(matrix, utterances.labels, seed=1)
    assert plots.save(map_figure, tmp_path / "map.pdf").stat().st_size > 5000


def test_the_report_of_a_real_training(utterances):
    run = train(utterances, family="svm-rbf", features="mfcc13", split="speakers:3", bootstrap=50)
    data = report_from_run(run, bundle="my model.emotone", clips_per_pair=1)
    page = report_html(data)
    assert f"{100 * run.evaluation.ua.value:.1f} %" in page
    assert "CC BY-NC-SA 4.0" in page
    assert "nobody who is tested on was heard in training" in page
    assert 'class="warning"' not in page
    assert "&#39;my model.emotone&#39;" in page
    assert str(utterances.root) not in page  # whose folders these are is nobody else's business
    assert [row.test for row in data.folds] == [len(fold.test) for fold in run.dataset.folds]
    assert sum(data.counts.values()) == len(utterances)
    clips = [clip for pair in data.clips.values() for clip in pair]
    assert page.count("<audio") == len(clips) > 0
    for clip in clips:
        samples, rate = soundfile.read(io.BytesIO(clip.data))
        assert rate == 16000
        assert np.abs(samples).max() > 0
    confidences = [mistake.confidence for mistake in data.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert all(mistake.true != mistake.predicted for mistake in data.mistakes)
    assert not report_from_run(run).clips


def test_the_report_of_a_random_split_says_that_speakers_are_shared(utterances):
    run = train(
        utterances,
        family="knn",
        features="mfcc13",
        split="random:test=0.25,seed=9",
        bootstrap=0,
        curve=False,
    )
    page = report_html(report_from_run(run))
    assert 'class="warning"' in page
    assert f"share {run.dataset.split.shared_speakers} speakers" in page
    assert "<audio" not in page


def test_the_report_of_a_model_without_a_test(utterances):
    run = train(utterances, family="mlp-300", features="mfcc13", split="none", bootstrap=0)
    page = report_html(report_from_run(run))
    assert "Nothing was held out for a test" in page
    assert page.count("<svg") == 1  # its loss
