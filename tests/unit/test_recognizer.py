from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import bundles
import emotone
from emotone import audio, bundle, features
from emotone.audio.preparation import Preparation
from emotone.audio.waveform import Waveform
from emotone.bundle import Bundle, find
from emotone.errors import BundleError, FeatureError, UsageError
from emotone.prediction import Failure, Prediction
from emotone.recognizer import Recognizer, load
from emotone.verification import verify

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000


def tone(seconds: float = 1.0, hz: float = 220.0, level: float = 0.3) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def wav(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(tone()))
    return path


def made(tmp_path: Path, **others: Any) -> Path:
    """A bundle over the installed `mfcc-13`."""
    found = features.get("mfcc-13")
    values = {"feature_version": found.version, "dimension": found.dimension} | others
    return bundles.write(tmp_path / "mine.emotone", **values)


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return load(made(tmp_path))


def test_a_prediction_is_the_models_answer_on_the_features(
    recognizer: Recognizer, clip: Path
) -> None:
    answer = recognizer.predict(clip)
    row = features.extract(clip, "mfcc-13").astype(np.float64)
    # The model once more, by hand.
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(scale=0.01, size=(13, 4)), rng.normal(size=4)
    logits = row @ weights.astype(np.float32) + bias.astype(np.float32)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    for name, score in zip(bundles.EMOTIONS, expected, strict=True):
        assert answer.scores[name] == pytest.approx(score, abs=1e-5)
    assert list(answer.scores.values()) == sorted(answer.scores.values(), reverse=True)
    assert answer.emotion == next(iter(answer.scores))
    assert answer.confidence == max(answer.scores.values())
    assert answer.duration_s == pytest.approx(1.0)
    assert (answer.model, answer.file) == ("test@1.0", str(clip))
    json.dumps(answer.to_dict())


def test_every_kind_of_source_gives_the_same(recognizer: Recognizer, clip: Path) -> None:
    samples = np.frombuffer(clip.read_bytes()[44:], "<i2").astype(np.float32) / 32768
    answers = [
        recognizer.predict(source)
        for source in (clip, str(clip), clip.read_bytes(), clip.open("rb"), (samples, RATE))
    ]
    for answer in answers[1:]:
        assert answer.scores == pytest.approx(answers[0].scores, abs=1e-5)
    assert [answer.file is None for answer in answers] == [False, False, True, True, True]


def test_the_preparation_of_the_card_is_repeated(tmp_path: Path) -> None:
    preparation = Preparation(normalize="peak", trim_db=30.0)
    prepared = load(made(tmp_path, preparation=preparation.to_dict()))
    plain = load(made(tmp_path))
    padded = np.concatenate(
        [np.zeros(RATE, np.float32), tone(level=0.01), np.zeros(RATE // 2, np.float32)]
    )
    answer = prepared.predict((padded, RATE))
    row = features.extract((padded, RATE), "mfcc-13", preparation=preparation)
    expected = dict(zip(bundles.EMOTIONS, plain.scores(row)[0].tolist(), strict=True))
    assert answer.scores == pytest.approx(expected, abs=1e-6)
    assert answer.scores != pytest.approx(plain.predict((padded, RATE)).scores, abs=1e-3)
    assert answer.duration_s == pytest.approx(2.5), "the length of the clip, not of what is left"


def test_below_the_threshold_it_is_uncertain(recognizer: Recognizer, clip: Path) -> None:
    sure = recognizer.predict(clip)
    assert recognizer.predict(clip, threshold=sure.confidence - 0.01).emotion == sure.emotion
    unsure = recognizer.predict(clip, threshold=sure.confidence + 0.01)
    assert unsure.emotion == "uncertain"
    assert (unsure.confidence, unsure.scores) == (sure.confidence, sure.scores)
    for wrong in (-0.1, 1.1, float("nan"), "high", "0.5", [0.5]):
        with pytest.raises(UsageError, match="threshold"):
            recognizer.predict(clip, threshold=wrong)  # type: ignore[arg-type]
    assert recognizer.predict(clip, threshold=np.float32(0)) == sure  # type: ignore[arg-type]


BELOW = {"confidence": 0.9999, "target": 0.8, "accuracy": 0.8, "coverage": 0.5, "clips": 100}


def test_the_card_can_say_when_to_be_uncertain(tmp_path: Path, clip: Path) -> None:
    silent = load(made(tmp_path))
    assert silent.uncertain_below is None
    with pytest.raises(UsageError, match="states no confidence"):
        silent.predict(clip, threshold="card")
    with pytest.raises(UsageError, match="states no confidence"):
        silent.predict_many([clip], threshold="card")
    careful = load(made(tmp_path, calibration={"uncertain_below": BELOW}))
    assert careful.uncertain_below == 0.9999
    assert careful.predict(clip).emotion != "uncertain", "off by default"
    assert careful.predict(clip, threshold="card").emotion == "uncertain"
    (answer,) = careful.predict_many([clip], threshold="card")
    assert isinstance(answer, Prediction)
    assert answer.emotion == "uncertain"


def test_adapting_evens_out_what_is_heard(recognizer: Recognizer) -> None:
    clips: list[Any] = [(tone(hz=hz), RATE) for hz in (150, 300, 600, 1200)]
    row = features.extract(clips[0], "mfcc-13")
    plain = [recognizer.predict(clip) for clip in clips]
    before = recognizer.scores(row)
    hers = recognizer.adapt(clips)
    assert (hers.adapted_clips, recognizer.adapted_clips) == (4, 0)
    assert "adapted to 4 clips" in repr(hers)
    answers = [hers.predict(clip) for clip in clips]
    now, was = (
        np.mean([[a.scores[name] for name in bundles.EMOTIONS] for a in said], axis=0)
        for said in (answers, plain)
    )
    assert np.linalg.norm(now - 0.25) < 0.8 * np.linalg.norm(was - 0.25)
    for answer in answers:
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)
        assert answer.confidence == max(answer.scores.values())
        assert answer.to_dict()["adapted_clips"] == 4
    assert "adapted_clips" not in plain[0].to_dict()
    # The original is as it was, one session serves both, and rows are adapted as clips are.
    assert recognizer.predict(clips[0]) == plain[0]
    np.testing.assert_array_equal(recognizer.scores(row), before)
    assert hers._runtime is recognizer._runtime
    assert hers.scores(row)[0] == pytest.approx(
        [answers[0].scores[name] for name in bundles.EMOTIONS], abs=1e-5
    )
    # Adapting anew begins at the model.
    assert hers.adapt(clips).predict(clips[0]) == answers[0]


def test_what_can_be_adapted_to(recognizer: Recognizer, clip: Path, tmp_path: Path) -> None:
    one = recognizer.adapt(clip)
    content = clip.read_bytes()
    whole: list[Any] = [[clip], (clip,), str(clip), content, [content], clip.open("rb")]
    whole += [bytearray(content), memoryview(content), emotone.audio.read(clip)]
    for same in whole:
        assert recognizer.adapt(same).predict(clip).scores == pytest.approx(
            one.predict(clip).scores, abs=1e-6
        )
    assert recognizer.adapt((tone(), RATE)).adapted_clips == 1
    assert recognizer.adapt((clip, str(clip))).adapted_clips == 2, "a pair of clips is no sound"
    for paths in (np.array([str(clip)] * 3), np.array([clip] * 3)):  # a column of a table
        assert recognizer.adapt(paths).adapted_clips == 3
    with pytest.raises(UsageError, match=r"1 of 1 clips .*rate"):
        recognizer.adapt(tone())  # type: ignore[arg-type]
    assert recognizer.adapt([tmp_path]).adapted_clips == 1, "a folder stands for its clips"
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    with pytest.raises(UsageError, match=r"2 of 3 clips .*bad\.wav.*none\.wav"):
        recognizer.adapt([clip, bad, tmp_path / "none.wav"])
    with pytest.raises(UsageError, match="no clip to adapt to"):
        recognizer.adapt([])


def test_adapting_to_neutral_clips_needs_the_card(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(BundleError, match="how neutral clips score") as caught:
        load(made(tmp_path)).adapt([clip], neutral=True)
    assert caught.value.code == "not_adaptable"
    assert "speakers:5" in str(caught.value)
    plain = load(made(tmp_path)).predict(clip)
    usual = np.log([plain.scores[name] for name in bundles.EMOTIONS])
    usual -= usual.mean()
    usual[1] += 4  # neutral clips of others score higher for happy
    neutral = {"logits": usual.tolist(), "weight": 1.0, "prior_clips": 1.0}
    adaptation = {"precision": 1.0, "neutral": neutral, "speakers": 5}
    knowing = load(made(tmp_path, calibration={"adaptation": adaptation}))
    adapted = knowing.adapt([clip], neutral=True).predict(clip)
    # Of the 4 that happy lacks, half is given back: n / (n + k) = 1 / 2.
    ratio = adapted.scores["happy"] / adapted.scores["sad"]
    assert ratio == pytest.approx(np.exp(2) * plain.scores["happy"] / plain.scores["sad"], rel=1e-2)


def test_only_some_emotions_can_occur(tmp_path: Path) -> None:
    path = made(tmp_path, calibration={"uncertain_below": BELOW})
    clips: list[Any] = [(tone(hz=hz), RATE) for hz in (150, 300, 600, 1200)]
    whole, some = load(path), load(path, emotions=["Sadness", "angry", "neutral"])
    assert some.emotions == tuple(e for e in bundles.EMOTIONS if e in ("sad", "angry", "neutral"))
    columns = [whole.emotions.index(name) for name in some.emotions]
    for clip in clips:
        said, free = some.predict(clip), whole.predict(clip)
        assert set(said.scores) == set(some.emotions)
        assert said.emotion in some.emotions
        total = sum(free.scores[name] for name in some.emotions)
        for name in some.emotions:
            assert said.scores[name] == pytest.approx(free.scores[name] / total, abs=1e-6)
    row = features.extract(clips[0], "mfcc-13")
    among = whole.scores(row)[:, columns]
    np.testing.assert_allclose(some.scores(row), among / among.sum(), atol=1e-6)
    np.testing.assert_allclose(some.hear([clips[0][0]], RATE).sum(axis=1), 1, atol=1e-6)
    assert load(path, emotions=list(bundles.EMOTIONS)).digest == whole.digest != some.digest
    # How sure is sure enough was found out among all of them.
    assert (whole.uncertain_below, some.uncertain_below) == (0.9999, None)
    with pytest.raises(UsageError, match="not for some of them alone"):
        some.predict(clips[0], threshold="card")


def test_the_spelling_of_the_card_is_known(tmp_path: Path) -> None:
    path = made(tmp_path, emotions=("Neutral", "anger", "angry", "Joy"))
    for emotions in (load(path).emotions, ["Neutral", "Joy"], ["anger", "angry"]):
        assert load(path, emotions=emotions).emotions == tuple(emotions)
    assert load(path, emotions=["neutral", "happy"]).emotions == ("Neutral", "Joy")
    some = (name for name in ("neutral", "happy"))  # whatever gives names
    assert load(path, emotions=some).emotions == ("Neutral", "Joy")  # type: ignore[arg-type]


def test_a_configured_threshold_of_the_card_hinders_what_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path, calibration={"uncertain_below": BELOW})
    monkeypatch.setenv("EMOTONE_THRESHOLD", "card")
    some = load(path, emotions=["angry", "sad"])
    assert some.hear([tone()], RATE).shape == (1, 2)
    with pytest.raises(UsageError, match=r"not for some of them alone.*--threshold"):
        some.predict((tone(), RATE))
    assert some.predict((tone(), RATE), threshold=0.0).emotion in ("angry", "sad")


def test_adapting_among_some_emotions(tmp_path: Path) -> None:
    clips: list[Any] = [(tone(hz=hz), RATE) for hz in (150, 300, 600, 1200)]
    chosen = [name for name in bundles.EMOTIONS if name != "happy"]
    logits = list(range(len(bundles.EMOTIONS)))
    neutral = {"logits": logits, "weight": 1.0, "prior_clips": 1e-9}
    adaptation = {"precision": 0.5, "neutral": neutral, "speakers": 5}
    some = load(made(tmp_path, calibration={"adaptation": adaptation}), emotions=chosen)
    hers = some.adapt(clips)
    assert hers.emotions == some.emotions
    now, was = (
        np.mean([[r.predict(c).scores[name] for name in chosen] for c in clips], axis=0)
        for r in (hers, some)
    )
    even = 1 / len(chosen)
    assert np.linalg.norm(now - even) < np.linalg.norm(was - even)
    # The mean of neutral clips comes to that of others', among the same emotions.
    neutral_too = some.adapt(clips, neutral=True)
    logs = np.log([[neutral_too.predict(c).scores[n] for n in chosen] for c in clips]).mean(axis=0)
    usual = np.array([logits[bundles.EMOTIONS.index(name)] for name in chosen], float)
    before = np.log([[some.predict(c).scores[n] for n in chosen] for c in clips]).mean(axis=0)
    moved = (before - before.mean()) - (logs - logs.mean())
    assert moved == pytest.approx((before - before.mean()) - (usual - usual.mean()), abs=0.01)


@pytest.mark.parametrize(
    ("emotions", "said"),
    [
        (["angry", "bored"], "does not know the emotion 'bored'"),
        (["angry", "anger"], "two emotions or more, and there is angry"),
        ([], "two emotions or more, and there is none"),
        ("angry", "emotions is 'angry'.*in a list"),
        (b"angry", "in a list"),
        ([5, "angry"], "in a list"),
        (5, "in a list"),
    ],
)
def test_emotions_that_cannot_be_chosen_among(tmp_path: Path, emotions: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(made(tmp_path), emotions=emotions)


def test_scores_of_a_matrix(recognizer: Recognizer) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 13))
    scores = recognizer.scores(rows)
    assert scores.shape == (50, 4)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(recognizer.scores(rows[7]), scores[7:8], atol=1e-6)
    assert recognizer.scores(np.empty((0, 13))).shape == (0, 4)
    with pytest.raises(FeatureError, match=r"\(n, 13\)"):
        recognizer.scores(np.zeros((2, 12)))
    with pytest.raises(FeatureError, match="not finite"):
        recognizer.scores(np.full((1, 13), np.nan))


def test_a_model_over_the_waveform(tmp_path: Path) -> None:
    """The seam for neural models: the mean power decides, at the rate of the card."""
    model = bundles.linear_model(np.array([[0.0, 100.0]]), np.array([1.0, 0.0]), kind="waveform")
    card = bundle.Card(
        name="power",
        version="1.0",
        emotions=("sad", "angry"),
        input=bundle.ModelInput("waveform", rate=8000),
    )
    bundle.write(tmp_path / "power", model, card)
    recognizer = load(tmp_path / "power")
    assert recognizer.predict((tone(level=0.9), RATE)).emotion == "angry"
    assert recognizer.predict((tone(level=0.02), RATE)).emotion == "sad"
    assert all(check.passed for check in verify(tmp_path / "power"))
    seen = recognizer.prepare(emotone.audio.Waveform(tone(), RATE))
    assert seen.shape == (1, 8000)


def test_many_keep_their_order_and_a_bad_one_its_row(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.wav").write_bytes(wav(tone(hz=100 + 50 * number)))
    (folder / "05.wav").write_bytes(b"not audio")
    (folder / "notes.txt").write_text("not asked for")
    (tmp_path / "empty").mkdir()
    sources: list[Any] = [folder, tmp_path / "empty", tmp_path / "none.wav", (tone(), RATE)]
    for jobs in (1, 3):
        seen: list[tuple[int, int]] = []

        def note(done: int, total: int, seen: list[tuple[int, int]] = seen) -> None:
            seen.append((done, total))

        answers = list(recognizer.predict_many(sources, jobs=jobs, progress=note))
        assert seen == [(done, 15) for done in range(1, 16)]
        failed = [number for number, answer in enumerate(answers) if isinstance(answer, Failure)]
        assert failed == [5, 12, 13]
        assert [Path(a.file or "").name for a in answers[:12]] == [f"{n:02}.wav" for n in range(12)]
        for number in failed:
            problem = answers[number].to_dict()["error"]
            assert str(answers[number].file) in problem["message"]
            assert problem["code"] != "unforeseen"
        alone = recognizer.predict(folder / "11.wav")
        assert isinstance(answers[11], Prediction)
        assert answers[11].scores == pytest.approx(alone.scores, abs=1e-6)


def test_what_nobody_foresaw_fails_one_row(
    recognizer: Recognizer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Recognizer.predict

    def fragile(self: Recognizer, source: Any, **options: Any) -> Prediction:
        if source == "second":
            raise ZeroDivisionError("a bug")
        return whole(self, source, **options)

    monkeypatch.setattr(Recognizer, "predict", fragile)
    first, second, third = recognizer.predict_many([clip, "second", clip], jobs=1)
    assert isinstance(first, Prediction)
    assert isinstance(third, Prediction)
    assert isinstance(second, Failure)
    assert "second" in str(second.error)
    assert "ZeroDivisionError: a bug" in str(second.error)


def test_leaving_early_stops_the_work(
    recognizer: Recognizer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    whole = Recognizer.predict

    def counted(self: Recognizer, source: Any, **options: Any) -> Prediction:
        started.append(source)
        return whole(self, source, **options)

    monkeypatch.setattr(Recognizer, "predict", counted)
    answers = recognizer.predict_many([clip] * 500, jobs=2)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert len(started) < 30
    assert not [t for t in threading.enumerate() if t.name.startswith("emotone_")]


def test_many_threads_may_share_one(recognizer: Recognizer, clip: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(recognizer.predict, [clip] * 40))
    assert all(answer == answers[0] for answer in answers)


def test_another_version_of_the_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="trained on version 0-other") as caught:
        load(made(tmp_path, feature_version="0-other"))
    assert caught.value.code == "other_features"
    with pytest.raises(BundleError, match="14 numbers"):
        load(made(tmp_path, dimension=14))


def test_unknown_features_or_preparation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not have"):
        load(made(tmp_path, feature_set="from-the-future"))
    with pytest.raises(BundleError, match="from_the_future"):
        load(made(tmp_path, preparation={"from_the_future": True}))


def _write_model(path: Path, nodes: list[Any], outputs: list[Any], name: str = "features") -> Path:
    graph = helper.make_graph(
        nodes, "odd", [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 13])], outputs
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    version = features.get("mfcc-13").version
    bundle.write(path, model.SerializeToString(), bundles.card(feature_version=version))
    return path


def test_a_model_that_is_not_as_its_card_says(tmp_path: Path) -> None:
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 13])
    same = helper.make_node("Identity", ["features"], ["scores"])
    odd = {
        "score per emotion": _write_model(tmp_path / "a", [same], [scores]),
        "float32 input 'features'": _write_model(
            tmp_path / "b", [helper.make_node("Identity", ["x"], ["scores"])], [scores], "x"
        ),
        "output 'scores'": _write_model(
            tmp_path / "c",
            [helper.make_node("Identity", ["features"], ["y"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 13])],
        ),
        "does not load": _write_model(
            tmp_path / "d", [helper.make_node("Upsample", ["features"], ["scores"])], [scores]
        ),
    }
    for reason, path in odd.items():
        with pytest.raises(BundleError, match=reason):
            load(path).scores(np.zeros((1, 13)))
        last = verify(path)[-1]
        assert (last.name, last.passed) == ("runs", False)
        assert reason in last.detail


def test_verify_runs_a_good_model(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert [check.name for check in verify(path) if check.passed][-1] == "runs"
    (tmp_path / "bad.emotone").write_bytes(path.read_bytes()[:-30])
    assert [check.name for check in verify(tmp_path / "bad.emotone")] == ["container"]


def test_scores_that_are_no_probabilities_fail_verify(tmp_path: Path) -> None:
    weights = helper.make_node("Constant", [], ["w"], value_floats=[1.0, 1.0, 1.0, 1.0])
    zero = helper.make_node("ReduceMean", ["features"], ["m"], axes=[1], keepdims=1)
    add = helper.make_node("Add", ["m", "w"], ["scores"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])
    path = _write_model(tmp_path / "a", [weights, zero, add], [scores])
    assert "not probabilities" in verify(path)[-1].detail


def test_installed_models_load_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path
) -> None:
    monkeypatch.setenv("EMOTONE_MODELS", str(tmp_path))
    made(tmp_path)
    assert emotone.load("mine").predict(clip).model == "test@1.0"
    assert "test@1.0" in repr(emotone.load("mine"))


def test_one_answer_imports_nothing_heavy(tmp_path: Path, clip: Path) -> None:
    program = (
        "import sys, emotone\n"
        "emotone.load(sys.argv[1]).predict(sys.argv[2])\n"
        "heavy = {'scipy', 'sklearn', 'onnx', 'av', 'pandas', 'matplotlib', 'librosa', 'rich',\n"
        "  'typer', 'concurrent.futures', 'multiprocessing', 'asyncio', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(made(tmp_path)), str(clip)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_loaded_model_leaves_the_processors_arithmetic_alone() -> None:
    """Numbers too small for full precision stay numbers in the program that loads a model."""
    code = (
        "import emotone, numpy as np\n"
        f"emotone.load().predict({str(EXAMPLES / 'low-voice.flac')!r})\n"
        "assert np.float32(1e-38) * np.float32(0.1) > 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_path_is_one_clip(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not its letters, of which "." is a folder."""
    monkeypatch.chdir(tmp_path)
    recognizer = load(made(tmp_path))
    assert [answer.file for answer in recognizer.predict_many(str(clip))] == [str(clip)]
    assert [answer.file for answer in recognizer.predict_many(clip)] == [str(clip)]


def test_a_configured_threshold_of_the_card_is_asked_for_where_it_counts(
    tmp_path: Path, clip: Path
) -> None:
    silent = load(made(tmp_path), threshold="card")
    assert silent.predict(clip, threshold=0.0).emotion
    assert silent.adapt([clip]).predict(clip, threshold=0.0).adapted_clips == 1
    with pytest.raises(UsageError, match="states no confidence"):
        silent.predict(clip)


def test_a_stretch_is_prepared_as_the_card_says(tmp_path: Path) -> None:
    """But nothing is cut off, and silence is heard."""
    preparation = Preparation(rate=RATE, band_hz=(300, 3400), trim_db=30.0, length_s=1.0)
    prepared = load(made(tmp_path, preparation=preparation.to_dict()))
    noise = np.random.default_rng(0).normal(scale=0.1, size=2 * RATE).astype(np.float32)
    noise[: RATE // 2] = 0
    band = Preparation(band_hz=(300, 3400))
    row = features.extract((noise, RATE), "mfcc-13", preparation=band)
    np.testing.assert_allclose(prepared.hear([noise], RATE)[0], prepared.scores(row)[0], atol=1e-6)
    assert np.isfinite(prepared.hear([np.zeros(RATE, np.float32)], RATE)).all()


def test_described_frames_are_not_taken_past_a_preparation(tmp_path: Path) -> None:
    default = Bundle.open(find(None))
    values = {**default.card.preparation, "band_hz": [1000.0, 2000.0]}
    card = dataclasses.replace(default.card, preparation=values)
    path = tmp_path / "band.emotone"
    bundle.write(path, default.model, card, frames=default.frames)
    sound = audio.read(EXAMPLES / "low-voice.flac", rate=16_000).samples
    plain, limited = load(), load(path)
    assert plain.takes_frames
    assert not limited.takes_frames
    filtered = Preparation(band_hz=(1000.0, 2000.0)).apply(Waveform(sound, 16_000)).samples
    np.testing.assert_allclose(
        limited.hear([sound], 16_000), plain.hear([filtered], 16_000), atol=1e-5
    )


def test_silent_windows_of_a_long_clip_have_no_say() -> None:
    recognizer = load()
    sound = audio.read(EXAMPLES / "low-voice.flac", rate=16_000).samples
    talk = np.tile(sound, 1 + 20 * 16_000 // len(sound))[: 20 * 16_000]
    alone = recognizer.predict((talk, 16_000))
    padded = recognizer.predict((np.concatenate([talk, np.zeros(40 * 16_000, np.float32),
                                                 talk]), 16_000))  # fmt: skip
    assert padded.emotion == alone.emotion
    assert padded.confidence == pytest.approx(alone.confidence, abs=0.02)
