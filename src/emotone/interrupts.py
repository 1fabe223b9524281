"""Ctrl-C where libraries would lose it, and other requests to end as if they were one."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

Item = TypeVar("Item")
AGAIN_S = 1.0
"""Seconds after which a second press is meant as one."""

_SOON_S = 0.01
"""After which a request that was lost falls again."""

_now = time.monotonic

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class _Request:
    """The request to end that came last.

    Attributes
    ----------
    number
        The signal's number, where it was something else than Ctrl-C.
    raised
        Whether it became an exception.
    lost
        Whether it was lost or put off, and is still to fall again.
    put_off_since
        When it was first put off.
    again
        Whether the signal that comes next is one that falls again, and not a person's.
    """

    number: int | None = None
    raised = False
    lost = False
    put_off_since: float | None = None
    again = False

    @classmethod
    def falls(cls) -> None:
        """It becomes an exception now."""
        cls.raised, cls.lost, cls.put_off_since = True, False, None


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    _Request.number = number
    signal.raise_signal(signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Where it is in the place of Python's own handler, asyncio does not cancel tasks at Ctrl-C.
    if not _put_off(signal.Signals(number), frame):
        signal.default_int_handler(number, frame)


_INTERRUPTING = (signal.default_int_handler, _interrupt)
"""What raises KeyboardInterrupt at Ctrl-C."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let a request to terminate, or a closed terminal, end the block as Ctrl-C does.

    What is under way is put away as it is then: progress is written down, unfinished files are
    removed. Where Ctrl-C is ignored, as in the background of a script, or another's to handle, all
    stays as it is. A request that falls where Python can only print it falls again.
    """
    _Request.number, _Request.raised = None, False
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) not in _INTERRUPTING:
        yield
        return
    taken = []
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _as_interrupt)
            taken.append(number)
    try:
        with unlost():
            yield
    finally:
        for number in taken:
            if signal.getsignal(number) is _as_interrupt:
                signal.signal(number, signal.SIG_DFL)


def end_at_request() -> None:
    """Let a request to terminate raise `SystemExit`, for a process that answers another one.

    What is open is then closed and taken away, as after an error. Blocks that are `deferred` or
    `heeded` treat it as they do Ctrl-C, and it is not lost either (`unlost`).
    """
    signal.signal(signal.SIGTERM, _leave)
    _fall_again({SystemExit: signal.SIGTERM})


def _leave(number: int, frame: FrameType | None) -> None:
    if not _put_off(signal.Signals(number), frame):
        sys.exit(0)


@contextmanager
def unlost() -> Iterator[None]:
    """Let Ctrl-C fall again, within the block, where Python prints the exception and goes on.

    That is in callbacks of C code, in `__del__`, and in callbacks of weak references. It falls
    a hundredth of a second later, and again if that is such a place too; at the end of the block
    at the latest. While an extension module is loaded it waits for that, since they drop the
    exception or make an ImportError of it; a second press, `AGAIN_S` or more later, does not.
    """
    before = _fall_again({KeyboardInterrupt: signal.SIGINT})
    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        _Request.raised = False
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if ours and signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = before
        if _Request.lost:
            _Request.falls()
            raise KeyboardInterrupt


def _put_off(number: signal.Signals, frame: FrameType | None) -> bool:
    """Let a request fall again a moment later if an extension module is being loaded."""
    now, since = _now(), _Request.put_off_since
    again, _Request.again = _Request.again, False
    insisted = not again and since is not None and now - since >= AGAIN_S
    if insisted or not _loading(frame):
        _Request.falls()
        return False
    _Request.put_off_since = now if since is None else since
    _Request.lost = True
    _thread.start_new_thread(_press_soon, (number,))
    return True


def _loading(frame: FrameType | None) -> bool:
    while frame is not None:
        importing = frame.f_code.co_filename == "<frozen importlib._bootstrap_external>"
        if importing and type(frame.f_locals.get("self")).__name__ == "ExtensionFileLoader":
            return True
        frame = frame.f_back
    return False


def _fall_again(
    signals: Mapping[type[BaseException], signal.Signals],
) -> Callable[[sys.UnraisableHookArgs], Any]:
    """From now on, for exceptions by the signals that raise them; gives what took such before."""
    before = sys.unraisablehook

    def heed(lost: sys.UnraisableHookArgs) -> None:
        number = signals.get(lost.exc_type)
        if number is None or threading.current_thread() is not threading.main_thread():
            before(lost)
        else:
            _Request.lost = True
            # Not of `threading`: this may be in the middle of it, and its locks are taken.
            _thread.start_new_thread(_press_soon, (number,))

    sys.unraisablehook = heed
    return before


def _press_soon(number: signal.Signals) -> None:
    time.sleep(_SOON_S)
    if not _Request.lost:
        return  # it has fallen since, at the end of a block
    _Request.lost, _Request.again = False, True
    if hasattr(signal, "pthread_kill"):
        # Not raise_signal: a wait of the main thread goes on unless the signal is its own.
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(number)


def status() -> int:
    """The exit status of a process that ended by `KeyboardInterrupt`: 130, or 128 and the signal's
    number where that was another one.
    """
    return 128 + (_Request.number or signal.SIGINT)


def taken() -> None:
    """Say that a `KeyboardInterrupt` was caught, so that the exit status is what the program says.

    Once one has come out of a string that is executed, as `dataclasses` do, ``python -m`` ends the
    process by SIGINT, whoever caught it since. It forgets that with the next string, such as the
    one of which `namedtuple` makes a constructor.
    """
    namedtuple("_Forgotten", ())


@contextmanager
def heeded() -> Iterator[None]:
    """Make Ctrl-C end the block whatever becomes of it inside.

    It still falls at once. Where that is in the code of NumPy that looks at a buffer, it comes out
    of Cython as a ValueError or not at all.

    Raises
    ------
    KeyboardInterrupt
        At the end of the block at the latest.
    """
    yield from _watched(at_once=True)


@contextmanager
def deferred() -> Iterator[None]:
    """Let Ctrl-C fall at the end of the block, the second one at once.

    For short calls of C code that calls back to Python, where an exception is printed and lost.

    Raises
    ------
    KeyboardInterrupt
        At the end of the block.
    """
    yield from _watched(at_once=False)


@contextmanager
def asked(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in place of the first Ctrl-C, or of a request to terminate.

    For what goes on until somebody ends it. A second Ctrl-C falls at once, as a KeyboardInterrupt,
    and a second request to terminate is obeyed; but not one within `AGAIN_S`, since a shell and a
    terminal may both send the same one, and a finger may bounce. A closed terminal is such a
    request (SIGHUP), and so is a closed console or Ctrl-Break on Windows (SIGBREAK).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Handler] = {}
    first: float | None = None

    def heed(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = _now()
        if first is None:
            first = now
            stop()
        elif now - first >= AGAIN_S:
            give_back()
            signal.raise_signal(number)

    def give_back() -> None:
        while before:
            signal.signal(*before.popitem())

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)  # not every system has them all
        usual = _INTERRUPTING if name == "SIGINT" else (signal.SIG_DFL, _as_interrupt)
        if number is not None and signal.getsignal(number) in usual:
            # else it is another's to handle
            before[number] = signal.signal(number, heed)
    try:
        yield
    finally:
        give_back()


def deferred_each(items: Iterable[Item]) -> Iterator[Item]:
    """Items of something that works each of them out in a `deferred` block."""
    following = iter(items)
    while True:
        with deferred():
            try:
                item = next(following)
            except StopIteration:
                return
        yield item


SPOILED = (ImportError, RuntimeError, SyntaxError, SystemError)
"""What Python and libraries of C make of Ctrl-C while a module is loaded: these types themselves,
and none that is derived from them."""


def ends(error: BaseException) -> bool:
    """Whether an exception is Ctrl-C, or what was made of it while a module was loaded (`SPOILED`).

    Not all of these tell what they were made of. After Ctrl-C in an `unlost` block, each is.
    """
    if _Request.raised and type(error) in SPOILED:  # not what is derived from one, such as Exit
        return True
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:  # one may be its own cause
        seen.append(cause)
        cause = cause.__cause__
    return any(isinstance(each, KeyboardInterrupt) for each in seen)


def _watched(*, at_once: bool) -> Iterator[None]:
    usual = {signal.SIGINT: _INTERRUPTING, signal.SIGTERM: (_leave,)}
    main = threading.current_thread() is threading.main_thread()
    ours = {
        number: handler
        for number, handlers in usual.items()
        for handler in handlers
        if main and signal.getsignal(number) is handler
    }
    if not ours:
        yield  # they are another's to handle
        return
    fallen: int | None = None

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal fallen
        again, fallen = fallen is not None, number
        if at_once or again:
            ours[signal.Signals(number)](number, frame)

    def exception() -> BaseException:
        _Request.falls()  # here, and not once more
        return KeyboardInterrupt() if fallen == signal.SIGINT else SystemExit(0)

    for number in ours:
        signal.signal(number, note)
    try:
        yield
    except Exception as error:
        if fallen is not None:
            raise exception() from error
        raise
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    if fallen is not None:
        raise exception()
