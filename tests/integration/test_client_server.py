"""The client of the service, sync and async, with a real server."""

from __future__ import annotations

import asyncio
import io
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra server")
pytest.importorskip("httpx2", reason="needs the extra client")

import soundfile

import emotone
import services
from emotone import audio
from emotone.client import (
    Analysis,
    AsyncClient,
    Client,
    Closed,
    Error,
    Measurement,
    ServerMessage,
    ServiceError,
    UtteranceEnd,
    UtteranceStart,
)
from emotone.errors import AudioError, DeviceError, UsageError
from emotone.live import Microphone
from microphones import Fake

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLIP = EXAMPLES / "raised-voice.flac"
RATE = 16_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Service]:
    with services.service(tmp_path_factory.mktemp("service")) as running:
        assert running.url
        yield running


@pytest.fixture
def client(service: services.Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    found: np.ndarray = audio.read(CLIP, rate=RATE).samples
    return found


# -- clips and recordings


def test_a_clip_is_answered_as_the_library_answers(client: Client, sound: np.ndarray) -> None:
    wanted = emotone.load().predict(CLIP)
    for source in (CLIP, str(CLIP), CLIP.read_bytes(), CLIP.open("rb")):
        found = client.predict(source)
        assert (found.emotion, found.model) == (wanted.emotion, wanted.model)
        assert found.scores == pytest.approx(wanted.scores, abs=1e-3)
    assert client.predict((sound, RATE)).emotion == wanted.emotion
    assert client.predict(CLIP, threshold=1.0).emotion == "uncertain"
    assert client.predict(CLIP, model="default").file == "raised-voice.flac"


def test_what_is_refused_says_why(client: Client) -> None:
    with pytest.raises(ServiceError, match="no model") as error:
        client.predict(CLIP, model="unknown")
    assert (error.value.code, error.value.status) == ("unknown_model", 422)
    with pytest.raises(ServiceError) as error:
        client.predict(b"this is no audio")
    assert error.value.code == "unreadable_audio"
    for id in ("0f8fad5b-d9cb-469f-a165-70867728950e", "foo"):
        with pytest.raises(ServiceError, match=r"^there is no such analysis\.$") as error:
            client.analysis(id)
        assert (error.value.code, error.value.status) == ("not_found", 404)
    with pytest.raises(ServiceError):
        client.analysis("../models")
    with pytest.raises(AudioError, match="no such file"):
        client.predict("nowhere.wav")
    with pytest.raises(UsageError, match="no address"):
        Client("ftp://somewhere")


def test_a_recording_from_its_upload_to_its_end(client: Client, tmp_path: Path) -> None:
    seen: list[Analysis] = []
    done = client.analyze(
        CLIP, name="Visit 1", notes="quiet room", keep_audio=True, progress=seen.append
    )
    assert (done.state, done.name, done.over) == ("done", "Visit 1", True)
    assert done.timeline is not None
    assert done.summary is not None
    assert done.summary["shares"] == done.timeline.summary().to_dict()["shares"]
    assert seen[-1] == done
    assert done.created_at.tzinfo is not None

    index = next(n for n, s in enumerate(done.timeline.segments) if s.kind == "speech")
    client.label(done.id, index, "happy", note="she laughs")
    assert client.analysis(done.id).labels == {index: "happy"}
    csv = client.export(done.id, "csv", tmp_path / "talk.csv")
    assert (tmp_path / "talk.csv").read_bytes() == csv
    assert b"happy" in csv
    assert client.export(done.id, "srt", labels="model")
    assert client.audio(done.id) == CLIP.read_bytes()
    with zipfile.ZipFile(io.BytesIO(client.corrections())) as corpus:
        assert "manifest.csv" in corpus.namelist()
    client.label(done.id, index, None)

    assert client.change(done.id, name="Visit 2", keep_audio=False).name == "Visit 2"
    assert [each.id for each in client.analyses(q="quiet")] == [done.id]
    page = client.page(limit=1, state="done")
    assert (page.items[0].id, page.items[0].timeline) == (done.id, None)
    client.delete(done.id)
    assert list(client.analyses()) == []


def test_lists_are_read_to_their_end(client: Client) -> None:
    sent = [client.submit(CLIP, name=f"talk {number}").id for number in range(5)]
    assert client.page(limit=2).next is not None
    found, cursor = [], None
    while True:
        page = client.page(limit=2, cursor=cursor)
        found += [each.id for each in page.items]
        if (cursor := page.next) is None:
            break
    assert found == [each.id for each in client.analyses()] == sent[::-1]
    for id in sent:
        client.wait(id, timeout_s=300)
        client.delete(id)


def test_one_key_makes_one_analysis(client: Client, tmp_path: Path, sound: np.ndarray) -> None:
    long = tmp_path / "long.flac"  # so that it is not through before it is asked for
    soundfile.write(long, np.resize(sound, 300 * RATE), RATE)
    first, second = (client.submit(long, idempotency_key="once") for _ in range(2))
    assert first.id == second.id
    with pytest.raises(ServiceError, match="not done yet") as error:
        client.wait(first.id, timeout_s=0.0)
    assert error.value.code == "timeout"
    client.wait(first.id)
    client.delete(first.id)


def test_waiting_for_what_cannot_be_analysed_says_why(client: Client) -> None:
    begun = client.submit(b"RIFF" + bytes(100), name="broken")
    with pytest.raises(ServiceError) as error:
        client.wait(begun.id)
    assert error.value.code not in ("unreachable", "timeout")
    client.delete(begun.id)


def test_what_it_is_and_has(client: Client) -> None:
    assert client.service()["api"] == "v1"
    assert client.models()[0]["name"] == "default"


def test_a_service_that_is_not_there() -> None:
    began = time.monotonic()
    with Client("http://127.0.0.1:9") as client:
        with pytest.raises(ServiceError, match="cannot be reached") as error:
            client.models()
        assert error.value.code == "unreachable"
        with pytest.raises(ServiceError, match="cannot be reached"):
            client.realtime()
    assert time.monotonic() - began < 10


# -- live


def kinds(told: list[ServerMessage]) -> list[str]:
    return [each.type for each in told]


def check(told: list[ServerMessage], seconds: float) -> None:
    """An utterance or more, with measurements, and totals that hold every sample."""
    told = [each for each in told if each.type != "behind"]  # said where other tests keep it busy
    assert isinstance(told[0], UtteranceStart)
    assert isinstance(told[-1], Closed)
    assert isinstance(told[-2], UtteranceEnd)
    measured = [each for each in told if isinstance(each, Measurement)]
    assert measured
    assert sum(measured[0].scores.values()) == pytest.approx(1.0, abs=0.01)
    assert told[-1].audio_s == pytest.approx(seconds, abs=1e-3)
    assert told[-1].measurements == len(measured)
    assert told[-1].reason == "client"


def test_a_file_is_heard_live(client: Client, sound: np.ndarray) -> None:
    with client.realtime(step_s=0.5, threshold=0.1) as session:
        assert session.created.authorised
        assert session.updated.settings.step_s == 0.5
        told = list(session.hear(CLIP))
        assert session.closed == told[-1]
    check(told, len(sound) / RATE)


def test_an_iterator_is_heard_at_its_pace(client: Client, sound: np.ndarray) -> None:
    blocks = [sound[at : at + 1600] for at in range(0, len(sound), 1600)]
    began = time.monotonic()
    with client.realtime() as session:
        told = list(session.hear(blocks, ahead_s=0.0))
    check(told, len(sound) / RATE)
    assert time.monotonic() - began >= len(sound) / RATE - 0.2


def test_a_microphone_is_heard(
    client: Client, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = np.round(sound[:, None] * 32767).astype(np.int16)
    fake = Fake(spoken, unplugged_s=len(sound) / RATE).install(monkeypatch)
    with client.realtime() as session:
        told: list[ServerMessage] = []
        with pytest.raises(DeviceError, match="gone"):
            told.extend(session.hear(Microphone()))
        assert fake.closed
        assert isinstance(session.closed, Closed)
        assert session.closed.audio_s == pytest.approx(len(sound) / RATE, abs=0.05)
    with client.realtime(rate=8000) as session, pytest.raises(UsageError, match="8000"):
        list(session.hear(Microphone()))


def test_one_can_send_and_read_by_hand(client: Client, sound: np.ndarray) -> None:
    with client.realtime() as session:
        session.send(sound)
        session.send(np.zeros(1600, dtype=np.int16))
        session.send(b"odd")
        session.finish()
        told = list(session)
    assert [each.code for each in told if isinstance(each, Error)] == ["bad_frame"]
    assert isinstance(told[-1], Closed)
    assert (told[-1].bad_frames, told[-1].audio_s) == (
        1,
        pytest.approx(len(sound) / RATE + 0.1, abs=1e-3),
    )
    for wrong in (np.zeros((2, 2)), np.zeros(4, dtype=np.int32)):
        with client.realtime() as session, pytest.raises(UsageError):
            session.send(wrong)


def test_a_session_that_is_ended_says_why(client: Client) -> None:
    with client.realtime() as session:
        told: list[ServerMessage] = []
        with pytest.raises(ServiceError) as error:
            told.extend(session.hear((np.zeros(RATE) for _ in range(60)), ahead_s=100.0))
        assert error.value.code == "too_fast"
        assert session.closed is not None
        assert session.closed.reason == "too_fast"
    with pytest.raises(ServiceError, match="no model") as error:
        client.realtime(model="unknown")
    assert error.value.code == "bad_message"


def test_leaving_in_the_middle_stops_the_source(client: Client, sound: np.ndarray) -> None:
    given = threading.Event()

    def endless() -> Iterator[np.ndarray]:
        try:
            while True:
                yield sound[:1600]
        finally:
            given.set()

    with client.realtime() as session:
        for _ in session.hear(endless()):
            break
    assert given.wait(60)


def test_a_server_that_dies_is_noticed(tmp_path: Path) -> None:
    with (
        services.service(tmp_path) as running,
        Client(running.url) as client,
        client.realtime() as session,
    ):
        session.send(np.zeros(RATE))
        running.kill()
        with pytest.raises(ServiceError) as error:
            list(session)
        assert error.value.code == "connection_lost"
        with pytest.raises(ServiceError):
            session.finish()


# -- async


def test_all_of_it_can_be_awaited(service: services.Service, sound: np.ndarray) -> None:
    async def chunks() -> AsyncIterator[np.ndarray]:
        for at in range(0, len(sound), 1600):
            yield sound[at : at + 1600]
            await asyncio.sleep(0)

    async def live(client: AsyncClient, source: object) -> list[ServerMessage]:
        async with client.realtime() as session:
            return [told async for told in session.hear(source)]

    async def everything() -> None:
        async with AsyncClient(service.url) as client:
            assert (await client.service())["api"] == "v1"
            prediction, done, *heard = await asyncio.gather(
                client.predict(CLIP),
                client.analyze(CLIP, name="async"),
                live(client, CLIP),
                live(client, chunks()),
                live(client, [sound]),
            )
            assert prediction.emotion == emotone.load().predict(CLIP).emotion
            assert done.state == "done"
            for told in heard:
                check(told, len(sound) / RATE)
            assert [each.id async for each in client.analyses()] == [done.id]
            assert await client.export(done.id, "csv")
            await client.delete(done.id)
            with pytest.raises(ServiceError, match="no such"):
                await client.analysis(done.id)
            with pytest.raises(ServiceError, match="no model"):
                await live_with(client, model="unknown")
            with pytest.raises(AudioError):
                await live(client, b"no audio at all")
            async with client.realtime() as session:
                async for _ in session.hear(chunks()):
                    break  # and leave

    async def live_with(client: AsyncClient, **options: str) -> None:
        async with client.realtime(**options):  # type: ignore[arg-type]
            pass

    asyncio.run(everything())


def test_nobody_there_can_be_awaited_too() -> None:
    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1:9") as client:
            with pytest.raises(ServiceError, match="cannot be reached"):
                await client.models()
            with pytest.raises(ServiceError, match="cannot be reached"):
                async with client.realtime():
                    pass

    asyncio.run(ask())


def test_a_file_of_another_rate_is_brought_to_that_of_the_session(
    client: Client, tmp_path: Path, sound: np.ndarray
) -> None:
    soundfile.write(tmp_path / "talk.wav", sound, 22_050)
    with client.realtime(rate=8000) as session:
        told = list(session.hear(tmp_path / "talk.wav"))
    assert isinstance(told[-1], Closed)
    assert told[-1].audio_s == pytest.approx(len(sound) / 22_050, abs=0.001)
