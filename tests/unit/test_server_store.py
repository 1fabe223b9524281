"""The store: the same questions and answers on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

import timelines
from emotone.errors import UsageError
from emotone.server.errors import RequestError
from emotone.server.packing import Packed, Part, unpacked
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store.database import HEAD
from emotone.server.store.records import Analysis, Filters, NewAnalysis, Outcome, Result, Said
from emotone.server.store.search import words
from emotone.server.store.tables import metadata

PARTS: tuple[Part, ...] = ("segments", "measurements")
NODE = str(uuid.uuid4())
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database."""
    if request.param == "sqlite":
        return ServerSettings(folder=tmp_path).database_url
    made = request.getfixturevalue("postgresql").make()
    return ServerSettings(folder=tmp_path, database=made).database_url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def new(owner: str = "ada", name: str = "talk.wav", **about: Any) -> NewAnalysis:
    given: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "notes": "",
        "model": "m@1",
        "options": {"channels": "mix"},
        "keep_audio": False,
        "node": NODE,
        "created_at": NOW,
    }
    return NewAnalysis(owner=owner, name=name, **(given | about))


def add(store: Store, *arguments: Any, **about: Any) -> Analysis:
    return store.analyses.add(new(*arguments, **about), most_waiting=100)[0]


def outcome(**about: Any) -> Outcome:
    return Outcome(Packed.of(timelines.call()), b"tracks", **about)


def timeline_of(store: Store, result: Result) -> dict[str, Any]:
    assert result.head is not None
    parts = {
        part: [json.loads(line) for lines in store.results.lines(result, part) for line in lines]
        for part in PARTS
    }
    assert [len(some) for some in parts.values()] == [result.segments, result.measurements]
    return result.head | parts


def said_of(store: Store, result: Result) -> dict[int, Said]:
    """What people say of its segments."""
    return {at: said for _, _, some in store.results.segments(result) for at, said in some.items()}


def done(store: Store, *arguments: Any, **about: Any) -> Analysis:
    """An analysis that is through."""
    made = add(store, *arguments, **about)
    job = store.queue.claim(made.node)
    assert job is not None
    assert job.id == made.id
    assert store.queue.finish(job, outcome())
    found = store.analyses.get(made.owner, made.id)
    assert found is not None
    return found


def names(store: Store, owner: str = "ada", **filters: Any) -> list[str]:
    return [each.name for each in store.analyses.page(owner, Filters(**filters)).items]


def test_what_comes_in_waits_is_worked_on_and_done(store: Store) -> None:
    made = add(store, notes="two voices", keep_audio=True)
    assert (made.state, made.progress, made.heard_s, made.has_audio) == ("queued", None, 0, False)
    assert made.created_at == NOW
    assert store.results.get("ada", made.id) == Result(made)
    assert store.analyses.tracks("ada", made.id) is None

    job = store.queue.claim(NODE)
    assert job is not None
    assert job.id == made.id
    assert job.run is not None
    assert job.started_at is not None
    assert store.queue.claim(NODE) is None
    assert store.queue.progress(job, 2.5, 0.25, 10.0)
    seen = store.analyses.get("ada", made.id)
    assert seen == replace(job, heard_s=2.5, progress=0.25, duration_s=10.0)

    ended = outcome(warnings=["it ends early"], media_type="audio/wav")
    assert store.queue.finish(job, ended)
    found = store.results.get("ada", made.id)
    assert found is not None
    through = found.analysis
    assert timeline_of(store, found) == timelines.call().to_dict()
    assert said_of(store, found) == {}
    assert (through.state, through.run, through.progress) == ("done", None, 1.0)
    assert (through.duration_s, through.heard_s) == (8.5, 17.0)  # two channels
    assert (through.warnings, through.media_type) == (["it ends early"], "audio/wav")
    assert through.has_audio
    assert through.summary == timelines.call().summary().to_dict()
    assert through.finished_at is not None
    assert through.finished_at.tzinfo == timezone.utc
    assert store.analyses.tracks("ada", made.id) == b"tracks"
    assert store.analyses.counts() == {"done": 1}


def test_a_result_counts_once_and_only_of_the_run_that_works_on_it(store: Store) -> None:
    made = add(store)
    first = store.queue.claim(NODE)
    assert first is not None
    assert store.queue.recover(NODE) == 1  # the service was killed
    assert store.queue.recover(NODE) == 0
    second = store.queue.claim(NODE)
    assert second is not None
    assert second.run != first.run
    assert second.started_at == first.started_at
    assert not store.queue.progress(first, 9.0, 0.9, 10.0)
    assert not store.queue.finish(first, outcome())
    assert not store.queue.fail(first, {"code": "x"})
    assert not store.queue.park(first)
    assert not store.queue.crashed(first)
    assert store.queue.finish(second, outcome())
    assert not store.queue.finish(second, outcome())
    found = store.analyses.get("ada", made.id)
    assert found is not None
    assert found.state == "done"
    with store.database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM results")).scalar() == 1


def test_what_is_parked_failed_or_crashed(store: Store) -> None:
    made = add(store)
    for count in (1, 2):
        job = store.queue.claim(NODE)
        assert job is not None
        assert store.queue.crashed(job)
        again = store.analyses.get("ada", made.id)
        assert again is not None
        assert (again.state, again.crashes, again.run) == ("queued", count, None)
    job = store.queue.claim(NODE)
    assert job is not None
    assert store.queue.park(job)
    job = store.queue.claim(NODE)
    assert job is not None
    error = {"code": "unreadable_audio", "message": "no.", "remedy": None}
    assert store.queue.fail(job, error)
    failed = store.analyses.get("ada", made.id)
    assert failed is not None
    assert (failed.state, failed.error, failed.over) == ("failed", error, True)
    assert store.queue.claim(NODE) is None


def test_a_service_works_on_what_lies_in_its_own_folder(store: Store) -> None:
    other = str(uuid.uuid4())
    add(store, node=other)
    assert store.queue.claim(NODE) is None
    job = store.queue.claim(other)
    assert job is not None
    assert store.queue.recover(NODE) == 0
    assert store.queue.recover(other) == 1


def test_owners_take_turns(store: Store) -> None:
    order = []
    for owner in ("ada", "ada", "ada", "bob", "bob", "cleo"):
        add(store, owner)
    while (job := store.queue.claim(NODE)) is not None:
        order.append(job.owner)
        assert store.queue.finish(job, outcome())
    assert order == ["ada", "bob", "cleo", "ada", "bob", "ada"]


def test_a_job_is_claimed_once_however_many_ask(store: Store) -> None:
    made = {add(store, f"o{i % 3}").id for i in range(12)}
    together = threading.Barrier(8)

    def claim(_: int) -> list[str]:
        together.wait()
        found = []
        while (job := store.queue.claim(NODE)) is not None:
            found.append(job.id)
        return found

    with ThreadPoolExecutor(8) as pool:
        claimed = [id for ids in pool.map(claim, range(8)) for id in ids]
    assert len(claimed) == 12
    assert set(claimed) == made


def test_cancelling(store: Store) -> None:
    waiting, running = add(store), add(store)
    job = store.queue.claim(NODE)
    assert job is not None
    assert not store.queue.cancel("bob", waiting.id)
    assert store.queue.cancel("ada", waiting.id)
    assert store.queue.cancel("ada", running.id)
    assert not store.queue.cancel("ada", running.id)
    assert not store.queue.finish(job, outcome())
    assert store.analyses.counts() == {"cancelled": 2}


def test_the_same_request_key_is_the_same_analysis(store: Store) -> None:
    first, is_new = store.analyses.add(new(request_key="k", request_digest="d"), most_waiting=100)
    assert is_new
    again, is_new = store.analyses.add(new(request_key="k", request_digest="d"), most_waiting=100)
    assert (again.id, is_new) == (first.id, False)
    with pytest.raises(RequestError) as refused:
        store.analyses.add(new(request_key="k", request_digest="e"), most_waiting=100)
    assert (refused.value.status, refused.value.code) == (409, "key_reused")
    _, is_new = store.analyses.add(
        new("bob", request_key="k", request_digest="e"), most_waiting=100
    )
    assert is_new
    assert store.analyses.page("ada", Filters()).total == 1


def test_the_same_request_key_at_the_same_time(store: Store) -> None:
    together = threading.Barrier(6)

    def ask(_: int) -> str:
        together.wait()
        wanted = new(request_key="k", request_digest="d")
        return store.analyses.add(wanted, most_waiting=100)[0].id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1
    assert store.analyses.page("ada", Filters()).total == 1


def test_too_many_waiting(store: Store) -> None:
    for _ in range(2):
        store.analyses.add(new(), most_waiting=2)
    with pytest.raises(RequestError) as refused:
        store.analyses.add(new(), most_waiting=2)
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"]
    store.analyses.add(new("bob"), most_waiting=2)


def test_pages(store: Store) -> None:
    for number in range(7):
        # Two came at the same microsecond.
        add(store, name=str(number), created_at=NOW + timedelta(seconds=min(number, 5)))
    add(store, "bob", "bob's")
    seen: list[str] = []
    cursor = None
    while True:
        page = store.analyses.page("ada", Filters(), limit=3, cursor=cursor)
        seen += [each.name for each in page.items]
        assert page.total == 7
        cursor = page.next
        if cursor is None:
            break
        add(store, name="later", created_at=NOW + timedelta(days=1))  # disturbs no page
        store.analyses.delete("ada", store.analyses.page("ada", Filters()).items[0].id)
    assert sorted(seen[:2]) == ["5", "6"]
    assert seen[2:] == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "MjAyNi0wMy0wMSA", "=" * 9])
def test_a_cursor_that_is_none(store: Store, cursor: str) -> None:
    with pytest.raises(RequestError, match="no cursor"):
        store.analyses.page("ada", Filters(), cursor=cursor)


def test_filters(store: Store) -> None:
    later = NOW + timedelta(hours=1)
    first = done(store, name="Call 1 50%.wav", notes="Très bien; Müller & Söhne")
    done(store, name="call_2.wav", created_at=later)
    add(store, name="CALL 3", notes="müller", created_at=later + timedelta(seconds=1))
    add(store, "bob", "call 4", notes="müller")
    store.corrections.set("ada", first.id, 2, label="happy")

    assert names(store) == ["CALL 3", "call_2.wav", "Call 1 50%.wav"]
    assert names(store, since=later) == ["CALL 3", "call_2.wav"]
    assert names(store, until=later) == ["Call 1 50%.wav"]
    assert names(store, state="queued") == ["CALL 3"]
    assert names(store, emotion="überrascht") == ["call_2.wav", "Call 1 50%.wav"]
    assert names(store, emotion="sad") == []
    assert names(store, label="happy") == ["Call 1 50%.wav"]
    assert names(store, name="call") == ["CALL 3", "call_2.wav", "Call 1 50%.wav"]
    assert names(store, name="0%") == ["Call 1 50%.wav"]
    assert names(store, name="l_2") == ["call_2.wav"]
    add(store, "eve", name="ÄRGER im Straßenverkehr.wav", notes="")
    add(store, "eve", name="E\u0301TE\u0301.wav")  # as macOS writes it
    for part in ("ärger", "ÄRGER", "STRASSEN", "straßen", "Im sTR"):
        assert names(store, "eve", name=part) == ["ÄRGER im Straßenverkehr.wav"], part
    assert names(store, "eve", name="été") == names(store, "eve", name="ÉTÉ") != []
    assert names(store, "eve", name="arger") == []  # accents count
    assert names(store, query="muller") == ["CALL 3", "Call 1 50%.wav"]
    assert names(store, query="MÜL call") == ["CALL 3", "Call 1 50%.wav"]
    assert names(store, query="sohne 50") == ["Call 1 50%.wav"]
    assert names(store, query="ller") == []  # words begin with it
    assert names(store, query="call.wav") == ["call_2.wav", "Call 1 50%.wav"]
    assert names(store, query="muller", state="done") == ["Call 1 50%.wav"]


def test_filters_take_emotions_by_any_of_their_names(store: Store) -> None:
    made = done(store, name="call.wav")
    store.corrections.set("ada", made.id, 4, label="angry")
    for name in ("angry", "Anger", " WUT"):
        assert names(store, emotion=name) == ["call.wav"], name
        assert names(store, label=name) == ["call.wav"], name
    assert names(store, emotion="Joy") == names(store, label="Joy") == []
    # A model has names of its own, which may be no canonical ones.
    assert names(store, emotion='so-so "& <b>"') == ["call.wav"]
    for blank in ({"emotion": " "}, {"label": " "}):
        with pytest.raises(UsageError, match="empty"):
            names(store, **blank)


@pytest.mark.parametrize(
    "query",
    ['"', "' OR 1=1 --", "a* NEAR b", "AND", "name:x", "-", "(", "a & | !b", "😀", "\\", "x:*"],
)
def test_a_query_is_words_and_never_a_language(store: Store, query: str) -> None:
    add(store, name="a near b")
    names(store, query=query)  # no error, whatever it finds
    assert names(store, query=f"near {words(query)}") in ([], ["a near b"])


def test_renaming_finds_the_new_words_alone(store: Store) -> None:
    made = add(store, name="alpha", notes="beta")
    changed = store.analyses.change("ada", made.id, name="gamma")
    assert changed == replace(made, name="gamma")
    assert names(store, query="alpha") == []
    assert names(store, query="gamma beta") == ["gamma"]
    store.analyses.change("ada", made.id, notes="")
    assert names(store, query="beta") == []
    assert store.analyses.change("bob", made.id, name="x") is None


def test_nobody_sees_what_is_anothers(store: Store) -> None:
    made = done(store, keep_audio=True)
    for owner in ("bob", ""):
        assert store.analyses.get(owner, made.id) is None
        assert store.results.get(owner, made.id) is None
        assert store.analyses.tracks(owner, made.id) is None
        assert store.analyses.forget_audio(owner, made.id) is None
        assert store.corrections.set(owner, made.id, 2, label="happy") is None
        assert not store.analyses.delete(owner, made.id)
        assert not store.queue.cancel(owner, made.id)
        assert names(store, owner) == names(store, owner, query="talk") == []
        assert store.corrections.page(owner).items == []
    assert store.analyses.get("ada", made.id) == made


def test_deleting_leaves_no_row(store: Store) -> None:
    made = done(store, name="alpha")
    store.corrections.set("ada", made.id, 2, label="happy", note="sure")
    assert store.analyses.delete("ada", made.id)
    assert not store.analyses.delete("ada", made.id)
    with store.database.reading() as connection:
        for table in metadata.sorted_tables:
            count = connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar()
            assert count == 0, table.name
    assert names(store, query="alpha") == []


def test_deleting_leaves_no_trace_in_the_files_of_sqlite(tmp_path: Path) -> None:
    store = Store(ServerSettings(folder=tmp_path).database_url)
    rest = done(store, name="remaining")
    # Long enough for pages of its own, and short enough for one beside the other.
    for notes in ("confidential " * 2000, "confidential"):
        made = done(store, name="Vertraulich", notes=notes)
        store.corrections.set("ada", made.id, 2, label="happy", note="geheimnis")
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("emotone.db*"))
        for word in (b"Vertraulich", b"confidential", b"geheimnis"):
            assert word in kept
        assert store.analyses.delete("ada", made.id)
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("emotone.db*"))
        for word in (b"ertraulich", b"onfidential", b"eheimnis"):
            assert word not in kept
    assert store.analyses.get("ada", rest.id) == rest
    store.close()


def test_expiry(store: Store) -> None:
    gone = done(store, name="gone", expires_at=NOW)
    waits = add(store, name="waits", expires_at=NOW + timedelta(days=1))
    stays = add(store, name="stays")
    assert store.analyses.expire(NOW + timedelta(hours=1)) == [gone.id]
    assert store.analyses.expire(NOW + timedelta(hours=1)) == []
    assert store.analyses.expire(NOW + timedelta(days=9)) == [waits.id]
    assert names(store) == ["stays"]
    assert store.analyses.with_files(NODE) == {stays.id: True}


def test_what_came_before_it_was_said_how_long_things_are_kept_expires_too(store: Store) -> None:
    day = timedelta(days=1)
    soon = add(store, name="soon", created_at=NOW, expires_at=NOW + day)
    forever = add(store, name="forever", created_at=NOW)
    longer = add(store, name="longer", created_at=NOW + day, expires_at=NOW + 90 * day)
    assert store.analyses.expire(NOW + 4 * day, days=1e9) == [soon.id]
    assert store.analyses.expire(NOW + 4 * day) == []  # nothing is said
    assert store.analyses.expire(NOW + 4 * day, days=4) == [forever.id]
    assert store.analyses.expire(NOW + 4 * day, days=4) == []
    assert store.analyses.expire(NOW + 5 * day, days=4) == [longer.id]
    assert names(store) == []


def test_whose_recordings_have_to_be_there(store: Store) -> None:
    kept, dropped = done(store, keep_audio=True), done(store, keep_audio=False)
    waits, elsewhere = add(store), add(store, node=str(uuid.uuid4()))
    assert store.analyses.with_files(NODE) == {kept.id: False, waits.id: True}
    assert store.analyses.keeps_audio(kept.number)
    forgot = store.analyses.forget_audio("ada", kept.id)
    assert forgot == replace(kept, keep_audio=False, has_audio=False)
    assert store.analyses.with_files(NODE) == {waits.id: True}
    assert dropped.id != elsewhere.id


def test_corrections(store: Store) -> None:
    made = done(store)
    segment = store.corrections.set("ada", made.id, 2, label="happy", note="she laughs")
    assert segment is not None
    told = timelines.call().segments[2]
    assert segment["index"] == 2
    assert (segment["start"], segment["emotion"]) == (told.start, told.emotion)
    assert (segment["label"], segment["label_note"]) == ("happy", "she laughs")
    found = store.results.get("ada", made.id)
    assert found is not None
    assert timeline_of(store, found) == timelines.call().to_dict()  # the model's answer stays
    assert said_of(store, found)[2].label == "happy"

    store.corrections.set("ada", made.id, 2, label="sad")
    store.corrections.set("ada", made.id, 3, label=None, note="unsure")
    page = store.corrections.page("ada", limit=1)
    assert [(c.segment, c.label, c.note) for c in page.items] == [(2, "sad", "she laughs")]
    assert (page.next, page.total) == ("1", 2)
    rest = store.corrections.page("ada", limit=1, cursor=page.next)
    assert [(c.segment, c.label, c.note) for c in rest.items] == [(3, None, "unsure")]
    assert rest.next is None
    assert [c.segment for c in store.corrections.labels("ada")] == [2]
    (one,) = store.corrections.labels("ada")
    assert (one.analysis, one.name, one.channel) == (made.id, "talk.wav", 0)
    assert (one.start_s, one.end_s, one.speaker) == (1.0, 4.0, timelines.ODD)

    back = store.corrections.set("ada", made.id, 2, label=None, note="")
    assert back is not None
    assert (back["label"], back["labelled_at"]) == (None, None)
    assert [c.segment for c in store.corrections.page("ada").items] == [3]


def test_what_is_counted_follows_people_and_the_model_stays_beside(store: Store) -> None:
    made = done(store)
    assert made.summary == made.model_summary
    assert made.corrected == 0
    # 3 of 10.5 seconds of speech, of the one who speaks there.
    store.corrections.set("ada", made.id, 2, label="happy")
    now = store.analyses.get("ada", made.id)
    assert now is not None
    assert now.summary is not None
    assert now.summary["shares"] == {"neutral": 0.5238, "happy": 0.2857, "überrascht": 0.1905}
    assert now.summary["changes_per_minute"] == made.summary["changes_per_minute"]  # type: ignore[index]
    assert now.model_summary == made.summary
    assert now.corrected == 1
    found = store.results.get("ada", made.id)
    assert found is not None
    assert found.changed["summary"] == now.summary
    assert found.changed["speakers"][timelines.ODD]["shares"] == {"happy": 0.6, "überrascht": 0.4}
    assert names(store, emotion="happy") == ["talk.wav"]
    assert names(store, emotion='so-so "& <b>"') == []  # the model alone had it

    # The same emotion after it: no change of emotion is left.
    store.corrections.set("ada", made.id, 4, label="happy")
    now = store.analyses.get("ada", made.id)
    assert now is not None
    assert now.summary is not None
    assert (now.summary["changes_per_minute"], now.corrected) == (0, 2)
    # Who agrees with the model, or only notes something, changes nothing that is counted.
    store.corrections.set("ada", made.id, 3, label="neutral", note="sure")
    assert store.analyses.get("ada", made.id) == now

    for segment in (2, 3, 4):
        store.corrections.set("ada", made.id, segment, label=None, note="")
    back = store.analyses.get("ada", made.id)
    assert back is not None
    assert (back.summary, back.corrected) == (made.summary, 0)
    assert names(store, emotion="happy") == []


def test_many_correct_one_timeline_at_the_same_time(store: Store) -> None:
    made = done(store)
    together = threading.Barrier(8)

    def correct(number: int) -> None:
        together.wait()
        for turn in range(3):
            store.corrections.set("ada", made.id, 2 + number % 3, label=f"l{number}-{turn}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(correct, range(8)))
    said = {each.segment: each.label for each in store.corrections.labels("ada")}
    assert set(said) == {2, 3, 4}
    now = store.analyses.get("ada", made.id)
    assert now is not None
    assert now.summary is not None
    assert set(now.summary["shares"]) == set(said.values())  # what was said last, of each
    assert now.corrected == 3


def test_what_cannot_be_corrected(store: Store) -> None:
    waits, made = add(store), None
    with pytest.raises(RequestError) as refused:
        store.corrections.set("ada", waits.id, 0, label="happy")
    assert (refused.value.status, refused.value.code) == (409, "not_done")
    store.analyses.delete("ada", waits.id)
    made = done(store)
    for segment, status in ((0, 409), (6, 404), (2**31 - 1, 404)):
        with pytest.raises(RequestError) as refused:
            store.corrections.set("ada", made.id, segment, label="happy")
        assert refused.value.status == status
    with pytest.raises(RequestError, match="no cursor"):
        store.corrections.page("ada", cursor="-1")


def test_what_was_accepted_is_there_when_it_is_opened_again(url: str) -> None:
    first = Store(url)
    made = add(first)
    first.close()
    second = Store(url)
    assert second.analyses.get("ada", made.id) == made
    second.close()


def test_the_migrations_make_what_the_tables_say(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    import emotone.server.store as room

    with store.database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _, name, *__: not str(name).startswith("analyses_words"),
            },
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    config = Config()
    config.set_main_option("script_location", str(Path(room.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_can_be_taken_back(store: Store) -> None:
    from alembic import command
    from alembic.config import Config

    import emotone.server.store as room

    config = Config()
    config.set_main_option("script_location", str(Path(room.__file__).parent / "migrations"))
    with store.database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with store.database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    add(store)


def test_a_store_from_before_timelines_were_in_pieces(url: str) -> None:
    """Both ways: results, filters and counts are those that a new store has."""
    from alembic import command
    from alembic.config import Config

    import emotone.server.store as room

    store = Store(url)
    made = done(store, name="ÄRGER.wav")
    add(store)
    store.corrections.set("ada", made.id, 2, label="happy", note="so")
    with store.database.reading() as connection:
        before = {
            table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
            for table in metadata.sorted_tables
        }
    config = Config()
    config.set_main_option("script_location", str(Path(room.__file__).parent / "migrations"))
    with store.database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "first")
        old = connection.execute(text("SELECT head, measurements FROM results")).one()
        assert len(unpacked(old.head)["segments"]) == 6
        summary = connection.execute(text("SELECT summary FROM analyses WHERE state = 'done'"))
        assert "happy" not in str(summary.scalar_one())
    store.close()

    again = Store(url)
    found = again.results.get("ada", made.id)
    assert found is not None
    assert timeline_of(again, found) == timelines.call().to_dict()
    with again.database.reading() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table).order_by(*table.primary_key)).all()
            ours = [{**row._mapping, "revision": 0} for row in rows]
            assert ours == [{**row._mapping, "revision": 0} for row in before[table.name]]
    assert names(again, name="ärger") == ["ÄRGER.wav"]
    assert names(again, emotion="happy") == ["ÄRGER.wav"]
    again.close()


def test_a_store_of_a_later_emotone_is_refused(url: str) -> None:
    store = Store(url)
    with store.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    store.close()
    with pytest.raises(UsageError, match="later emotone") as refused:
        Store(url)
    assert refused.value.code == "later_store"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/name", "cannot be a database of mysql"),
        ("nonsense", "no address"),
        ("sqlite:////nowhere/at/all.db", "cannot be used"),
        ("postgresql+psycopg://u:secret@127.0.0.1:9/none?connect_timeout=1", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        Store(url)
    assert "secret" not in str(refused.value)
