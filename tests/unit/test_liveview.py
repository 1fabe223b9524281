"""The live view: what it shows of a session, and that it fits."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import recordings
from emotone.cli import liveview, output
from emotone.cli.liveview import LiveView
from emotone.live import Behind
from emotone.stream import Measured, SpeechEnded, SpeechStarted
from emotone.timeline import Measurement, Segment

SCORES = dict.fromkeys(recordings.EMOTIONS, 0.05) | {"angry": 0.65}


def session(**about: Any) -> SimpleNamespace:
    """What the view asks of one."""
    source = SimpleNamespace(name="USB \x1b[31mMicrophone", is_live=True)
    usual = {
        "source": source, "recording": None, "time": 0.0, "speaking": False, "peak": 0.0,
        "clipped": 0, "lag_s": 0.0, "skipped": 0, "overflows": 0,
    }  # fmt: skip
    return SimpleNamespace(**(usual | about))


class Screen:
    """A terminal of that many columns, and what is on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> None:
        self.written = io.StringIO()
        self.console = Console(
            file=self.written, force_terminal=True, width=width, height=24, color_system=None
        )
        monkeypatch.setattr(output, "console", lambda: self.console)
        monkeypatch.setattr(liveview, "_EVERY_S", 0.0)

    def lines(self, view: LiveView, now: float = 100.0) -> list[str]:
        paper = Console(file=io.StringIO(), width=self.console.width, color_system=None)
        with paper.capture() as printed:
            paper.print(view.picture(now))
        return printed.get().splitlines()


def spoken(view: LiveView) -> None:
    view.show([SpeechStarted(1.0), Measured(Measurement(1.0, 4.0, SCORES))])
    segment = Segment.of_speech(1.0, 4.0, SCORES)
    view.show([SpeechEnded(4.0, (segment,)), Behind(4.0, 1.0, 3)])


def test_before_anything_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    lines = screen.lines(LiveView(session(), recordings.EMOTIONS))  # type: ignore[arg-type]
    assert lines[0].startswith("● listening USB \ufffd[31mMicrophone")
    assert "silent" in lines[1]
    assert any(line.strip() == "no speech" for line in lines)
    assert "lag 0.0 s   0 windows skipped" in lines[-1]


def test_while_someone_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    live = session(time=5.0, speaking=True, peak=0.5, recording=object(), lag_s=1.25, skipped=1)
    view = LiveView(live, recordings.EMOTIONS)  # type: ignore[arg-type]
    with view:
        spoken(view)
        lines = screen.lines(view)
    assert lines[0].startswith("● recording")
    assert lines[0].rstrip().endswith("0:05.0")
    assert re.search(r"▪+·+ +-6 dB", lines[1])
    assert "  angry  65 %" in [line.rstrip() for line in lines]
    bars = {line.split()[0]: line.count("━") for line in lines if re.match(r"  \w+ .*\d %", line)}
    assert bars["angry"] > 10 * bars["calm"] > 0
    assert [line.strip() for line in lines if "█" in line] == ["·███··"]
    assert re.search(r"0:01\.0 – 0:04\.0 +angry +65 %", "\n".join(lines))
    assert "lag 1.2 s   1 window skipped" in lines[-1]


def test_clipping_stays_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    live = session(peak=1.0)
    view = LiveView(live, recordings.EMOTIONS)  # type: ignore[arg-type]
    view._peak = live.peak
    live.clipped = 3
    view._draw(10.0)
    assert "CLIP" in screen.lines(view, 11.0)[1]
    assert "CLIP" not in screen.lines(view, 12.0)[1]
    assert "0 dB" in screen.lines(view, 12.0)[1]


def test_a_pipe_has_no_lag_and_lost_sound_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    live = session(overflows=2)
    live.source.is_live = False
    foot = screen.lines(LiveView(live, recordings.EMOTIONS))[-1]  # type: ignore[arg-type]
    assert "lag" not in foot
    assert "sound lost 2 times" in foot


@pytest.mark.parametrize("width", [36, 60, 80, 200])
def test_it_fits(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    screen = Screen(monkeypatch, width)
    live = session(time=3725.0, speaking=True, peak=1.0, lag_s=12.3, skipped=1234, overflows=3)
    live.source.name = "A microphone with a name that goes on and on, " * 3
    view = LiveView(live, recordings.EMOTIONS)  # type: ignore[arg-type]
    with view:
        for start in range(3660, 3720, 4):
            segment = Segment.of_speech(start, start + 4, SCORES)
            view.show([Measured(Measurement(start, start + 3, SCORES))])
            view.show([SpeechEnded(start + 4, (segment,))])
        lines = screen.lines(view)
    assert len(lines) < 24
    assert max(map(len, lines)) <= width


def test_the_strip_forgets_what_is_long_over(monkeypatch: pytest.MonkeyPatch) -> None:
    Screen(monkeypatch)
    live = session(time=7200.0)
    view = LiveView(live, recordings.EMOTIONS)  # type: ignore[arg-type]
    spoken(view)
    view._draw(1e9)
    assert view._strip == {}
