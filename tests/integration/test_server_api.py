"""The HTTP API of a real server process, on real speech."""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import re
import time
import urllib.parse
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

import soundfile

import bundles
import emotone
from audio_files import encode, encode_av, noise, tone
from emotone import audio
from emotone.corpora import load_many
from emotone.speech import UtteranceSettings
from emotone.timeline import Timeline, exports
from emotone.timeline.settings import TimelineSettings
from services import Service, multipart, service

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LOW, RAISED = (EXAMPLES / f"{name}.flac" for name in ("low-voice", "raised-voice"))
RATE = 16_000
DAY = timedelta(days=1)
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    toy = bundles.write(folder / "toy.emotone")
    with service(folder / "data", "--model", f"toy={toy}") as running:
        yield running


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call of two channels, one voice on each, that take turns."""
    one, two = (audio.read(path, rate=RATE).samples for path in (LOW, RAISED))
    pause = np.zeros(RATE, np.float32)
    left = np.concatenate([pause, one, pause, np.zeros_like(two), pause])
    right = np.concatenate([pause, np.zeros_like(one), pause, two, pause])
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, np.stack([left, right], axis=1), RATE)
    return path


@pytest.fixture(scope="module")
def analysed(server: Service, call: Path) -> Any:
    """The call, analysed and kept; the tests label no segment of it for good."""
    sent = server.send(
        call, "call.wav", channels="split", keep_audio=True, name="Call 7", notes="two\nvoices"
    )
    return server.finished(sent["id"])


def errs(answer: Any, status: int, code: str | None = None) -> Any:
    """What an answer says in the one shape of all errors."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json) == {"error"}
    assert set(answer.error) == {"code", "message", "remedy"}
    assert answer.error["code"] == (code or CODES[status])
    assert answer.error["message"].endswith(".")
    return answer.error


# -- the service


def test_the_service_says_what_it_is(server: Service) -> None:
    answer = server.ask("GET", "/v1/service")
    assert answer.status == 200
    told = answer.json
    assert told["version"] == emotone.__version__
    assert told["api"] == "v1"
    assert told["emotions"] == list(emotone.load().emotions)
    assert all(re.fullmatch("#[0-9A-F]{6}", told["colours"][name]) for name in told["emotions"])
    assert told["limits"]["max_clip_s"] > 0
    assert told["retention"] == {"results_days": None, "keeps_audio_by_default": False}
    assert told["auth"] == {"required": False, "scopes": ["read", "write", "admin"]}
    assert "png" in told["export_formats"]
    assert "not what a person feels" in told["responsible_use"]


def test_the_models(server: Service) -> None:
    default, toy = server.ask("GET", "/v1/models").json["items"]
    assert (default["name"], default["default"]) == ("default", True)
    assert default["model"] == emotone.load().model
    assert default["uncertain_below"] == emotone.load().uncertain_below
    assert default["figures"]
    assert (toy["name"], toy["default"], toy["emotions"]) == (
        "toy", False, list(bundles.EMOTIONS)
    )  # fmt: skip


def test_errors_have_one_shape(server: Service) -> None:
    errs(server.ask("GET", "/v1/nothing"), 404)
    errs(server.ask("DELETE", "/v1/service"), 405)
    errs(server.ask("GET", "/v1/analyses?limit=0"), 400)
    error = errs(server.ask("GET", "/v1/analyses?state=unheard"), 400)
    assert "state" in error["message"]


# -- one clip


def predict(server: Service, content: bytes, name: str = "a.flac", **fields: Any) -> Any:
    return server.ask("POST", "/v1/predict", form={"file": (name, content), **fields})


@pytest.mark.parametrize("path", [LOW, RAISED])
def test_a_clip_is_heard_as_by_the_library(server: Service, path: Path) -> None:
    answer = predict(server, path.read_bytes(), "../me/Clip ü.flac")
    assert answer.status == 200
    expected = emotone.load().predict(path).to_dict()
    assert answer.json == {**expected, "file": "Clip ü.flac"}
    assert list(answer.json["scores"]) == list(expected["scores"])


def test_a_clip_is_answered_well_within_a_second(server: Service) -> None:
    content = RAISED.read_bytes()
    took = []
    for _ in range(10):
        began = time.perf_counter()
        assert predict(server, content).status == 200
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5  # whatever else this machine does


def test_clips_of_the_corpora(server: Service, corpora: Path) -> None:
    recognizer = emotone.load()
    for name in ("ravdess", "emodb", "emovo", "casia"):
        clips = audio.find_audio([corpora / name])
        for clip in clips[:: len(clips) // 3]:
            told = predict(server, clip.read_bytes(), clip.name).json
            assert told == {**recognizer.predict(clip).to_dict(), "file": clip.name}


def test_a_conversation_of_the_corpora(server: Service, corpora: Path, tmp_path: Path) -> None:
    clips = audio.find_audio([corpora / "ravdess"])[::29][:16]
    voices = [audio.read(clip, rate=RATE).samples for clip in clips]
    soundfile.write(tmp_path / "talk.flac", np.concatenate(voices), RATE)
    found = server.finished(server.send(tmp_path / "talk.flac", speakers=2)["id"])
    expected = emotone.load().timeline(tmp_path / "talk.flac", speakers=2, jobs=1).to_dict()
    assert plain(found["timeline"]) == {**expected, "file": "talk.flac"}


@pytest.mark.parametrize("container", ["wav", "mp3", "ogg", "mp4", "webm", "mkv"])
def test_clips_of_every_kind(server: Service, container: str) -> None:
    samples = audio.read(RAISED, rate=48_000).samples
    content = {
        "wav": lambda: encode(samples, 48_000),
        "mp3": lambda: encode(samples, 48_000, "MP3", "MPEG_LAYER_III"),
        "ogg": lambda: encode(samples, 48_000, "OGG", "VORBIS"),
        "mp4": lambda: encode_av(samples, 48_000, "mp4", "aac", video=True),
        "webm": lambda: encode_av(samples, 48_000, "webm", "libopus"),
        "mkv": lambda: encode_av(samples, 48_000, "matroska", "aac"),
    }[container]()
    answer = predict(server, content, f"a.{container}")
    assert answer.status == 200, answer.body
    assert answer.json["duration_s"] == pytest.approx(len(samples) / 48_000, abs=0.1)


def test_a_threshold_and_another_model(server: Service) -> None:
    content = RAISED.read_bytes()
    sure, unsure = (predict(server, content, threshold=t).json for t in (0.1, 0.9))
    assert unsure["emotion"] == "uncertain"
    assert unsure["scores"] == sure["scores"]
    assert sure["emotion"] == next(iter(sure["scores"]))
    assert set(predict(server, content, model="toy").json["scores"]) == set(bundles.EMOTIONS)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"hello", 422, "unreadable_audio"),
        (encode(np.zeros(RATE, np.float32)), 422, "silent"),
        (encode(tone(0.01)), 422, "too_short"),
        (encode(noise(400, 8000), 8000, "FLAC"), 413, "too_large"),
    ],
)
def test_clips_that_cannot_be_heard(
    server: Service, content: bytes, status: int, code: str
) -> None:
    error = errs(predict(server, content, "my.wav"), status, code)
    assert error["message"].startswith("my.wav: ")
    assert error["remedy"]


def test_forms_that_are_none(server: Service) -> None:
    content = RAISED.read_bytes()
    errs(predict(server, content, threshold="2"), 400)
    errs(predict(server, content, threshold="nan"), 400)
    error = errs(predict(server, content, colour="red"), 400)
    assert "colour" in error["message"]
    errs(predict(server, content, model="none"), 422, "unknown_model")
    errs(server.ask("POST", "/v1/predict", form={"threshold": "0.5"}), 400)
    errs(server.ask("POST", "/v1/predict", json={"file": "x"}), 415, "bad_media_type")
    errs(server.ask("POST", "/v1/predict", body=b"x"), 415, "bad_media_type")
    body, kind = multipart({"file": ("a.flac", content)})
    for damaged in (body[:-8], body[: len(body) // 2], b"--" + body, b"junk"):
        answer = server.ask("POST", "/v1/predict", body=damaged, headers={"Content-Type": kind})
        errs(answer, 400)
    twice = body.replace(b"--\r\n", b"\r\n") + body
    errs(server.ask("POST", "/v1/predict", body=twice, headers={"Content-Type": kind}), 400)
    assert predict(server, content).status == 200


def test_nothing_is_left_of_a_clip(server: Service) -> None:
    predict(server, RAISED.read_bytes())
    predict(server, b"hello")
    assert list((server.folder / "incoming").iterdir()) == []
    assert server.ask("GET", "/v1/analyses?q=hello").json["total"] == 0


# -- recordings


def plain(timeline: dict[str, Any]) -> dict[str, Any]:
    added = ("index", "label", "label_note", "labelled_at")
    segments = [
        {name: value for name, value in segment.items() if name not in added}
        for segment in timeline["segments"]
    ]
    return {**timeline, "segments": segments}


def test_a_recording_is_heard_as_by_the_library(analysed: Any, call: Path) -> None:
    expected = emotone.load().timeline(call, channels="split", jobs=1).to_dict()
    assert plain(analysed["timeline"]) == {**expected, "file": "Call 7"}
    assert [s["index"] for s in analysed["timeline"]["segments"]] == list(
        range(len(expected["segments"]))
    )
    assert analysed["summary"] == expected["summary"]
    assert (analysed["state"], analysed["progress"], analysed["error"]) == ("done", 1.0, None)
    assert analysed["duration_s"] == expected["duration_s"]
    assert analysed["heard_s"] == pytest.approx(2 * expected["duration_s"])
    assert (analysed["name"], analysed["notes"]) == ("Call 7", "two\nvoices")
    assert analysed["has_audio"]
    assert analysed["created_at"] <= analysed["started_at"] <= analysed["finished_at"]
    assert analysed["expires_at"] is None


def test_what_is_asked_of_an_analysis_is_done(server: Service, call: Path) -> None:
    asked = {"window_s": 2, "step_s": 0.25, "switch": 0, "pause_s": 0.3, "channels": 1}
    sent = server.send(call, "call.wav", speakers=1, **asked)
    assert sent["options"] == {**asked, "speakers": 1, "model": "default"}
    found = server.finished(sent["id"])
    settings = TimelineSettings(
        window_s=2, step_s=0.25, switch=0, utterances=UtteranceSettings(pause_s=0.3, margin_s=0.1)
    )
    expected = emotone.load().timeline(call, channels=1, settings=settings, speakers=1, jobs=1)
    assert plain(found["timeline"]) == {**expected.to_dict(), "file": "call.wav"}
    assert not found["has_audio"]
    errs(server.ask("GET", f"/v1/analyses/{sent['id']}/audio"), 404, "audio_not_kept")


def test_the_answer_says_where_to_look(server: Service) -> None:
    answer = server.ask("POST", "/v1/analyses", form={"file": ("a.flac", RAISED.read_bytes())})
    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/analyses/{answer.json['id']}"
    assert answer.json["state"] == "queued"
    assert server.ask("GET", answer.headers["Location"]).status == 200
    server.finished(answer.json["id"])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("speakers", "0", "speakers: should be auto or a number from 1 to 20."),
        ("channels", "left", "channels: should be mix, split or a number from 0 to 63."),
        ("channels", "9" * 5000, "channels: should be mix, split or a number from 0 to 63."),
    ],
)
def test_a_choice_that_is_none_is_told_in_plain_words(
    server: Service, field: str, value: str, words: str
) -> None:
    form = {"file": ("a.flac", RAISED.read_bytes()), field: value}
    answer = server.ask("POST", "/v1/analyses", form=form)
    assert errs(answer, 400)["message"] == words


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"channels": "left"}, 400),
        ({"channels": "-1"}, 400),
        ({"speakers": "0"}, 400),
        ({"window_s": "0.1"}, 400),
        ({"window_s": "1", "step_s": "2"}, 400),
        ({"keep_audio": "perhaps"}, 400),
        ({"name": "x" * 201}, 400),
        ({"model": "none"}, 422),
        ({"colour": "red"}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: Service, fields: dict[str, str], status: int
) -> None:
    form = {"file": ("a.flac", RAISED.read_bytes()), **fields}
    answer = server.ask("POST", "/v1/analyses", form=form)
    errs(answer, status, "unknown_model" if status == 422 else None)
    assert list((server.folder / "incoming").iterdir()) == []


def test_a_channel_that_a_recording_does_not_have(server: Service, call: Path) -> None:
    form = {"file": ("call.wav", call.read_bytes()), "channels": "7"}
    before = len(server.analyses())
    error = errs(server.ask("POST", "/v1/analyses", form=form), 422, "no_channels")
    assert (
        error["message"] == "channels: there is no channel 7; the recording has 2, counted from 0."
    )
    form["file"] = ("call.wav", b"hello " * 100)
    errs(server.ask("POST", "/v1/analyses", form=form), 422, "unreadable_audio")
    assert len(server.analyses()) == before
    assert list((server.folder / "incoming").iterdir()) == []
    # Longer than a clip may be, it is no clip.
    form = {"file": ("long.flac", encode(noise(400, 8000), 8000, "FLAC")), "channels": "1"}
    errs(server.ask("POST", "/v1/analyses", form=form), 422, "no_channels")


def test_who_sent_a_clip_that_is_too_long_is_told_what_they_can_do(server: Service) -> None:
    form = {"file": ("long.flac", encode(noise(400, 8000), 8000, "FLAC"))}
    error = errs(server.ask("POST", "/v1/predict", form=form), 413, "too_large")
    assert error["message"].endswith("it is longer than 300 s, the longest that is accepted.")
    assert error["remedy"] == "Cut it, or send it as a recording (POST /v1/analyses)."


def test_each_recording_is_kept_for_as_long_as_its_owner_says(server: Service) -> None:
    def left(found: Any) -> float:
        return (datetime.fromisoformat(found["expires_at"]) - datetime.now(timezone.utc)) / DAY

    sent = server.send(RAISED, keep_days=30)
    assert left(sent) == pytest.approx(30, abs=0.01)
    assert "keep_days" not in sent["options"]
    at = f"/v1/analyses/{sent['id']}"
    assert left(server.ask("PATCH", at, json={"keep_days": 2}).json) == pytest.approx(2, abs=0.01)
    assert server.ask("PATCH", at, json={"notes": "so"}).json["expires_at"] is not None
    assert server.ask("PATCH", at, json={"keep_days": None}).json["expires_at"] is None
    for days in (0, -1, 1e6, "soon"):
        errs(server.ask("PATCH", at, json={"keep_days": days}), 400)
    server.finished(sent["id"])
    alone = server.ask("GET", f"{at}?timeline=false").json
    assert (alone["state"], alone["timeline"]) == ("done", None)


def test_a_recording_that_cannot_be_read_fails(server: Service) -> None:
    sent = server.send(b"hello " * 100, "my.wav")
    found = server.finished(sent["id"])
    assert (found["state"], found["timeline"], found["summary"]) == ("failed", None, None)
    assert found["error"]["code"] == "unreadable_audio"
    assert found["error"]["message"].startswith("my.wav: ")
    assert str(server.folder) not in json.dumps(found)
    errs(server.ask("GET", f"/v1/analyses/{sent['id']}/tracks"), 409, "not_done")
    errs(server.ask("GET", f"/v1/analyses/{sent['id']}/export?format=csv"), 409, "not_done")
    errs(server.ask("POST", f"/v1/analyses/{sent['id']}/cancel"), 409, "over")


def test_silence_is_a_result_and_a_short_file_has_a_warning(server: Service) -> None:
    quiet = server.finished(server.send(encode(np.zeros(2 * RATE, np.float32)))["id"])
    assert [s["kind"] for s in quiet["timeline"]["segments"]] == ["silence"]
    whole = encode(audio.read(RAISED, rate=RATE).samples)
    short = server.finished(server.send(whole[: len(whole) // 2], "cut.wav")["id"])
    assert short["state"] == "done"
    (warning,) = short["warnings"]
    assert warning.startswith("cut.wav: it ends after")


def test_the_same_request_again(server: Service) -> None:
    headers = {"Idempotency-Key": "visit-1"}
    form = {"file": ("a.flac", RAISED.read_bytes()), "name": "Visit"}
    ask = lambda form: server.ask("POST", "/v1/analyses", form=form, headers=headers)  # noqa: E731
    first, again = ask(form), ask(form)
    assert (first.status, again.status) == (202, 202)
    assert first.json["id"] == again.json["id"]
    errs(ask({**form, "name": "Other"}), 409, "key_reused")
    errs(ask({**form, "file": ("a.flac", LOW.read_bytes())}), 409, "key_reused")
    assert server.ask("GET", "/v1/analyses?name=Visit").json["total"] == 1
    server.finished(first.json["id"])


def events(server: Service, id: str) -> Iterator[tuple[str, Any]]:
    """What the service tells of an analysis, as it comes."""
    place = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.request("GET", f"/v1/analyses/{id}/events")
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream; charset=utf-8"
    kind = ""
    for line in io.TextIOWrapper(response, encoding="utf-8"):
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)
    connection.close()


def test_progress_as_it_happens(server: Service, call: Path) -> None:
    # Long enough not to be through before anybody watches.
    samples = np.tile(audio.read(call, rate=RATE).samples, 60)
    sent = server.send(encode(samples, RATE, "FLAC"))
    told = list(events(server, sent["id"]))
    kinds = [kind for kind, _ in told]
    assert kinds[-1] == "done"
    assert set(kinds[:-1]) == {"progress"}
    states = [each["state"] for _, each in told]
    assert states == sorted(states, key=["queued", "running", "done"].index)
    shares = [each["progress"] for _, each in told if each["progress"] is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert "timeline" not in told[-1][1]
    assert [kind for kind, _ in events(server, sent["id"])] == ["done"]
    errs(server.ask("GET", "/v1/analyses/" + "0" * 32 + "/events"), 404)


def test_the_list(server: Service, analysed: Any) -> None:
    whole = server.analyses()
    assert whole == sorted(whole, key=lambda each: each["created_at"], reverse=True)
    first = server.ask("GET", "/v1/analyses?limit=1").json
    assert first["total"] == len(whole)
    rest = server.ask("GET", f"/v1/analyses?limit=200&cursor={first['next']}").json
    assert [*first["items"], *rest["items"]] == whole
    assert rest["next"] is None

    def found(query: str) -> bool:
        items = server.ask("GET", f"/v1/analyses?{query}").json["items"]
        return analysed["id"] in [each["id"] for each in items]

    emotion = next(iter(analysed["summary"]["shares"]))
    moment = urllib.parse.quote(analysed["created_at"])
    for query in ("q=voices", "q=call+TWO", "name=all%207", f"emotion={emotion}", "state=done",
                  f"since={moment}", "until=2999-01-01T00:00:00"):  # fmt: skip
        assert found(query), query
    for query in ("q=elephants", "name=elephants", "emotion=boredom", "state=failed",
                  "label=boredom", f"until={moment}", "since=2999-01-01T00:00:00Z"):  # fmt: skip
        assert not found(query), query


def test_a_query_that_nothing_is_known_of_is_refused(server: Service, analysed: Any) -> None:
    """A filter that is mistyped would list everything, and who deletes what is listed, all."""
    for wrong, query in (
        ("emotoin", "emotoin=happy"),
        ("foo", "foo"),
        ("EMOTION", "state=done&EMOTION=happy"),
        ("id", f"id={analysed['id']}"),
    ):
        error = errs(server.ask("GET", f"/v1/analyses?{query}"), 400)
        assert error["message"] == f"the query has a parameter {wrong!r} that nothing is known of."
        assert error["remedy"] == (
            "Known are limit, cursor, since, until, emotion, label, state, name, q."
        )
    error = errs(server.ask("GET", "/v1/analyses?a%0Ab" + "c" * 999), 400)
    assert len(error["message"]) < 150
    assert "\n" not in error["message"]


def test_no_route_takes_a_parameter_that_it_does_not_have(server: Service, analysed: Any) -> None:
    described = server.ask("GET", "/v1/openapi.json").json["paths"]
    routes = [(path, method) for path, ways in described.items() for method in ways]
    asked = [(path, method) for path, method in routes if path.startswith("/v1/")]
    assert len(asked) >= 16
    for path, method in asked:
        filled = path.replace("{id}", analysed["id"]).replace("{index}", "0")
        given = described[path][method].get("parameters", [])
        known = [each["name"] for each in given if each["in"] == "query"]
        error = errs(server.ask(method.upper(), f"{filled}?bogus=1"), 400)
        assert "'bogus'" in error["message"], (method, path)
        if known:
            assert error["remedy"] == f"Known are {', '.join(known)}."
        else:
            assert error["remedy"] == "It takes none."
    assert server.analysis(analysed["id"]) == analysed


@pytest.mark.parametrize("id", ["1", "not-an-id", "0" * 32, "x" * 300])
def test_what_can_be_no_id_is_answered_as_an_id_that_nobody_has(server: Service, id: str) -> None:
    where = f"/v1/analyses/{id}"
    answers = [
        server.ask("GET", where),
        server.ask("PATCH", where, json={"name": "a"}),
        server.ask("DELETE", where),
        server.ask("POST", f"{where}/cancel"),
        *(server.ask("GET", f"{where}/{what}") for what in ("events", "audio", "tracks")),
        server.ask("GET", f"{where}/export?format=csv"),
        server.ask("PATCH", f"{where}/segments/0", json={"label": None}),
    ]
    for answer in answers:
        assert errs(answer, 404)["message"] == "there is no such analysis."


@pytest.mark.parametrize("index", ["-1", "99999", "9" * 30, "first"])
def test_a_segment_that_there_is_not(server: Service, analysed: Any, index: str) -> None:
    path = f"/v1/analyses/{analysed['id']}/segments/{index}"
    error = errs(server.ask("PATCH", path, json={"label": "happy"}), 404)
    assert error["message"] == "there is no such segment."


def test_renaming(server: Service, analysed: Any) -> None:
    path = f"/v1/analyses/{analysed['id']}"
    changed = server.ask("PATCH", path, json={"notes": "  third\r\nvisit \x07"}).json
    assert (changed["name"], changed["notes"]) == ("Call 7", "third\nvisit")
    assert server.ask("GET", "/v1/analyses?q=third").json["total"] == 1
    server.ask("PATCH", path, json={"notes": analysed["notes"]})
    assert server.ask("GET", path).json == analysed
    errs(server.ask("PATCH", path, json={"name": ""}), 400)
    errs(server.ask("PATCH", path, json={"state": "done"}), 400)
    errs(server.ask("PATCH", path, json={"keep_audio": True}), 400)
    errs(server.ask("PATCH", path), 400)
    errs(server.ask("PATCH", path, body=b"{", headers={"Content-Type": "application/json"}), 400)
    errs(server.ask("PATCH", "/v1/analyses/" + "0" * 32, json={"name": "x"}), 404)


def test_the_audio_and_ranges_of_it(server: Service, analysed: Any, call: Path) -> None:
    path, content = f"/v1/analyses/{analysed['id']}/audio", call.read_bytes()
    whole = server.ask("GET", path)
    assert (whole.status, whole.body) == (200, content)
    assert whole.headers["Content-Type"] == "audio/wav"
    assert whole.headers["Accept-Ranges"] == "bytes"
    for header, expected in (
        ("bytes=0-99", content[:100]),
        ("bytes=100-", content[100:]),
        ("bytes=-7", content[-7:]),
        (f"bytes=10-{len(content) + 5}", content[10:]),
    ):
        part = server.ask("GET", path, headers={"Range": header})
        assert (part.status, part.body) == (206, expected), header
        assert part.headers["Content-Range"].endswith(f"/{len(content)}")
    gone = server.ask("GET", path, headers={"Range": f"bytes={len(content)}-"})
    errs(gone, 416, "bad_range")
    assert gone.headers["Content-Range"] == f"bytes */{len(content)}"


def test_pictures_of_the_sound(server: Service, analysed: Any, call: Path) -> None:
    tracks = server.ask("GET", f"/v1/analyses/{analysed['id']}/tracks").json
    left = soundfile.read(call, dtype="float32")[0][:, 0]
    assert tracks["duration_s"] == analysed["duration_s"]
    assert [each["channel"] for each in tracks["channels"]] == [0, 1]
    envelope = tracks["channels"][0]
    high = np.frombuffer(base64.b64decode(envelope["high"]), np.int8) / 127
    step = round(envelope["step_s"] * RATE)
    padded = np.pad(left, (0, -len(left) % step)).reshape(-1, step)
    np.testing.assert_allclose(high, padded.max(axis=1), atol=0.005)
    mel = tracks["mel"]
    picture = np.frombuffer(base64.b64decode(mel["data"]), np.uint8)
    picture = picture.reshape(mel["frames"], mel["bands"])
    assert picture.max() == 255
    assert mel["frames"] * mel["step_s"] == pytest.approx(tracks["duration_s"], abs=0.05)
    silent = picture[: round(0.8 / mel["step_s"])]
    assert silent.max() < 100
    assert len(json.dumps(tracks)) < 300_000


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "srt", "vtt", "TextGrid", "eaf", "txt",
                                  "rttm"])  # fmt: skip
def test_exports_are_those_of_the_library(server: Service, analysed: Any, form: str) -> None:
    answer = server.ask("GET", f"/v1/analyses/{analysed['id']}/export?format={form}&labels=model")
    assert answer.status == 200
    timeline = Timeline.from_dict(analysed["timeline"])
    name = {"TextGrid": "textgrid", "txt": "audacity"}.get(form, form)
    expected = exports.content(timeline, name)
    if form == "json":  # the summary here is of segments that were rounded before
        found, known = json.loads(answer.body), json.loads(expected)
        for mean in ("valence", "arousal"):
            told = found["summary"].pop(mean)
            assert told == pytest.approx(known["summary"].pop(mean), abs=1.01e-4)
        assert found == known
    else:
        assert answer.body == expected
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"Call 7.{form}\"; filename*=UTF-8''Call%207.{form}"
    )


def test_exports_as_parquet_pictures_and_a_page(server: Service, analysed: Any) -> None:
    import pyarrow.parquet

    def get(form: str) -> bytes:
        answer = server.ask("GET", f"/v1/analyses/{analysed['id']}/export?format={form}")
        assert answer.status == 200, answer.body
        return answer.body

    table = pyarrow.parquet.read_table(io.BytesIO(get("parquet")))
    assert table.num_rows == len(analysed["timeline"]["segments"])
    assert get("png").startswith(b"\x89PNG\r\n")
    assert b"<svg" in get("svg")[:1000]
    page = get("html").decode()
    assert "Call 7" in page
    assert "Content-Security-Policy" in page
    errs(server.ask("GET", f"/v1/analyses/{analysed['id']}/export?format=exe"), 400)
    assert list((server.folder / "incoming").iterdir()) == []


# -- corrections


def test_a_label_stands_beside_the_answer(server: Service, analysed: Any) -> None:
    path = f"/v1/analyses/{analysed['id']}"
    segments = analysed["timeline"]["segments"]
    spoken = next(s for s in segments if s["kind"] == "speech")
    quiet = next(s for s in segments if s["kind"] != "speech")
    at = f"{path}/segments/{spoken['index']}"
    said = server.ask("PATCH", at, json={"label": "Joy", "note": "she laughs"}).json
    assert (said["label"], said["label_note"]) == ("happy", "she laughs")
    assert said["labelled_at"] is not None
    assert said["emotion"] == spoken["emotion"]
    found = server.ask("GET", path).json
    shown = found["timeline"]
    assert shown["segments"][spoken["index"]] == said
    assert plain(shown)["segments"] == plain(analysed["timeline"])["segments"]
    # What is counted follows; what the model said stays beside it.
    assert "happy" in found["summary"]["shares"]
    assert shown["summary"] == found["summary"]
    assert found["model_summary"] == analysed["model_summary"] == analysed["summary"]
    assert (analysed["corrected"], found["corrected"]) == (0, 1)
    listed = server.ask("GET", "/v1/corrections").json
    (one,) = [each for each in listed["items"] if each["analysis"] == analysed["id"]]
    assert (one["segment"], one["label"], one["emotion"]) == (
        spoken["index"], "happy", spoken["emotion"]
    )  # fmt: skip
    for filter in ("label=happy", "emotion=happy", "label=Joy", "emotion=Joy"):
        items = server.ask("GET", f"/v1/analyses?{filter}").json["items"]
        (listed,) = [each for each in items if each["id"] == analysed["id"]]
        assert listed["summary"] == found["summary"]

    def column(labels: str) -> str:
        query = f"{path}/export?format=csv&labels={labels}"
        rows = list(csv.DictReader(io.StringIO(server.ask("GET", query).body.decode())))
        return rows[spoken["index"]]["emotion"]

    assert (column("corrected"), column("model")) == ("happy", spoken["emotion"])
    exported = server.ask("GET", f"{path}/export?format=json").json
    assert exported["summary"] == found["summary"]
    exported = server.ask("GET", f"{path}/export?format=json&labels=model").json
    assert exported["summary"] == analysed["summary"]

    errs(server.ask("PATCH", f"{path}/segments/{quiet['index']}", json={"label": "sad"}), 409,
         "not_speech")  # fmt: skip
    errs(server.ask("PATCH", f"{path}/segments/9999", json={"label": "sad"}), 404)
    errs(server.ask("PATCH", f"{path}/segments/-1", json={"label": "sad"}), 404)
    errs(server.ask("PATCH", at, json={}), 400)
    errs(server.ask("PATCH", at, json={"label": ""}), 400)
    back = server.ask("PATCH", at, json={"label": None, "note": ""}).json
    assert back == spoken
    assert server.ask("GET", path).json["summary"] == analysed["summary"]


def test_corrections_are_a_corpus_to_train_on(
    server: Service, call: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from emotone.cli.app import run

    labels = ("happy", "sad", "angry")
    kept = []
    for number in range(4):
        name = f"visit {number}"
        sent = server.send(call, "call.wav", channels="split", keep_audio=number < 3, name=name)
        kept.append(server.finished(sent["id"]))
    for found in kept:
        spoken = [s for s in found["timeline"]["segments"] if s["kind"] == "speech"]
        assert len(spoken) >= 2
        for place, segment in enumerate(spoken):
            at = f"/v1/analyses/{found['id']}/segments/{segment['index']}"
            assert server.ask("PATCH", at, json={"label": labels[place % 3]}).status == 200

    answer = server.ask("GET", "/v1/corrections/export")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(answer.body)).extractall(tmp_path)
    corpus = load_many([str(tmp_path / "manifest.csv")])
    assert not corpus.problems
    spoken = [s for s in kept[0]["timeline"]["segments"] if s["kind"] == "speech"]
    assert len(corpus.utterances) == 3 * len(spoken)
    assert {u.speaker for u in corpus.utterances} == {each["id"] for each in kept[:3]}
    samples, rate = soundfile.read(call, dtype="float32")
    for segment in spoken:
        clip = tmp_path / "clips" / f"{kept[0]['id']}-{segment['index']}.wav"
        cut, cut_rate = soundfile.read(clip, dtype="float32")
        here = slice(round(segment["start"] * rate), round(segment["end"] * rate))
        assert cut_rate == rate
        np.testing.assert_allclose(cut, samples[here, segment["channel"]], atol=1e-4)
    left_out = list(csv.DictReader((tmp_path / "left_out.csv").open(encoding="utf-8")))
    assert {row["recording"] for row in left_out} == {kept[3]["id"]}
    assert {row["reason"] for row in left_out} == {"the recording is not kept here"}

    trained = tmp_path / "mine.emotone"
    options = ["--family", "svm-linear", "--features", "mfcc-13", "--split", "speakers:3"]
    status = run(["train", str(tmp_path / "manifest.csv"), *options, "-o", str(trained)])
    assert status == 0, capsys.readouterr().err
    assert set(emotone.load(trained).emotions) <= set(labels)
    for found in kept:
        assert server.ask("DELETE", f"/v1/analyses/{found['id']}").status == 204
    assert server.ask("GET", "/v1/corrections").json["total"] == 0


# -- deleting


def test_deleting_deletes(server: Service, call: Path) -> None:
    found = server.finished(server.send(call, keep_audio=True, name="unforgettable")["id"])
    path = f"/v1/analyses/{found['id']}"
    place = server.folder / "recordings" / found["id"]
    assert (place / "recording").read_bytes() == call.read_bytes()
    assert server.ask("DELETE", path).status == 204
    assert not place.exists()
    for rest in ("", "/audio", "/tracks", "/events", "/export?format=csv"):
        errs(server.ask("GET", path + rest), 404)
    errs(server.ask("DELETE", path), 404)
    errs(server.ask("POST", f"{path}/cancel"), 404)
    errs(server.ask("PATCH", f"{path}/segments/0", json={"label": "sad"}), 404)
    assert server.ask("GET", "/v1/analyses?q=unforgettable").json["total"] == 0
    data = b"".join(file.read_bytes() for file in server.folder.glob("emotone.db*"))
    assert b"unforgettable" not in data


def test_deleting_the_audio_alone(server: Service, call: Path) -> None:
    found = server.finished(server.send(call, keep_audio=True)["id"])
    path = f"/v1/analyses/{found['id']}"
    changed = server.ask("PATCH", path, json={"keep_audio": False}).json
    assert not changed["has_audio"]
    errs(server.ask("GET", f"{path}/audio"), 404, "audio_not_kept")
    assert not (server.folder / "recordings" / found["id"]).exists()
    assert server.ask("GET", f"{path}/tracks").status == 200


@pytest.fixture(scope="module")
def long() -> bytes:
    """Half an hour of speech: minutes of work for a service with one core."""
    voice = audio.read(RAISED, rate=RATE).samples
    return encode(np.resize(voice, 1800 * RATE), RATE, "FLAC")


@pytest.mark.parametrize("way", ["delete", "cancel"])
def test_ending_what_is_worked_on(server: Service, long: bytes, way: str) -> None:
    running = server.send(long, "long.flac", name="long")["id"]
    waiting = server.send(long, "long.flac", name="long")["id"]
    server.reached(running, 1)
    for id in (waiting, running):
        path = f"/v1/analyses/{id}"
        assert (server.folder / "recordings" / id).exists()
        if way == "delete":
            assert server.ask("DELETE", path).status == 204
            errs(server.ask("GET", path), 404)
        else:
            assert server.ask("POST", f"{path}/cancel").json["state"] == "cancelled"
            assert server.ask("POST", f"{path}/cancel").json["state"] == "cancelled"
            assert [kind for kind, _ in events(server, id)] == ["cancelled"]
        assert not (server.folder / "recordings" / id).exists()
    # The next one's turn comes at once.
    assert server.finished(server.send(RAISED)["id"])["state"] == "done"
    assert not (server.folder / "recordings" / running).exists()
