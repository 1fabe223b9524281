"""One run at a time on a batch: a second is told of the first, and of none that was killed."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from emotone import locks
from emotone.batch.places import Place
from emotone.errors import EmotoneError, EmotoneWarning, UsageError

FOLDER = "_emotone"
_LOCK = "lock"
_RUNNING = f"{FOLDER}/running.json"

_BEAT_S = 15.0
"""How often a run tells a store that it goes on."""

_SILENT_S = 50.0
"""How long a run must have told nothing to be dead, where its process cannot be asked after."""

_LOOK_S = 2.0

_MINE: set[str] = set()
"""The runs of this process that are at work in stores."""


@contextlib.contextmanager
def locked(out: Place) -> Iterator[None]:
    """Have a batch for this run alone inside of the block.

    In a folder the system's own lock does that, which a process cannot leave behind, however it
    ends. A store has none: there a small object says who is at work, and that again and again, so
    that one that is killed is known by its silence. Two that begin within a second may both go on
    in a store; the parts of one plan are the same whoever writes them.

    Parameters
    ----------
    out
        Where the batch is written to. A folder is made; if nothing is put into it, it is gone at
        the end.

    Raises
    ------
    UsageError
        If another run is at work there: ``in_use``.
    OSError, EmotoneError
        If nothing can be written there; ``no_locks`` where the file system of a folder has none.
    """
    with _of_folder(Path(out.path)) if out.is_local else _of_store(out):
        yield


# -- folders


@contextlib.contextmanager
def _of_folder(out: Path) -> Iterator[None]:
    inside = out / FOLDER
    made = [each for each in (inside, *inside.parents) if not each.exists()]
    inside.mkdir(parents=True, exist_ok=True)
    path = inside / _LOCK
    try:
        file = _mine(path)
    except EmotoneError:  # there are no locks, so that it is nobody else's
        path.unlink()
        _take_away(made)
        raise
    if file is None:
        raise _in_use(str(out), _told(path))
    try:
        file.truncate(0)
        file.write(json.dumps(_self()).encode())
        file.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is locked, so that it is nobody else's
        file.close()
        _take_away(made)


def _take_away(made: Iterable[Path]) -> None:
    with contextlib.suppress(OSError):  # where something is in them
        for each in made:
            each.rmdir()


def _mine(path: Path) -> IO[bytes] | None:
    """The lock of a folder; None where another run has it."""
    while True:
        file = locks.lock(path)
        if file is None:
            return None
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # whoever had it took it away before this one had it


def _told(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):  # not written yet, or locked against readers too
        return {}
    return found if isinstance(found, dict) else {}


# -- stores


@contextlib.contextmanager
def _of_store(out: Place) -> Iterator[None]:
    run = secrets.token_hex(8)
    place, mine = out / _RUNNING, _self() | {"run": run, "beat": 0}
    _check_silent(place)
    _say(place, mine)
    if _read(place).get("run") != run:
        raise _in_use(out.address, _read(place))
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(_BEAT_S):
            mine["beat"] += 1
            with contextlib.suppress(EmotoneError, OSError):  # who writes results tells of it
                _say(place, mine)

    beating = threading.Thread(target=go_on, name="emotone-running", daemon=True)
    beating.start()
    _MINE.add(run)
    try:
        yield
    finally:
        _MINE.discard(run)
        ended.set()
        beating.join()
        with contextlib.suppress(OSError):
            place.files.delete_file(place.path)


def _check_silent(place: Place) -> None:
    """Refuse if the run that the store tells of is alive."""
    found = _read(place)
    if not found:
        return
    if found.get("run") in _MINE:
        raise _in_use(place.address, found)
    if _is_gone(found):
        return
    warnings.warn(
        f"{place.address}: a run on {found.get('host')} has not said that it ended; waiting "
        f"{_SILENT_S:.0f} s for a sign of it.",
        EmotoneWarning,
        stacklevel=4,
    )
    until = time.monotonic() + _SILENT_S
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        now = _read(place)
        if not now:
            return
        if now != found:
            raise _in_use(place.address, now)


def _is_gone(run: dict[str, Any]) -> bool:
    """Whether the process of a run is known to have ended.

    One that lives may be another that was given its number since; so may this very one, above all
    in a container, where the first process has the same number each time.
    """
    mine, process = _self(), int(run.get("process") or 0)
    if any(run.get(name) != mine[name] for name in ("host", "numbering")):
        return False
    return process == os.getpid() or runs(process) is False


def runs(process: int) -> bool | None:
    """Whether there is a process of that number on this machine; None where nobody can be asked."""
    if sys.platform == "win32":  # where os.kill would end it
        return None
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _say(place: Place, values: dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(prefix="emotone-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(values))
        place.take(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)


def _read(place: Place) -> dict[str, Any]:
    try:
        with place.open() as stream:
            found = json.loads(stream.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


# -- both


def _self() -> dict[str, Any]:
    return {"host": socket.gethostname(), "numbering": _numbering(), "process": os.getpid()}


def _numbering() -> str:
    """What tells containers and machines of one name apart, in each of which processes are numbered
    anew; empty where the system does not say.
    """
    found = []
    with contextlib.suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        found.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 -- it names no file
    return " ".join(found)


def _in_use(where: str, who: dict[str, Any]) -> UsageError:
    by = f" (process {who['process']} on {who['host']})" if {"process", "host"} <= set(who) else ""
    return UsageError(
        f"another run is at work on the batch there{by}",
        source=where,
        remedy="Wait until it ends, or write to another folder.",
        code="in_use",
    )
