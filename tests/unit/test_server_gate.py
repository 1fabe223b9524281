"""Who gets past the guards of the service, and with how much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from emotone.server.caller import LOCAL, Caller, unauthorised
from emotone.server.errors import RequestError
from emotone.server.security import bodies as bodies_module
from emotone.server.security.admission import Admission
from emotone.server.security.bodies import Bodies, Patience
from emotone.server.security.headers import SafeHeaders
from emotone.server.security.hosts import Gate
from emotone.server.security.rates import Slots

App = Callable[..., Awaitable[None]]
KEY = Caller("hers", frozenset({"read"}), "k")


def scope_of(
    method: str = "GET",
    path: str = "/v1/models",
    headers: Iterable[tuple[str, str]] = (),
    *,
    host: str | None = "127.0.0.1:8000",
    kind: str = "http",
    scheme: str = "http",
) -> dict[str, Any]:
    found = [] if host is None else [(b"host", host.encode("latin-1"))]
    found += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "method": method, "path": path, "headers": found, "scheme": scheme}
    if kind == "websocket":
        scope["scheme"] = "ws"
        del scope["method"]
    return scope


async def nothing_more() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


def body_of(*pieces: bytes, delays: Iterable[float] = ()) -> Callable[[], Awaitable[dict]]:
    """What receives these pieces, each after a delay."""
    left, waits = list(pieces), list(delays)

    async def receive() -> dict[str, Any]:
        if not left:
            return await nothing_more()
        if waits:
            await asyncio.sleep(waits.pop(0))
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


async def answers(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that reads the whole body and says how long it is."""
    count, more = 0, scope["type"] == "http" and scope["method"] != "GET"
    while more:
        message = await receive()
        count += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})


def asked(app: App, scope: dict[str, Any], receive: Any = nothing_more) -> tuple[int, dict, bytes]:
    """Status, headers and body of the answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    if scope["type"] == "websocket":
        assert sent == [{"type": "websocket.close", "code": 1008}]
        return 403, {}, b""
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


def code(body: bytes) -> str:
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "remedy"}
    return error["code"]


GATE = Gate(answers, names=["emotone.example", "Box."])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000",
        "127.0.0.1",
        "localhost:8000",
        "LOCALHOST:8000",
        "localhost.:8000",
        "app.localhost:8000",
        "[::1]:8000",
        "[::1]",
        "192.168.1.7:8000",  # an address is no name that can be pointed elsewhere
        "emotone.example",
        "EMOTONE.example:443",
        "box:8000",
    ],
)
def test_names_that_the_service_goes_by(host: str):
    assert asked(GATE, scope_of(host=host))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "evil.example@127.0.0.1",
        "127.0.0.1:8000/evil.example",
        "127.0.0.1:99999",
        "[::1",
        "127.0.0.1?x",
        "127.0.0.1\tx",
        "x.emotone.example",
        "2130706433.",
        "0x7f.1",
        "٣.example",
    ],
)
def test_any_other_name_is_refused_against_dns_rebinding(host: str | None):
    scope = scope_of()
    scope["headers"] = [] if host is None else [(b"host", host.encode("utf-8"))]
    status, _, body = asked(GATE, scope)
    assert status == 421
    assert code(body) == "unknown_host"


def test_two_host_headers_are_refused():
    assert asked(GATE, scope_of(headers=[("Host", "evil.example")]))[0] == 421


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "http://localhost:8000"},  # another name is another site
        {"Origin": "https://127.0.0.1.evil.example:8000"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "file://"},
        {"Origin": "http://127.0.0.1:8000@evil.example"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "audio"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_pages_of_other_sites_are_refused(headers: dict[str, str], kind: str):
    for method in ("GET", "POST", "DELETE"):
        status, _, body = asked(GATE, scope_of(method, headers=headers.items(), kind=kind))
        assert status == 403
        assert kind == "websocket" or code(body) == "cross_site"


def test_two_origins_are_refused():
    headers = [("Origin", "http://127.0.0.1:8000"), ("Origin", "http://evil.example")]
    assert asked(GATE, scope_of("POST", headers=headers))[0] == 403


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("127.0.0.1:8000", {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}),
        ("127.0.0.1:8000", {"Sec-Fetch-Site": "none"}),
        ("127.0.0.1", {"Origin": "http://127.0.0.1:80"}),
        ("[::1]:8000", {"Origin": "http://[::1]:8000"}),
        # A proxy that speaks TLS, and hands the name on.
        ("emotone.example", {"Origin": "https://emotone.example"}),
        ("emotone.example:443", {"Origin": "https://emotone.example"}),
    ],
)
def test_its_own_page_gets_in(host: str, headers: dict[str, str]):
    assert asked(GATE, scope_of("GET", host=host, headers=headers.items()))[0] == 200


def test_a_link_from_elsewhere_opens_the_page_and_does_nothing():
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    link |= {"Sec-Fetch-Dest": "document"}
    assert asked(GATE, scope_of("GET", "/", link.items()))[0] == 200
    form = [("Origin", "http://evil.example"), *link.items()]
    assert asked(GATE, scope_of("POST", "/v1/analyses", form))[0] == 403
    assert asked(GATE, scope_of("POST", "/v1/analyses", link.items()))[0] == 403


def test_every_answer_has_the_headers():
    status, headers, _ = asked(SafeHeaders(Gate(answers)), scope_of(host="evil.example"))
    assert status == 421
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert not any(
        loose in headers["content-security-policy"] for loose in ("unsafe", "http", "*", "eval")
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert not any(name.startswith("access-control") for name in headers)
    assert "strict-transport-security" not in headers
    assert "cache-control" not in asked(SafeHeaders(answers), scope_of(path="/app.js"))[1]
    over_tls = asked(SafeHeaders(answers), scope_of(scheme="https"))[1]
    assert "max-age" in over_tls["strict-transport-security"]


class Ring:
    """Knows one key, and takes note of what it was asked."""

    def __init__(self, *, demanded: bool = True) -> None:
        self.demanded, self.seen = demanded, []

    def admit(self, token: str | None) -> Caller:
        self.seen.append(token)
        if token == "true":
            return KEY
        if token == "fast":
            raise RequestError("no", status=429, code="too_many_requests", headers={"a": "b"})
        if token is None and not self.demanded:
            return LOCAL
        raise unauthorised("no")


async def tells_caller(scope: dict[str, Any], receive: Any, send: Any) -> None:
    who = scope.get("state", {}).get("caller")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (who.owner if who else "-").encode()})


def test_who_asks_is_known_before_the_body_is_read():
    async def never() -> dict[str, Any]:
        raise AssertionError("read from somebody unknown")

    app = Admission(answers, keyring=Ring(), slots=Slots(9, 9))
    for headers in ([], [("Authorization", "Bearer false")], [("Authorization", "Basic x")]):
        status, found, body = asked(app, scope_of("POST", "/v1/analyses", headers), never)
        assert status == 401
        assert code(body) == "unauthorised"
        assert found["www-authenticate"].startswith("Bearer")
        assert found["connection"] == "close"
    status, found, _ = asked(app, scope_of(headers=[("Authorization", "Bearer fast")]), never)
    assert (status, found["a"]) == (429, "b")


def test_the_caller_is_handed_on():
    app = Admission(tells_caller, keyring=Ring(), slots=Slots(9, 9))
    for header in ("Bearer true", "bearer true", "BEARER  true "):
        assert asked(app, scope_of(headers=[("Authorization", header)]))[2] == b"hers"
    app = Admission(tells_caller, keyring=Ring(demanded=False), slots=Slots(9, 9))
    assert asked(app, scope_of())[2] == b"local"
    assert asked(app, scope_of(headers=[("Authorization", "Bearer false")]))[0] == 401


def test_what_anyone_may_ask():
    ring = Ring()
    app = Admission(tells_caller, keyring=ring, slots=Slots(9, 9))
    for path in ("/", "/assets/app.js", "/healthz", "/readyz"):
        assert asked(app, scope_of(path=path))[2] == b"-"
    assert ring.seen == []  # the page costs the store nothing
    assert asked(app, scope_of(path="/v1/service"))[2] == b"-"
    assert (
        asked(app, scope_of(path="/v1/service", headers=[("Authorization", "Bearer no")]))[0] == 401
    )
    for path in ("/metrics", "/v1", "/v1/openapi.json", "/v1/service/", "/v1/nothing"):
        assert asked(app, scope_of(path=path))[0] == 401


def bodies(app: App = answers, **options: Any) -> Bodies:
    def upload_bytes(method: str, path: str) -> int | None:
        return 1000 if (method, path) == ("POST", "/v1/analyses") else None

    settings = {"other_bytes": 100, "room_bytes": 0}
    return Bodies(app, upload_bytes=upload_bytes, **(settings | options))


def upload(*headers: tuple[str, str]) -> dict[str, Any]:
    return scope_of("POST", "/v1/analyses", headers)


def test_a_body_of_the_largest_size_gets_in_and_one_byte_more_does_not():
    app = bodies()
    assert asked(app, upload(), body_of(b"x" * 600, b"x" * 400))[2] == b"1000"
    status, headers, body = asked(app, upload(), body_of(b"x" * 600, b"x" * 401))
    assert status == 413
    assert code(body) == "too_large"
    assert headers["connection"] == "close"
    patch = scope_of("PATCH", "/v1/analyses/1")
    assert asked(app, patch, body_of(b"x" * 100))[0] == 200
    assert "recording" in json.loads(body)["error"]["remedy"]
    status, _, body = asked(app, patch, body_of(b"x" * 101))
    assert (status, code(body)) == (413, "too_large")
    assert json.loads(body)["error"]["remedy"] == "Send less text."  # nobody sent a recording


@pytest.mark.parametrize("length", ["1001", "9" * 18, "9" * 19, "9" * 5000])
def test_a_declared_length_is_believed_at_once(length: str):
    status, _, body = asked(bodies(), upload(("Content-Length", length)))
    assert status == 413
    assert code(body) == "too_large"


@pytest.mark.parametrize("declared", [True, False])
def test_what_is_too_large_is_told_the_limit_without_the_room_for_the_form(declared: bool):
    app = bodies(room_bytes=500)
    assert asked(app, upload(), body_of(b"x" * 1500))[0] == 200  # the form and what is around it
    headers = [("Content-Length", "1501")] if declared else []
    status, _, body = asked(app, upload(*headers), body_of(b"x" * 1501))
    assert status == 413
    said = json.loads(body)["error"]["message"]
    assert said == "the request has more than the 1000 bytes that are taken."


def test_a_route_cannot_hide_that_a_body_broke_off():
    async def shy(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await answers(scope, receive, send)
        except Exception:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"parse error"})

    assert asked(bodies(shy), upload(), body_of(b"x" * 1001))[0] == 413


def test_other_faults_of_a_route_are_its_own():
    async def faulty(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked(bodies(faulty), upload())


class Sudden(asyncio.SelectorEventLoop):
    """An event loop whose waits take no time, and its clock tells that they did."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        look = self._selector.select

        def select(timeout: float | None = None) -> Any:
            assert timeout is not None, "it would wait for ever"
            self.now += timeout
            return look(0)

        self._selector.select = select

    def time(self) -> float:
        return self.now


@pytest.fixture
def sudden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds pass at once, and no machine is too slow for them."""

    def run(work: Any) -> None:
        loop = Sudden()
        monkeypatch.setattr(bodies_module, "time", SimpleNamespace(monotonic=loop.time))
        try:
            loop.run_until_complete(work)
        finally:
            loop.close()

    monkeypatch.setattr(asyncio, "run", run)


@pytest.mark.usefixtures("sudden")
def test_a_body_that_stops_or_trickles_is_given_up():
    patience = Patience(idle_s=0.1, grace_s=0.25, bytes_per_s=1e6)
    stops = asked(bodies(patience=patience), upload(), body_of(b"x", b"x", delays=[0, 0.2]))
    assert stops[0] == 408
    trickle = body_of(*[b"x"] * 50, delays=[0.05] * 50)
    status, headers, body = asked(bodies(patience=patience), upload(), trickle)
    assert (status, code(body), headers["connection"]) == (408, "too_slow", "close")
    steady = body_of(*[b"x"] * 5, delays=[0.02] * 5)
    assert asked(bodies(patience=patience), upload(), steady)[0] == 200


@pytest.mark.usefixtures("sudden")
def test_time_that_a_route_takes_is_not_the_clients():
    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.2)
        await receive()
        await answers(scope | {"method": "GET"}, receive, send)

    patience = Patience(idle_s=0.1, grace_s=0.1, bytes_per_s=1e6)
    assert asked(bodies(slow, patience=patience), upload(), body_of(b"x", b"x"))[0] == 200


@pytest.mark.usefixtures("sudden")
def test_a_client_that_only_listens_is_not_hurried():
    async def listens(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receive(), 0.2)
        await answers(scope | {"method": "GET"}, receive, send)

    patience = Patience(idle_s=0.05, grace_s=0.05)
    assert asked(bodies(listens, patience=patience), scope_of(), body_of(b""))[0] == 200


def test_as_many_requests_at_once_as_there_are_slots():
    async def scenario() -> list[int]:
        slots, hold = Slots(2, 3), asyncio.Event()
        statuses: list[int] = []

        async def waits(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await hold.wait()
            await tells_caller(scope, receive, send)

        class Owners:
            def admit(self, token: str | None) -> Caller:
                return Caller(str(token), frozenset())

        app = Admission(waits, keyring=Owners(), slots=slots)

        async def one(owner: str) -> None:
            async def send(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                    if message["status"] == 429:
                        assert (b"retry-after", b"2") in message["headers"]

            await app(scope_of(headers=[("Authorization", f"Bearer {owner}")]), None, send)

        tasks = [asyncio.create_task(one(owner)) for owner in ("a", "a", "a", "b", "b", "c")]
        while len(statuses) < 3:
            await asyncio.sleep(0.01)
        assert len(slots) == 3
        hold.set()
        await asyncio.gather(*tasks)
        assert len(slots) == 0
        return statuses

    # The third of a; then the second of b and the one of c, since there are three for all.
    assert sorted(asyncio.run(scenario())) == [200, 200, 200, 429, 429, 429]
