"""Standard output that nobody reads for a while."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from pathlib import Path

import pytest

from emotone.cli.printer import Printer


class Stalled(io.StringIO):
    """A reader who reads when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()

    def write(self, text: str) -> int:
        self.reads.wait(30)
        return super().write(text)


def stall(monkeypatch: pytest.MonkeyPatch) -> Stalled:
    """Not in a fixture, after which pytest would set its own again."""
    out = Stalled()
    monkeypatch.setattr("sys.stdout", out)
    return out


def test_nothing_waits_for_a_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = stall(monkeypatch)
    printer = Printer(drops=True, enough=lambda: False)
    with contextlib.redirect_stdout(printer):
        for number in range(1000):
            print(number, "é", flush=True)
        assert not printer.idle
        assert stalled.getvalue() == ""
        stalled.reads.set()
        printer.finish()
    assert printer.idle
    assert stalled.getvalue().splitlines() == [f"{number} é" for number in range(1000)]
    assert printer.dropped == 0


def test_too_many_lines_are_dropped_whole_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = stall(monkeypatch)
    printer = Printer(drops=True, enough=lambda: False, most=100)
    for number in range(50):
        print(f"line {number:04}", file=printer, flush=True)
    stalled.reads.set()
    printer.finish()
    lines = stalled.getvalue().splitlines()
    assert lines == [f"line {number:04}" for number in range(len(lines))]
    assert 10 <= len(lines) < 15
    assert printer.dropped == 50 - len(lines)


def test_where_nothing_is_dropped_the_printing_waits_until_it_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled = stall(monkeypatch)
    enough = threading.Event()
    printer = Printer(drops=False, enough=enough.is_set, most=100)

    def many() -> None:
        for number in range(50):
            print(f"line {number:04}", file=printer, flush=True)

    thread = threading.Thread(target=many)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    stalled.reads.set()
    thread.join(30)
    printer.finish()
    assert len(stalled.getvalue().splitlines()) == 50
    stalled.reads.clear()
    printer = Printer(drops=False, enough=enough.is_set, most=100)
    enough.set()
    many()
    assert printer.dropped > 0
    stalled.reads.set()
    printer.finish()


def test_a_reader_who_goes_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as out:
        monkeypatch.setattr("sys.stdout", out)
        printer = Printer(drops=True, enough=lambda: False)
        print("a", file=printer, flush=True)
        with pytest.raises(BrokenPipeError):
            printer.finish()
        with pytest.raises(BrokenPipeError):
            print("b", file=printer, flush=True)


def test_a_file_gets_what_standard_output_would_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1", errors="replace") as out:
        monkeypatch.setattr("sys.stdout", out)
        print("before")
        printer = Printer(drops=True, enough=lambda: False)
        with contextlib.redirect_stdout(printer):
            print("é", "\N{BLACK CIRCLE}", flush=True)
            assert (printer.isatty(), printer.encoding) == (False, "latin-1")
            printer.finish()
        print("after")
    assert (tmp_path / "out").read_text("latin-1") == "before\né ?\nafter\n"
