"""The readers, checks and splits on the nine real corpora and their official folds."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emotone import corpora as emotone_corpora
from emotone import splits
from emotone.corpora.checks import check

# Corpus: clips, speakers, clips per emotion.
TOLD = {
    "ravdess": (
        1440,
        24,
        {"neutral": 96}
        | dict.fromkeys(("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 192),
    ),
    "tess": (
        2800,
        2,
        dict.fromkeys(("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 400),
    ),
    "emodb": (
        535,
        10,
        {
            "neutral": 79,
            "happy": 71,
            "sad": 62,
            "angry": 127,
            "fearful": 69,
            "disgust": 46,
            "boredom": 81,
        },
    ),
    # The distributor speaks of 38 speakers; the names of the files hold 29.
    "urdu": (400, 29, dict.fromkeys(("neutral", "happy", "sad", "angry"), 100)),
    "ased": (
        2474,
        65,
        {"neutral": 522, "happy": 486, "sad": 470, "angry": 486, "fearful": 510},
    ),
    "turev": (1735, 6, {"calm": 408, "happy": 357, "sad": 483, "angry": 487}),
    "casia": (
        1200,
        4,
        dict.fromkeys(("neutral", "happy", "sad", "angry", "fearful", "surprised"), 200),
    ),
    "emovo": (
        588,
        6,
        dict.fromkeys(("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 84),
    ),
    "nemo": (
        3236,
        6,
        {
            "neutral": 539,
            "happy": 539,
            "sad": 540,
            "angry": 540,
            "fearful": 539,
            "surprised": 539,
        },
    ),
}
# Corpora whose names or tables give the gender of every speaker.
GENDERED = {"ravdess", "tess", "emodb", "urdu", "ased", "casia", "emovo", "nemo"}
# EmoBox: folds, and utterances tested over all of them.
FOLDS = {
    "ravdess": (6, 1440),
    "tess": (1, 700),
    "emodb": (5, 535),
    "urdu": (1, 100),
    "ased": (1, 616),
    "turev": (1, 432),
    "casia": (4, 1200),
    "emovo": (6, 588),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_corpus_is_recognised_and_counted_exactly(corpora: Path, name: str) -> None:
    corpus = emotone_corpora.load(corpora / name)
    clips, speakers, counts = TOLD[name]
    assert corpus.name == name
    assert not corpus.problems
    assert len(corpus) == clips
    assert len(corpus.speakers) == speakers
    assert corpus.counts == counts
    assert set(corpus.emotions) <= set(emotone_corpora.info(name).emotions)
    genders = Counter(utterance.gender for utterance in corpus.utterances)
    assert (None not in genders) == (name in GENDERED)
    assert all(utterance.path.is_file() for utterance in corpus.utterances[::97])
    assert corpus.paths == sorted(corpus.paths, key=lambda path: path.as_posix())


def test_the_folder_of_all_nine_is_one_corpus(corpora: Path) -> None:
    corpus = emotone_corpora.load(corpora)
    assert len(corpus) == 14408
    assert corpus.corpora == sorted(TOLD)
    assert len(corpus.speakers) == sum(speakers for _, speakers, _ in TOLD.values())
    assert len(corpus.languages) == 8
    assert set(corpus.licences) == set(TOLD)
    assert [problem.path.name for problem in corpus.problems] == ["originals"]


def test_files_as_first_distributed_are_read_too(corpora: Path, tmp_path: Path) -> None:
    found = set()
    for file in sorted((corpora / "originals").glob("*.wav")):
        folder = tmp_path / file.stem
        folder.mkdir()
        (folder / file.name).symlink_to(file)
        (utterance,) = emotone_corpora.load(folder).utterances
        found.add((utterance.corpus, file.stem, utterance.emotion))
    assert found == {
        ("ravdess", "03-01-03-01-02-01-02", "happy"),
        ("ravdess", "03-01-04-01-01-02-07", "sad"),
        ("ravdess", "03-01-05-02-01-01-01", "angry"),
        ("emodb", "03a01Wa", "angry"),
        ("tess", "OAF_hit_happy", "happy"),
        ("urdu", "SM1_F19_A019", "angry"),
    }


@pytest.mark.parametrize("name", FOLDS)
def test_emobox_folds_match_every_row(corpora: Path, name: str) -> None:
    corpus = emotone_corpora.load(corpora / name)
    split = splits.make(corpus.utterances, f"file:{corpora / 'emobox' / f'{name}.csv'}")
    folds, tested = FOLDS[name]
    assert split.notes == ()
    assert len(split.folds) == folds
    assert sum(len(fold.test) for fold in split.folds) == tested
    for fold in split.folds:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
        assert len(fold.train) > len(fold.test)
    if name in ("ravdess", "casia", "emovo"):
        assert split.shared_speakers == 0
        assert split.warning is None
    else:
        assert split.shared_speakers
        assert split.warning is not None


def test_the_folder_of_folds_over_all_corpora(corpora: Path) -> None:
    corpus = emotone_corpora.load(corpora)
    split = splits.make(corpus.utterances, f"file:{corpora / 'emobox'}")
    assert len(split.folds) == sum(folds for folds, _ in FOLDS.values())
    assert split.notes == ("3236 of 14408 utterances are in no fold file",)
    for fold in split.folds:
        (name,) = {corpus.utterances[i].corpus for i in fold.test}
        assert fold.name.startswith(f"{name}:")


def test_fold_rows_and_utterances_agree_about_the_emotion(corpora: Path) -> None:
    import csv

    for name in FOLDS:
        corpus = emotone_corpora.load(corpora / name)
        told = {u.path.relative_to(corpora).as_posix(): u.emotion for u in corpus.utterances}
        with (corpora / "emobox" / f"{name}.csv").open() as lines:
            rows = {row["path"]: row["emotion"] for row in csv.DictReader(lines)}
        assert rows == told


@pytest.mark.parametrize(
    ("emotions", "spec", "train", "test"),
    [
        (["calm", "happy", "fearful", "disgust"], "random:test=0.25,seed=9", 576, 192),
        (None, "random:test=0.2,seed=7", 1152, 288),
    ],
)
def test_the_splits_of_the_tutorials(
    corpora: Path, emotions: list[str] | None, spec: str, train: int, test: int
) -> None:
    corpus = emotone_corpora.select(emotone_corpora.load(corpora / "ravdess"), emotions)
    split = splits.make(corpus.utterances, spec)
    assert (len(split.folds[0].train), len(split.folds[0].test)) == (train, test)
    assert split.shared_speakers == 24
    assert split.warning is not None
    assert "say nothing about a new voice" in split.warning


def test_validation_over_everything_shares_no_speaker(corpora: Path) -> None:
    utterances = emotone_corpora.load(corpora).utterances
    fit, held = splits.validation(utterances, np.arange(len(utterances)), seed=1)
    assert 0.10 < len(held) / len(utterances) < 0.20
    voices = [{utterances[i].speaker_key for i in part} for part in (fit, held)]
    assert not voices[0] & voices[1]
    emotions = [{utterances[i].emotion for i in part} for part in (fit, held)]
    assert emotions[0] == emotions[1]


def test_a_check_of_a_real_corpus(corpora: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = check(
        emotone_corpora.load(corpora / "emodb"), progress=lambda done, of: seen.append((done, of))
    )
    assert seen == [(i, 535) for i in range(1, 536)]
    assert report.ok
    assert report.durations is not None
    assert report.durations.total_s == pytest.approx(1069.93, abs=0.1)
    assert report.durations.min_s > 1
    assert report.channels == {1: 535}
    assert sum(report.rates.values()) == sum(report.containers.values()) == 535
    assert report.by_corpus == {"emodb": TOLD["emodb"][2]}
    assert len(report.by_speaker) == 10
    assert report.genders == {"female": 302, "male": 233}
    told = json.loads(json.dumps(report.to_dict()))
    assert told["ok"] is True
    assert told["utterances"] == 535


def test_a_check_finds_what_is_wrong(corpora: Path, tmp_path: Path) -> None:
    clips = sorted((corpora / "emodb").glob("03*.opus"))[:6]
    for clip in clips:
        shutil.copy(clip, tmp_path / clip.name)
    angry = next(clip for clip in clips if clip.stem[5] != "T")
    shutil.copy(angry, tmp_path / "08a01Ta.opus")  # the same bytes under another emotion
    (tmp_path / "08a01Wa.opus").write_bytes(b"this is no audio at all" * 50)
    (tmp_path / "08a02Wa.opus").write_bytes(b"")
    (tmp_path / "a stray name.opus").write_bytes(clips[0].read_bytes())
    report = check(emotone_corpora.load(f"emodb={tmp_path}"))
    assert not report.ok
    assert [{path.name for path in group} for group in report.duplicates] == [
        {angry.name, "08a01Ta.opus"}
    ]
    assert {Path(failure.file).name for failure in report.unreadable} == {
        "08a01Wa.opus",
        "08a02Wa.opus",
    }
    assert [problem.path.name for problem in report.problems] == ["a stray name.opus"]
    told = json.loads(json.dumps(report.to_dict()))
    assert told["ok"] is False
    assert {entry["error"]["code"] for entry in told["unreadable"]} >= {"empty_file"}
    assert "1 group of identical files carries different emotions." in report.hints
    assert any("2 speakers only" in hint for hint in report.hints)


def test_hints_of_an_unbalanced_corpus_without_speakers(corpora: Path, tmp_path: Path) -> None:
    clips = sorted((corpora / "emodb").glob("*.opus"))
    for number, clip in enumerate(clips[:5]):
        folder = tmp_path / ("happy" if number else "sad")
        folder.mkdir(exist_ok=True)
        shutil.copy(clip, folder)
    shutil.copy(corpora / "originals" / "03a01Wa.wav", tmp_path / "sad" / "w.wav")
    (tmp_path / "sad" / clips[0].name).unlink()
    report = check(emotone_corpora.load(f"folder={tmp_path}"))
    assert report.imbalance == 4.0
    assert any(hint.startswith("sad has one clip, which cannot") for hint in report.hints)
    assert not any("weigh the classes" in hint for hint in report.hints)
    assert any("5 clips have no speaker" in hint for hint in report.hints)


def test_a_manifest_of_a_real_corpus_gives_the_same_split(corpora: Path, tmp_path: Path) -> None:
    corpus = emotone_corpora.load(corpora / "nemo")
    emotone_corpora.write_manifest(corpus, tmp_path / "nemo.parquet")
    again = emotone_corpora.load(tmp_path / "nemo.parquet")
    assert [p.name for p in again.paths] == [p.name for p in corpus.paths]
    assert [u.sentence for u in again.utterances] == [u.sentence for u in corpus.utterances]
    before, after = (splits.make(c.utterances, "speakers:3", seed=5) for c in (corpus, again))
    for one, two in zip(before.folds, after.folds, strict=True):
        assert np.array_equal(one.test, two.test)
