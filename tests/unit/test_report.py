"""The report: what it says, that nothing of the data gets out of its place, that it is whole."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="reports need the extra 'report'")
pytest.importorskip("jinja2", reason="reports need the extra 'report'")

from emotone.metrics import fold_mean, metrics
from emotone.report import (
    CorpusRow,
    FoldRow,
    Mistake,
    PlayableClip,
    ReportData,
    report_html,
)
from emotone.training import History
from pages import Page

HOSTILE = "</td></style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}"
EMOTIONS = ["angry", "sad", "happy"]


def evaluation(bootstrap=50):
    rng = np.random.default_rng(0)
    folds = []
    for fold in range(2):
        truth = rng.integers(0, 3, 30)
        scores = rng.random((30, 3)) * 0.8
        scores[np.arange(30), truth] += 0.5
        scores /= scores.sum(axis=1, keepdims=True)
        folds.append((truth, scores, [f"c/{fold}{i % 3}" for i in range(30)]))
    return fold_mean(folds, EMOTIONS, bootstrap=bootstrap)


def full(text="plain", **other):
    figures = evaluation()
    true, predicted, *_ = figures.most_confused(1)[0]
    values = {
        "title": f"title {text}",
        "summary": f"summary {text}",
        "evaluation": figures,
        "protocol": f"protocol {text}",
        "warning": f"warning {text}",
        "notes": [f"note {text}"],
        "counts": {"angry": 20, "sad": 30, f"label {text}": 10},
        "corpora": [CorpusRow(f"corpus {text}", 60, 6, f"lang {text}", f"licence {text}")],
        "settings": {f"group {text}": {f"key {text}": f"value {text}", "list": [text, None]}},
        "history": History("epochs", "log loss", [1, 2, 3], {f"curve {text}": [3.0, 2.0, 1.0]}),
        "folds": [FoldRow(f"fold {text}", 30, 30, 0.5, 0.6, 0.55), FoldRow("2", 30, 30, 0, 1, 1)],
        "mistakes": [Mistake(f"file {text}", f"true {text}", f"predicted {text}", 0.9, 0.1)],
        "clips": {(true, predicted): [PlayableClip(f"clip {text}", b"fLaC\x00data")]},
        "commands": [f"emotone predict {text}"],
        "created": f"created {text}",
    }
    return ReportData(**{**values, **other})


def test_nothing_of_the_data_becomes_markup():
    plain, hostile = Page(report_html(full())), Page(report_html(full(HOSTILE)))
    # Colours of labels and the drawn curve's name may differ: structure may not.
    assert [tag for tag, _ in hostile.tags if tag not in ("path", "g", "use")] == [
        tag for tag, _ in plain.tags if tag not in ("path", "g", "use")
    ]
    assert not hostile.all("script")
    assert not hostile.all("img")
    names = ("title", "summary", "protocol", "note", "label", "corpus", "lang", "licence", "group")
    for name in (*names, "key", "value", "fold"):
        assert " ".join(f"{name} {HOSTILE}".split()).lower() in hostile.words.lower()
    for name in ("file", "true", "predicted", "clip", "created", "warning"):
        assert f"{name} {HOSTILE}".lower() in hostile.words.lower()
    assert not [a for _, attrs in hostile.tags for a in attrs if a.startswith("on")]


def test_a_hostile_emotion_in_an_evaluation_stays_text():
    scores = [[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]]
    figures = metrics(["sad", HOSTILE, HOSTILE], scores, ["sad", HOSTILE], bootstrap=0)
    page = Page(report_html(ReportData("model", evaluation=figures)))
    assert not page.all("script")
    assert not page.all("img")
    assert page.words.count(HOSTILE) >= 4


def test_the_page_asks_for_nothing_outside_itself():
    html = report_html(full())
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {
        tag for tag, _ in page.tags
    }
    for tag, attrs in page.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
            value = attrs.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, name, value)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    policy = [m["content"] for m in page.all("meta") if m.get("http-equiv")]
    assert policy
    assert policy[0].startswith("default-src 'none'")


def test_no_clip_is_in_the_page_unless_given():
    assert not Page(report_html(full(clips={}))).all("audio")
    (audio,) = Page(report_html(full())).all("audio")
    kind, data = audio["src"].split(",")
    assert kind == "data:audio/flac;base64"
    assert base64.b64decode(data) == b"fLaC\x00data"
    assert audio["aria-label"]


def test_the_warning_comes_before_the_figures():
    html = report_html(full(warning="train and test share 24 speakers"))
    assert html.index("Train and test share 24 speakers.") < html.index('class="figures"')
    assert 'class="warning"' not in report_html(full(warning=None))


def test_figures_are_those_of_the_evaluation():
    figures = evaluation()
    words = Page(report_html(full(evaluation=figures))).words
    for estimate in (figures.ua, figures.wa, figures.f1, figures.ece):
        low, high = estimate.ci95
        assert f"{100 * estimate.value:.1f} %" in words
        assert f"95 %: {100 * low:.1f} to {100 * high:.1f} %" in words
    assert f"{figures.log_loss.value:.3f}" in words
    assert f"guessing gives {100 / 3:.1f} %" in words
    for row in figures.confusion:
        for count in row[row > 0]:
            assert f"{100 * count / row.sum():.0f} % {count}" in words
    for true, predicted, clips, share in figures.most_confused(10):
        assert f"{true} {predicted} {clips} {100 * share:.1f} %" in words
    assert "draws whole speakers" in words


def test_without_intervals_none_are_claimed():
    words = Page(report_html(full(evaluation=evaluation(bootstrap=0)))).words
    assert "bootstrap" not in words
    assert "95 %:" not in words


def test_an_emotion_that_was_not_tested_has_no_recall():
    figures = metrics(["sad"], [[0.9, 0.1]], ["sad", "happy"], bootstrap=0)
    assert "happy 0 – – –" in Page(report_html(ReportData("model", evaluation=figures))).words


def test_a_run_without_a_test_says_so():
    page = Page(report_html(ReportData("model", counts={"sad": 3})))
    assert "Nothing was held out for a test" in page.words
    assert not page.all("svg")
    assert "Responsible use" in page.words


def test_the_page_is_accessible():
    page = Page(report_html(full()))
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert [m["content"] for m in page.all("meta") if m.get("name") == "viewport"]
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") > 6
    assert all(th.get("scope") in ("row", "col") for th in page.all("th"))
    assert len(page.all("svg")) == 3
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        if "aria-labelledby" in attrs:
            assert attrs["aria-labelledby"] in ids
        for name in ("href", "xlink:href"):
            if attrs.get(name, "").startswith("#"):
                assert attrs[name][1:] in ids


def test_curves_take_the_colours_of_the_page():
    html = report_html(full())
    assert "prefers-color-scheme: dark" in html
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.S))
    assert "var(--ink)" in drawn
    assert "var(--panel)" in drawn
    assert "#ffffff" not in drawn
    assert "#1f2933" not in drawn
    assert "<!--" not in drawn  # where matplotlib repeats every text


def test_a_learning_curve_is_called_one():
    history = History("training size", "ua", [10, 20], {"test": [0.3, 0.5]})
    words = Page(report_html(full(history=history))).words
    assert "Learning curve" in words
    assert "Loss after each epoch" not in words


def test_settings_read_as_words():
    settings = {"Model": {"a": None, "b": True, "c": 0.5, "d": {"x": 1}, "e": (300, 200), "f": {}}}
    words = Page(report_html(ReportData("model", settings=settings))).words
    assert "a none b yes c 0.5 d x = 1 e 300, 200 f none" in words


def test_the_same_data_gives_the_same_page():
    assert report_html(full()) == report_html(full())
