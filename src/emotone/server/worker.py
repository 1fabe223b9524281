"""The process that opens what strangers send: it decodes, hears and draws, and may be killed.

It runs apart from the service, with bounds on its memory, without the service's secrets, and ends
when the service does, however that ends. A line of JSON comes in for each task and lines of JSON go
out: ``progress``, then ``answer`` or ``error``.

It imports neither the web framework nor the database: it starts in the time that the model takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from emotone import interrupts
from emotone.errors import AudioError, EmotoneError, EmotoneWarning
from emotone.features.job import as_error
from emotone.server.logs import DETAILS, frames

if TYPE_CHECKING:
    from emotone.audio.limits import Limits

Task = Mapping[str, Any]
Tell = Callable[[Mapping[str, Any]], None]

_SMALLER = {
    "predict": "Cut it, or send it as a recording (POST /v1/analyses).",
    "analyze": "Cut it, or ask whoever runs the service to take longer ones.",
}

_MOST_WARNINGS = 20
_MOST_FILES = 256


class Worker:
    """Does one task after the other.

    Parameters
    ----------
    setup
        ``models`` (paths by name), ``memory_bytes``, ``nice``, ``max_duration_s``, and ``warm``, a
        model to load before the first task, or None.
    """

    def __init__(self, setup: Task) -> None:
        _bound(setup["memory_bytes"], setup["nice"])
        from emotone.audio.limits import Limits
        from emotone.recognizer import Recognizer

        self._limits = Limits(
            max_duration_s=setup["max_duration_s"], max_bytes=setup["memory_bytes"]
        )
        self._paths: Mapping[str, str] = setup["models"]
        self._open: dict[str, Recognizer] = {}
        if setup["warm"] is not None:
            self._warm(setup["warm"])

    def do(self, task: Task, tell: Tell) -> Mapping[str, Any]:
        """The answer to a task."""
        tasks = {
            "predict": self._predict,
            "analyze": self._analyze,
            "inspect": self._inspected,
            "export": self._export,
            "cut": self._cut,
        }
        return tasks[task["do"]](task, tell)

    def _predict(self, task: Task, tell: Tell) -> Mapping[str, Any]:
        recognizer = self._model(task["model"])
        prediction = recognizer.predict(Path(task["path"]), threshold=task["threshold"] or 0)
        return {**prediction.to_dict(), "file": task["name"]}

    def _analyze(self, task: Task, tell: Tell) -> Mapping[str, Any]:
        """Hear a recording; what comes of it is written beside it, since it may be large."""
        from emotone.server import tracks
        from emotone.server.options import settings_of
        from emotone.server.packing import Packed
        from emotone.timeline.checkpoints import Checkpoint
        from emotone.timeline.speakers import tell_apart

        path, options = Path(task["path"]), task["options"]
        container, count = self._inspect(path, self._limits)
        heard = count if options["channels"] == "split" else 1

        def progress(done_s: float, total_s: float | None) -> None:
            duration_s = None if total_s is None else total_s / heard
            tell({"progress": {"heard_s": done_s, "total_s": total_s, "duration_s": duration_s}})

        keep = Checkpoint(task["checkpoint"], every_s=task["checkpoint_s"])
        timeline = self._model(options["model"]).timeline(
            path,
            channels=options["channels"],
            settings=settings_of(options),
            jobs=task["threads"],
            progress=progress,
            checkpoint=keep,
        )
        timeline = replace(timeline, file=task["name"])
        if options["speakers"] is not None:
            timeline = tell_apart(
                timeline,
                path,
                options["speakers"],
                limits=self._limits,
                progress=lambda done, total: tell({"alive": True}),
            )
        drawn = tracks.draw(
            path,
            timeline.channels or (None,),
            self._limits,
            progress=lambda: tell({"alive": True}),
        )
        out = Path(task["out"])
        out.mkdir(mode=0o700, exist_ok=True)
        Packed.of(timeline).write(out)
        (out / "tracks").write_bytes(drawn)
        return {"container": container}

    def _export(self, task: Task, tell: Tell) -> Mapping[str, Any]:
        """A picture or a page of a timeline, or a file for another program."""
        from emotone.server import tracks
        from emotone.server.api.formats import FORMATS
        from emotone.timeline import Timeline, exports

        place, form = Path(task["folder"]), FORMATS[task["format"]].form
        whole = json.loads((place / "head").read_bytes())
        # What other programs take has segments alone.
        for part in ("segments",) if form is not None else ("segments", "measurements"):
            with (place / part).open(encoding="utf-8") as lines:
                whole[part] = [json.loads(line) for line in lines]
        timeline = Timeline.from_dict(whole)
        out = Path(task["out"])
        if form is not None:
            out.write_bytes(exports.content(timeline, form))
            return {}
        overview = tracks.overview((place / "tracks").read_bytes())
        if task["format"] == "html":
            from emotone.report.recording import recording_html

            page = recording_html(timeline, overview=overview, title=task["title"])
            out.write_text(page, encoding="utf-8")
        else:
            from emotone import plots

            picture = out.with_suffix(f".{task['format']}")
            plots.save(plots.timeline(timeline, overview, title=task["title"]), picture)
            picture.replace(out)
        return {}

    def _cut(self, task: Task, tell: Tell) -> Mapping[str, Any]:
        """Stretches of a recording as WAV files of 16 bits, in a folder."""
        from emotone.server.cuts import Cut, cut

        cuts = [Cut(**each) for each in task["cuts"]]
        cut(Path(task["path"]), cuts, Path(task["out"]), self._limits)
        return {}

    def _inspected(self, task: Task, tell: Tell) -> Mapping[str, Any]:
        """What the header of a recording says."""
        limits = replace(self._limits, max_duration_s=task["max_duration_s"])
        container, count = self._inspect(Path(task["path"]), limits)
        return {"container": container, "channels": count}

    def _inspect(self, path: Path, limits: Limits) -> tuple[str, int]:
        """Container and number of channels of a file, by its header."""
        from emotone.audio.decoding import open_decoder

        with open_decoder(path, limits) as decoder:
            return decoder.container, decoder.channels

    def _model(self, name: str) -> Any:
        if name not in self._open:
            from emotone.recognizer import load

            self._open[name] = load(
                self._paths[name], threads=1, threshold=0, limits=self._limits
            )  # as the service says, whatever a file where it runs does
        return self._open[name]

    def _warm(self, name: str) -> None:
        """Load what the first answer would wait for, by answering once."""
        import numpy as np

        noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
        self._model(name).predict((0.1 * noise, 16_000))


def main() -> None:
    """Do what standard input asks for, until it ends."""
    lines, tell = _pipes()
    try:
        with interrupts.unlost(), warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", EmotoneWarning)
            worker = Worker(json.loads(lines.readline()))
            tell({"ready": True})
            tasks = _Tasks(lines)
            while True:
                task = tasks.next()
                del noticed[:]
                tell(_done(worker, task, tell, noticed))
    except KeyboardInterrupt:
        sys.exit(130)


class _Tasks:
    """Tasks as they come in, and whatever else the service says meanwhile.

    A thread reads, so that the end of the service, or a wish to stop, is heard at work too.
    """

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._waiting: list[Task] = []
        self._came = threading.Semaphore(0)
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> Task:
        self._came.acquire()
        return self._waiting.pop(0)

    def _read(self) -> None:
        for line in self._lines:
            said = json.loads(line)
            if said.get("stop"):
                _interrupt()
                continue
            self._waiting.append(said)
            self._came.release()
        os._exit(0)  # the service is gone


def _interrupt() -> None:
    """As Ctrl-C would, so that progress is kept."""
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main()
    else:
        # Not raise_signal: a wait of the main thread goes on unless the signal is its own.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _done(
    worker: Worker, task: Task, tell: Tell, noticed: list[warnings.WarningMessage]
) -> Mapping[str, Any]:
    """What to say at the end of a task."""
    try:
        answer = worker.do(task, tell)
    except MemoryError:
        return {"error": _told(_too_large(task), task), "spent": True}
    except Exception as error:  # of a hostile file nobody foresees everything
        if interrupts.ends(error):  # of a module that was being loaded
            raise KeyboardInterrupt from error
        known = isinstance(error, EmotoneError)
        unforeseen = {} if known else {"unforeseen": frames(error), DETAILS: traceback.format_exc()}
        return {"error": _told(as_error(error, task["name"]), task), **unforeseen}
    said = [_named(str(each.message), task) for each in noticed]
    return {"answer": answer, "warnings": list(dict.fromkeys(said))[:_MOST_WARNINGS]}


def _too_large(task: Task) -> AudioError:
    """That there was no memory left for a task."""
    what, remedy = "to read it", None
    if task["do"] == "export":
        what, remedy = f"to write it as {task['format']}", "Ask for csv or json."
    cause = f"{what} takes more memory than is allowed"
    return AudioError(cause, source=task["name"], remedy=remedy, code="too_large")


def _told(error: EmotoneError, task: Task) -> Mapping[str, Any]:
    source = None if error.source is None else _named(error.source, task)
    return {
        "kind": type(error).__name__,
        "cause": _named(error.cause, task),
        "source": source,
        "remedy": _remedy(error, task),
        "code": error.code,
    }


def _remedy(error: EmotoneError, task: Task) -> str | None:
    """What whoever sent it can do: the bounds themselves are for whoever runs the service."""
    if error.code == "too_large":
        return _SMALLER.get(task["do"], error.remedy)
    return error.remedy


def _named(text: str, task: Task) -> str:
    """A text that calls the file what its owner does, not where it lies here."""
    path = task.get("path")
    return text if path is None else text.replace(path, task["name"])


def _pipes() -> tuple[IO[str], Tell]:
    """Lines from the service, and what to tell it by; no library prints into that."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(said: Mapping[str, Any]) -> None:
        with lock:
            try:
                out.write(json.dumps(said) + "\n")
                out.flush()
            except BrokenPipeError:
                os._exit(0)  # the service is gone

    return sys.stdin, tell


def _bound(memory_bytes: int, nice: int) -> None:
    """Take no more than allowed, and let the service itself go first."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(nice)
    # A picture of the memory of this process would hold voices.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    # Of Linux, where it counts what is written to; an address space is also what is merely mapped.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    with contextlib.suppress(ValueError):  # macOS does not bound it
        resource.setrlimit(kind, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    main()
