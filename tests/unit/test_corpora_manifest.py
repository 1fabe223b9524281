"""Manifests: read with the row of every mistake, written and read back the same."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import corpora
from emotone.errors import CorpusError


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for name in ("a.wav", "sub/b.flac", "c;d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_csv_with_every_column(clips: Path) -> None:
    (clips / "m.csv").write_text(
        "Path,emotion,speaker,gender,intensity,sentence,language,corpus,room\n"
        'a.wav,Happiness,7,F,high,"Hello, you",en,mine,kitchen\n'
        "sub/b.flac,wistful,,,,,,,\n",
        encoding="utf-8-sig",
    )
    first, second = corpora.load(clips / "m.csv").utterances
    assert first.path == clips / "a.wav"
    assert (first.emotion, first.label) == ("happy", "Happiness")
    assert (first.speaker_key, first.gender, first.intensity) == ("mine/7", "female", "high")
    assert (first.sentence, first.language, first.extra) == (
        "Hello, you",
        "en",
        {"room": "kitchen"},
    )
    assert (second.emotion, second.corpus, second.speaker) == ("wistful", "m", None)


def test_semicolons_tabs_and_absolute_paths(clips: Path) -> None:
    (clips / "m.csv").write_text(f"path;emotion\n{clips / 'a.wav'};sad\n")
    assert corpora.load(clips / "m.csv").paths == [clips / "a.wav"]
    (clips / "m.tsv").write_text("path\temotion\nc;d.wav\tsad\n")
    assert corpora.load(clips / "m.tsv").paths == [clips / "c;d.wav"]


def test_the_order_is_that_of_the_rows_and_a_missing_file_is_a_problem(clips: Path) -> None:
    (clips / "m.jsonl").write_text(
        '{"path": "sub/b.flac", "emotion": "sad", "speaker": 3}\n\n'
        '{"path": "gone.wav", "emotion": "sad"}\n'
        '{"path": "a.wav", "emotion": "happy", "speaker": null}\n'
    )
    corpus = corpora.load(clips / "m.jsonl")
    assert [u.path.name for u in corpus.utterances] == ["b.flac", "a.wav"]
    assert [u.speaker for u in corpus.utterances] == ["3", None]
    (problem,) = corpus.problems
    assert (problem.kind, problem.reason) == ("missing", "listed in row 3, but not there")


def test_a_row_without_a_path_or_an_emotion_is_a_problem_beside_others(clips: Path) -> None:
    (clips / "m.csv").write_text(
        "path,emotion,speaker\na.wav,sad,1\nsub/b.flac,,1\n,happy,2\nc;d.wav\n"
    )
    corpus = corpora.load(clips / "m.csv")
    assert [u.path.name for u in corpus.utterances] == ["a.wav"]
    assert [(p.path, p.kind, p.reason) for p in corpus.problems] == [
        (clips / "m.csv", "row", "row 3 has no emotion"),
        (clips / "m.csv", "row", "row 4 has no path"),
        (clips / "m.csv", "row", "row 5 has no emotion"),
    ]


def test_a_file_that_is_listed_again_counts_once(clips: Path) -> None:
    (clips / "t.csv").write_text(
        "path,emotion\na.wav,sad\nsub/b.flac,happy\nsub/b.flac,joy\n./a.wav,angry\n",
        encoding="utf-8",
    )
    corpus = corpora.load(clips / "t.csv")
    assert [(u.path.name, u.emotion) for u in corpus.utterances] == [
        ("a.wav", "sad"),
        ("b.flac", "happy"),
    ]
    assert [(p.kind, p.reason) for p in corpus.problems] == [
        ("repeated", "listed in row 4, but also in row 3"),
        ("repeated", "listed in row 5, but also in row 2, as sad and not angry"),
    ]


def test_parquet_numbers_and_gaps(clips: Path) -> None:
    table = pyarrow.table(
        {
            "path": ["a.wav", "sub/b.flac"],
            "emotion": ["joy", "sad"],
            "speaker": pyarrow.array([4.0, float("nan")]),
        }
    )
    pyarrow.parquet.write_table(table, clips / "m.parquet")
    corpus = corpora.load(clips / "m.parquet")
    assert [(u.emotion, u.speaker) for u in corpus.utterances] == [("happy", "4"), ("sad", None)]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("m.csv", "path,speaker\na.wav,1\n", "has no column emotion"),
        ("m.csv", "file,label\na.wav,1\n", "no column path and no column emotion"),
        ("m.csv", "", "no column path"),
        ("m.csv", "path,emotion\n", "has no rows"),
        ("m.csv", "path,emotion\na.wav,\na.wav,\n", "row 2 has no emotion"),
        ("m.csv", "path,emotion\n,sad\n", "row 2 has no path"),
        ("m.csv", "path,emotion,gender\na.wav,sad,blue\n", "row 2 has the gender 'blue'"),
        ("m.csv", "path,emotion\na.wav\n", "row 2 has no emotion"),
        ("m.csv", 'path,emotion\n"a\0.wav",sad\n', "zero byte|table"),
        ("m.jsonl", '{"path": "a.wav", "emotion": "sad"}\n{oops\n', "row 2 is not JSON"),
        ("m.jsonl", "[1]\n", "row 1 is not a JSON object"),
        ("m.jsonl", "[" * 100_000, "row 1 is not JSON"),
        ("m.jsonl", '{"path": "a.wav"}\n', "row 1 has no emotion"),
        ("m.jsonl", "", "has no rows"),
        ("m.parquet", "not parquet", "not a Parquet file"),
    ],
)
def test_a_mistake_is_named_with_its_row(clips: Path, name: str, text: str, says: str) -> None:
    (clips / name).write_text(text)
    with pytest.raises(CorpusError, match=says) as caught:
        corpora.load(clips / name)
    assert str(clips / name) in str(caught.value)
    assert caught.value.remedy


def test_bytes_that_are_no_text_are_refused(clips: Path) -> None:
    (clips / "m.csv").write_bytes(b"path,emotion\na\xff.wav,sad\n")
    with pytest.raises(CorpusError, match="not UTF-8"):
        corpora.load(clips / "m.csv")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_what_is_written_is_read_back_the_same(clips: Path, suffix: str) -> None:
    (clips / "m.csv").write_text(
        "path,emotion,label,speaker,gender,sentence,corpus,room\n"
        'sub/b.flac,sad,T,03,male,"Ä ""b"", c",emodb,\n'
        "a.wav,happy,F,,,,mine,hall\n",
        encoding="utf-8",
    )
    corpus = corpora.load(clips / "m.csv")
    target = clips / "sub" / f"out{suffix}"
    corpora.write_manifest(corpus, target)
    again = corpora.load(target)
    assert [u.path.resolve() for u in again.utterances] == [p.resolve() for p in corpus.paths]
    for before, after in zip(corpus.utterances, again.utterances, strict=True):
        for field in ("emotion", "label", "speaker", "gender", "sentence", "corpus", "extra"):
            assert getattr(after, field) == getattr(before, field)
    assert not list(clips.rglob("*.part"))


def test_a_manifest_has_to_end_like_one_and_fit_somewhere(clips: Path) -> None:
    (clips / "m.csv").write_text("path,emotion\na.wav,sad\n")
    corpus = corpora.load(clips / "m.csv")
    with pytest.raises(CorpusError, match="does not end in"):
        corpora.write_manifest(corpus, clips / "m.xlsx")
    with pytest.raises(CorpusError, match="cannot be written"):
        corpora.write_manifest(corpus, clips / "nowhere" / "m.csv")


@settings(deadline=None)
@given(rows=st.lists(st.lists(st.text(max_size=12), max_size=5), max_size=5))
def test_no_table_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("m")
    # Written by hand: the csv module of Python 3.10 will not write a NUL.
    quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    text = "\r\n".join(["path,emotion,gender", *quoted])
    with (folder / "m.csv").open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
    (folder / "m.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for name in ("m.csv", "m.jsonl"):
        try:
            corpus = corpora.load(folder / name)
        except CorpusError:
            continue
        assert len(corpus.utterances) + len(corpus.problems) == sum(map(bool, rows))
