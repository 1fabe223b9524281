"""The picture of a timeline: what it shows, of recordings short, long, silent and of two voices."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots need the extra 'report'")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.image import imread

from emotone import audio, plots
from emotone.audio import Waveform
from emotone.emotions import colour
from emotone.errors import UsageError
from emotone.features.overview import Overview
from emotone.timeline import Measurement, Segment, Timeline
from recordings import RATE, conversation, sound


def ten_hours():
    rng = np.random.default_rng(0)
    low, high = -rng.random(225_000), rng.random(225_000)
    mel = rng.random((3516, 64))
    return Overview(
        36_000.0, low.astype(np.float32), high.astype(np.float32), 0.16,
        mel.astype(np.float32), 10.24, RATE,
    )  # fmt: skip


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


def rows(figure):
    """The names beside the bands."""
    return [
        label.get_text()
        for axes in figure.axes
        if not axes.get_ylabel()
        for label in axes.get_yticklabels()
    ]


def panels(figure):
    return [axes.get_ylabel() for axes in figure.axes if axes.get_label() != "<colorbar>"]


def check_files(figure):
    """Both forms are there, whole, and without the name of a font or a program in them."""
    png = plots.render(figure, "png", dpi=60)
    height, width, _ = imread(io.BytesIO(png)).shape
    assert width > 500
    assert height > 60
    svg = plots.render(figure, "svg")
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    return svg


def test_a_short_recording_with_its_sound():
    whole = conversation(30)
    figure = plots.timeline(whole, Waveform(sound(whole), RATE), title="talk.wav")
    check_files(figure)
    assert panels(figure) == ["Amplitude", "kHz, mel scale", "", "Scores", "Circumplex"]
    assert figure.axes[0].get_title(loc="left") == "talk.wav"
    assert figure.axes[4].get_xlabel() == "Time (s)"
    assert rows(figure) == ["Emotion"]
    written = {text.get_text() for text in figure.axes[2].texts}
    long_ones = {s.label for s in whole.speech if s.duration_s > 2}
    assert long_ones <= written <= {s.label for s in whole.speech}


def test_a_file_of_two_channels(tmp_path):
    import soundfile

    whole = conversation(150, (0, 1))
    path = tmp_path / "call.flac"
    soundfile.write(path, sound(whole), RATE)
    figure = plots.timeline(whole, Overview.of(path))
    check_files(figure)
    assert rows(figure) == ["Channel 0", "Channel 1"]
    assert panels(figure)[2:] == ["", "Scores", "Circumplex"] * 2
    assert figure.axes[-2].get_xlabel() == "Time (min:s)"


def test_an_example(tmp_path):
    from pathlib import Path

    clip = Path(__file__).parents[2] / "examples" / "raised-voice.flac"
    wave = audio.read(clip)
    speech = Segment.of_speech(0, wave.duration_s, {"angry": 0.7, "happy": 0.3})
    whole = Timeline(wave.duration_s, "m@1", ("happy", "angry"), (speech,))
    figure = plots.timeline(whole, wave)
    path = plots.save(figure, tmp_path / "clip.png", dpi=50)
    assert imread(path).std() > 0.1
    # The spectrogram shows what the recording holds: levels of all kinds, the loudest at 0 dB.
    level = figure.axes[1].images[0].get_array()
    assert level.max() == 0
    assert len(np.unique(level.round())) > 40


def test_ten_hours_take_no_more_room_than_their_pixels():
    figure = plots.timeline(conversation(36_000), ten_hours())
    svg = check_files(figure)
    assert len(svg) < 2_500_000
    assert figure.axes[4].get_xlabel() == "Time (h:min)"
    for axes in figure.axes:
        for shape in axes.collections:
            if isinstance(shape, PolyCollection):
                assert sum(len(path.vertices) for path in shape.get_paths()) < 20_000
        for image in axes.images:
            assert image.get_array().shape[1] <= 2400


def test_speakers_have_rows_of_their_own():
    names = ("Anna", "<b>$x_1$</b>", "Ωμέγα " * 9)
    figure = plots.timeline(conversation(300, speakers=names))
    check_files(figure)
    assert rows(figure)[:2] == ["Anna", "<b>$x_1$</b>"]
    assert len(rows(figure)[2]) <= 22


@pytest.mark.parametrize("segments", [(), (Segment(0, 12, "silence"),)])
def test_without_speech_there_are_no_curves(segments):
    empty = Timeline(12.0, "m@1", ("happy",), segments)
    figure = plots.timeline(empty)
    check_files(figure)
    assert panels(figure) == [""]
    assert legend(figure) == []
    figure = plots.timeline(empty, Waveform(np.zeros(12 * RATE, np.float32), RATE))
    check_files(figure)


def test_a_timeline_that_lasts_no_time_is_refused():
    with pytest.raises(UsageError, match="lasts no time"):
        plots.timeline(Timeline(0.0, "m@1", ("happy",), ()))


def test_the_legend_has_the_emotions_that_occur_and_no_others():
    scores = {"neutral": 0.1, "calm": 0.1, "happy": 0.6, "sad": 0.2}
    segments = (
        Segment.of_speech(0, 2, scores),
        Segment(2, 3, "non-speech"),
        Segment.of_speech(3, 4, {**scores, "sad": 0.7}),
    )
    whole = Timeline(4.0, "m@1", tuple(scores), segments)
    assert legend(plots.timeline(whole)) == ["happy", "sad", "others", "non-speech"]
    whole = Timeline(2.0, "m@1", ("happy",), (Segment.of_speech(0, 2, {"happy": 1.0}),))
    assert legend(plots.timeline(whole)) == ["happy"]


def test_an_emotion_that_the_model_does_not_know_has_a_band_and_no_scores():
    scores = {"happy": 0.6, "sad": 0.4}
    named = Segment(0, 2, "speech", emotion="bored", scores=scores)
    whole = Timeline(2.0, "m@1", tuple(scores), (named, Segment.of_speech(2, 4, scores)))
    assert legend(plots.timeline(whole)) == ["happy", "bored", "others"]


def test_bands_and_scores_lie_where_the_speech_is():
    scores = {"happy": 0.75, "sad": 0.25}
    segments = (Segment(0, 1, "silence"), Segment.of_speech(1, 3, scores))
    figure = plots.timeline(Timeline(4.0, "m@1", ("happy", "sad"), segments))
    bands, stack, places = figure.axes

    def box(shape):
        vertices = np.concatenate([path.vertices for path in shape.get_paths()])
        return vertices[:, 0].min(), vertices[:, 0].max(), vertices[:, 1].max()

    from matplotlib.colors import to_rgba

    (band,) = [
        shape
        for shape in bands.collections
        if np.allclose(shape.get_facecolor(), [to_rgba(colour("happy"))])
    ]
    assert box(band)[:2] == (1, 3)
    (happy,) = [
        shape
        for shape in stack.collections
        if np.allclose(shape.get_facecolor(), [to_rgba(colour("happy"))])
    ]
    assert box(happy) == (1, 3, 0.75)
    valence, arousal = (step.get_data().values for step in places.patches)
    assert valence.tolist() == pytest.approx([segments[1].valence])
    assert arousal.tolist() == pytest.approx([segments[1].arousal])


def halting(duration_s):
    """Short utterances with pauses between them that are rather longer."""
    rng = np.random.default_rng(0)
    segments, measurements, now = [], [], 0.0
    while now + 8 < duration_s:
        begin, end = now + rng.uniform(0.5, 4.5), now + rng.uniform(4.6, 6)
        scores = {name: rng.random() for name in ("happy", "sad", "angry")}
        scores = {name: score / sum(scores.values()) for name, score in scores.items()}
        segments += [Segment(now, begin, "silence"), Segment.of_speech(begin, end, scores)]
        windows = np.arange(begin, end, 0.5)
        measurements += [Measurement(at, min(at + 1.5, end), scores) for at in windows]
        now = end
    segments.append(Segment(now, duration_s, "silence"))
    return Timeline(
        duration_s, "m@1", ("happy", "sad", "angry"), tuple(segments), tuple(measurements)
    )


def heard(whole, columns):
    """How many columns of an image have been heard, up to each of their edges."""
    edges = np.linspace(0, whole.duration_s, columns + 1)
    taken = [np.clip(edges, s.start, s.end) - s.start for s in whole.speech]
    return np.sum(taken, axis=0) * columns / whole.duration_s


@pytest.mark.parametrize("duration_s", [60, 641, 3600, 36_000])
def test_what_is_painted_is_what_was_heard(duration_s):
    whole = halting(duration_s)
    figure = plots.timeline(whole)
    figure.set_dpi(150)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(int)
    for axes, at in zip(figure.axes, (0.3, 0.5, None), strict=True):
        panel = axes.get_window_extent()
        left, right = round(panel.x0), round(panel.x1)
        if at is None:  # a line at some height
            inside = image[round(panel.y0) + 3 : round(panel.y1) - 3, left:right]
        else:
            row = round(panel.y0 + at * panel.height)
            inside = image[row : row + 1, left:right]
        painted = (np.ptp(inside, axis=2) > 60).any(axis=0)
        expected = heard(whole, right - left)
        off = np.abs(np.concatenate([[0], np.cumsum(painted)]) - expected)
        # Half a pixel at each end of a stretch, which even out.
        assert off.max() <= 20, axes.get_ylabel()
        assert painted.mean() == pytest.approx(expected[-1] / (right - left), abs=0.015)


def test_the_same_timeline_gives_the_same_bytes():
    whole = conversation(30)
    first, second = (plots.timeline(whole, Waveform(sound(whole), RATE)) for _ in range(2))
    assert plots.render(first, "svg") == plots.render(second, "svg")
