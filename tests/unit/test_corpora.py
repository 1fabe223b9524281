"""Readers, recognition, folders and selection, on small made-up trees of empty files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import corpora, emotions
from emotone.corpora.catalogue import READERS
from emotone.corpora.checks import check
from emotone.corpora.download import terms
from emotone.corpora.ravdess import parse_name
from emotone.corpora.reader import UnparsedNameError
from emotone.errors import CorpusError


def plant(root: Path, *names: str) -> Path:
    """Empty files: readers look at names only."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


EXAMPLES = {
    "ravdess": ("Actor_12/03-01-06-02-02-01-12.wav", "fearful", "12", "female", "strong"),
    "tess": ("OAF_Pleasant_surprise/OAF_back_ps.wav", "surprised", "OAF", "female", None),
    "crema-d": ("AudioWAV/1002_DFA_ANG_HI.wav", "angry", "1002", "female", "high"),
    "savee": ("AudioData/DC/sa05.wav", "sad", "DC", "male", None),
    "emodb": ("wav/03a01Wa.wav", "angry", "03", "male", None),
    "urdu": ("Happy/SF1_F12_H012.wav", "happy", "SF1", "female", None),
    "ased": ("04Sad/S4-04-02-01-29.wav", "sad", "29", "female", None),
    "turev": ("Sound Source/Calm/1234_sk_soba.wav", "calm", "1234", None, None),
    "casia": ("ZhaoZuoxiang/surprise/201.wav", "surprised", "ZhaoZuoxiang", "male", None),
    "emovo": ("f1/gio-f1-b1.wav", "happy", "f1", "female", None),
    "nemo": ("samples/WR0_happiness_64.wav", "happy", "WR0", None, None),
}


def test_there_is_an_example_for_every_reader() -> None:
    assert set(EXAMPLES) == set(READERS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_reader_tells_what_the_name_tells(tmp_path: Path, name: str) -> None:
    path, emotion, speaker, gender, intensity = EXAMPLES[name]
    plant(tmp_path, path, "junk/what is this.wav", "__MACOSX/._x.wav", ".hidden/x.wav", "notes.txt")
    corpus = corpora.load(f"{name}={tmp_path}")
    assert corpus.name == name
    (u,) = corpus.utterances
    assert u.path == tmp_path / path
    assert (u.emotion, u.speaker, u.gender, u.intensity) == (emotion, speaker, gender, intensity)
    assert u.corpus == name
    assert u.language == READERS[name].info.language
    assert u.speaker_key == f"{name}/{speaker}"
    (problem,) = corpus.problems
    assert problem.path == tmp_path / "junk/what is this.wav"
    assert problem.kind == "name"


def test_a_corpus_at_a_prompt_is_one_line_however_many_clips(tmp_path: Path) -> None:
    names = [f"wav/{speaker:02}a01{letter}a.wav" for speaker in range(3, 17) for letter in "WT"]
    found = corpora.load(plant(tmp_path, *names, "wav/stray.wav"))
    assert repr(found) == (
        "Corpus('emodb', 28 utterances, 14 speakers, 1 problems, emotions=sad, angry)"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_corpus_is_recognised_in_any_container(tmp_path: Path, name: str) -> None:
    path = PurePosixPath(EXAMPLES[name][0])
    for suffix in (".wav", ".flac", ".opus", ".MP3"):
        plant(tmp_path, str(path.with_suffix(suffix)))
    corpus = corpora.load(tmp_path)
    assert corpus.name == name
    assert len(corpus) == 4


@pytest.mark.parametrize("name", EXAMPLES)
@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=30))
def test_no_name_crashes_a_reader(name: str, text: str) -> None:
    try:
        emotion = READERS[name].parse(PurePosixPath("some", "folder", f"{text}.wav"), {}).emotion
    except UnparsedNameError:
        return
    assert emotion in emotions.EMOTIONS


@pytest.mark.parametrize("info", corpora.registry(), ids=lambda info: info.name)
def test_every_corpus_states_its_facts(info: corpora.CorpusInfo) -> None:
    assert set(info.emotions) <= set(emotions.EMOTIONS)
    assert len(set(info.emotions)) == len(info.emotions)
    assert info.licence
    assert info.citation
    assert info.homepage.startswith("http")
    assert info.downloads or info.instructions
    assert corpora.info(info.name.upper()) is info
    assert info.to_dict()["name"] == info.name


def test_what_nothing_guards_on_its_way_here_is_said() -> None:
    unguarded = {
        info.name for info in corpora.registry() for item in info.downloads if item.warning
    }
    assert unguarded == {"emodb"}
    assert "not encrypted" in json.dumps(corpora.info("emodb").to_dict())
    assert "the first download is trusted" in terms("emodb")
    assert "not encrypted" not in terms("ravdess")
    (plain,) = corpora.info("emodb").downloads
    assert replace(plain, md5="0" * 32).warning is None


def test_ravdess_gives_all_seven_fields() -> None:
    name = parse_name("01-02-05-02-02-02-24")
    assert name.modality == "full-AV"
    assert name.vocal_channel == "song"
    assert name.emotion == "angry"
    assert name.intensity == "strong"
    assert name.statement == "Dogs are sitting by the door"
    assert name.repetition == 2
    assert name.actor == 24
    assert name.gender == "female"
    assert parse_name("03-01-01-01-01-01-23").gender == "male"


@pytest.mark.parametrize(
    ("stem", "says"),
    [
        ("03-01-09-01-01-01-01", "emotion"),
        ("04-01-01-01-01-01-01", "modality"),
        ("03-03-01-01-01-01-01", "vocal channel"),
        ("03-01-01-03-01-01-01", "intensity"),
        ("03-01-01-01-03-01-01", "statement"),
        ("03-01-01-01-01-03-01", "repetition"),
        ("03-01-01-01-01-01-25", "actor"),
        ("03-01-01-01-01-01-00", "actor"),
        ("03-01-01-01-01-01", "seven"),
        ("03-01-01-01-01-01-01-01", "seven"),
        ("٠٣-01-01-01-01-01-01", "modality"),
    ],
)
def test_a_wrong_ravdess_field_is_named(stem: str, says: str) -> None:
    with pytest.raises(UnparsedNameError, match=says):
        parse_name(stem)


def test_ravdess_song_and_speech_are_told_apart_and_silent_video_is_a_problem(
    tmp_path: Path,
) -> None:
    plant(
        tmp_path,
        "Actor_01/03-01-02-01-01-01-01.wav",
        "Actor_01/03-02-02-01-01-01-01.wav",
        "Actor_01/01-01-02-01-01-01-01.mp4",
        "Actor_01/02-01-02-01-01-01-01.mp4",
    )
    corpus = corpora.load(f"ravdess={tmp_path}")
    assert sorted((u.extra["vocal_channel"], u.extra["modality"]) for u in corpus.utterances) == [
        ("song", "audio-only"),
        ("speech", "audio-only"),
        ("speech", "full-AV"),
    ]
    assert [p.reason for p in corpus.problems] == ["video-only: it has no sound"]


def test_savee_in_both_layouts(tmp_path: Path) -> None:
    names = [f"{code}01.wav" for code in ("a", "d", "f", "h", "n", "sa", "su")]
    plant(
        tmp_path,
        *(f"flat/DC_{n}" for n in names),
        *(f"deep/{s}/{n}" for s in ("JE", "KL") for n in names),
    )
    flat = corpora.load(tmp_path / "flat")
    deep = corpora.load(tmp_path / "deep")
    alone = corpora.load(tmp_path / "deep" / "KL")
    assert flat.name == deep.name == alone.name == "savee"
    assert flat.emotions == ["neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
    assert deep.speakers == ["savee/JE", "savee/KL"]
    assert alone.speakers == ["savee/KL"]


def test_cremad_with_and_without_its_table_and_its_odd_file(tmp_path: Path) -> None:
    plant(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav")
    plant(tmp_path, "AudioWAV/1092_DFA_ANG_XX.wav", "AudioWAV/1001_XXX_ANG_XX.wav")
    corpus = corpora.load(f"crema-d={tmp_path / 'AudioWAV'}")
    assert [(u.speaker, u.gender, u.intensity, u.sentence) for u in corpus.utterances] == [
        ("1001", "male", "unspecified", "Don't forget a jacket"),
        ("1040", "male", "unspecified", "I think I have a doctor's appointment"),
    ]
    assert corpus.utterances[0].extra == {}
    assert len(corpus.problems) == 2
    table = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'
    (tmp_path / "VideoDemographics.csv").write_text(table)
    corpus = corpora.load(f"crema-d={tmp_path / 'AudioWAV'}")
    assert corpus.utterances[0].extra == {"age": "51"}


def test_nemo_reads_its_table(tmp_path: Path) -> None:
    plant(tmp_path, "samples/WR0_surprised_64.wav", "samples/EB0_anger_1.wav")
    (tmp_path / "data.tsv").write_text(
        "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
        'WR0_surprised_64.wav\tsurprised\tUcho "wykrywa".\tucho\t        WR0\tmale\t23\n',
        encoding="utf-8",
    )
    angry, surprised = corpora.load(tmp_path).utterances
    assert (surprised.gender, surprised.sentence) == ("male", 'Ucho "wykrywa".')
    assert surprised.extra == {"number": "64", "age": "23"}
    assert (angry.gender, angry.sentence) == (None, "1")


def test_tess_reads_the_odd_name_of_the_distribution(tmp_path: Path) -> None:
    plant(tmp_path, "OAF_neutral/OA_bite_neutral.wav", "YAF_sad/YAF_base_sad.wav")
    assert corpora.load(tmp_path).speakers == ["tess/OAF", "tess/YAF"]


def test_the_order_is_that_of_the_paths_as_text(tmp_path: Path) -> None:
    names = [
        f"Actor_{a:02d}/03-01-{e:02d}-01-01-01-{a:02d}.wav" for e in (3, 1) for a in (2, 10, 1)
    ]
    plant(tmp_path, *names)
    corpus = corpora.load(tmp_path)
    assert [u.path.relative_to(tmp_path).as_posix() for u in corpus.utterances] == sorted(names)


def test_several_corpora_side_by_side_are_read_as_one(tmp_path: Path) -> None:
    plant(
        tmp_path, "r/03-01-01-01-01-01-01.wav", "e/03a01Wa.wav", "mine/happy/a.wav", "other/x.wav"
    )
    corpus = corpora.load(tmp_path)
    assert corpus.name == tmp_path.name
    assert corpus.corpora == ["emodb", "mine", "ravdess"]
    assert [u.corpus for u in corpus.utterances] == ["emodb", "mine", "ravdess"]
    assert corpus.licences.keys() == {"emodb", "ravdess"}
    (problem,) = corpus.problems
    assert (problem.kind, problem.path) == ("folder", tmp_path / "other")


def test_a_linked_folder_is_followed_and_a_loop_ends(tmp_path: Path) -> None:
    plant(tmp_path / "real", "happy/a.wav")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "set").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "happy" / "again").symlink_to(tmp_path / "real")
    assert len(corpora.load(tmp_path / "data" / "set")) == 1
    assert len(corpora.load(f"folder={tmp_path / 'data'}")) == 1


def test_a_folder_per_emotion(tmp_path: Path) -> None:
    plant(tmp_path, "01_Happiness/a.wav", "wut/b.flac", "sad/session 1/c.ogg")
    corpus = corpora.load(tmp_path)
    assert corpus.name == tmp_path.name
    assert [(u.emotion, u.label, u.speaker) for u in corpus.utterances] == [
        ("happy", "01_Happiness", None),
        ("sad", "sad", None),
        ("angry", "wut", None),
    ]


def test_a_folder_per_speaker_around_it_is_the_speaker(tmp_path: Path) -> None:
    plant(tmp_path, "anna/happy/a.wav", "ben/sad/a.wav", "ben/sad/b.wav", "stray.wav")
    corpus = corpora.load(f"folder={tmp_path}")
    assert [(u.emotion, u.speaker) for u in corpus.utterances] == [
        ("happy", "anna"),
        ("sad", "ben"),
        ("sad", "ben"),
    ]
    assert [p.reason for p in corpus.problems] == ["lies in no emotion's folder"]


def test_parts_of_a_data_set_are_no_speakers(tmp_path: Path) -> None:
    plant(tmp_path, "train/happy/a.wav", "Test/happy/b.wav", "val/sad/c.wav")
    assert [u.speaker for u in corpora.load(tmp_path).utterances] == [None, None, None]


def test_folders_of_unknown_emotions_have_to_be_asked_for(tmp_path: Path) -> None:
    plant(tmp_path, "Sarcasm/a.wav", "f/b.wav", "m/c.wav")
    with pytest.raises(CorpusError, match="NAME=FOLDER"):
        corpora.load(tmp_path)
    corpus = corpora.load(f"folder={tmp_path}")
    assert corpus.emotions[-1] == "sarcasm"


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("{}/nothing", "missing_file"),
        ("{}/nothing.csv", "missing_file"),
        ("{}/notes.txt", "bad_corpus"),
        ("{}/empty", "empty_corpus"),
        ("nosuch={}", "unknown_corpus"),
        ("emodb={}/music", "bad_corpus"),
        ("{}/music", "bad_corpus"),
    ],
)
def test_what_is_no_corpus_is_refused(tmp_path: Path, spec: str, code: str) -> None:
    plant(tmp_path, "notes.txt", "music/song.mp3")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError) as caught:
        corpora.load(spec.format(tmp_path))
    assert caught.value.code == code
    assert caught.value.remedy


def test_load_many_counts_a_file_once(tmp_path: Path) -> None:
    plant(tmp_path, "r/03-01-01-01-01-01-01.wav", "e/03a01Wa.wav")
    corpus = corpora.load_many([f"ravdess={tmp_path / 'r'}", tmp_path / "e", tmp_path / "r"])
    assert corpus.name == "ravdess+emodb"
    assert [u.corpus for u in corpus.utterances] == ["ravdess", "emodb"]
    assert [p.kind for p in corpus.problems] == ["repeated"]
    assert corpus.root == tmp_path
    assert corpora.load_many([tmp_path / "e"]).name == "emodb"
    with pytest.raises(CorpusError, match="no corpus"):
        corpora.load_many([])


def listed(table: Path, speaker: str, *names: str, corpus: str = "") -> Path:
    """A table of empty files beside it, all of one speaker and emotion."""
    plant(table.parent, *names)
    rows = [f"{name},sad,{speaker},{corpus}" for name in names]
    table.write_text("\n".join(["path,emotion,speaker,corpus", *rows]) + "\n")
    return table


def test_tables_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    anna = listed(tmp_path / "anna" / "labels.csv", "1", "a.wav")
    ben = listed(tmp_path / "ben" / "labels.csv", "1", "b.wav")
    other = listed(tmp_path / "ben" / "more.csv", "1", "c.wav")
    assert corpora.load(anna).name == "labels"
    corpus = corpora.load_many([anna, ben, other, anna])
    assert corpus.name == "anna/labels+ben/labels+more"
    assert corpus.speakers == ["anna/labels/1", "ben/labels/1", "more/1"]
    assert [problem.kind for problem in corpus.problems] == ["repeated"]
    assert corpora.load_many([anna, tmp_path / "ben" / ".." / "anna" / "labels.csv"]).corpora == [
        "labels"
    ]


def test_a_clip_of_two_tables_says_where_it_counts_and_as_what(tmp_path: Path) -> None:
    first = listed(tmp_path / "mon.csv", "1", "a.wav", "b.wav")
    second = listed(tmp_path / "tue.csv", "1", "a.wav", "b.wav")
    second.write_text(second.read_text().replace("b.wav,sad", "b.wav,happy"))
    corpus = corpora.load_many([first, second])
    assert [(u.path.name, u.emotion) for u in corpus.utterances] == [
        ("a.wav", "sad"),
        ("b.wav", "sad"),
    ]
    assert [problem.reason for problem in corpus.problems] == [
        "is also in mon, and counts there",
        "is also in mon, and counts there, as sad and not happy",
    ]


def test_they_are_told_apart_as_far_up_as_it_takes_or_by_their_endings(tmp_path: Path) -> None:
    first = listed(tmp_path / "2023" / "anna" / "labels.csv", "1", "a.wav")
    second = listed(tmp_path / "2024" / "anna" / "labels.csv", "1", "b.wav")
    ending = listed(tmp_path / "2024" / "anna" / "labels.tsv", "1", "c.wav")
    ending.write_text(ending.read_text().replace(",", "\t"))
    assert corpora.load_many([first, second]).corpora == ["2023/anna/labels", "2024/anna/labels"]
    assert corpora.load_many([second, ending]).corpora == ["labels.csv", "labels.tsv"]


def test_a_corpus_that_the_rows_name_keeps_its_name(tmp_path: Path) -> None:
    first = listed(tmp_path / "mon" / "labels.csv", "1", "a.wav", corpus="ours")
    second = listed(tmp_path / "tue" / "labels.csv", "1", "b.wav", corpus="ours")
    third = listed(tmp_path / "wed" / "labels.csv", "1", "c.wav")
    corpus = corpora.load_many([first, second, third])
    assert corpus.speakers == ["ours/1", "wed/labels/1"]


def test_folders_of_one_name_are_told_apart_and_known_corpora_are_not(tmp_path: Path) -> None:
    plant(tmp_path, "anna/clips/1/sad/a.wav", "ben/clips/1/sad/a.wav", "ben/clips/1/happy/b.wav")
    corpus = corpora.load_many([tmp_path / "anna" / "clips", f"folder={tmp_path / 'ben/clips'}"])
    assert corpus.speakers == ["anna/clips/1", "ben/clips/1"]
    plant(tmp_path, "one/03-01-01-01-01-01-01.wav", "two/03-01-01-01-01-01-02.wav")
    known = corpora.load_many([tmp_path / "one", tmp_path / "two"])
    assert known.corpora == ["ravdess"]


def hinted(root: Path, **clips: int) -> list[str]:
    """What a check of so many clips of each emotion hints at."""
    plant(root, *(f"{emotion}/{n}.wav" for emotion, count in clips.items() for n in range(count)))
    hints = check(corpora.load(f"folder={root}")).hints
    return [hint for hint in hints if "speaker" not in hint and "identical" not in hint]


def test_emotions_with_hardly_a_clip_are_told_in_place_of_weights(tmp_path: Path) -> None:
    assert hinted(tmp_path / "a", angry=12, happy=12, hapy=1) == [
        "hapy is no word that emotone knows: did you mean happy?",
        "hapy has one clip, which cannot be both trained on and tested: merge it (--merge) or "
        "leave it out (--emotions).",
    ]
    assert hinted(tmp_path / "b", angry=18, sad=6, happy=4, calm=1, disgust=1) == [
        "calm, disgust have one clip each, which cannot be both trained on and tested: merge them "
        "(--merge) or leave them out (--emotions).",
        "happy (4) has fewer clips than a test in five folds takes: its figures say little.",
        "angry has 3.0 times the clips of sad: weigh the classes (--class-weight balanced) and "
        "look at UA rather than WA.",
    ]
    assert hinted(tmp_path / "c", angry=12, sarcasm=12) == []


@pytest.fixture
def four(tmp_path: Path) -> corpora.Corpus:
    plant(
        tmp_path, *(f"{e}/{n}.wav" for e in ("calm", "happy", "neutral", "sad") for n in range(3))
    )
    return corpora.load(tmp_path)


def test_select_keeps_and_merges(four: corpora.Corpus) -> None:
    assert corpora.select(four).counts == {"neutral": 3, "calm": 3, "happy": 3, "sad": 3}
    assert corpora.select(four, ["Happiness", "sad"]).counts == {"happy": 3, "sad": 3}
    merged = corpora.select(four, ["neutral", "happy"], {"calm": "neutral"})
    assert merged.counts == {"neutral": 6, "happy": 3}
    assert {u.label for u in merged.utterances if u.emotion == "neutral"} == {"calm", "neutral"}
    assert corpora.select(four, merge={"calm": "sad", "sad": "calm"}).counts == four.counts


@pytest.mark.parametrize(
    ("chosen", "merge"),
    [(["angry"], None), (["calm"], {"calm": "neutral"}), (None, {"boredom": "sad"})],
)
def test_select_refuses_what_is_not_there(
    four: corpora.Corpus, chosen: list[str] | None, merge: dict[str, str] | None
) -> None:
    with pytest.raises(CorpusError, match="It has: neutral"):
        corpora.select(four, chosen, merge)
