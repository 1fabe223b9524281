"""Annotations as the programs of the field read them: Praat, ELAN, Audacity, and RTTM."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from itertools import pairwise
from pathlib import Path

import pandas
import pympi
import pytest
from hypothesis import given, settings
from praatio import textgrid
from pyannote.core import Annotation
from pyannote.database.util import load_rttm

from emotone.timeline import Segment, Timeline, exports
from emotone.timeline.exports import rttm
from timelines import ANGRY, EMOTIONS, ODD_ON_A_LINE, call, on_a_line, one, timelines

Interval = tuple[float, float, str]
SILENT = Timeline(3.0, "m@1", EMOTIONS, (Segment(0.0, 3.0, "silence"),))
EMPTY = Timeline(3.0, "m@1", EMOTIONS, ())
OVERLAPPING = Timeline(
    5.0,
    "m@1",
    EMOTIONS,
    (
        Segment.of_speech(0.5, 3.0, ANGRY),
        Segment.of_speech(1.0, 2.0, ANGRY),
        Segment.of_speech(2.0, 4.0, ANGRY, emotion="neutral"),
    ),
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("annotations")


def grid(timeline: Timeline, folder: Path) -> dict[str, list[Interval]]:
    """The tiers of a TextGrid by praatio, which checks that they cover all of it."""
    path = folder / "talk.TextGrid"
    exports.write(timeline, path)
    read = textgrid.openTextgrid(path, includeEmptyIntervals=True, reportingMode="error")
    assert read.validate(reportingMode="error")
    tiers = {}
    for tier in read.tiers:
        assert isinstance(tier, textgrid.IntervalTier)
        found = [(entry.start, entry.end, entry.label) for entry in tier.entries]
        assert [found[0][0], found[-1][1]] == [0, read.maxTimestamp]
        assert all(a[1] == b[0] for a, b in pairwise(found))
        tiers[tier.name] = found
    assert read.maxTimestamp == pytest.approx(timeline.duration_s)
    return tiers


def test_textgrid(folder: Path) -> None:
    assert grid(call(), folder) == {
        "emotion, channel 0": [
            (0, 1, "silence"),
            (1, 4, EMOTIONS[2]),
            (4, 6, "überrascht"),
            (6, 8.5, "non-speech"),
        ],
        "speaker, channel 0": [(0, 1, ""), (1, 6, ODD_ON_A_LINE), (6, 8.5, "")],
        "emotion, channel 1": [(0, 3, "silence"), (3, 8.5, "neutral")],
    }
    assert list(grid(one(speaker="A"), folder)) == ["emotion", "speaker"]
    # praatio would read it with single quotes as well, Praat would not.
    assert 'text = "so-so ""& <b>"""\n' in exports.text(one(), "textgrid")


def test_a_textgrid_covers_what_no_segment_does(folder: Path) -> None:
    assert grid(EMPTY, folder) == {"emotion": [(0, 3, "")]}
    assert grid(SILENT, folder) == {"emotion": [(0, 3, "silence")]}
    assert grid(OVERLAPPING, folder) == {
        "emotion": [(0, 0.5, ""), (0.5, 3, EMOTIONS[2]), (3, 4, "neutral"), (4, 5, "")]
    }


def test_a_textgrid_has_a_length() -> None:
    assert "xmax = 0.001" in exports.text(Timeline(0.0, "m@1", EMOTIONS, ()), "textgrid")


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_textgrid(timeline: Timeline, folder: Path) -> None:
    tiers = grid(timeline, folder)
    for channel in timeline.channels:
        behind = "" if channel is None else f", channel {channel}"
        mine = [s for s in timeline.segments if s.channel == channel]
        assert tiers[f"emotion{behind}"] == [(s.start, s.end, s.label) for s in mine]
        said = tiers.get(f"speaker{behind}", [(0.0, timeline.duration_s, "")])
        for s in mine:
            whole = [who for start, end, who in said if start <= s.start and s.end <= end]
            assert whole == [on_a_line(s.speaker) or ""]


def elan(timeline: Timeline, folder: Path) -> pympi.Eaf:
    path = folder / "talk.eaf"
    exports.write(timeline, path)
    return pympi.Eaf(path)


def aligned(read: pympi.Eaf, tier: str) -> list[tuple[int, int, str]]:
    return sorted(annotation[:3] for annotation in read.get_annotation_data_for_tier(tier))


def test_eaf(folder: Path) -> None:
    read = elan(call(), folder)
    mine = f"channel 0, {ODD_ON_A_LINE}"
    assert list(read.get_tier_names()) == [
        "emotion@channel 0",
        f"emotion@{mine}",
        f"confidence@{mine}",
        "emotion@channel 1",
        "confidence@channel 1",
    ]
    assert aligned(read, "emotion@channel 0") == [(0, 1000, "silence"), (6000, 8500, "non-speech")]
    spoken = [(1000, 4000, EMOTIONS[2]), (4000, 6000, "überrascht")]
    assert aligned(read, f"emotion@{mine}") == spoken
    assert [
        (start, end, sure, emotion)
        for start, end, sure, emotion in sorted(
            read.get_ref_annotation_data_for_tier(f"confidence@{mine}")
        )
    ] == [(1000, 4000, "0.8125", EMOTIONS[2]), (4000, 6000, "0.0625", "überrascht")]
    about = read.get_parameters_for_tier(f"emotion@{mine}")
    assert (about["PARTICIPANT"], about["ANNOTATOR"]) == (ODD_ON_A_LINE, "m@1")
    assert read.adocument["FORMAT"] == "3.0"
    assert dict(read.properties)["lastUsedAnnotationId"] == "9"


def test_elan_offers_the_emotions_to_choose_from(folder: Path) -> None:
    read = elan(call(), folder)
    about = read.get_parameters_for_linguistic_type("emotion")
    entries = read.get_cv_entries(about["CONTROLLED_VOCABULARY_REF"])
    values = {entry: value[0][0][0] for entry, value in entries.items()}
    assert list(values.values()) == [*EMOTIONS, "silence", "non-speech"]
    chosen = [
        (element.attrib["CVE_REF"], element[0].text)
        for element in read_xml(folder).iter("ALIGNABLE_ANNOTATION")
    ]
    assert chosen
    assert all(values[reference] == text for reference, text in chosen)


def read_xml(folder: Path) -> object:
    from xml.etree import ElementTree

    return ElementTree.parse(folder / "talk.eaf").getroot()


def test_time_slots_are_in_order_with_the_ends_first(folder: Path) -> None:
    read = elan(call(), folder)
    assert list(read.timeslots.values()) == sorted(read.timeslots.values())
    place = list(read.timeslots)
    for tier in read.get_tier_names():
        annotations = sorted(read.tiers[tier][0].values(), key=lambda a: place.index(a[0]))
        for before, after in pairwise(annotations):
            assert place.index(before[1]) < place.index(after[0])


@pytest.mark.parametrize(
    ("file", "where", "kind"),
    [
        ("rec/a b%20ü.wav", "../rec/a b%20ü.wav", "audio/x-wav"),
        ("notes/a.mp3", "./a.mp3", "audio/mpeg"),
        ("notes/deep/a.unheard", "./deep/a.unheard", "unknown"),
    ],
)
def test_elan_finds_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, where: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for given_as in (file, str(tmp_path / file)):
        exports.write(dataclasses.replace(call(), file=given_as), "notes/talk.eaf")
        [media] = pympi.Eaf("notes/talk.eaf").media_descriptors
        # ELAN takes what follows file:// for the path as it is: with escapes it would find nothing.
        assert media == {
            "MEDIA_URL": f"file://{tmp_path / file}",
            "RELATIVE_MEDIA_URL": where,
            "MIME_TYPE": kind,
        }
    beside = exports.text(dataclasses.replace(call(), file=file), "eaf")
    assert f'RELATIVE_MEDIA_URL="./{os.path.basename(file)}"' in beside  # noqa: PTH119


@pytest.mark.parametrize("file", [None, "-"])
def test_elan_is_told_of_no_recording_that_is_no_file(folder: Path, file: str | None) -> None:
    assert elan(dataclasses.replace(call(), file=file), folder).media_descriptors == []


@pytest.mark.parametrize("timeline", [EMPTY, SILENT], ids=["empty", "silent"])
def test_eaf_without_speech(folder: Path, timeline: Timeline) -> None:
    read = elan(timeline, folder)
    assert list(read.get_tier_names()) == ["emotion"]
    assert aligned(read, "emotion") == [(0, 3000, "silence")] * len(timeline.segments)


def test_no_annotations_of_a_tier_overlap(folder: Path) -> None:
    assert aligned(elan(OVERLAPPING, folder), "emotion") == [
        (500, 3000, EMOTIONS[2]),
        (3000, 4000, "neutral"),
    ]


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_eaf(timeline: Timeline, folder: Path) -> None:
    read = elan(timeline, folder)
    found = []
    for tier in read.get_tier_names():
        if tier.startswith("emotion"):
            who = read.get_parameters_for_tier(tier).get("PARTICIPANT")
            found += [(*annotation, who) for annotation in aligned(read, tier)]
    order = lambda entry: (entry[0], entry[1], entry[2], entry[3] or "")  # noqa: E731
    assert sorted(found, key=order) == sorted(
        (
            (round(1000 * s.start), round(1000 * s.end), s.label, on_a_line(s.speaker))
            for s in timeline.segments
        ),
        key=order,
    )


def labels(timeline: Timeline) -> list[Interval]:
    """A label track, as a table whose cells have tabs between and no quotes around."""
    text = exports.text(timeline, "audacity")
    if not text:
        return []
    read = pandas.read_csv(
        io.StringIO(text), sep="\t", header=None, quoting=csv.QUOTE_NONE, keep_default_na=False
    )
    assert read.shape == (text.count("\n"), 3)
    return list(read.itertuples(index=False, name=None))


def test_audacity() -> None:
    who = f"channel 0, {ODD_ON_A_LINE}"
    assert labels(call()) == [
        (0, 1, "channel 0: silence"),
        (0, 3, "channel 1: silence"),
        (1, 4, f'{who}: so-so "& <b>" 81 %'),
        (3, 8.5, "channel 1: neutral 12 %"),
        (4, 6, f"{who}: überrascht 6 %"),
        (6, 8.5, "channel 0: non-speech"),
    ]
    assert exports.text(SILENT, "audacity") == "0.000000\t3.000000\tsilence\n"
    assert labels(EMPTY) == []


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_labels(timeline: Timeline) -> None:
    found = labels(timeline)
    expected = sorted(timeline.segments, key=lambda s: (s.start, s.end))
    assert [label[:2] for label in found] == [(s.start, s.end) for s in expected]
    for (_, _, text), segment in zip(found, expected, strict=True):
        assert segment.label in text
        assert (on_a_line(segment.speaker) or "") in text


def turns(timeline: Timeline, folder: Path, form: str = "rttm") -> Annotation:
    """The one recording in an RTTM, as pyannote reads it."""
    path = folder / "talk.rttm"
    exports.write(timeline, path, form)
    for line in path.read_text(encoding="utf-8").splitlines():
        assert len(line.split()) == 10
    [read] = load_rttm(path).values()
    return read


def read_turns(annotation: Annotation) -> list[Interval]:
    return [
        (round(segment.start, 3), round(segment.end, 3), name)
        for segment, _, name in annotation.itertracks(yield_label=True)
    ]


def spoken(annotation: Annotation) -> list[tuple[float, float]]:
    """When anybody speaks."""
    support = annotation.get_timeline().support(collar=1e-6)  # sums of floats may miss each other
    return [(round(segment.start, 3), round(segment.end, 3)) for segment in support]


def test_rttm_has_the_turns_of_speakers(folder: Path) -> None:
    read = turns(call(), folder)
    assert read.uri == "täglich_1"
    assert read_turns(read) == [(1, 6, "Zoë_Z_b_an8_--_Ω"), (3, 8.5, "unknown")]
    assert exports.text(call(), "rttm").splitlines()[1] == (
        "SPEAKER täglich_1 2 3.000 5.500 <NA> <NA> unknown <NA> <NA>"
    )


def test_rttm_has_the_emotions_where_asked_or_nobody_is_known(folder: Path) -> None:
    emotions = [(1, 4, "so-so_b"), (3, 8.5, "neutral"), (4, 6, "überrascht")]
    assert read_turns(turns(call(), folder, "rttm-emotion")) == emotions
    nobody = tuple(dataclasses.replace(s, speaker=None) for s in call().segments)
    unknown = dataclasses.replace(call(), segments=nobody)
    assert read_turns(turns(unknown, folder)) == emotions
    assert exports.text(unknown, "rttm").splitlines()[0] == (
        "SPEAKER täglich_1 1 1.000 3.000 <NA> <NA> so-so_b 0.8125 <NA>"
    )
    named = rttm.text(unknown, "speaker")
    assert named.count(" unknown ") == 2  # what touches is one turn
    assert exports.text(SILENT, "rttm") == exports.text(EMPTY, "rttm") == ""


def test_two_names_never_become_one_in_rttm() -> None:
    segments = tuple(
        Segment.of_speech(i, i + 1.0, ANGRY, speaker=who)
        for i, who in enumerate(["A B", "A_B", "A  B", "A\tC", '"A B"'])
    )
    text = rttm.text(Timeline(5.0, "m@1", EMOTIONS, segments))
    assert [line.split()[7] for line in text.splitlines()] == [
        "A_B",
        "A_B_2",
        "A_B",
        "A_C",
        "A_B_3",
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (None, "recording"),
        ("-", "recording"),
        ("a/b c.d.wav", "b_c.d"),
        ("\t.wav", "recording"),
        (";;x.wav", "x"),
    ],
)
def test_the_recording_has_a_name_in_rttm(file: str | None, name: str) -> None:
    text = rttm.text(dataclasses.replace(one(), file=file))
    assert text.split()[1] == name


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_rttm(timeline: Timeline, folder: Path) -> None:
    if not timeline.speech:
        assert exports.text(timeline, "rttm-emotion") == ""
        return
    read = turns(timeline, folder, "rttm-emotion")
    short = dict(zip(EMOTIONS, ["neutral", "überrascht", "so-so_b"], strict=True))
    assert sorted(read_turns(read)) == sorted(
        (s.start, s.end, short[s.label]) for s in timeline.speech
    )
    who = turns(timeline, folder)
    assert spoken(who) == spoken(read)
    names = {on_a_line(s.speaker) for s in timeline.speech}
    if names != {None}:
        assert len(who.labels()) == len(names)
