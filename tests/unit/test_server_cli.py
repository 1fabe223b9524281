"""`emotone server keys`, and what `emotone serve` refuses."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra server")

from emotone.cli.app import run
from emotone.server.security.keyring import StoredKeyring
from emotone.server.store.database import Database
from emotone.server.store.keys import StoredKeys


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTONE_SERVER", str(tmp_path / "service"))
    monkeypatch.delenv("EMOTONE_DATABASE", raising=False)
    return tmp_path / "service"


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    capsys.readouterr()
    assert run(["server", "keys", "list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_key_is_made_shown_once_listed_and_revoked(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["server", "keys", "create", "laptop", "--per-minute", "60", "--days", "30"]) == 0
    out, err = capsys.readouterr()
    token = out.strip()
    assert token.count("\n") == 0
    assert "not shown again" in err
    database = Database(f"sqlite:///{folder / 'emotone.db'}")
    keyring = StoredKeyring(StoredKeys(database))
    assert keyring.admit(token).scopes == {"read", "write"}
    [row] = listed(capsys)
    assert row["name"] == "laptop"
    assert row["owner"] == f"key-{row['id']}"
    assert (row["state"], row["per_minute"]) == ("active", 60)
    assert row["used_at"] is not None
    assert token not in json.dumps(row)
    assert token.split("_")[2].encode() not in (folder / "emotone.db").read_bytes()
    assert run(["server", "keys", "revoke", row["id"]]) == 0
    assert listed(capsys)[0]["state"] == "revoked"
    revoked_at = listed(capsys)[0]["revoked_at"]
    assert run(["server", "keys", "revoke", row["id"]]) == 0  # once more changes nothing
    assert listed(capsys)[0]["revoked_at"] == revoked_at
    with pytest.raises(Exception, match="no valid key"):
        keyring.admit(token)
    database.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_folder_of_keys_is_private(folder: Path):
    assert run(["server", "keys", "create", "a"]) == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_database_is_private_in_a_folder_that_is_not(folder: Path):
    folder.mkdir(mode=0o755)
    assert run(["server", "keys", "create", "a"]) == 0
    database = Database(f"sqlite:///{folder / 'emotone.db'}")
    StoredKeys(database).revoke("none")  # so that there is a log beside it
    files = list(folder.glob("emotone.db*"))
    assert len(files) > 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    database.close()


def test_owner_scopes_and_json(folder: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--owner", "local", "--scopes", "admin, read", "--json"]
    assert run(["server", "keys", "create", "a", *options]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["scopes"] == ["read", "admin"]
    assert made["owner"] == "local"
    assert made["key"].startswith(f"emotone_{made['id']}_")
    assert "digest" not in made


def test_the_table_shows_names_that_would_be_markup(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["server", "keys", "create", "[red]evil[/red]"]) == 0
    capsys.readouterr()
    assert run(["server", "keys", "list"]) == 0
    assert "[red]evil[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "a", "--scopes", "root"],
        ["create", "a", "--scopes", ","],
        ["create", "a\nb"],
        ["create", "a", "--days", "0"],
        ["create", "a", "--per-minute", "0"],
        ["revoke", "nothing"],
    ],
)
def test_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]):
    assert run(["server", "keys", "create", "first"]) == 0
    capsys.readouterr()
    assert run(["server", "keys", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert [(row["name"], row["state"]) for row in listed(capsys)] == [("first", "active")]


@pytest.mark.parametrize(
    "arguments",
    [["backup", "out.tar"], *(["keys", *some] for some in (["list"], ["create", "a"],
                                                           ["revoke", "3f8a12c09b4d"]))],
)  # fmt: skip
@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_none_of_a_service_stays_as_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    there: bool,
):
    monkeypatch.delenv("EMOTONE_DATABASE", raising=False)
    monkeypatch.chdir(tmp_path)
    typo = tmp_path / "sevice"
    if there:
        typo.mkdir()
        (typo / "letter.txt").write_text("of somebody")
    before = sorted(tmp_path.rglob("*"))
    assert run(["server", *arguments, "--folder", str(typo)]) == 2
    assert "no service has run here" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_first_key_may_be_made_before_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("EMOTONE_DATABASE", raising=False)
    where = tmp_path / "new"
    where.mkdir()
    for name in ("first", "second"):
        assert run(["server", "keys", "create", name, "--folder", str(where)]) == 0
    assert run(["server", "keys", "list", "--folder", str(where)]) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "emotone.example"])
def test_beyond_this_machine_there_must_be_a_key(
    folder: Path, capsys: pytest.CaptureFixture[str], host: str
):
    serve = ["serve", "--host", host, "--no-browser", "--port", "0"]
    assert run(serve) == 2
    assert "emotone server keys create" in capsys.readouterr().err
    assert run(["server", "keys", "create", "old"]) == 0
    [row] = listed(capsys)
    assert run(["server", "keys", "revoke", row["id"]]) == 0
    capsys.readouterr()
    assert run(serve) == 2  # a key that is revoked is none


def test_a_log_of_no_known_form(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["serve", "--log", "xml", "--no-browser", "--port", "0"]) == 2
    assert "quiet, text, json" in capsys.readouterr().err


def test_what_live_sessions_may_take_is_an_option(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from emotone.server import app, running

    told: list[object] = []

    class Server:
        def __init__(self, service: object, settings: object, started: object) -> None:
            told.append(settings)
            started("http://127.0.0.1:1/")  # type: ignore[operator]

        def serve_until_stopped(self) -> None:
            pass

    monkeypatch.setattr(app, "create_app", lambda settings: None)
    monkeypatch.setattr(running, "Server", Server)
    quiet = ["serve", "--no-browser"]
    assert run(quiet) == 0
    assert run([*quiet, "--live-each", "3", "--live-all", "5", "--live-threads", "2"]) == 0
    found = [(s.live_each, s.live_all, s.live_threads) for s in told]  # type: ignore[attr-defined]
    assert found == [(128, 256, None), (3, 5, 2)]
    capsys.readouterr()
    assert run([*quiet, "--host", "0.0.0.0", "--insecure"]) == 0
    assert "at every address of this machine" in capsys.readouterr().err
    assert run([*quiet, "--live-all", "0"]) == 2


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_the_address_that_is_said_can_be_opened(host: str, address: str, tmp_path: Path):
    from emotone.server.running import shown

    assert shown(host, 8000) == f"http://{address}:8000/"
