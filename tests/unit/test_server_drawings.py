"""Drawings wait for each other, and nothing else waits for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from emotone.server import drawing
from emotone.server.drawing import Drawings
from emotone.server.errors import RequestError
from emotone.server.processes import WorkerDiedError, WorkerTookTooLongError
from emotone.server.settings import ServerSettings


class Pens:
    """Stands in for worker processes, and says how many there are and work."""

    def __init__(self) -> None:
        self.started = self.working = self.most = 0
        self.fault: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    def __call__(self, setup: Any) -> Pen:
        return Pen(self)


class Pen:
    def __init__(self, pens: Pens) -> None:
        self.pens, self.alive, self.spent, self.answered = pens, False, False, 0

    async def start(self) -> None:
        self.pens.started += 1
        self.alive = True

    async def ask(self, task: Any, *, time_s: float) -> dict[str, Any]:
        self.pens.working += 1
        self.pens.most = max(self.pens.most, self.pens.working)
        try:
            await self.pens.may_end.wait()
            if self.pens.fault is not None:
                self.alive = False
                raise self.pens.fault
        finally:
            self.pens.working -= 1
        self.answered += 1
        return {"answer": {}}

    async def kill(self) -> None:
        self.alive = False


@pytest.fixture
def pens(monkeypatch: pytest.MonkeyPatch) -> Pens:
    found = Pens()
    monkeypatch.setattr(drawing, "Process", found)
    return found


@pytest.fixture
def drawings(pens: Pens, tmp_path: Path) -> Drawings:
    return Drawings(ServerSettings(folder=tmp_path))


async def draw(drawings: Drawings, owner: str, form: str = "png") -> Path:
    async with drawings.turn(owner):
        return await drawings.draw(Path("here"), form, "talk.wav")


def test_one_is_drawn_and_one_of_each_owner_waits(drawings: Drawings, pens: Pens) -> None:
    async def go() -> list[Any]:
        pens.may_end.clear()
        owners = ("ann", "ann", "ann", "bob", "bob")
        asked = [asyncio.ensure_future(draw(drawings, owner)) for owner in owners]
        await asyncio.sleep(0.05)
        assert [each.done() for each in asked] == [False, False, True, False, True]
        pens.may_end.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(go())
    assert [type(each) is RequestError for each in found] == [False, False, True, False, True]
    for refused in (found[2], found[4]):
        assert (refused.status, refused.code) == (429, "too_many_at_once")
        assert refused.headers["Retry-After"]
    assert found[0] == Path("here/out")
    assert (pens.most, pens.started) == (1, 1)


def test_none_waits_for_ever(
    drawings: Drawings, pens: Pens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_WAIT_S", 0.05)
    monkeypatch.setattr(drawing, "_MOST_WAITING", 1)

    async def go() -> None:
        pens.may_end.clear()
        first = asyncio.ensure_future(draw(drawings, "ann"))
        await asyncio.sleep(0.01)
        waits = asyncio.ensure_future(draw(drawings, "bob"))
        await asyncio.sleep(0.01)
        for refused in (draw(drawings, "cem"), waits):
            with pytest.raises(RequestError) as found:
                await refused
            assert (found.value.status, found.value.code) == (503, "server_busy")
            assert found.value.headers["Retry-After"]
        pens.may_end.set()
        await first
        await draw(drawings, "bob")  # whose turn is not lost

    asyncio.run(go())


@pytest.mark.parametrize(
    ("fault", "form", "code", "message"),
    [
        (WorkerTookTooLongError(), "png", "took_too_long", "the picture takes too long to make"),
        (WorkerTookTooLongError(), "html", "took_too_long", "the page takes too long to make"),
        (WorkerDiedError(-9), "svg", "worker_died", "the process that made the picture broke down"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_the_next_is_drawn(
    drawings: Drawings, pens: Pens, fault: Exception, form: str, code: str, message: str
) -> None:
    async def go() -> None:
        pens.fault = fault
        with pytest.raises(RequestError) as found:
            await draw(drawings, "ann", form)
        error = found.value
        assert (error.status, error.code, error.cause) == (422, code, message)
        assert error.remedy == "Ask for csv or json."
        pens.fault = None
        await draw(drawings, "ann", form)
        await drawings.close()

    asyncio.run(go())
    assert pens.started == 2
