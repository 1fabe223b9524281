"""The page of a recording: what it says and holds, that it is whole, and that it runs no data."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("jinja2", reason="reports need the extra 'report'")

from emotone.errors import AudioError, MissingExtraError, UsageError
from emotone.features.overview import Overview
from emotone.report import recording
from emotone.timeline import Measurement, Segment, Timeline
from emotone.timeline.clock import clock
from pages import Page
from recordings import RATE, conversation, sound

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}<!--"
EXAMPLE = Path(__file__).parents[2] / "examples" / "raised-voice.flac"


def data_of(page):
    (text,) = [text for _, attrs, text in page.raw if attrs.get("id") == "data"]
    return json.loads(text)


def audio_of(page):
    """The samples of the audio that a page holds, and their rate."""
    (text,) = [text for _, attrs, text in page.raw if attrs.get("id") == "sound"]
    return soundfile.read(io.BytesIO(base64.b64decode(text, validate=True)))


def array(text, kind):
    return np.frombuffer(base64.b64decode(text, validate=True), kind)


def written(tmp_path, timeline, **options):
    path = recording.write(timeline, tmp_path / "page.html", **options)
    return Page(path.read_text(encoding="utf-8"))


def named(text):
    """A timeline in which everything that has a name has one with this text in it."""
    scores = {f"emotion {text}": 0.75, "happy": 0.25}
    segments = (
        Segment.of_speech(0, 2, scores, channel=0, speaker=f"speaker {text}"),
        Segment.of_speech(0, 2, scores, channel=1, emotion="happy"),
    )
    return Timeline(
        2.0, f"model {text}", tuple(scores), segments, (Measurement(0, 2, scores, 0),),
        f"file {text.replace('/', '')}", {f"setting {text}": [text, {"key": text}]},
    )  # fmt: skip


def hash_of(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(page):
    (content,) = [m["content"] for m in page.all("meta") if m.get("http-equiv")]
    return dict(part.split(" ", 1) for part in content.split("; "))


def test_the_page_asks_for_nothing_outside_itself(tmp_path):
    whole = conversation(20)
    page = written(tmp_path, whole, source=(sound(whole), RATE))
    assert not {"link", "iframe", "object", "embed", "form", "base", "img", "source"} & {
        tag for tag, _ in page.tags
    }
    for tag, attrs in page.tags:
        assert not {"src", "href", "xlink:href", "srcset", "poster"} & set(attrs), tag
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "://" not in html
    assert "@import" not in html
    assert "url(" not in html
    script = next(text for tag, attrs, text in page.raw if tag == "script" and not attrs)
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "import("):
        assert word not in script


def test_the_policy_allows_its_own_style_and_script_alone(tmp_path):
    whole = conversation(20)
    page = written(tmp_path, whole, source=(sound(whole), RATE))
    (style,) = [text for tag, _, text in page.raw if tag == "style"]
    (script,) = [text for tag, attrs, text in page.raw if tag == "script" and not attrs]
    assert policy(page) == {
        "default-src": "'none'",
        "style-src": hash_of(style),
        "script-src": hash_of(script),
        "media-src": "blob:",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    names = {name for _, attrs in page.tags for name in attrs}
    assert "style" not in names
    assert not [name for name in names if name.startswith("on")]
    metas = [attrs for tag, attrs in page.tags if tag == "meta"]
    assert [m.get("charset") for m in metas[:2]] == ["utf-8", None]
    assert metas[1]["http-equiv"] == "Content-Security-Policy"


def test_nothing_of_the_data_becomes_markup(tmp_path):
    plain, hostile = (written(tmp_path, named(text), title=text) for text in ("plain", HOSTILE))
    assert [tag for tag, _ in hostile.tags if tag != "rect"] == [
        tag for tag, _ in plain.tags if tag != "rect"
    ]
    assert not hostile.all("img")
    assert len(hostile.all("script")) == 2
    for name in ("emotion", "speaker", "model", "setting"):
        assert f"{name} {HOSTILE}" in hostile.words, name
    assert f"file {HOSTILE.replace('/', '')}" in hostile.words
    data = data_of(hostile)
    assert data["emotions"][0]["name"] == f"emotion {HOSTILE}"
    assert data["tracks"][0]["name"] == f"Channel 0, speaker {HOSTILE}"
    # The script of the page is one and the same whatever it shows.
    scripts = [[t for tag, a, t in p.raw if tag == "script" and not a] for p in (plain, hostile)]
    assert scripts[0] == scripts[1]


def test_names_that_are_no_text_do_not_stop_it(tmp_path):
    odd = "\udcff \x00 \u202e Ωμέγα"
    speech = Segment.of_speech(0, 2, {"happy": 1.0}, speaker=odd)
    other = Segment.of_speech(2, 4, {"happy": 1.0}, speaker="B")
    page = written(tmp_path, Timeline(4.0, odd, ("happy",), (speech, other), (), f"{odd}.wav"))
    assert page.words.count("Ωμέγα") >= 4
    assert "\x00" not in page.words


def test_the_audio_is_that_of_the_recording(tmp_path):
    whole = conversation(21.3)
    samples = sound(whole)
    page = written(tmp_path, whole, source=(samples, RATE))
    heard, rate = audio_of(page)
    assert rate == RATE
    assert len(heard) == len(samples)
    assert np.corrcoef(heard, samples)[0, 1] > 0.95  # which it is not by a millisecond off
    assert len(page.all("audio")) == 1


def test_the_audio_of_two_channels_and_another_rate(tmp_path):
    whole = conversation(15, (0, 1))
    samples = sound(whole, 44_100)
    path = tmp_path / "call.flac"
    soundfile.write(path, samples, 44_100)
    heard, rate = audio_of(written(tmp_path, whole, source=path))
    assert len(heard) / rate == pytest.approx(15, abs=0.001)
    from emotone.audio import resample

    mixed = resample(samples.mean(axis=1), 44_100, rate)
    assert np.corrcoef(heard, mixed[: len(heard)])[0, 1] > 0.95


def test_of_one_channel_that_channel_is_heard(tmp_path):
    whole = conversation(10, (1,))
    left, right = np.zeros(10 * RATE, np.float32), sound(whole)
    both = np.stack([left, right], axis=1)
    heard, _ = audio_of(written(tmp_path, whole, source=(both, RATE)))
    assert np.abs(heard).max() == pytest.approx(np.abs(right).max(), rel=0.1)


def test_an_example(tmp_path):
    info = soundfile.info(EXAMPLE)
    speech = Segment.of_speech(0, info.duration, {"angry": 0.7, "happy": 0.3})
    whole = Timeline(info.duration, "m@1", ("happy", "angry"), (speech,), (), str(EXAMPLE))
    page = written(tmp_path, whole, source=EXAMPLE)
    heard, rate = audio_of(page)
    assert len(heard) / rate == pytest.approx(info.duration, abs=0.001)
    assert "raised-voice.flac" in page.words
    assert str(EXAMPLE.parent) not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_audio_is_left_out_where_it_is_not_wanted_or_too_long(tmp_path):
    whole = conversation(90)
    source = (sound(whole), RATE)
    for options in ({"embed_audio": False}, {"embed_minutes": 1.4}):
        page = written(tmp_path, whole, source=source, **options)
        assert not page.all("audio")
        assert not [attrs for _, attrs, _ in page.raw if attrs.get("id") == "sound"]
        assert policy(page)["media-src"] == "'none'"
        assert data_of(page)["envelope"] is not None
        assert "holds no audio" in page.words
    assert written(tmp_path, whole, source=source, embed_minutes=1.5).all("audio")


def test_a_link_stands_in_for_audio_that_is_not_in_the_page(tmp_path):
    whole = conversation(20)
    page = written(tmp_path, whole, link='a b/#1 "x"?<.wav')
    (audio,) = page.all("audio")
    assert audio["src"] == "a%20b/%231%20%22x%22%3F%3C.wav"
    assert policy(page)["media-src"] == "'self' file:"
    # Where the page holds the audio, it does not look for it elsewhere.
    page = written(tmp_path, whole, source=(sound(whole), RATE), link="talk.wav")
    assert "src" not in page.all("audio")[0]
    assert policy(page)["media-src"] == "blob:"


@pytest.mark.parametrize(
    "link", ["/etc/passwd", "//host/talk.wav", "C:\\talk.wav", "c:talk.wav", "\\talk.wav", ""]
)
def test_a_link_is_relative(tmp_path, link):
    with pytest.raises(UsageError, match="relative"):
        recording.write(conversation(5), tmp_path / "page.html", link=link)
    assert not list(tmp_path.iterdir())


def test_a_link_is_a_path_whatever_it_looks_like():
    assert recording.relative("https://host/talk.wav") == "https%3A/host/talk.wav"
    assert recording.relative("javascript:alert(1)") == "javascript%3Aalert%281%29"
    assert recording.relative(Path("..") / "Zoë.wav") == "../Zo%C3%AB.wav"


def test_the_summary_is_that_of_the_timeline(tmp_path):
    whole = conversation(120)
    page, summary = written(tmp_path, whole), whole.summary()
    for name, share in summary.shares.items():
        time = clock(share * summary.speech_s)
        assert f"{name} {time} {100 * share:.1f} %" in page.words
    assert f"{summary.changes_per_minute:.1f}" in page.words
    assert f"{summary.valence:+.2f}".replace("-", "−") in page.words
    jumps = [float(button["data-time"]) for button in page.all("button") if "data-time" in button]
    for peak in summary.peaks:
        text = f"{peak.emotion} {100 * peak.confidence:.0f} % at {clock(peak.time)}"
        assert text in page.words
        assert round(peak.time, 2) in jumps


def test_surest_moments_name_their_channel(tmp_path):
    whole = conversation(120, channels=(0, 1))
    page = written(tmp_path, whole)
    peaks = whole.summary().peaks
    assert {peak.channel for peak in peaks} <= {0, 1}
    for peak in peaks:
        share = f"{100 * peak.confidence:.0f} %"
        text = f"{peak.emotion} {share} at {clock(peak.time)} on channel {peak.channel}"
        assert text in page.words
    assert "on channel" not in written(tmp_path, conversation(120)).words


def test_the_table_has_all_but_silence(tmp_path):
    whole = conversation(60)
    words = written(tmp_path, whole).words
    for segment in whole.segments:
        times = f"{clock(segment.start)} {clock(segment.end)}"
        if segment.kind == "silence":
            assert f"{times} silence" not in words
        elif segment.kind == "speech":
            assert f"{times} {segment.label} {100 * segment.confidence:.0f} %" in words
        else:
            assert f"{times} non-speech" in words


def test_the_script_draws_what_the_timeline_holds(tmp_path):
    whole = conversation(90, (0, 1), speakers=("A", "B"))
    samples = sound(whole)
    data = data_of(written(tmp_path, whole, source=(samples, RATE)))
    assert data["duration"] == 90
    assert [track["name"] for track in data["tracks"]] == [
        "Channel 0, A", "Channel 0, B", "Channel 1, A", "Channel 1, B",
    ]  # fmt: skip
    assert [track["channel"] for track in data["tracks"]] == [0, 0, 1, 1]
    labels = {-1: "silence", -2: "non-speech"}
    labels |= {i: emotion["name"] for i, emotion in enumerate(data["emotions"])}
    for sent, segment in zip(data["segments"], whole.segments, strict=True):
        start, end, label, confidence, track, channel = sent
        assert (start, end) == (round(segment.start, 3), round(segment.end, 3))
        assert (labels[label], channel) == (segment.label, segment.channel)
        if segment.kind == "speech":
            assert confidence == round(segment.confidence, 4)
            assert data["tracks"][track]["name"] == f"Channel {channel}, {segment.speaker}"
    for index, channel in enumerate(data["channels"]):
        starts, ends = array(channel["starts"], "<f4"), array(channel["ends"], "<f4")
        spoken = sum(s.duration_s for s in whole.speech if s.channel == index)
        assert (ends - starts).sum() == pytest.approx(spoken, rel=1e-3)
        scores = array(channel["scores"], np.uint8).reshape(len(starts), data["scored"])
        np.testing.assert_allclose(scores.sum(axis=1), 255, atol=4)
    points = array(data["envelope"]["points"], np.uint8)
    assert points.max() == 255
    loudest = np.abs(samples.mean(axis=1)).argmax() / RATE
    assert points[int(loudest / data["envelope"]["step"])] == 255


def test_two_channels_are_summed_up_each(tmp_path):
    whole = conversation(120, (0, 1))
    words = written(tmp_path, whole).words
    for channel in (0, 1):
        own = dataclasses.replace(
            whole, segments=tuple(s for s in whole.segments if s.channel == channel)
        ).summary()
        (most, share), *_ = own.shares.items()
        row = f"Channel {channel} {clock(own.speech_s)} {most} {100 * share:.0f} %"
        assert f"{row} {own.changes_per_minute:.1f}" in words


@pytest.mark.parametrize("segments", [(), (Segment(0, 12, "silence"),)])
def test_without_speech(tmp_path, segments):
    empty = Timeline(12.0, "m@1", ("happy",), segments)
    page = written(tmp_path, empty, source=(np.zeros(12 * RATE, np.float32), RATE))
    assert "Nobody speaks." in page.words
    assert "Shares of speech" not in page.words
    heard, rate = audio_of(page)
    assert len(heard) == 12 * rate
    assert data_of(page)["shown"] == []


def test_a_timeline_that_lasts_no_time_is_refused(tmp_path):
    with pytest.raises(UsageError, match="lasts no time"):
        recording.write(Timeline(0.0, "m@1", ("happy",), ()), tmp_path / "page.html")


def test_ten_hours_make_a_page_of_few_megabytes(tmp_path):
    points = np.random.default_rng(0).random(225_000).astype(np.float32)
    spectrum = np.ones((3516, 64), np.float32)
    overview = Overview(36_000.0, -points, points, 0.16, spectrum, 10.24, RATE)
    whole = conversation(36_000)
    page = written(tmp_path, whole, overview=overview, link="talk.mp3")
    assert (tmp_path / "page.html").stat().st_size < 5_000_000
    assert len(page.tags) < 10_000
    (body,) = [i for i, (_, attrs) in enumerate(page.tags) if attrs.get("id") == "rows"]
    (pattern,) = [i for i, (tag, _) in enumerate(page.tags) if tag == "template"]
    assert sum(tag == "tr" for tag, _ in page.tags[body:pattern]) == 200
    assert len(data_of(page)["segments"]) == len(whole.segments)


def test_the_source_is_not_read_for_what_is_known(tmp_path):
    whole = conversation(5)
    overview = Overview.of((sound(whole), RATE))
    missing = tmp_path / "missing.wav"
    page = written(tmp_path, whole, source=missing, overview=overview, embed_audio=False)
    assert data_of(page)["envelope"] is not None
    with pytest.raises(AudioError, match="no such file"):
        recording.write(whole, tmp_path / "page.html", source=missing, overview=overview)


def test_the_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(AudioError):
        recording.write(conversation(5), path, source=b"no audio")
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match="cannot be written"):
        recording.write(conversation(5), path / "page.html")


def test_the_same_timeline_gives_the_same_page(tmp_path):
    whole = conversation(20)
    for name in ("a.html", "b.html"):
        recording.write(whole, tmp_path / name, source=(sound(whole), RATE))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_the_page_is_accessible(tmp_path):
    whole = conversation(60, (0, 1))
    page = written(tmp_path, whole, source=(sound(whole), RATE))
    assert page.all("html")[0]["lang"] == "en"
    assert [m["content"] for m in page.all("meta") if m.get("name") == "viewport"]
    assert len(page.all("h1")) == 1
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") == 4
    assert all(th.get("scope") in ("row", "col") for th in page.all("th"))
    (slider,) = [attrs for _, attrs in page.tags if attrs.get("role") == "slider"]
    assert slider["tabindex"] == "0"
    assert slider["aria-label"]
    assert (slider["aria-valuemin"], slider["aria-valuemax"]) == ("0", "60.0")
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attrs.get(name, ids[0]) in ids
    # Every element that the script asks for by its id is there, or asked for with care.
    script = next(text for tag, attrs, text in page.raw if tag == "script" and not attrs)
    asked = set(re.findall(r'byId\("(\w+)"\)', script))
    assert asked - set(ids) == {"pager", "earlier", "later", "shown", "row"}


def test_what_is_missing_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"emotone\[report\]"):
        recording.write(conversation(5), tmp_path / "page.html", source=tmp_path / "missing.wav")


def test_importing_it_loads_nothing_heavy():
    code = "import emotone.report.recording, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"matplotlib", "jinja2", "av", "soundfile", "pandas"} & set(loaded)


def test_times_as_people_write_them():
    assert [clock(t) for t in (0, 9.96, 59.96, 3599.96, 36_000)] == [
        "0:00.0", "0:10.0", "1:00.0", "1:00:00.0", "10:00:00.0",
    ]  # fmt: skip
    assert clock(3661.6, 0) == "1:01:02"
