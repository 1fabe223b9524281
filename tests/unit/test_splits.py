"""Splits: what they promise about overlap, coverage, speakers and the scikit-learn seed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, train_test_split

from emotone import splits
from emotone.corpora import Utterance
from emotone.errors import SplitError


def utterance(
    number: int, speaker: str | None = "s1", emotion: str = "happy", corpus: str = "a"
) -> Utterance:
    return Utterance(Path(f"/data/{corpus}/{number:04d}clip.wav"), emotion, corpus, "x", speaker)


def some(speakers: list[str], each: int = 6, corpus: str = "a") -> list[Utterance]:
    return [
        utterance(i * each + k, speaker, ("happy", "sad", "angry")[k % 3], corpus)
        for i, speaker in enumerate(speakers)
        for k in range(each)
    ]


@pytest.mark.parametrize("seed", [0, 7, 9, 42])
@pytest.mark.parametrize("share", [0.2, 0.25, 0.333])
@pytest.mark.parametrize("n", [5, 768, 1440])
def test_random_is_train_test_split(n: int, share: float, seed: int) -> None:
    train, test = train_test_split(range(n), test_size=share, random_state=seed)
    fold = splits.make([utterance(i) for i in range(n)], f"random:test={share},seed={seed}").folds[
        0
    ]
    assert fold.train.tolist() == train
    assert fold.test.tolist() == test


@pytest.mark.parametrize("seed", [7, 9])
def test_stratified_is_train_test_split(seed: int) -> None:
    utterances = some(["a", "b", "c"], each=20)
    y = [u.emotion for u in utterances]
    train, test = train_test_split(range(60), test_size=0.2, random_state=seed, stratify=y)
    fold = splits.make(utterances, f"random:test=20%,seed={seed},stratify=true").folds[0]
    assert fold.train.tolist() == train
    assert fold.test.tolist() == test


def test_the_seed_of_the_spec_goes_before_the_argument() -> None:
    utterances = some(["a", "b"])
    in_spec = splits.make(utterances, "random:test=0.25,seed=9", seed=1).folds[0]
    as_argument = splits.make(utterances, "random:test=0.25", seed=9).folds[0]
    other = splits.make(utterances, "random:test=0.25", seed=1).folds[0]
    assert in_spec.test.tolist() == as_argument.test.tolist() != other.test.tolist()


def test_a_split_that_shares_speakers_says_so() -> None:
    split = splits.make(some(["a", "b", "c"], each=20), "random:test=0.5,seed=0")
    assert split.shared_speakers == 3
    assert (
        split.warning
        == "train and test share 3 speakers: these figures say nothing about a new voice"
    )
    assert split.to_dict()["warning"] == split.warning


def test_unknown_speakers_are_said_to_be_unknown() -> None:
    split = splits.make([utterance(i, None) for i in range(10)], "random:test=0.5")
    assert split.shared_speakers is None
    assert split.warning is not None
    assert "unknown" in split.warning


def test_equal_speaker_numbers_of_two_corpora_are_two_speakers() -> None:
    utterances = some(["01"], corpus="a") + some(["01"], corpus="b")
    split = splits.make(utterances, "corpora:loo")
    assert split.shared_speakers == 0
    assert split.warning is None


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=12),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_speaker_folds_cover_everything_once_and_share_no_speaker(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    utterances = [
        utterance(100 * s + k, f"s{s}") for s, size in enumerate(sizes) for k in range(size)
    ]
    folds = data.draw(st.integers(2, len(sizes)))
    split = splits.make(utterances, f"speakers:{folds}", seed=seed)
    assert len(split.folds) == folds
    tested = np.concatenate([fold.test for fold in split.folds])
    assert sorted(tested.tolist()) == list(range(len(utterances)))
    for fold in split.folds:
        assert len(fold.test) > 0
        assert sorted([*fold.train.tolist(), *fold.test.tolist()]) == list(range(len(utterances)))
        train = {utterances[i].speaker for i in fold.train}
        assert not train & {utterances[i].speaker for i in fold.test}
    assert split.shared_speakers == 0
    assert split.warning is None


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    strangers=st.integers(0, 5),
    folds=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_folds_of_clips_test_each_once_and_nobody_who_is_not_trained_on(
    sizes: list[int], strangers: int, folds: int, seed: int
) -> None:
    utterances = [
        utterance(100 * s + k, f"s{s}") for s, size in enumerate(sizes) for k in range(size)
    ]
    utterances += [utterance(9000 + k, None) for k in range(strangers)]
    single = [i for i, u in enumerate(utterances) if u.speaker and sizes[int(u.speaker[1:])] == 1]
    single += [len(utterances) - 1] if strangers == 1 else []
    tested = sorted(set(range(len(utterances))) - set(single))
    if len(tested) < folds:
        with pytest.raises(SplitError, match=f"{len(tested)} utterances .* do not make {folds}"):
            splits.make(utterances, f"clips:{folds}", seed=seed)
        return
    split = splits.make(utterances, f"clips:{folds}", seed=seed)
    assert len(split.folds) == folds
    assert sorted(np.concatenate([fold.test for fold in split.folds]).tolist()) == tested
    for fold in split.folds:
        assert sorted([*fold.train.tolist(), *fold.test.tolist()]) == list(range(len(utterances)))
        train = {utterances[i].speaker for i in fold.train}
        assert {utterances[i].speaker for i in fold.test} <= train
        assert abs(len(fold.test) - len(tested) / folds) < 1


def test_folds_of_clips_spread_emotions_and_follow_the_seed() -> None:
    utterances = some(["a", "b", "c"] * 10)
    split = splits.make(utterances, "clips:3")
    for fold in split.folds:
        for emotion in {u.emotion for u in utterances}:
            everywhere = sum(u.emotion == emotion for u in utterances)
            here = sum(utterances[i].emotion == emotion for i in fold.test)
            assert here == pytest.approx(everywhere / 3, abs=3)
    other = splits.make(utterances, "clips:3,seed=1")
    assert split.folds[0].test.tolist() != other.folds[0].test.tolist()
    assert split.warning is not None


@settings(deadline=None)
@given(n=st.integers(2, 300), percent=st.integers(1, 99), seed=st.integers(0, 2**32 - 1))
def test_a_random_fold_is_disjoint_and_covers(n: int, percent: int, seed: int) -> None:
    utterances = [utterance(i) for i in range(n)]
    if math.ceil(percent / 100 * n) >= n:
        with pytest.raises(SplitError):
            splits.make(utterances, f"random:test={percent}%", seed=seed)
        return
    fold = splits.make(utterances, f"random:test={percent}%", seed=seed).folds[0]
    assert sorted([*fold.train.tolist(), *fold.test.tolist()]) == list(range(n))
    assert abs(len(fold.test) - n * percent / 100) < 1 + 1e-9


@settings(deadline=None)
@given(
    speakers=st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=2, max_size=80),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_validation_divides_and_shares_no_known_speaker(
    speakers: list[str | None], share: float, seed: int
) -> None:
    utterances = [
        utterance(i, speaker, ("happy", "sad")[i % 2]) for i, speaker in enumerate(speakers)
    ]
    train = np.arange(len(utterances))
    fit, held = splits.validation(utterances, train, share=share, seed=seed)
    assert len(fit) > 0
    assert len(held) > 0
    assert sorted([*fit.tolist(), *held.tolist()]) == train.tolist()
    if len({speaker for speaker in speakers if speaker}) > 1:
        inside = {utterances[i].speaker for i in fit} - {None}
        assert not inside & {utterances[i].speaker for i in held}


def test_validation_is_near_its_share_and_repeats() -> None:
    utterances = some([f"{i:02d}" for i in range(24)], each=60)
    fit, held = splits.validation(utterances, np.arange(1440), share=0.15, seed=3)
    assert abs(len(held) - 216) <= 30
    again = splits.validation(utterances, np.arange(1440), share=0.15, seed=3)
    assert np.array_equal(fit, again[0])
    assert np.array_equal(held, again[1])
    other = splits.validation(utterances, np.arange(1440), share=0.15, seed=4)
    assert not np.array_equal(held, other[1])


def test_validation_does_not_give_up_half_a_corpus_for_one_of_two_voices() -> None:
    utterances = some([f"{i:02d}" for i in range(20)]) + some(["OAF", "YAF"], each=60, corpus="t")
    _, held = splits.validation(utterances, np.arange(len(utterances)))
    assert {utterances[i].corpus for i in held} == {"a"}
    alone = utterances[120:]
    fit, held = splits.validation(alone, np.arange(120))
    assert (len(fit), len(held)) == (60, 60)


def test_validation_refuses_what_cannot_be_divided() -> None:
    with pytest.raises(SplitError, match="cannot be divided"):
        splits.validation(some(["a"]), [0])
    with pytest.raises(SplitError, match="cannot be set aside"):
        splits.validation(some(["a"]), [0, 1], share=1.0)


def test_speaker_folds_are_as_balanced_as_group_k_fold() -> None:
    sizes = [40, 3, 17, 22, 9, 30, 30, 8, 1, 14]
    utterances = [
        utterance(100 * s + k, f"s{s}") for s, size in enumerate(sizes) for k in range(size)
    ]
    groups = [u.speaker for u in utterances]
    theirs = sorted(
        len(test) for _, test in GroupKFold(4).split(np.zeros(len(groups)), groups=groups)
    )
    ours = sorted(len(fold.test) for fold in splits.make(utterances, "speakers:4").folds)
    assert ours == theirs


def test_the_seed_moves_equal_speakers_between_folds() -> None:
    utterances = some([f"{i:02d}" for i in range(24)])
    first = splits.make(utterances, "speakers:6,seed=1").folds[0].test.tolist()
    assert first == splits.make(utterances, "speakers:6", seed=1).folds[0].test.tolist()
    assert first != splits.make(utterances, "speakers:6", seed=2).folds[0].test.tolist()


def test_leave_one_speaker_out() -> None:
    split = splits.make(some(["c", "a", "b"]), "speakers:loo")
    assert [fold.name for fold in split.folds] == ["a/a", "a/b", "a/c"]
    assert [len(fold.test) for fold in split.folds] == [6, 6, 6]


def test_leave_one_corpus_out_keeps_shared_emotions_only() -> None:
    utterances = some(["x"], corpus="a") + [
        utterance(50 + i, "y", emotion, "b")
        for i, emotion in enumerate(["happy", "sad", "boredom", "boredom"])
    ]
    split = splits.make(utterances, "corpora:loo")
    assert [fold.name for fold in split.folds] == ["a", "b"]
    for fold in split.folds:
        used = {utterances[i].emotion for i in [*fold.train, *fold.test]}
        assert used == {"happy", "sad"}
        assert {utterances[i].corpus for i in fold.test} == {fold.name}
        assert fold.name not in {utterances[i].corpus for i in fold.train}


def test_what_is_left_out_of_a_fold_of_corpora_is_told() -> None:
    utterances = [
        utterance(i, None, emotion, corpus)
        for corpus, emotions in (("a", "sad happy calm"), ("b", "sad happy angry fear"))
        for i, emotion in enumerate(emotions.split())
    ]
    assert splits.make(utterances, "corpora:loo").notes == (
        "fold a is of the 2 emotions that a shares with the others: 1 of its 3 clips is not asked "
        "about, and 2 of the others not trained on",
        "fold b is of the 2 emotions that b shares with the others: 2 of its 4 clips are not asked "
        "about, and 1 of the others not trained on",
    )


def test_a_corpus_that_shares_one_emotion_is_refused() -> None:
    utterances = [
        utterance(i, None, emotion, corpus)
        for corpus, emotions in (("a", "sad happy"), ("b", "sad angry"))
        for i, emotion in enumerate(emotions.split())
    ]
    with pytest.raises(SplitError, match="a shares 1 emotion with the other corpora"):
        splits.make(utterances, "corpora:loo")


def test_people_of_one_name_in_two_tables_are_told_of() -> None:
    tables = some(["anna", "ben"], corpus="monday") + some(["anna", "carl"], corpus="tuesday")
    divided = splits.make(tables, "speakers:loo")
    (note,) = divided.notes
    assert note.startswith("people of monday, tuesday have the same names (anna) and count as diff")
    assert divided.warning is None
    # Known corpora number their speakers; 01 is somebody else in each.
    known = some(["01", "02"], corpus="ravdess") + some(["01", "02"], corpus="urdu")
    assert splits.make(known, "speakers:loo").notes == ()
    # In one part of a fold they do no harm.
    (half,) = splits.make(tables, "none").folds
    assert splits.make(tables, "none").notes == ()
    assert len(half.test) == 0


def test_none_trains_on_everything() -> None:
    split = splits.make(some(["a", "b"]), "none")
    assert [(fold.name, len(fold.train), len(fold.test)) for fold in split.folds] == [
        ("all", 12, 0)
    ]
    assert split.warning is None


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "is no split"),
        ("sideways:3", "is no split"),
        ("none:1", "is no split"),
        ("corpora:3", "is no split"),
        ("file:", "is no split"),
        ("speakers", "how many"),
        ("speakers:1", "neither loo nor a number"),
        ("speakers:-2", "neither loo nor a number"),
        ("speakers:3", "2 speakers do not make 3"),
        ("clips", "no number of folds"),
        ("clips:1", "no number of folds"),
        ("clips:loo", "no number of folds"),
        ("clips:50", "do not make 50 folds"),
        ("random:test=1.5", "not between 0 and 1"),
        ("random:test=nan", "not between 0 and 1"),
        ("random:test=half", "not a number"),
        ("random:seed=x", "not a whole number"),
        ("random:seed=4294967296", "out of range"),
        ("random:test=0.2,test=0.3", "twice"),
        ("random:share=0.2", "none of its options"),
        ("random:stratify=maybe", "neither true nor false"),
        ("random:test=0.99", "leave none for training"),
        ("corpora:loo", "one corpus only"),
        ("file:/nowhere/folds.csv", "cannot be read"),
    ],
)
def test_a_senseless_spec_is_refused(spec: str, says: str) -> None:
    with pytest.raises(SplitError, match=says):
        splits.make(some(["a", "b"]), spec)


def test_nothing_to_split_is_refused() -> None:
    with pytest.raises(SplitError, match="no utterances"):
        splits.make([], "none")


def test_unknown_speakers_cannot_be_split_by_speaker() -> None:
    with pytest.raises(SplitError, match="1 of 7 utterances has no speaker"):
        splits.make([*some(["a"]), utterance(99, None)], "speakers:2")


def test_too_few_of_an_emotion_cannot_be_stratified() -> None:
    with pytest.raises(SplitError, match="cannot be stratified"):
        splits.make([*some(["a"]), utterance(99, "a", "calm")], "random:stratify=true")


FOLDS = """path,emotion,test_folds,train_folds
a/0000clip.flac,happy,1,2
A\\0001CLIP.opus,sad,2,1
a/0002clip.wav,sad,,1 2
a/gone.wav,sad,1,2
"""


def test_a_fold_file_matches_by_the_end_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text(FOLDS)
    split = splits.make(some(["a"]), f"file:{tmp_path / 'folds.csv'}")
    assert [(f.name, f.train.tolist(), f.test.tolist()) for f in split.folds] == [
        ("1", [1, 2], [0]),
        ("2", [0, 2], [1]),
    ]
    assert split.notes == (
        "1 of 4 rows of folds.csv match no utterance",
        "3 of 6 utterances are in no fold file",
    )


def test_a_folder_of_fold_files_names_the_file_and_passes_over_absent_corpora(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.csv").write_text(FOLDS)
    (tmp_path / "two.csv").write_text("path,test_folds,train_folds\nb/other-clip.wav,1,2\n")
    split = splits.make(some(["a"]), f"file:{tmp_path}")
    assert [fold.name for fold in split.folds] == ["one:1", "one:2"]
    assert "no utterance is in two.csv" in split.notes


def test_a_short_name_alone_matches_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("path,test_folds,train_folds\nliu/angry/201.wav,1,2\n")
    same_name = Utterance(Path("/elsewhere/201.wav"), "angry", "mine", "angry")
    with pytest.raises(SplitError, match="no row matches"):
        splits.make([same_name], f"file:{tmp_path / 'f.csv'}")
    inside = Utterance(Path("/elsewhere/angry/201.wav"), "angry", "mine", "angry")
    assert splits.make([inside], f"file:{tmp_path / 'f.csv'}").folds[0].test.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,emotion\nx,y\n", "has no column test_folds and no column train_folds"),
        ("", "has no column path"),
        ("path,test_folds,train_folds\nlong-name.wav,1 2,2\n", "row 2 is in both"),
        ("path,test_folds,train_folds\n,1,2\n", "row 2 has no path"),
    ],
)
def test_a_wrong_fold_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(SplitError, match=says):
        splits.make(some(["a"]), f"file:{tmp_path / 'f.csv'}")


def test_a_fold_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SplitError, match="UTF-8"):
        splits.make(some(["a"]), f"file:{tmp_path / 'f.csv'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SplitError, match="holds no CSV"):
        splits.make(some(["a"]), f"file:{tmp_path / 'empty'}")
