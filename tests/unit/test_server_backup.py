"""Backup and restore: all of it, from any database to any other, or nothing at all."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import timelines
from emotone.cli.app import run
from emotone.errors import UsageError
from emotone.server.folder import Folder
from emotone.server.packing import Packed
from emotone.server.settings import ServerSettings
from emotone.server.store import Store
from emotone.server.store import backup as backups
from emotone.server.store.backup import back_up, restore
from emotone.server.store.records import Filters, NewAnalysis, Outcome
from emotone.server.store.tables import analyses, api_keys, metadata

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)
KINDS = [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite"),
         ("postgresql", "postgresql")]  # fmt: skip


class Home:
    """The folder and the store of a service that does not run."""

    def __init__(self, path: Path, database: str | None) -> None:
        self.settings = ServerSettings(folder=path, database=database)
        self.folder = Folder(path)
        self.store = Store(self.settings.database_url)

    def rows(self) -> dict[str, list[Any]]:
        """Everything in the database."""
        with self.store.database.reading() as connection:
            return {
                table.name: [
                    tuple(row)
                    for row in connection.execute(select(table).order_by(*table.primary_key))
                ]
                for table in metadata.sorted_tables
            }

    def files(self) -> dict[str, bytes]:
        place = self.settings.folder / "recordings"
        return {p.parent.name: p.read_bytes() for p in place.rglob("recording")}

    def add(self, name: str, *, keep: bool = False) -> NewAnalysis:
        made = NewAnalysis(
            id=str(uuid.uuid4()), owner="ada", name=name, notes="Ünü\x7f 😀", model="m@1",
            options={"channels": "mix", "speakers": None}, keep_audio=keep, node=self.folder.node,
            created_at=NOW, request_key=name, request_digest="d",
        )  # fmt: skip
        upload = self.folder.incoming / "upload"
        upload.write_bytes(f"sound of {name}".encode())
        self.folder.take_in(upload, made.id)
        self.store.analyses.add(made, most_waiting=100)
        return made

    def work(self, *, keep: bool = False) -> None:
        """Do what waits first."""
        job = self.store.queue.claim(self.folder.node)
        assert job is not None
        assert self.store.queue.finish(job, Outcome(Packed.of(timelines.call()), bytes(range(256))))
        if not keep:
            self.folder.forget(job.id)

    def close(self) -> None:
        self.store.close()
        self.folder.close()


@pytest.fixture
def homes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    made: list[Home] = []

    def make(kind: str = "sqlite") -> Home:
        database = None
        if kind == "postgresql":
            database = request.getfixturevalue("postgresql").make()
        made.append(Home(tmp_path / f"home{len(made)}", database))
        return made[-1]

    yield make
    for home in made:
        home.close()


def filled(home: Home) -> Home:
    """With something in each table."""
    kept = home.add("kept", keep=True)
    home.work(keep=True)
    home.add("done")
    home.work()
    home.store.corrections.set("ada", kept.id, 2, label="happy", note="so")
    home.add("running")
    home.store.queue.claim(home.folder.node)
    home.add("waiting")
    with home.store.database.writing() as connection:
        connection.execute(
            api_keys.insert().values(
                id="k", name="laptop", owner="ada", scopes=["read"], digest="0" * 64,
                created_at=NOW,
            )
        )  # fmt: skip
    return home


def test_what_several_services_share_is_no_backup_of_one(homes: Any, tmp_path: Path) -> None:
    home, out = filled(homes()), tmp_path / "backup.tar"
    with home.store.database.writing() as connection:
        ours = analyses.c.name == "done"  # of which there are results alone
        connection.execute(analyses.update().where(ours).values(node=str(uuid.uuid4())))
    back_up(home.store.database, home.settings.folder, out)
    out.unlink()
    for name in ("kept", "waiting"):  # whose recordings lie in the folder of another
        with home.store.database.writing() as connection:
            theirs = analyses.c.name == name
            connection.execute(analyses.update().where(theirs).values(node=str(uuid.uuid4())))
        with pytest.raises(UsageError, match="other services") as refused:
            back_up(home.store.database, home.settings.folder, out)
        assert refused.value.code == "shared_database"
        assert "pg_dump" in str(refused.value)
        assert not out.exists()
        assert list(home.folder.incoming.iterdir()) == []
        with home.store.database.writing() as connection:
            theirs = analyses.c.name == name
            connection.execute(analyses.update().where(theirs).values(node=home.folder.node))


@pytest.mark.parametrize(("first", "second"), KINDS)
def test_there_and_back(homes: Any, tmp_path: Path, first: str, second: str) -> None:
    old, new = filled(homes(first)), homes(second)
    out = tmp_path / "out" / "backup.tar"
    said = back_up(old.store.database, old.settings.folder, out)
    assert said.rows == {
        "analyses": 4, "results": 2, "pieces": 4, "heard": 6, "corrections": 1, "api_keys": 1
    }  # fmt: skip
    assert said.recordings == 3
    if os.name != "nt":
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(old.folder.incoming.iterdir()) == []
    assert len(list(out.parent.iterdir())) == 1

    assert restore(out, new.store.database, new.folder) == said
    assert new.folder.node == old.folder.node
    assert (new.settings.folder / "node").read_text().strip() == old.folder.node
    assert list(new.folder.incoming.iterdir()) == []
    assert new.files() == old.files()
    assert sorted(new.files().values()) == [
        b"sound of kept", b"sound of running", b"sound of waiting"
    ]  # fmt: skip
    assert old.store.queue.recover(old.folder.node) == 1
    assert new.rows() == old.rows()
    found = new.store.analyses.page("ada", Filters(query="kept")).items
    assert [each.name for each in found] == ["kept"]

    # Life goes on.
    new.add("later")
    done = []
    while (job := new.store.queue.claim(new.folder.node)) is not None:
        assert new.folder.recording(job.id).is_file()
        done.append(job.name)
        new.store.queue.fail(job, {"code": "x"})
    assert done == ["running", "waiting", "later"]


def test_a_backup_while_recordings_come_and_go(homes: Any, tmp_path: Path) -> None:
    home, stop = homes(), threading.Event()

    def live() -> None:
        for number in range(10_000):
            if stop.is_set():
                break
            home.add(f"{number}")
            home.work()
            time.sleep(0.003)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        for number in range(8):
            out = tmp_path / f"{number}.tar"
            back_up(home.store.database, home.settings.folder, out)
            new = homes()
            restore(out, new.store.database, new.folder)
            waits = {id for id, open in new.store.analyses.with_files(new.folder.node).items()}
            assert waits <= new.files().keys()
    finally:
        stop.set()
        thread.join()


def test_a_backup_while_tables_take_longer_to_write_than_a_recording_to_analyse(
    homes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, new, out, dump = homes(), homes(), tmp_path / "backup.tar", backups._dump
    first = home.add("first")

    def slow(connection: Any, table: Any, path: Path) -> int:
        if table.name == "results":
            home.work()
            home.add("next")
        return dump(connection, table, path)

    monkeypatch.setattr(backups, "_dump", slow)
    assert back_up(home.store.database, home.settings.folder, out).recordings == 1
    restore(out, new.store.database, new.folder)
    assert new.files() == {first.id: b"sound of first"}
    assert new.store.analyses.counts() == {"queued": 1}


def test_a_backup_without_a_recording_that_waits_is_none(homes: Any, tmp_path: Path) -> None:
    home, out = filled(homes()), tmp_path / "backup.tar"
    gone = home.add("gone")
    home.folder.forget(gone.id)
    with pytest.raises(UsageError, match="1 analyses wait") as refused:
        back_up(home.store.database, home.settings.folder, out)
    assert refused.value.code == "no_recording"
    assert refused.value.remedy
    assert not list(tmp_path.glob("*backup*"))
    assert not list(home.folder.incoming.iterdir())
    home.store.analyses.delete("ada", gone.id)
    assert back_up(home.store.database, home.settings.folder, out).recordings == 3


_GATHERS = """
import sys
from pathlib import Path
from emotone.server.folder import gathering

with gathering(Path(sys.argv[1])) as place:
    (place / "recording").write_bytes(b"sound")
    print(place, flush=True)
    sys.stdin.read()
"""


def aged(place: Path) -> Path:
    os.utime(place, (time.time() - 120,) * 2)
    return place


def test_what_a_backup_that_was_killed_has_gathered_is_removed(homes: Any) -> None:
    home = homes()
    command = [sys.executable, "-c", _GATHERS, str(home.settings.folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        place = aged(Path(process.stdout.readline().strip()))
        home.folder.forget_backups()
        home.folder.close()
        home.folder = Folder(home.settings.folder)  # a service that starts meanwhile
        assert (place / "recording").is_file()  # it runs
        process.kill()
    begun = home.folder.incoming / "backup-1"  # not locked yet
    begun.mkdir()
    upload = home.folder.incoming / "upload"
    upload.write_bytes(b"sound")
    aged(place)
    home.folder.forget_backups()
    assert set(home.folder.incoming.iterdir()) == {begun, upload}
    aged(begun)
    home.folder.forget_backups()
    assert set(home.folder.incoming.iterdir()) == {upload}


def test_what_a_backup_gathers_is_its_own_until_it_ends(
    homes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, pack, seen = filled(homes()), backups._pack, list[Path]()

    def packed(contents: Any, place: Path, *rest: Any) -> None:
        seen.append(aged(place))
        home.folder.forget_backups()
        pack(contents, place, *rest)

    monkeypatch.setattr(backups, "_pack", packed)
    back_up(home.store.database, home.settings.folder, tmp_path / "backup.tar")
    assert len(seen) == 1
    assert not list(home.folder.incoming.iterdir())


def test_into_what_is_empty_only(homes: Any, tmp_path: Path) -> None:
    old, new = filled(homes()), homes()
    out = tmp_path / "backup.tar"
    back_up(old.store.database, old.settings.folder, out)
    new.add("mine")
    before = new.rows(), new.files()
    with pytest.raises(UsageError, match="something in this store"):
        restore(out, new.store.database, new.folder)
    assert (new.rows(), new.files()) == before


def changed(path: Path, **changes: bytes | None) -> None:
    """Write an archive anew with other content, or more, or less."""
    with tarfile.open(path) as archive:
        parts = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    with tarfile.open(path, "w") as archive:
        for name, content in (parts | changes).items():
            if content is not None:
                about = tarfile.TarInfo(name)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))


ROWS = "tables/heard.jsonl"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({ROWS: b""}, "damaged"),
        ({ROWS: None}, "damaged"),
        ({"recordings/" + str(uuid.uuid4()): b"more"}, "damaged"),
        ({"checksums.json": None}, "no whole backup"),
        ({"backup.json": None}, "no whole backup"),
        ({"backup.json": b"{}"}, "damaged"),
        ({"checksums.json": b"[]"}, "damaged"),
        ({"../../evil": b"x"}, "belongs to no backup"),
        ({"recordings/../../evil": b"x"}, "belongs to no backup"),
        ({"tables/../x.jsonl": b"x"}, "belongs to no backup"),
        ({"/etc/passwd": b"x"}, "belongs to no backup"),
    ],
)
def test_a_damaged_backup_changes_nothing(
    homes: Any, tmp_path: Path, changes: dict[str, bytes | None], said: str
) -> None:
    old, new = filled(homes()), homes()
    out = tmp_path / "backup.tar"
    back_up(old.store.database, old.settings.folder, out)
    changed(out, **changes)
    empty = new.rows()
    node = new.folder.node
    with pytest.raises(UsageError, match=said):
        restore(out, new.store.database, new.folder)
    assert (new.rows(), new.files(), new.folder.node) == (empty, {}, node)
    assert list(new.folder.incoming.iterdir()) == []


def test_a_link_in_a_backup(homes: Any, tmp_path: Path) -> None:
    out = tmp_path / "backup.tar"
    with tarfile.open(out, "w") as archive:
        link = tarfile.TarInfo("tables/heard.jsonl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    home = homes()
    with pytest.raises(UsageError, match="is no file"):
        restore(out, home.store.database, home.folder)


@pytest.mark.parametrize("cut", [0, 1, 700, 3000, -2000])
def test_a_backup_cut_short(homes: Any, tmp_path: Path, cut: int) -> None:
    old, new = filled(homes()), homes()
    out = tmp_path / "backup.tar"
    back_up(old.store.database, old.settings.folder, out)
    out.write_bytes(out.read_bytes()[:cut].rstrip(b"\0"))
    with pytest.raises(UsageError):
        restore(out, new.store.database, new.folder)
    assert new.store.analyses.counts() == {}


def test_a_backup_of_another_form(homes: Any, tmp_path: Path) -> None:
    old, new = homes(), homes()
    out = tmp_path / "backup.tar"
    back_up(old.store.database, old.settings.folder, out)
    with tarfile.open(out) as archive:
        about = json.loads(archive.extractfile("backup.json").read())  # type: ignore[union-attr]
        sums = json.loads(archive.extractfile("checksums.json").read())  # type: ignore[union-attr]
    import hashlib

    later = json.dumps(about | {"step": "later", "version": "9.9"}).encode()
    sums["backup.json"] = hashlib.sha256(later).hexdigest()
    changed(out, **{"backup.json": later, "checksums.json": json.dumps(sums).encode()})
    with pytest.raises(UsageError, match=r"9\.9.*another form"):
        restore(out, new.store.database, new.folder)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("kind", ["none", "text", "damaged", "twice", "cut"])
def test_what_is_no_backup_leaves_no_folder_of_a_service(
    homes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, there: bool
) -> None:
    file, fresh = tmp_path / "backup.tar", tmp_path / "srv" / "fresh"
    if kind == "text":
        file.write_text("no backup\n" * 1000)
    elif kind != "none":
        old = filled(homes())
        back_up(old.store.database, old.settings.folder, file)
    if kind == "damaged":
        changed(file, **{ROWS: b""})
    elif kind == "twice":
        with tarfile.open(file, "a") as archive:
            archive.addfile(tarfile.TarInfo(ROWS), io.BytesIO())
    elif kind == "cut":
        file.write_bytes(file.read_bytes().rstrip(b"\0")[:-2000])
    if there:
        fresh.mkdir(parents=True)
    before = set(tmp_path.iterdir())
    assert run(["server", "restore", str(file), "--folder", str(fresh)]) == 2
    assert str(file) in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before
    assert not there or list(fresh.iterdir()) == []


def test_a_backup_that_is_there_is_replaced_only_when_asked_to(
    homes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = filled(homes())
    out, where = tmp_path / "b.tar", str(home.settings.folder)
    out.write_text("of last week")
    command = ["server", "backup", str(out), "--folder", where]
    assert run(command) == 2
    assert f"{out}: there is such a file" in capsys.readouterr().err
    assert out.read_text() == "of last week"
    assert run([*command, "--overwrite"]) == 0
    assert tarfile.is_tarfile(out)


def test_the_commands(homes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = filled(homes())
    out, where = str(tmp_path / "b.tar"), str(old.settings.folder)
    assert run(["server", "backup", out, "--folder", where]) == 0  # while it is in use
    assert "4 analyses, 3 recordings" in capsys.readouterr().err
    fresh = str(tmp_path / "fresh")
    assert run(["server", "restore", out, "--folder", fresh]) == 0
    assert "4 analyses, 3 recordings" in capsys.readouterr().err
    assert run(["server", "restore", out, "--folder", fresh]) == 2
    assert "something in this store" in capsys.readouterr().err
    assert run(["server", "restore", out, "--folder", where]) == 2
    assert "another service uses this folder" in capsys.readouterr().err
    assert run(["server", "restore", str(tmp_path / "no.tar"), "--folder", f"{fresh}2"]) == 2
    assert run(["server", "backup", out, "--folder", str(tmp_path / "empty")]) == 2
    assert "nothing to back up" in capsys.readouterr().err
