"""What an attacker tries on the service, each against a real one that asks for keys."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

import soundfile

from attackers import CLIP, Reply, Target, attacked, form_of, new_key
from emotone.server.security.keys import make
from emotone.server.store.database import Database
from emotone.server.store.keys import StoredKeys

CONTENT = CLIP.read_bytes()
SECRET_NAME = "Frau-Beispiel-Sitzung-7.flac"
NOTE = "notiz-die-niemand-lesen-soll"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacked") / "service"


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, str]:
    wanted = {
        "alice": {},
        "bob": {},
        "reader": {"scopes": ["read"]},
        "writer": {"scopes": ["write"]},
        "admin": {"scopes": ["admin"]},
        "slow": {"per_minute": 3},
    }
    found = {"gone": new_key(folder, "gone")}  # by command; the others in this process, sooner
    database = Database(f"sqlite:///{folder / 'emotone.db'}")
    for name, options in wanted.items():
        key, found[name] = make(name, **options)
        StoredKeys(database).add(key)
    database.close()
    return found


@pytest.fixture(scope="module")
def service(folder: Path, keys: dict[str, str]) -> Iterator[Target]:
    with attacked(folder) as found:
        yield found
        # After all of the below: no answer was a 5xx, and no line of the log is an error.
        lines = [json.loads(line) for line in found.lines if line.startswith("{")]
        assert [line for line in lines if line["level"] in ("error", "critical")] == []
        assert [line for line in lines if line.get("status", 0) >= 500] == []


@pytest.fixture(scope="module")
def hers(service: Target, keys: dict[str, str]) -> dict:
    """An analysis of Alice's, done, with its audio kept and a segment corrected."""
    sent = service.send(
        "/v1/analyses",
        CONTENT,
        SECRET_NAME,
        key=keys["alice"],
        keep_audio="true",
        notes=NOTE,
    )
    assert sent.status == 202, sent.body
    where = sent.headers["location"]
    deadline = time.monotonic() + 300
    while (found := service.ask(where, key=keys["alice"]).json)["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found["state"] == "done", found["error"]
    index = next(s["index"] for s in found["timeline"]["segments"] if s["kind"] == "speech")
    labelled = service.ask(
        f"{where}/segments/{index}",
        method="PATCH",
        json_body={"label": "happy", "note": NOTE},
        key=keys["alice"],
    )
    assert labelled.status == 200, labelled.body
    return service.ask(where, key=keys["alice"]).json


def whole(service: Target, key: str) -> Reply:
    return service.send("/v1/predict", CONTENT, key=key)


def assert_unharmed(service: Target, keys: dict[str, str], folder: Path) -> None:
    """It still answers, and nothing of what came in lies about."""
    assert whole(service, keys["alice"]).status == 200
    deadline = time.monotonic() + 300
    while list((folder / "incoming").iterdir()):
        assert time.monotonic() < deadline, list((folder / "incoming").iterdir())
        time.sleep(0.05)


# Who may ask


def test_nobody_gets_in_without_a_key(service: Target, folder: Path):
    for path in ("/v1/models", "/v1/analyses", "/v1/corrections/export", "/metrics", "/v1/nix"):
        answer = service.ask(path)
        assert (answer.status, answer.code) == (401, "unauthorised")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    said = service.ask("/v1/service").json
    assert said["auth"] == {"required": True, "scopes": []}
    assert service.ask("/healthz").status == 200
    # A large recording of somebody unknown is not even read.
    began = time.monotonic()
    reply = service.raw(
        f"POST /v1/analyses HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        "Content-Length: 100000000\r\n\r\n".encode(),
    )
    assert b" 401 " in reply.splitlines()[0]
    assert time.monotonic() - began < 25  # a body that does not come is waited for for 30 s
    assert not list((folder / "incoming").iterdir())


def test_guessed_and_damaged_keys(service: Target, keys: dict[str, str]):
    true = keys["alice"]
    prefix, id, secret = true.split("_")
    guesses = [true[:-1], true + "0", f"{prefix}_{id}_{'0' * 64}", secret, f"{prefix}_{id}", "x"]
    for guess in guesses:
        answer = service.ask("/v1/models", key=guess)
        assert (answer.status, answer.code) == (401, "unauthorised")
        assert answer.body == service.ask("/v1/models", key="nonsense").body
    for header in (f"Basic {true}", true, f"Bearer{true}", "Bearer", ""):
        assert service.ask("/v1/models", headers={"Authorization": header}).status == 401
    assert service.ask(f"/v1/models?key={true}&access_token={true}").status == 401  # not in the URL


def test_scopes(service: Target, keys: dict[str, str], hers: dict):
    assert service.ask("/v1/analyses", key=keys["reader"]).status == 200
    for key, path, method in (
        ("reader", "/v1/analyses", "POST"),
        ("reader", "/v1/predict", "POST"),
        ("reader", f"/v1/analyses/{hers['id']}", "DELETE"),
        ("reader", f"/v1/analyses/{hers['id']}/cancel", "POST"),
        ("reader", "/metrics", "GET"),
        ("writer", "/v1/analyses", "GET"),
        ("writer", f"/v1/analyses/{hers['id']}", "GET"),
        ("writer", "/v1/corrections/export", "GET"),
        ("alice", "/metrics", "GET"),
        ("admin", "/v1/analyses", "GET"),
        ("admin", "/v1/predict", "POST"),
    ):
        answer = service.ask(path, method=method, key=keys[key])
        assert (answer.status, answer.code) == (403, "forbidden"), (key, path)
    assert service.ask("/metrics", key=keys["admin"]).status == 200
    scopes = service.ask("/v1/service", key=keys["reader"]).json["auth"]["scopes"]
    assert scopes == ["read"]


def test_a_revoked_key_is_worth_nothing_at_once(
    service: Target, keys: dict[str, str], folder: Path
):
    assert service.ask("/v1/models", key=keys["gone"]).status == 200
    command = [sys.executable, "-m", "emotone", "server", "keys", "revoke"]
    id = keys["gone"].split("_")[1]
    subprocess.run([*command, id, "--folder", str(folder)], check=True, capture_output=True)
    assert service.ask("/v1/models", key=keys["gone"]).status == 401


def test_a_key_has_a_rate(service: Target, keys: dict[str, str]):
    statuses = [service.ask("/v1/models", key=keys["slow"]).status for _ in range(3)]
    assert statuses == [200, 200, 200]
    answer = service.ask("/v1/models", key=keys["slow"])
    assert (answer.status, answer.code) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert service.ask("/v1/models", key=keys["bob"]).status == 200


# Another key's data, forged ids


def of_one(id: str) -> list[tuple[str, str, object]]:
    """Every route about one analysis."""
    at = f"/v1/analyses/{id}"
    return [
        ("GET", at, None),
        ("PATCH", at, {"name": "mine now"}),
        ("PATCH", at, {"keep_audio": False}),
        ("DELETE", at, None),
        ("POST", f"{at}/cancel", None),
        ("GET", f"{at}/events", None),
        ("GET", f"{at}/audio", None),
        ("GET", f"{at}/tracks", None),
        ("GET", f"{at}/export?format=csv", None),
        ("GET", f"{at}/export?format=html", None),
        ("PATCH", f"{at}/segments/0", {"label": "sad"}),
    ]


def test_anothers_analysis_cannot_be_told_from_none(
    service: Target, keys: dict[str, str], hers: dict
):
    none = str(uuid.uuid4())
    for (method, path, body), (_, nowhere, _) in zip(of_one(hers["id"]), of_one(none), strict=True):
        theirs = service.ask(path, method=method, json_body=body, key=keys["bob"])
        nothing = service.ask(nowhere, method=method, json_body=body, key=keys["bob"])
        assert theirs.status == nothing.status == 404, (method, path)
        assert theirs.body == nothing.body
    now = service.ask(f"/v1/analyses/{hers['id']}", key=keys["alice"]).json
    assert now == hers


def test_every_route_about_one_analysis_was_tried(service: Target, keys: dict[str, str]):
    spec = service.ask("/v1/openapi.json", key=keys["alice"]).json
    tried = {
        (method, re.sub(r"\?.*", "", path).replace("/segments/0", "/segments/{index}"))
        for method, path, _ in of_one("{id}")
    }
    there = {
        (method.upper(), path)
        for path, methods in spec["paths"].items()
        for method in methods
        if "{id}" in path
    }
    assert there == tried


def test_lists_searches_and_exports_hold_ones_own_alone(
    service: Target, keys: dict[str, str], hers: dict
):
    assert service.ask("/v1/analyses", key=keys["alice"]).json["total"] >= 1
    for query in ("", "?q=Beispiel", f"?q={NOTE}", "?label=happy", "?name=Frau", "?state=done"):
        found = service.ask(f"/v1/analyses{query}", key=keys["bob"]).json
        assert (found["items"], found["total"], found["next"]) == ([], 0, None)
    assert service.ask("/v1/corrections", key=keys["alice"]).json["total"] == 1
    assert service.ask("/v1/corrections", key=keys["bob"]).json["total"] == 0
    archive = service.ask("/v1/corrections/export", key=keys["bob"]).body
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        text = b"".join(opened.read(name) for name in opened.namelist())
    assert hers["id"].encode() not in text
    assert b"Beispiel" not in text
    # The cursor of one's list gives nothing of it to another.
    for _ in range(2):
        service.send("/v1/analyses", CONTENT, key=keys["alice"])
    cursor = service.ask("/v1/analyses?limit=1", key=keys["alice"]).json["next"]
    assert cursor is not None
    assert service.ask(f"/v1/analyses?cursor={cursor}", key=keys["bob"]).json["items"] == []


def test_a_request_key_of_another_is_not_ones_own(service: Target, keys: dict[str, str]):
    kind, body = form_of(CONTENT, "a.flac")
    headers = {"Content-Type": kind, "Idempotency-Key": "the-same"}
    ids = [
        service.ask("/v1/analyses", method="POST", body=body, headers=headers, key=keys[who]).json[
            "id"
        ]
        for who in ("alice", "alice", "bob")
    ]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    "forged",
    [
        "1",
        "0",
        "-1",
        "null",
        "undefined",
        "../analyses",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e",
        "%00",
        "' OR '1'='1",
        "{id}",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "x" * 5000,
    ],
)
def test_forged_ids(service: Target, keys: dict[str, str], forged: str):
    target = f"/v1/analyses/{forged}".replace(" ", "%20").replace("{", "%7B")
    for tail in ("", "/audio", "/export?format=json"):
        request = (
            f"GET {target}{tail} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {keys['alice']}\r\n\r\n"
        )
        status = int(service.raw(request.encode()).split(b" ", 2)[1])
        assert status in (400, 404), (forged, tail)


# Names and paths


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../../etc/cron.d/evil", "evil"),
        (r"..\..\windows\system32\evil.wav", "evil.wav"),
        ("/etc/passwd", "passwd"),
        ("....//....//evil", "evil"),
        ("..", "recording"),
        (".", "recording"),
        ("C:", "recording"),
        ("a\tb\x07c.wav", "a b c.wav"),
        ("<script>alert(1)</script>.wav", "script>.wav"),
        ("%2e%2e%2fevil", "%2e%2e%2fevil"),
        ("CON", "CON"),
        ("x" * 5000 + ".wav", None),
    ],
)
def test_names_that_climb(
    service: Target, keys: dict[str, str], folder: Path, given: str, kept: str | None
):
    quoted = given.replace("\\", "\\\\")
    sent = service.send("/v1/analyses", CONTENT, quoted, key=keys["bob"])
    if kept is None:
        assert sent.status in (202, 400)  # a header of a form has an end too
    else:
        assert sent.status == 202, sent.body
        assert sent.json["name"] == kept
    if sent.status == 202:
        found = sent.json
        assert len(found["name"]) <= 200
        assert service.ask(f"/v1/analyses/{found['id']}", method="DELETE", key=keys["bob"])
    above = {path.name for path in folder.parent.iterdir()}
    assert above == {folder.name}
    for entry in (folder / "recordings").iterdir():
        assert uuid.UUID(entry.name)


def test_names_cannot_write_headers_or_pages(service: Target, keys: dict[str, str], hers: dict):
    at = f"/v1/analyses/{hers['id']}"
    evil = 'a"\r\nSet-Cookie: x=1\r\n\r\n<script>alert(1)</script>\u2028$x^{$ ../../b'
    changed = service.ask(at, method="PATCH", json_body={"name": evil}, key=keys["alice"])
    assert changed.status == 200
    try:
        for form in ("csv", "TextGrid", "eaf", "html", "png", "svg", "srt"):
            answer = service.ask(f"{at}/export?format={form}", key=keys["alice"])
            assert answer.status == 200, (form, answer.body)
            assert "set-cookie" not in {name.lower() for name in answer.headers}
            disposition = answer.headers["content-disposition"]
            assert disposition.startswith("attachment; ")
            assert not re.search(r'[/\\<>]|"[^;]*"[^;]*"', disposition)
            if form in ("html", "svg", "eaf"):
                assert b"<script>alert" not in answer.body
        audio = service.ask(f"{at}/audio", key=keys["alice"])
        assert audio.headers["content-type"] == "audio/flac"
        assert audio.headers["x-content-type-options"] == "nosniff"
        assert audio.body == CONTENT
    finally:
        service.ask(at, method="PATCH", json_body={"name": SECRET_NAME}, key=keys["alice"])


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/assets/..%5c..%5cetc/passwd",
        "/assets//etc/passwd",
        "//etc/passwd",
        "/assets/%00",
        "/.env",
        "/emotone.db",
        "/v1/../emotone.db",
    ],
)
def test_paths_that_climb(service: Target, target: str):
    reply = service.raw(
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    status = int(reply.split(b" ", 2)[1])
    assert status in (400, 401, 404, 405), reply[:200]
    assert b"root:" not in reply


# What pretends to be audio


def silence(seconds: float, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(int(seconds * rate), np.int16), rate, format="FLAC")
    return out.getvalue()


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.wav", b"\0" * (256 << 20))
    return out.getvalue()


def wave(*, channels: int = 1, rate: int = 16_000, bits: int = 16, data: int = 0) -> bytes:
    """The header of a WAV that promises more than there is."""
    head = b"RIFF" + (0xFFFFFFFF).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    block = max(1, channels * bits // 8)
    head += (1).to_bytes(2, "little") + channels.to_bytes(2, "little")
    head += rate.to_bytes(4, "little") + (rate * block & 0xFFFFFFFF).to_bytes(4, "little")
    head += (block & 0xFFFF).to_bytes(2, "little") + bits.to_bytes(2, "little")
    return head + b"data" + (0xFFFFFFFE).to_bytes(4, "little") + b"\1\2" * data


BOMBS = {
    "zip": zip_bomb,
    "hour of silence": lambda: silence(3600),
    "wav of 4 GiB": lambda: wave(data=100),
    "wav of 65,535 channels": lambda: wave(channels=65_535, data=100_000),
    "wav of 4 GHz": lambda: wave(rate=0xFFFFFFFF, data=1000),
    "wav of 0 Hz": lambda: wave(rate=0, data=1000),
    "playlist": lambda: f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\nfile://{CLIP}\n".encode(),
    "list of files": lambda: f"ffconcat version 1.0\nfile '{CLIP}'\n".encode(),
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "noise": lambda: np.random.default_rng(5).bytes(200_000),
    "half a flac": lambda: CONTENT[: len(CONTENT) // 2],
    "broken flac": lambda: CONTENT[:200] + bytes(20_000) + CONTENT[20_200:],
    "nothing": lambda: b"",
    "a byte": lambda: b"R",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(service: Target, keys: dict[str, str], folder: Path, name: str):
    content = BOMBS[name]()
    answer = service.send("/v1/predict", content, f"{name}.wav", key=keys["alice"])
    if name in ("half a flac", "broken flac"):
        assert answer.status in (200, 422)
    else:
        assert answer.status in (413, 422), answer.body
    if answer.status != 200:
        assert answer.code
        assert str(folder).encode() not in answer.body
    assert_unharmed(service, keys, folder)


def test_a_bomb_as_a_job_fails_alone(service: Target, keys: dict[str, str], folder: Path):
    ids = [
        service.send("/v1/analyses", BOMBS[name](), "b.wav", key=keys["bob"]).json["id"]
        for name in ("zip", "wav of 65,535 channels", "playlist")
    ]
    for id in ids:
        deadline = time.monotonic() + 300
        while (found := service.ask(f"/v1/analyses/{id}", key=keys["bob"]).json)["state"] in (
            "queued",
            "running",
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert found["state"] == "failed"
        assert str(folder) not in json.dumps(found)
        while (folder / "recordings" / id).exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert_unharmed(service, keys, folder)


# Requests of the wrong size, speed or form


def test_bodies_that_say_they_are_too_large(service: Target, keys: dict[str, str], folder: Path):
    for path, length in (
        ("/v1/predict", 70 << 20),
        ("/v1/analyses", 5 << 30),
        (f"/v1/analyses/{uuid.uuid4()}/cancel", 2 << 20),
    ):
        request = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys['alice']}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
        )
        reply = service.raw(request.encode())
        assert b" 413 " in reply.splitlines()[0]
        assert b'"too_large"' in reply
    assert_unharmed(service, keys, folder)


def test_a_body_without_end(service: Target, keys: dict[str, str], folder: Path, hers: dict):
    head = (
        f"PATCH /v1/analyses/{hers['id']} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {keys['alice']}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    reply = service.raw(head.encode() + chunk * 40)
    assert b" 413 " in reply.splitlines()[0]
    assert_unharmed(service, keys, folder)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b'"\\ud800"'])
def test_json_that_is_meant_to_hurt(service: Target, keys: dict[str, str], hers: dict, body: bytes):
    answer = service.ask(
        f"/v1/analyses/{hers['id']}",
        method="PATCH",
        body=body,
        headers={"Content-Type": "application/json"},
        key=keys["alice"],
    )
    assert (answer.status, answer.code) == (400, "bad_request")


def test_text_that_no_database_takes(service: Target, keys: dict[str, str], hers: dict):
    for field in ("name", "notes"):
        for text in ("a\x00b", "a\ud800b", "\uffff"):
            answer = service.ask(
                f"/v1/analyses/{hers['id']}",
                method="PATCH",
                json_body={field: text},
                key=keys["alice"],
            )
            assert answer.status in (200, 400), answer.body
    service.ask(
        f"/v1/analyses/{hers['id']}",
        method="PATCH",
        json_body={"name": SECRET_NAME, "notes": NOTE},
        key=keys["alice"],
    )
    for query in ("q=%00", "name=%00", "label=%ED%A0%80", "q=%22*%20OR%20NEAR(", "cursor=%FF"):
        assert service.ask(f"/v1/analyses?{query}", key=keys["alice"]).status in (200, 400)
    for query in ("since=0001-01-01T00:00:00%2B23:59", "until=9999-12-31T23:59:59-23:59"):
        assert service.ask(f"/v1/analyses?{query}", key=keys["alice"]).status in (200, 400)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
        ("multipart/form-data; boundary=", b""),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n" * 1000),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"a" * 500_000),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 100_000),
        ("application/json", b"{}"),
        ("text/plain", b"x"),
        ("", b"x"),
    ],
)
def test_forms_that_are_none(service: Target, keys: dict[str, str], kind: str, body: bytes):
    for path in ("/v1/predict", "/v1/analyses"):
        answer = service.ask(
            path, method="POST", body=body, headers={"Content-Type": kind}, key=keys["alice"]
        )
        assert answer.status in (400, 415), answer.body
        assert answer.code


def test_oversized_headers(service: Target, keys: dict[str, str], folder: Path):
    start = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
    for request in (
        start + b"X-Large: " + b"x" * 40_000 + b"\r\n\r\n",
        start + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        start + b"Authorization: Bearer " + b"x" * 1_000_000,
    ):
        reply = service.raw(request)
        assert b" 431 " in reply.splitlines()[0], reply[:200]
        assert b'"headers_too_large"' in reply
    assert_unharmed(service, keys, folder)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
        b"GET / SPDY/3\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\nab",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX y: z\r\n\r\n",
    ],
)
def test_what_is_no_http(service: Target, request_bytes: bytes):
    reply = service.raw(request_bytes)
    assert int(reply.split(b" ", 2)[1]) in (400, 501), reply[:200]


def test_half_sent_uploads_stand_in_nobodys_way(
    service: Target, keys: dict[str, str], folder: Path
):
    """Slow-loris: many recordings that never end, and requests whose headers never do."""
    upload = (
        f"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys['bob']}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
    )
    held = []
    try:
        for number in range(180):
            held.append(service.connect())
            held[-1].sendall(b"GET / HTTP/1.1\r\nX-" if number % 2 else upload.encode())
        began = time.monotonic()
        assert whole(service, keys["alice"]).status == 200
        assert time.monotonic() - began < 12  # headers are waited for for 15 s
        for connection in held:
            with contextlib.suppress(ConnectionError):  # on a slow machine they are past that
                connection.sendall(b"a")
        # Bob has used up what he may have open; that is his, and nobody else's.
        began, statuses = time.monotonic(), set()
        while len(held) < 400 and 429 not in statuses:
            held.append(service.connect())
            held[-1].sendall(upload.encode())
            statuses.add(service.ask("/v1/models", key=keys["bob"]).status)
        assert 429 in statuses
        assert service.ask("/v1/models", key=keys["alice"]).status == 200
    finally:
        for connection in held:
            connection.close()
    assert_unharmed(service, keys, folder)


# Pages of other sites


def test_pages_of_other_sites(service: Target, keys: dict[str, str]):
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        for method in ("GET", "POST", "OPTIONS"):
            answer = service.ask("/v1/analyses", method=method, headers=headers, key=keys["alice"])
            assert (answer.status, answer.code) == (403, "cross_site")
            allowed = {name for name in answer.headers if name.lower().startswith("access-control")}
            assert not allowed
    answer = service.ask("/v1/service", headers={"Host": f"evil.example:{service.port}"})
    assert (answer.status, answer.code) == (421, "unknown_host")


@pytest.mark.parametrize(
    "headers",
    [
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: evil.example\r\nOrigin: http://evil.example\r\n",
    ],
)
def test_websockets_of_other_sites(service: Target, keys: dict[str, str], headers: str):
    reply = service.raw(
        f"GET /v1/realtime HTTP/1.1\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: emotone.v1\r\n"
        f"Authorization: Bearer {keys['alice']}\r\n\r\n".encode(),
    )
    assert int(reply.split(b" ", 2)[1]) == 403


# What stays behind


def test_the_folder_is_its_owners_alone(service: Target, folder: Path, hers: dict):
    if sys.platform == "win32":
        pytest.skip("Windows has no such modes")
    assert folder.stat().st_mode & 0o077 == 0
    kept = folder / "recordings" / hers["id"]
    assert kept.is_dir()
    for path in (kept, *kept.iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_neither_logs_nor_metrics_tell_of_anybody(
    service: Target, keys: dict[str, str], hers: dict
):
    assert hers["name"] == SECRET_NAME
    lines = [json.loads(line) for line in service.lines if line.startswith("{")]
    assert any(line["event"] == "request" for line in lines)
    figures = service.ask("/metrics", key=keys["admin"]).body.decode()
    secrets = [SECRET_NAME, "Beispiel", NOTE, *(key.split("_")[2] for key in keys.values())]
    for secret in secrets:
        assert secret not in service.log
        assert secret not in figures
    assert 'route="/v1/analyses/{id}"' in figures
    assert hers["id"] not in figures
    for name in (
        "emotone_requests_total",
        "emotone_request_seconds_bucket",
        "emotone_queue_analyses",
        "emotone_live_sessions",
        "emotone_real_time_factor_bucket",
    ):
        assert name in figures
