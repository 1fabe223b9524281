"""Timelines on disk: the right form, whole or not at all; tables and JSON as they are read."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import sys
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings

from emotone.errors import MissingExtraError, UsageError
from emotone.timeline import Segment, Timeline, exports
from timelines import EMOTIONS, ODD, ODD_ON_A_LINE, call, on_a_line, one, timelines

COLUMNS = ["start", "end", "channel", "speaker", "emotion", "confidence", *EMOTIONS]
SILENT = Timeline(3.0, "m@1", EMOTIONS, (Segment(0.0, 3.0, "silence"),))
EMPTY = Timeline(3.0, "m@1", EMOTIONS, ())


def table(text: str) -> pandas.DataFrame:
    """A CSV in which nobody's name is taken for a missing one, or for a number."""
    blank = {name: [""] for name in COLUMNS if name != "speaker"}
    return pandas.read_csv(
        io.StringIO(text), keep_default_na=False, na_values=blank, dtype={"speaker": str}
    )


def but_summary(timeline: Timeline) -> dict[str, object]:
    """What JSON holds, without the numbers that are worked out anew, from rounded times."""
    anew = ("summary", "speakers")
    return {name: value for name, value in timeline.to_dict().items() if name not in anew}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "csv"),
        ("a.JSON", "json"),
        ("a.b.jsonl", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.srt", "srt"),
        ("a.vtt", "vtt"),
        ("a.TextGrid", "textgrid"),
        ("a.textgrid", "textgrid"),
        ("a.TEXTGRID", "textgrid"),
        ("a.eaf", "eaf"),
        ("a.txt", "audacity"),
        ("a.rttm", "rttm"),
    ],
)
def test_the_ending_says_the_form(tmp_path: Path, name: str, form: str) -> None:
    exports.write(call(), tmp_path / "new" / name)
    written = (tmp_path / "new" / name).read_bytes()
    assert exports.form_of(name).name == form
    if form != "eaf":  # whose links depend on the place
        assert written == exports.content(call(), form)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_a_form_asked_for_goes_before_the_ending(tmp_path: Path) -> None:
    exports.write(call(), tmp_path / "turns.txt", "RTTM-emotion")
    assert (tmp_path / "turns.txt").read_text(encoding="utf-8").startswith("SPEAKER ")
    with pytest.raises(UsageError, match=r"'docx'. Choose one of csv, json, .*textgrid"):
        exports.write(call(), tmp_path / "turns.csv", "docx")


@pytest.mark.parametrize("name", ["talk.docx", "talk", ".csv"])
def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    known = r"\.csv, \.json, \.jsonl, \.parquet, \.srt, \.vtt, \.TextGrid, \.eaf, \.txt, \.rttm\."
    with pytest.raises(UsageError, match=known):
        exports.form_of(name)
    with pytest.raises(UsageError, match=known):
        exports.write(call(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", exports.FORMS, ids=lambda form: form.name)
def test_a_form_tells_a_service_and_a_person_what_it_is(form: exports.Form) -> None:
    assert form.media_type.count("/") == 1
    assert form.description
    data = exports.content(call(), form.name)
    if form.name == "parquet":
        with pytest.raises(UsageError, match="parquet is no text"):
            exports.text(call(), "parquet")
    elif form.name != "eaf":  # which has the time in it
        assert exports.text(call(), form.name).encode() == data


@pytest.mark.parametrize("form", exports.FORMS, ids=lambda form: form.name)
def test_nothing_written_is_half_a_character(form: exports.Form) -> None:
    odd = dataclasses.replace(one(speaker="A\udcff"), file="a\udcff.wav")
    exports.content(odd, form.name).decode("utf-8" if form.name != "parquet" else "latin-1")


def test_what_was_there_stays_when_the_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        exports.write(dataclasses.replace(call(), settings={"x": math.nan}), path)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"emotone\[report\]"):
        exports.form_of("talk.parquet")
    with pytest.raises(MissingExtraError, match="Parquet"):
        exports.content(call(), "parquet")


def test_csv() -> None:
    text = exports.text(call(), "csv")
    assert text.splitlines()[0] == (
        'start,end,channel,speaker,emotion,confidence,neutral,überrascht,"so-so ""& <b>"""'
    )
    rows = table(text)
    assert list(rows.columns) == COLUMNS
    assert rows["end"].tolist() == [1.0, 3.0, 4.0, 8.5, 6.0, 8.5]
    assert rows["channel"].tolist() == [0, 1, 0, 1, 0, 0]
    assert rows["speaker"][2] == ODD_ON_A_LINE
    assert rows["emotion"].tolist()[3:] == ["neutral", "überrascht", "non-speech"]
    assert rows["confidence"].isna().tolist() == [True, True, False, False, False, True]
    assert rows["neutral"].sum() == 3 * 0.125
    assert exports.text(EMPTY, "csv") == text.splitlines()[0] + "\n"


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
@example(timeline=Timeline(3.0, "m@1", EMOTIONS, (Segment(0.0, 3.0, "silence", speaker="0"),)))
def test_any_timeline_as_csv(timeline: Timeline) -> None:
    rows = table(exports.text(timeline, "csv"))
    read = [
        (row.start, row.end, row.speaker or None, row.emotion)
        for row in rows.itertuples(index=False)
    ]
    assert read == [(s.start, s.end, on_a_line(s.speaker), s.label) for s in timeline.segments]
    for row, segment in zip(rows.to_dict("records"), timeline.segments, strict=True):
        assert (
            math.isnan(row["channel"])
            if segment.channel is None
            else (row["channel"] == segment.channel)
        )
        for name, score in segment.scores.items():
            assert row[name] == pytest.approx(score, abs=5.001e-5)


def test_json_and_back(tmp_path: Path) -> None:
    exports.write(call(), tmp_path / "talk.json")
    text = (tmp_path / "talk.json").read_text(encoding="utf-8")
    assert json.loads(text) == call().to_dict()
    assert "überrascht" in text
    assert text.count("\n") == 1 + 8 + (1 + 6 + 1) + (1 + 2 + 1) + 1  # not a line for each score
    again = exports.read(tmp_path / "talk.json")
    assert but_summary(again) == but_summary(call())
    assert again.segments[2].speaker == ODD


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_json(timeline: Timeline, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "talk.json"
    exports.write(timeline, path)
    assert but_summary(exports.read(path)) == but_summary(timeline)


def test_json_keeps_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    odd = dataclasses.replace(call(), file="caf\udce9.wav")
    exports.write(odd, tmp_path / "talk.json")
    assert exports.read(tmp_path / "talk.json").file == "caf\udce9.wav"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "is no JSON"),
        (b"\xff\xfe\xfd", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "no timeline"),
        (b'{"format": 99}', "no timeline"),
        (b'{"format": 1, "duration_s": 1}', "damaged"),
        (b'{"format": 1, "duration_s": NaN}', "NaN is no number"),
    ],
)
def test_what_is_no_timeline_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "talk.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"talk.json: .*{why}"):
        exports.read(path)


@pytest.mark.parametrize(
    ("start", "end"), [("2", "1"), ("-1", "1"), ("1", "1e999"), ('"nan"', "1")]
)
def test_times_out_of_order_are_refused(tmp_path: Path, start: str, end: str) -> None:
    path = tmp_path / "talk.json"
    text = exports.text(one(), "json").replace(
        '"start": 0.0, "end": 2.0', f'"start": {start}, "end": {end}'
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="end before they start"):
        exports.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.json: cannot be read \(No such file"):
        exports.read(tmp_path / "none.json")


def test_json_lines() -> None:
    lines = exports.text(call(), "jsonl").splitlines()
    rows = [json.loads(line) for line in lines]
    about = {"file": "rec/täglich 1.wav", "model": "m@1"}
    assert rows == [about | segment.to_dict() for segment in call().segments]
    assert pandas.read_json(io.StringIO("\n".join(lines)), lines=True)["kind"].tolist() == [
        segment.kind for segment in call().segments
    ]
    assert exports.text(EMPTY, "jsonl") == ""


def test_parquet(tmp_path: Path) -> None:
    exports.write(call(), tmp_path / "talk.parquet")
    read = pyarrow.parquet.read_table(tmp_path / "talk.parquet")
    assert read.column_names == ["file", *COLUMNS, "model"]
    kinds = {field.name: str(field.type) for field in read.schema}
    assert kinds == dict.fromkeys(COLUMNS, "double") | {
        "file": "string", "channel": "int32", "speaker": "string", "emotion": "string",
        "model": "string",
    }  # fmt: skip
    assert read["speaker"].to_pylist() == [None, None, ODD, None, ODD, None]
    assert read["confidence"].null_count == 3
    assert set(read["model"].to_pylist()) == {"m@1"}
    assert set(read["file"].to_pylist()) == {"rec/täglich 1.wav"}


@pytest.mark.parametrize("timeline", [EMPTY, SILENT], ids=["empty", "silent"])
def test_parquet_has_its_types_without_any_speech(timeline: Timeline) -> None:
    read = pyarrow.parquet.read_table(io.BytesIO(exports.content(timeline, "parquet")))
    spoken = pyarrow.parquet.read_table(io.BytesIO(exports.content(call(), "parquet")))
    assert read.schema == spoken.schema
    assert read.num_rows == len(timeline.segments)
    assert read["channel"].null_count == read["file"].null_count == read.num_rows


@settings(max_examples=50, deadline=None)
@given(timeline=timelines())
def test_any_timeline_as_parquet(timeline: Timeline) -> None:
    read = pyarrow.parquet.read_table(io.BytesIO(exports.content(timeline, "parquet")))
    assert read.select(COLUMNS).to_pylist() == timeline.rows()
