"""Plots: what they show, what they refuse, and that the same data gives the same file."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots need the extra 'report'")

import matplotlib

from emotone import plots
from emotone.audio.waveform import Waveform
from emotone.emotions import CANONICAL, EMOTIONS, colour
from emotone.errors import UsageError
from emotone.metrics import CalibrationBin, metrics
from emotone.plots.corpus import anova_f
from emotone.plots.style import shorten, text_on
from emotone.selective import CoverageCurve, coverage_curve

LONG = "a_very_long_emotion_name_that_nobody_would_ever_use"


def tone(seconds=1.0, rate=16000, hz=440.0):
    t = np.arange(int(seconds * rate)) / rate
    return Waveform((0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32), rate)


def labelled(n=120, d=8, k=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    matrix = rng.normal(size=(n, d))
    matrix[:, 3] += 4 * y
    matrix[:, 6] += y
    return matrix, [f"f{i}" for i in range(d)], [CANONICAL[i] for i in y]


def bins():
    return metrics(
        ["sad", "sad", "happy", "happy"],
        [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]],
        ["sad", "happy"],
        bootstrap=0,
    ).calibration


def every_figure():
    matrix, names, emotions = labelled()
    wave = tone(0.5)
    return {
        "waveform": plots.waveform(wave, title="a"),
        "spectrogram": plots.spectrogram(wave, title="a"),
        "mel": plots.mel_spectrogram(wave, title="a"),
        "mfcc": plots.mfcc(wave, title="a"),
        "chroma": plots.chroma(wave, title="a"),
        "counts": plots.class_counts(emotions, title="a"),
        "distributions": plots.feature_distributions(matrix, names, emotions, title="a"),
        "map": plots.embedding_map(matrix, emotions, method="pca", title="a"),
        "loss": plots.loss([3.0, 2.0, 1.0], title="a"),
        "learning": plots.learning_curve([10, 20], {"test": [0.4, 0.5]}, title="a"),
        "confusion": plots.confusion([[3, 1], [0, 4]], ["sad", "happy"], title="a"),
        "reliability": plots.reliability(bins(), ece=0.1, title="a"),
        "coverage": plots.coverage(
            coverage_curve([True, False], [0.9, 0.5]), target=0.8, title="a"
        ),
        "comparison": plots.comparison(["a", "b"], [0.5, 0.6], [(0.4, 0.6), None], title="a"),
    }


def texts(figure):
    found = []
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")]
    return found


def test_every_plot_in_every_format_is_the_same_bytes_again():
    magic = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    first, second = every_figure(), every_figure()
    for name, figure in first.items():
        data = plots.render(figure, "svg", dpi=50)
        assert data.startswith(magic["svg"]), name
        assert data == plots.render(second[name], "svg", dpi=50), name
    for format in ("png", "pdf"):
        data = plots.render(first["confusion"], format, dpi=50)
        assert data.startswith(magic[format])
        assert data == plots.render(second["confusion"], format, dpi=50)


def test_plots_leave_no_global_state(tmp_path):
    before = dict(matplotlib.rcParams)
    plots.save(plots.mfcc(tone(0.2)), tmp_path / "plot.png", dpi=40)
    with pytest.raises(UsageError):
        plots.loss([])
    assert dict(matplotlib.rcParams) == before
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_every_axis_of_a_plot_has_a_name():
    for name, figure in every_figure().items():
        if name in ("distributions", "counts", "comparison"):
            continue  # their vertical axis is made of names
        shown = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        assert all(axes.get_ylabel() for axes in shown), name
        assert shown[-1].get_xlabel(), name


def test_save_names_the_formats_it_knows(tmp_path):
    figure = plots.loss([1.0])
    for name in ("plot.jpg", "plot", "plot.html"):
        with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
            plots.save(figure, tmp_path / name)
        assert not (tmp_path / name).exists()
    with pytest.raises(UsageError, match="folder exists"):
        plots.save(figure, tmp_path / "missing" / "plot.png")
    with pytest.raises(UsageError, match="gif"):
        plots.render(figure, "gif")
    assert plots.save(figure, tmp_path / "PLOT.SVG").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("k", [1, 2, 5, 8, 12])
def test_confusion_shows_every_count_and_no_label_covers_another(k):
    emotions = [*list(EMOTIONS)[: k - 1], LONG]
    counts = np.arange(k * k).reshape(k, k) + 1
    figure = plots.confusion(counts, emotions, title="Some title")
    plots.render(figure, "png", dpi=100)  # lays the figure out
    axes = figure.axes[0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    shown = {text.get_text() for text in axes.texts}
    assert {f"{100 * share:.0f} %" for share in shares.flat} <= shown
    if k <= 9:
        assert {str(count) for count in counts.flat} <= shown
    # Upright boxes of turned labels cross though their letters do not: test the others.
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        if any(label.get_rotation() for label in labels):
            continue
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_confusion_leaves_a_row_without_clips_empty():
    figure = plots.confusion([[0, 0], [1, 3]], ["sad", "happy"])
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(shown) == ["1", "25 %", "3", "75 %"]


@pytest.mark.parametrize(
    ("matrix", "emotions"),
    [
        ([[1, 2]], ["sad"]),
        ([[1]], ["sad", "happy"]),
        ([[-1]], ["sad"]),
        ([[float("nan")]], ["sad"]),
        ([], []),
    ],
)
def test_confusion_refuses_what_is_no_confusion_matrix(matrix, emotions):
    with pytest.raises(UsageError):
        plots.confusion(matrix, emotions)


def test_labels_are_text_and_never_mathematics():
    figure = plots.class_counts({"$\\frac{1}{0}$": 2, "a_b^c$": 1, "<b>&": 1})
    assert plots.render(figure, "svg")
    assert "$\\frac{1}{0}$" in texts(figure)


def test_class_counts_are_in_the_order_and_colours_of_the_vocabulary():
    figure = plots.class_counts(["happy", "angry", "happy", "neutral"])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["neutral", "happy", "angry"]
    assert [bar.get_width() for bar in axes.patches] == [1, 2, 1]
    assert [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in axes.patches] == [
        colour(name).lower() for name in ("neutral", "happy", "angry")
    ]
    with pytest.raises(UsageError):
        plots.class_counts([])


def test_anova_f_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    matrix, _, emotions = labelled()
    groups = [matrix[np.array(emotions) == name] for name in sorted(set(emotions))]
    np.testing.assert_allclose(anova_f(matrix, emotions), stats.f_oneway(*groups).statistic)


def test_anova_f_of_features_that_do_not_vary():
    emotions = ["sad", "sad", "happy", "happy"]
    matrix = [[7.1, 0.0], [7.1, 0.0], [7.1, 1.0], [7.1, 1.0]]
    assert anova_f(matrix, emotions).tolist() == [0.0, np.inf]
    figure = plots.feature_distributions(matrix, ["flat", "split"], emotions, which=1)
    assert figure.axes[0].get_title(loc="left") == "split"


def test_feature_distributions_choose_the_best_or_the_named():
    matrix, names, emotions = labelled()

    def panels(**options):
        figure = plots.feature_distributions(matrix, names, emotions, **options)
        return [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]

    assert panels(which=2) == ["f3", "f6"]
    assert panels(which=["f1", "f0"], kind="box") == ["f1", "f0"]
    assert len(panels(which=99)) == len(names)


@pytest.mark.parametrize(
    "options", [{"which": 0}, {"which": ["f9"]}, {"which": []}, {"kind": "pie"}]
)
def test_feature_distributions_refuse_nonsense(options):
    matrix, names, emotions = labelled()
    with pytest.raises(UsageError):
        plots.feature_distributions(matrix, names, emotions, **options)


def test_feature_matrices_are_checked():
    matrix, names, emotions = labelled()
    with pytest.raises(UsageError, match="does not fit"):
        plots.embedding_map(matrix, emotions[:-1])
    with pytest.raises(UsageError, match="names"):
        plots.feature_distributions(matrix, names[:-1], emotions)
    matrix[0, 0] = np.nan
    with pytest.raises(UsageError, match="NaN"):
        plots.embedding_map(matrix, emotions)
    with pytest.raises(UsageError, match="two emotions"):
        plots.feature_distributions([[1.0], [2.0]], ["f"], ["sad", "sad"])


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_a_map_holds_every_utterance_once_and_repeats_itself(method):
    pytest.importorskip("sklearn")
    matrix, _, emotions = labelled(n=24)

    def points(seed):
        figure = plots.embedding_map(matrix, emotions, method=method, seed=seed)
        offsets = [np.asarray(part.get_offsets()) for part in figure.axes[0].collections]
        return np.concatenate([part for part in offsets if len(part)])

    first = points(1)
    assert first.shape == (24, 2)
    np.testing.assert_array_equal(first, points(1))


def test_a_map_of_too_few_or_by_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="too few"):
        plots.embedding_map(np.eye(4), ["sad"] * 4)
    with pytest.raises(UsageError, match="umap"):
        plots.embedding_map(np.eye(9), ["sad"] * 9, method="umap")
    assert plots.embedding_map(np.ones((3, 1)), ["sad", "happy", "sad"], method="pca")


def test_loss_marks_the_lowest_point_and_survives_gaps():
    figure = plots.loss({"training": [3.0, float("nan"), 1.0, 2.0], "empty": [float("nan")]})
    rings = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [(3, 1.0)]
    for nothing in ([], {}, {"training": []}, [float("nan")]):
        with pytest.raises(UsageError):
            plots.loss(nothing)


def test_the_legend_of_a_loss_covers_no_point():
    flat = {"training": [1.41, 1.36, 1.18], "test": [1.39, 1.38, 1.37]}
    axes = plots.loss(flat).axes[0]
    axes.figure.canvas.draw()
    box = axes.get_legend().get_window_extent()
    points = np.concatenate([axes.transData.transform(line.get_xydata()) for line in axes.lines])
    assert not any(box.contains(x, y) for x, y in points)


def test_a_history_is_drawn_as_what_it_is():
    from emotone.training import History

    epochs = plots.history(History("epochs", "log loss", [1, 2], {"training": [2.0, 1.0]}))
    sizes = plots.history(History("training size", "ua", [10, 20], {"test": [0.2, 0.4]}))
    assert epochs.axes[0].get_xlabel() == "Epoch"
    assert (sizes.axes[0].get_xlabel(), sizes.axes[0].get_ylabel()) == ("Training clips", "UA")
    with pytest.raises(UsageError):
        plots.learning_curve([1, 2], {"test": [0.1]})


def test_reliability_draws_the_bins_that_hold_something():
    figure = plots.reliability(
        [
            CalibrationBin(0.0, 0.5, 0, 0.0, 0.0),
            CalibrationBin(0.5, 0.75, 4, 0.7, 0.5),
            CalibrationBin(0.75, 1.0, 10, 0.9, 1.0),
        ],
        ece=0.1234,
    )
    upper, lower = figure.axes
    assert upper.lines[-1].get_ydata().tolist() == [0.5, 1.0]
    assert [bar.get_height() for bar in lower.patches] == [4, 10]
    assert any("12.3 %" in text for text in texts(figure))
    low, high = np.asarray(upper.collections[0].get_segments())[1][:, 1]
    assert 0 < low < high <= 1.0 + 1e-9  # Wilson's interval stays inside
    with pytest.raises(UsageError):
        plots.reliability([])


def test_coverage_marks_where_the_target_is_reached():
    curve = coverage_curve([True, True, True, False, False], [0.9, 0.8, 0.7, 0.6, 0.5])
    figure = plots.coverage(curve, target=0.75)
    (axes,) = figure.axes
    drawn, marked = axes.lines[1:]
    assert drawn.get_ydata() == pytest.approx([1, 1, 1, 0.75, 0.6])
    assert (marked.get_xdata()[0], marked.get_ydata()[0]) == (0.8, 0.75)
    assert any("confidence 0.60" in text and "80 % answered" in text for text in texts(figure))
    assert len(plots.coverage(curve).axes[0].lines) == 2
    wrong = coverage_curve([False], [0.9])
    assert len(plots.coverage(wrong, target=0.9).axes[0].lines) == 2, "it is reached nowhere"
    with pytest.raises(UsageError):
        plots.coverage(CoverageCurve(0, 0.0, ()))


def test_comparison_states_every_figure_and_chance():
    figure = plots.comparison(["svm", LONG], [0.5, 0.625], [(0.4, 0.6), None], chance=0.125)
    shown = texts(figure)
    assert {"50.0", "62.5", "svm"} <= set(shown)
    assert any("chance, 12.5 %" in text for text in shown)
    with pytest.raises(UsageError):
        plots.comparison(["a"], [0.1, 0.2])
    with pytest.raises(UsageError):
        plots.comparison([], [])


def test_the_spectrogram_of_a_tone_is_loudest_at_its_frequency():
    figure = plots.spectrogram(tone(hz=1000.0))
    image = figure.axes[0].images[0]
    left, right, bottom, top = image.get_extent()
    values = image.get_array()
    row = int(values.mean(axis=1).argmax())
    assert bottom + (row + 0.5) * (top - bottom) / len(values) == pytest.approx(1.0, abs=0.05)
    assert values.max() == pytest.approx(0.0)
    assert left < 0.05
    assert right == pytest.approx(1.0, abs=0.05)
    assert plots.spectrogram(tone(), max_hz=2000).axes[0].get_ylim() == (0, 2.0)
    with pytest.raises(UsageError):
        plots.spectrogram(tone(), max_hz=0)


def test_the_mel_axis_is_labelled_where_a_tone_of_that_frequency_lies():
    for hz in (500, 1000, 4000):
        axes = plots.mel_spectrogram(tone(hz=hz)).axes[0]
        loudest = int(axes.images[0].get_array().mean(axis=1).argmax())
        place = dict(
            zip([t.get_text() for t in axes.get_yticklabels()], axes.get_yticks(), strict=True)
        )
        assert place[f"{hz / 1000:g}"] == pytest.approx(loudest, abs=1.5)


def test_the_chroma_of_a_tone_is_its_pitch_class():
    image = plots.chroma(tone(hz=440.0)).axes[0].images[0]
    assert int(image.get_array().mean(axis=1).argmax()) == 9  # A


def test_silence_is_drawn_as_silence():
    silent = Waveform(np.zeros(8000, np.float32), 16000)
    assert plots.render(plots.waveform(silent), "png", dpi=40)
    assert np.all(plots.spectrogram(silent).axes[0].images[0].get_array() == -80)


def test_no_samples_and_too_few_coefficients_are_refused():
    empty = Waveform(np.zeros(0, np.float32), 16000)
    for plot in (
        plots.waveform,
        plots.spectrogram,
        plots.mel_spectrogram,
        plots.mfcc,
        plots.chroma,
    ):
        with pytest.raises(UsageError, match="no samples"):
            plot(empty)
    with pytest.raises(UsageError, match="coefficients"):
        plots.mfcc(tone(), count=1)


@pytest.mark.parametrize(
    ("seconds", "unit"), [(0.1, "ms"), (3, "(s)"), (600, "min:s"), (7300, "h:min")]
)
def test_time_is_told_in_a_fitting_unit_and_long_recordings_stay_small(seconds, unit):
    wave = Waveform(np.full(int(seconds * 8000), 0.1, np.float32), 8000)
    figure = plots.waveform(wave)
    assert unit in figure.axes[0].get_xlabel()
    buffer = io.BytesIO(plots.render(figure, "svg"))
    assert buffer.getbuffer().nbytes < 1_000_000
    assert not re.search(rb"NaN|inf", buffer.getvalue())


def test_a_waveform_keeps_its_peaks_however_long_it_is():
    samples = np.zeros(1_000_000, np.float32)
    samples[777_777] = 0.9
    samples[123_456] = -0.8
    drawn = plots.waveform(Waveform(samples, 16000)).axes[0].collections[0].get_paths()[0].vertices
    assert drawn[:, 1].max() == pytest.approx(0.9)
    assert drawn[:, 1].min() == pytest.approx(-0.8)


def test_words_are_shortened_in_the_middle():
    assert shorten("abc", 3) == "abc"
    for limit in (3, 8, 9, 22):
        short = shorten(LONG, limit)
        assert len(short) == limit
        assert short[0] == LONG[0]
        assert short[-1] == LONG[-1]


def test_text_on_a_shade_can_be_read():
    def luminance(hex_colour):
        parts = [int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for grey in range(0, 256, 5):
        shade = f"#{grey:02x}{grey:02x}{grey:02x}"
        a, b = sorted([luminance(shade), luminance(text_on(shade))])
        assert (b + 0.05) / (a + 0.05) > 3.7
