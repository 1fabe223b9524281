"""Ctrl-C where libraries would lose it."""

# ruff: noqa: PT012 -- where in the block the press falls is what is tested

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
import soundfile
from typer.core import TyperGroup

from emotone import audio, interrupts
from emotone.cli.app import run
from emotone.client.sound import upload
from emotone.report import run as report


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def lose() -> None:
    """As C code does with an exception of a callback."""
    with contextlib.suppress(KeyboardInterrupt):
        press()


def test_what_is_swallowed_comes_at_the_end_of_a_heeded_block() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        lose()
        done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_becomes_another_exception_is_the_interrupt_again() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        lose()
        raise ValueError("buffer source array is read-only")


def test_a_deferred_block_ends_before_it_is_interrupted() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():
        press()
        done = True
    assert done


def test_the_second_press_falls_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():
        press()
        press()
        pytest.fail("the second press was deferred too")


def test_items_before_the_press_are_given() -> None:
    def work() -> Iterator[int]:
        yield 1
        press()
        yield 2

    got: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        got.extend(interrupts.deferred_each(work()))
    assert got == [1]
    assert list(interrupts.deferred_each([1, 2])) == [1, 2]


def test_another_handler_keeps_its_signal() -> None:
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with interrupts.deferred(), interrupts.heeded():
            press()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_other_threads_are_left_alone() -> None:
    done = []

    def work() -> None:
        with interrupts.deferred():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes when it is set."""
    now = [100.0]
    monkeypatch.setattr(interrupts, "_now", lambda: now[0])
    return now


ASKING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Signals as at a terminal; what runs the tests may ignore some, as nohup does SIGHUP."""
    before = {number: signal.getsignal(number) for number in ASKING}
    for number in ASKING:
        own = number == signal.SIGINT
        signal.signal(number, signal.default_int_handler if own else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ASKING)
def test_the_first_press_asks(number: signal.Signals) -> None:
    asked: list[int] = []
    before = signal.getsignal(number)
    with interrupts.asked(lambda: asked.append(1)):
        signal.raise_signal(number)
        assert asked == [1]
    assert signal.getsignal(number) is before


def test_a_press_that_bounces_is_one(clock: list[float]) -> None:
    asked: list[int] = []
    with interrupts.asked(lambda: asked.append(1)):
        for number in (*ASKING, *ASKING):
            signal.raise_signal(number)
            clock[0] += 0.01
    assert asked == [1]


def test_the_second_press_falls(clock: list[float]) -> None:
    asked: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts.asked(lambda: asked.append(1)):
        press()
        clock[0] += 1.5
        press()
        pytest.fail("the second press was swallowed")
    assert asked == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_request_to_terminate_is_obeyed(clock: list[float]) -> None:
    seen: list[int] = []
    with interrupts.asked(lambda: None):
        signal.raise_signal(signal.SIGTERM)
        clock[0] += 1.5
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(signal, "raise_signal", seen.append)  # or this process were gone
            handler = signal.getsignal(signal.SIGTERM)
            assert callable(handler)
            handler(signal.SIGTERM, None)
        assert seen == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def asked_in_a_callback(tmp_path: Path, form: str, call: str, number: int) -> None:
    """Decode a file, and ask to stop as libsndfile asks for something, past its header."""
    path = tmp_path / f"clip.{form}"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.normal(0, 0.1, 32000), 16000)

    class Pressed(io.BytesIO):
        calls = 0

    def pressed(self: Pressed, *arguments: int) -> object:
        Pressed.calls += 1
        if Pressed.calls == 4:
            signal.raise_signal(number)
        return getattr(io.BytesIO, call)(self, *arguments)

    setattr(Pressed, call, pressed)
    audio.read(Pressed(path.read_bytes()))


@pytest.mark.parametrize("form", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("call", ["read", "seek", "tell"])
def test_reading_a_file_is_interrupted_wherever_the_press_falls(
    tmp_path: Path, form: str, call: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked_in_a_callback(tmp_path, form, call, signal.SIGINT)


@pytest.mark.parametrize("form", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("call", ["read", "seek", "tell"])
def test_a_process_that_ends_at_request_does_so_wherever_it_falls(
    tmp_path: Path, form: str, call: str
) -> None:
    interrupts.end_at_request()
    with pytest.raises(SystemExit) as ended:
        asked_in_a_callback(tmp_path, form, call, signal.SIGTERM)
    assert ended.value.code == 0


def in_a_callback(number: int) -> None:
    """Asked while C calls Python, as libsndfile does."""

    @cffi.FFI().callback("void(void)")
    def called() -> None:
        signal.raise_signal(number)

    called()


class Leaving:
    """Does something when it is taken away."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


def in_a_finalizer(number: int) -> None:
    Leaving(number)


def in_a_weak_reference(number: int) -> None:
    held = io.BytesIO()
    seen = weakref.ref(held, lambda _: signal.raise_signal(number))
    del held
    assert seen() is None


LOST = [in_a_callback, in_a_finalizer, in_a_weak_reference]
"""Where Python prints an exception and goes on."""


def goes_on() -> None:
    """Work that is through long after a request has fallen."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        time.sleep(0.01)
    pytest.fail("the request was lost")


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_that_python_would_lose_falls_again(
    lost: Callable[[int], None], number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interrupts.terminable():
        lost(number)
        goes_on()
    assert interrupts.status() == 128 + number
    assert sys.unraisablehook is before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("block", [interrupts.heeded, interrupts.deferred])
def test_what_was_lost_in_a_watched_block_falls_once(
    lost: Callable[[int], None],
    block: Callable[[], contextlib.AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interrupts, "_SOON_S", 0.1)
    with interrupts.terminable():
        with pytest.raises(KeyboardInterrupt), block():
            lost(signal.SIGINT)
            lost(signal.SIGINT)  # where it is deferred, the second is raised and lost
        time.sleep(0.4)  # what is put away then is not stopped again


@pytest.mark.parametrize("lost", LOST)
def test_what_was_lost_at_the_end_falls_there(
    lost: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupts, "_SOON_S", 0.1)
    with pytest.raises(KeyboardInterrupt), interrupts.terminable():
        lost(signal.SIGTERM)
    assert interrupts.status() == 128 + signal.SIGTERM
    time.sleep(0.4)  # and not once more, after the block


@pytest.mark.parametrize("lost", LOST)
def test_a_process_that_ends_at_request_loses_none(lost: Callable[[int], None]) -> None:
    code = (
        "import signal, test_interrupts as tests\n"
        "from emotone import interrupts\n"
        "interrupts.end_at_request()\n"
        f"tests.{lost.__name__}(signal.SIGTERM)\n"
        "tests.goes_on()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


LOADER = """
class ExtensionFileLoader:
    def __init__(self, act):
        self.act = act

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self.act()
"""


def extension(act: Callable[[], None]) -> None:
    """Import a module that does this while it is loaded, as if it were one of C."""
    names: dict[str, Any] = {}
    exec(compile(LOADER, "<frozen importlib._bootstrap_external>", "exec"), names)
    loader = names["ExtensionFileLoader"](act)
    spec = importlib.util.spec_from_loader("emotone_pressed", loader)
    assert spec is not None
    loader.exec_module(importlib.util.module_from_spec(spec))


def replace(number: int) -> None:
    """As extension modules do with an exception that is not theirs."""
    try:
        signal.raise_signal(number)
    except BaseException:
        raise ImportError("numpy._core.umath failed to import") from None


def swallow(number: int) -> None:
    with contextlib.suppress(BaseException):
        signal.raise_signal(number)


@pytest.mark.parametrize("spoil", [swallow, replace])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_waits_until_an_extension_module_is_loaded(
    spoil: Callable[[int], None], number: int
) -> None:
    loaded = False
    with pytest.raises(KeyboardInterrupt), interrupts.terminable():
        extension(lambda: spoil(number))
        loaded = True
        goes_on()
    assert loaded
    assert interrupts.status() == 128 + number


def test_a_request_waits_in_a_watched_block_too() -> None:
    loaded = False
    with interrupts.terminable():
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            extension(lambda: replace(signal.SIGINT))
            loaded = True
        assert loaded
        time.sleep(0.1)  # it has fallen, and does not once more


def test_a_second_press_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "AGAIN_S", 0.5)
    over = threading.Event()

    def insist() -> None:
        while not over.wait(0.2):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def stuck() -> None:
        threading.Thread(target=insist).start()
        time.sleep(30)

    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), interrupts.terminable():
            try:
                extension(stuck)
            finally:
                over.set()
    finally:
        over.set()
    assert 0.7 <= time.monotonic() - begun < 10


def test_what_was_put_off_once_is_no_first_press_of_a_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interrupts, "AGAIN_S", 0.05)
    with pytest.raises(KeyboardInterrupt), interrupts.terminable():
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            extension(press)
        time.sleep(0.1)
        extension(lambda: swallow(signal.SIGINT))
        goes_on()


def test_a_request_waits_for_real_extension_modules() -> None:
    """It falls wherever one of those of scikit-learn looks for another module."""
    code = """
import signal, sys, time
import numpy, scipy.special
from emotone import interrupts

class Pressing:
    times = raised = 0
    def find_spec(self, *name):
        if Pressing.times < 3 and interrupts._loading(sys._getframe()):
            Pressing.times += 1
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                Pressing.raised += 1

sys.meta_path.insert(0, Pressing())
try:
    with interrupts.terminable():
        import sklearn.ensemble
        time.sleep(30)
except KeyboardInterrupt:
    print("interrupted", Pressing.times > 0, Pressing.raised)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted True 0\n", "")


def test_a_process_that_ends_at_request_waits_for_its_modules() -> None:
    code = (
        "import signal, test_interrupts as tests\n"
        "from emotone import interrupts\n"
        "interrupts.end_at_request()\n"
        "tests.extension(lambda: tests.replace(signal.SIGTERM))\n"
        "tests.goes_on()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


LOST_FIRST = """
import signal, time, weakref
class Held: ...
held = Held()
seen = weakref.ref(held, lambda _: signal.raise_signal(signal.SIGINT))
del held
time.sleep(30)
"""
IN_A_CLASS = """
import signal
class Field:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)
class Trial:
    seconds = Field()
"""
AS_ANOTHER = """
import signal
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    pass
raise SyntaxError("(unicode error) no escapes: can't load unicodedata module")
"""


@pytest.mark.parametrize(
    "text", [LOST_FIRST, IN_A_CLASS, AS_ANOTHER], ids=["lost", "in a class", "as another"]
)
def test_the_command_itself_is_interrupted_while_it_is_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "typer.py").write_text(text)
    command = [sys.executable, "-m", "emotone", "models", "list"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")


def test_other_errors_are_printed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: told.append(error.exc_type))

    class Failing:
        def __del__(self) -> None:
            raise ValueError("of its own")

    with interrupts.terminable():
        Failing()
    assert told == [ValueError]


@pytest.mark.parametrize(
    "made_of_it",
    [
        ImportError("initialization failed"),
        RuntimeError("Error calling __set_name__"),
        SystemError("?"),
    ],
)
def test_what_a_library_makes_of_ctrl_c_while_it_is_loaded_is_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], made_of_it: Exception
) -> None:
    def invoke(group: TyperGroup, ctx: object) -> None:
        try:
            press()
        except KeyboardInterrupt as pressed:
            raise made_of_it from pressed  # as pybind11 does

    monkeypatch.setattr(TyperGroup, "invoke", invoke)
    assert run(["models", "list"]) == 130
    assert capfd.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("step", ["invoke", "make_context"])
def test_the_exit_status_is_the_commands_own_where_python_executes_a_string(
    tmp_path: Path, name: str, step: str
) -> None:
    """As for a dataclass. Python would end the process by SIGINT, whoever has caught it since."""
    (tmp_path / "asked.py").write_text(
        "import sys\n"
        "from typer.core import TyperGroup\n"
        "from emotone.cli.app import run\n"
        f"asked = 'import signal; signal.raise_signal(signal.{name})'\n"
        f"TyperGroup.{step} = lambda *given, **others: exec(asked)\n"
        "sys.exit(run(['models', 'list']))\n"
    )
    command = [sys.executable, "-m", "asked"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if (name, step) == ("SIGTERM", "make_context"):  # nothing is under way yet
        assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
        return
    said = {"SIGINT": "interrupted", "SIGTERM": "terminated"}[name]
    assert (done.returncode, done.stderr) == (128 + getattr(signal, name), f"error: {said}\n")


def test_ctrl_c_while_the_words_are_read_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(TyperGroup, "make_context", lambda *given, **others: press())
    assert run(["models", "list"]) == 130
    assert capfd.readouterr().err == "error: interrupted\n"


def test_an_error_after_ctrl_c_is_shown_to_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(group: TyperGroup, ctx: object) -> None:
        lose()
        raise RuntimeError("a bug")

    monkeypatch.setattr(TyperGroup, "invoke", invoke)
    assert run(["models", "list"]) == 130
    monkeypatch.setenv("EMOTONE_DEBUG", "1")
    with pytest.raises(RuntimeError, match="a bug"):
        run(["models", "list"])


def test_an_error_in_a_later_command_is_no_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TyperGroup, "invoke", lambda group, ctx: press())
    assert run(["models", "list"]) == 130

    def invoke(group: TyperGroup, ctx: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(TyperGroup, "invoke", invoke)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # another's to handle
    with pytest.raises(RuntimeError, match="a bug"):
        run(["models", "list"])


def test_what_a_library_makes_of_a_workers_stop_is_no_failure_of_its_task() -> None:
    pytest.importorskip("fastapi", reason="the service needs the extra 'server'")
    from emotone.server.worker import _done

    class Spoiled:
        def do(self, task: object, tell: object) -> dict[str, object]:
            lose()
            raise RuntimeError("Error calling __set_name__ on 'Field' instance")

    with pytest.raises(KeyboardInterrupt), interrupts.unlost():
        _done(Spoiled(), {"do": "analyze", "name": "call.wav"}, print, [])  # type: ignore[arg-type]


def test_a_library_that_is_not_there_is_no_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(group: TyperGroup, ctx: object) -> None:
        raise ImportError("no such module") from OSError("no such file")

    monkeypatch.setattr(TyperGroup, "invoke", invoke)
    with pytest.raises(ImportError, match="no such module"):
        run(["models", "list"])


@pytest.mark.parametrize("number", range(1, 6))
def test_writing_a_file_in_memory_is_interrupted_wherever_the_press_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Without the command, which catches what is lost: in another's program."""

    class Pressed(io.BytesIO):
        calls = 0

        def write(self, data: object) -> int:
            Pressed.calls += 1
            if Pressed.calls == number:
                press()
            return super().write(data)  # type: ignore[arg-type]

    tone = np.sin(np.arange(48_000) / 20).astype(np.float32)
    soundfile.write(tmp_path / "clip.wav", tone, 16_000)
    monkeypatch.setattr(io, "BytesIO", Pressed)
    for write in (
        lambda: upload((tone, 16_000)),
        lambda: report._flac(str(tmp_path / "clip.wav")),
    ):
        Pressed.calls = 0
        with pytest.raises(KeyboardInterrupt):
            write()
            assert Pressed.calls >= number


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is none")
def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    asked: list[int] = []
    with interrupts.asked(lambda: asked.append(1)):
        signal.raise_signal(signal.SIGHUP)
    assert asked == []
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_what_ends_is_an_interrupt_or_comes_of_one() -> None:
    loop = ValueError("its own cause")
    loop.__cause__ = loop
    assert not interrupts.ends(loop)
    failed = ImportError("a library of C")
    failed.__cause__ = KeyboardInterrupt()
    assert interrupts.ends(failed)
