"""Live sessions over connections: what each says goes to its session, what is heard comes back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from emotone.errors import EmotoneError
from emotone.features.job import cores
from emotone.server.caller import Caller, admit, allow, bearer, still_holds
from emotone.server.errors import RequestError
from emotone.server.metrics import Metrics
from emotone.server.models import Models
from emotone.server.realtime import messages
from emotone.server.realtime.batching import Batching, Failed
from emotone.server.realtime.effects import Admit, Effect, End, Finish, Hear, Listen, Send, Told
from emotone.server.realtime.limits import DEFAULT_LIMITS, Limits
from emotone.server.realtime.lines import Line
from emotone.server.realtime.protocol import CODES, SUBPROTOCOL, Code, encoded
from emotone.server.realtime.session import Session
from emotone.server.security.rates import Slots
from emotone.server.settings import ServerSettings

_LOG = logging.getLogger("emotone.server")

LEAST_SHARE = 0.25
"""Share of the windows that a stream should have heard; with less, no more sessions are taken."""

MOST_UNREAD_BYTES = 1024 * 1024
"""Of events that a client does not read."""

MOST_WAITING_BYTES = 512 * 1024**2
"""Of sound of all sessions together; beyond that the one that has the most waiting is ended."""

STRANGERS = 64
"""Connections that may be open without having shown a key that is asked for."""

MOST_THREADS = 4
"""That hear, unless more are asked for: they share Python's lock with all else."""

_TICK_S = 1.0
_WATCH_S, _NOTE_EVERY = 0.1, 50
_GOODBYE_S = 2.0
"""Seconds for the last messages to be written."""


class Realtime:
    """All live sessions of a service. Those of one model are heard together.

    Parameters
    ----------
    settings
        How many there may be, and how many threads hear them.
    models
        That sessions choose from.
    metrics
        Where sessions are counted.
    limits
        What one session may do.

    Attributes
    ----------
    batching
        What hears them.
    """

    def __init__(
        self,
        settings: ServerSettings,
        models: Models,
        metrics: Metrics,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.models, self.metrics, self.limits = models, metrics, limits
        self.slots = Slots(settings.live_each, settings.live_all)
        self.strangers = Slots(STRANGERS, STRANGERS)
        threads = settings.live_threads or max(1, min(MOST_THREADS, cores()))
        self.batching = Batching(self._told, threads=threads)
        self._connections: dict[Line, Connection] = {}
        self._open: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closing = False
        metrics.live_now.set_function(self.__len__)

    def __len__(self) -> int:
        return len(self.slots)

    async def start(self) -> None:
        """Begin to hear; with all models loaded, so that the first words need not wait."""
        from emotone.live.session import warm_up

        self._loop = asyncio.get_running_loop()
        self.batching.start()
        for name in self.models.names:
            await run_in_threadpool(warm_up, self.models.get(name))
        self._watching = asyncio.create_task(self._watch())

    async def shut(self) -> None:
        """Take no more sessions, and end those that there are; what came in is heard first."""
        self._closing = True
        for connection in tuple(self._open):
            connection.shut()
        until = time.monotonic() + _GOODBYE_S
        while self._open and time.monotonic() < until:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End all sessions and the threads."""
        await self.shut()
        if self._watching is None:
            return
        self._watching.cancel()
        await run_in_threadpool(self.batching.stop)

    async def serve(self, websocket: WebSocket) -> None:
        """One session, from the handshake to its end."""
        offered = websocket.scope["subprotocols"]
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await websocket.accept(subprotocol=chosen)
        connection = Connection(self, websocket)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)

    def refusal(self) -> tuple[Code, str] | None:
        """Why no further session is taken; None if one is."""
        if self._closing:
            return "shutting_down", "the service stops. Connect again in a while."
        if self.batching.share < LEAST_SHARE:
            return "server_busy", "too many live sessions speak. Connect again in a while."
        return None

    def listen(self, connection: Connection, asked: Listen) -> Line:
        """A line for the sound of a connection."""
        recognizer = self.models.get(asked.model)
        line = self.batching.open(recognizer, asked.rate, asked.settings)
        self._connections[line] = connection
        return line

    def hang_up(self, line: Line) -> None:
        """Hear nothing more of it."""
        self._connections.pop(line, None)
        self.batching.drop(line)

    def _told(self, outcomes: Sequence[tuple[Line, Told | Failed]]) -> None:
        """On a thread of the batching."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop may be closed
            self._loop.call_soon_threadsafe(self._pass_on, outcomes)

    def _pass_on(self, outcomes: Sequence[tuple[Line, Told | Failed]]) -> None:
        for line, outcome in outcomes:
            connection = self._connections.get(line)
            if connection is not None:
                connection.heard(outcome)

    async def _watch(self) -> None:
        """See to it that what waits fits into memory; and count what was heard, now and then."""
        audio_s = busy_s = 0.0
        for turn in itertools.count(1):
            await asyncio.sleep(_WATCH_S)
            if self.batching.waiting_bytes > MOST_WAITING_BYTES and self._open:
                most = max(self._open, key=lambda each: each.waiting_bytes)
                most.break_off("server_busy", "too much sound waits. Connect again in a while.")
            if turn % _NOTE_EVERY:
                continue
            await self._check_keys()
            figures = self.batching.figures
            heard_s, spent_s = figures.audio_s - audio_s, figures.busy_s - busy_s
            if heard_s > 0:
                self.metrics.heard_s.labels("live").inc(heard_s)
                self.metrics.factor.labels("live").observe(spent_s / heard_s)
            audio_s, busy_s = audio_s + heard_s, busy_s + spent_s

    async def _check_keys(self) -> None:
        """End the sessions that would not be let in now.

        Their key has been revoked, or has expired, since they began; or they have none, and the
        first key was made.
        """
        held: dict[str | None, bool] = {}
        for connection in tuple(self._open):
            caller = connection.caller
            if caller is None:
                continue
            try:
                if caller.key_id not in held:
                    held[caller.key_id] = await still_holds(connection.websocket, caller)
            except Exception:  # such as a store that is away for a while
                _LOG.exception("a key was not checked")
                return
            if not held[caller.key_id]:
                why = "the key was revoked or has expired."
                if caller.key_id is None:
                    why = "this service asks for a key now."
                connection.break_off("unauthorised", why)


class Connection:
    """One client: carries out what its session wants done.

    Parameters
    ----------
    realtime
        Whose connection it is.
    websocket
        It was accepted.

    Attributes
    ----------
    caller
        Who was let in; None until somebody is.
    """

    def __init__(self, realtime: Realtime, websocket: WebSocket) -> None:
        self._realtime, self.websocket = realtime, websocket
        self.caller: Caller | None = None
        self._session = Session(realtime.models, realtime.limits)
        self._line: Line | None = None
        self._slot: tuple[Slots, str] | None = None
        self._unsent: deque[str] = deque()
        self._unsent_bytes = 0
        self._close_code: int | None = None
        self._to_write = asyncio.Event()
        self._reason = "dropped"

    async def run(self) -> None:
        """Until the session or the connection ends."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_TICK_S, self._tick, loop)
        self._timer = timer
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        try:
            # Whoever sends on after the end of a session is not listened to; whoever is gone has
            # nothing written.
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            if self._close_code is not None:
                await asyncio.wait({writing}, timeout=_GOODBYE_S)
        finally:
            self._timer.cancel()
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            self._let_go()

    def heard(self, outcome: Told | Failed) -> None:
        """The line was heard a little further."""
        try:
            if isinstance(outcome, Failed):
                self._do(self._session.failed())
            else:
                self._do(self._session.heard(outcome))
        except Exception:  # nobody waits for this; the session must not hang
            _LOG.exception("a live session failed")
            self._do(self._session.failed())

    @property
    def waiting_bytes(self) -> int:
        """Of its sound that was not heard yet."""
        return 0 if self._line is None else self._line.waiting_bytes

    def break_off(self, code: Code, message: str) -> None:
        """End it at once."""
        self._do(self._session.broken_off(code, message))

    def shut(self) -> None:
        """The service is about to stop."""
        self._do(self._session.shut())

    # -- within

    async def _read(self) -> None:
        try:
            await self._open()
            while self._session.state != "closed":
                message = await self.websocket.receive()
                if message["type"] != "websocket.receive":
                    return
                pcm = message.get("bytes")
                if pcm is not None:
                    self._do(self._session.binary(pcm))
                else:
                    await self._do_all(self._session.text(message["text"]))
        except Exception:
            _LOG.exception("a live session failed")
            self._do(self._session.failed())

    async def _open(self) -> None:
        """Find out who is there, if the handshake tells."""
        try:
            token = bearer(self.websocket)
        except RequestError as error:
            self._refuse(error)
            return
        try:
            caller = await self._admitted(token)
        except RequestError as error:
            if token is not None or error.code != "unauthorised":
                self._refuse(error)
            elif self._takes(self._realtime.strangers, "", "server_busy"):
                self._do(self._session.open(authorised=False))
            return
        if self._takes_session(caller):
            self._do(self._session.open(authorised=True))

    async def _do_all(self, effects: list[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Admit):
                self._do([effect])
                continue
            try:
                caller = await self._admitted(effect.key)
            except RequestError as error:
                self._refuse(error)
            else:
                if self._takes_session(caller):
                    self._do(self._session.admitted())

    async def _admitted(self, token: str | None) -> Caller:
        return allow(await admit(self.websocket, token), "write")

    def _refuse(self, error: EmotoneError) -> None:
        code: Code = next((code for code in CODES if code == error.code), "unauthorised")
        self._do(self._session.refused(code, str(error)))

    def _takes_session(self, caller: Caller) -> bool:
        refusal = self._realtime.refusal()
        if refusal is not None:
            self._do(self._session.refused(*refusal))
            return False
        taken = self._takes(
            self._realtime.slots, caller.key_id or caller.owner, "too_many_sessions"
        )
        if taken:
            self.caller = caller
        return taken

    def _takes(self, slots: Slots, name: str, code: Code) -> bool:
        """Take a slot in place of the one that is held, or refuse the session."""
        if not slots.take(name):
            what = "there are too many sessions. Close one, or connect again in a while."
            self._do(self._session.refused(code, what))
            return False
        self._give_back()
        self._slot = slots, name
        return True

    def _give_back(self) -> None:
        if self._slot is not None:
            slots, name = self._slot
            slots.give_back(name)
            self._slot = None

    def _do(self, effects: list[Effect]) -> None:
        """What the session wants done, at once."""
        for effect in effects:
            if isinstance(effect, Hear):
                assert self._line is not None
                self._realtime.batching.put(self._line, effect.pcm, time.monotonic())
            elif isinstance(effect, Send):
                self._send(effect.message)
            elif isinstance(effect, Listen):
                self._line = self._realtime.listen(self, effect)
            elif isinstance(effect, Finish):
                assert self._line is not None
                self._realtime.batching.finish(self._line)
            elif isinstance(effect, End):
                self._close_code = effect.close_code
                self._to_write.set()

    def _send(self, message: messages.ServerMessage) -> None:
        if isinstance(message, messages.Closed):
            self._reason = message.reason
        if isinstance(message, messages.Measurement):
            self._realtime.metrics.live_s.observe(message.latency_ms / 1000)
        text = encoded(message)
        self._unsent.append(text)
        self._unsent_bytes += len(text)
        self._to_write.set()
        if self._unsent_bytes > MOST_UNREAD_BYTES and self._session.state != "closed":
            self._unsent.clear()
            self._unsent_bytes = 0
            self.break_off("not_reading", "the events are not read.")

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, OSError):
            while True:
                await self._to_write.wait()
                self._to_write.clear()
                while self._unsent:
                    text = self._unsent.popleft()
                    self._unsent_bytes -= len(text)
                    await self.websocket.send_text(text)
                if self._close_code is not None and not self._unsent:
                    await self.websocket.close(self._close_code)
                    return

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        lag_s = 0.0 if self._line is None else self._realtime.batching.lag_s(self._line)
        self._do(self._session.tick(lag_s))
        self._timer = loop.call_later(_TICK_S, self._tick, loop)

    def _let_go(self) -> None:
        """The connection is over."""
        if self._line is not None:
            self._realtime.hang_up(self._line)
        self._give_back()
        self._realtime.metrics.live_sessions.labels(self._reason).inc()
        totals = self._session.totals.to_dict() | {"reason": self._reason}
        _LOG.info("live session ended", extra={k: v for k, v in totals.items() if k != "type"})
