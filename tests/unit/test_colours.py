"""One table of colours: plots, terminal, pages and the service take those of `emotone.emotions`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.color import Color
from rich.console import Console

from commands import Done
from emotone.cli import output, timelines
from emotone.emotions import CANONICAL, EMOTIONS, colour
from emotone.timeline import Segment, Timeline

REPO = Path(__file__).resolve().parents[2]
WEB = sorted((REPO / "web" / "src").rglob("*.ts*")) + sorted((REPO / "web" / "src").rglob("*.css"))
BUILT = sorted((REPO / "src" / "emotone" / "server" / "page").rglob("*.*s"))
TEMPLATES = sorted((REPO / "src" / "emotone" / "templates").iterdir())
HEX = re.compile(r"#[0-9a-fA-F]{6}\b")
TABLE = {emotion.colour.lower(): name for name, emotion in EMOTIONS.items()}


def talk() -> Timeline:
    """A second of each of the eight."""
    segments = [
        Segment.of_speech(start, start + 1.0, {each: float(each == name) for each in CANONICAL})
        for start, name in enumerate(CANONICAL)
    ]
    return Timeline(float(len(segments)), "m@1", CANONICAL, tuple(segments))


@pytest.mark.parametrize("name", EMOTIONS)
def test_the_terminal(name: str) -> None:
    shown = Color.parse(colour(name))
    assert shown.get_truecolor().hex == colour(name).lower()
    assert colour(name) in str(output.painted(name).style)
    assert any(colour(name) in str(span.style) for span in output.bar(1, name, plain=False).spans)
    assert any(colour(name) in str(span.style) for span in output.names_in_colour([name]).spans)


def test_the_strip_of_a_timeline_in_the_terminal() -> None:
    drawn = Console(file=io.StringIO(), color_system="truecolor", force_terminal=True, width=100)
    drawn.print(timelines._strip(talk(), None))
    assert isinstance(drawn.file, io.StringIO)
    told = drawn.file.getvalue()
    for name in CANONICAL:
        red, green, blue = Color.parse(colour(name)).get_truecolor()
        assert f"38;2;{red};{green};{blue}m" in told


def test_the_picture_of_a_timeline() -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra 'report'")
    from matplotlib.colors import to_hex

    from emotone import plots

    figure = plots.timeline(talk(), None)
    drawn = {
        to_hex(face)
        for axes in figure.axes
        for shape in axes.collections
        for face in np.atleast_2d(shape.get_facecolor())
    }
    assert {colour(name).lower() for name in CANONICAL} <= drawn


def test_the_page_of_a_recording(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="pages need the extra 'report'")
    from emotone.report import recording

    recording.write(talk(), tmp_path / "talk.html", source=None, link=None)
    text = (tmp_path / "talk.html").read_text(encoding="utf-8")
    for name in CANONICAL:
        assert f"--shade: {colour(name)}" in text
        assert f'"colour":"{colour(name)}"' in re.sub(r'":\s+"', '":"', text)


def test_the_service_tells_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi", reason="the service needs the extra 'server'")
    from emotone.server.api import examples, service

    told = next(
        value
        for value in vars(examples).values()
        if isinstance(value, dict) and isinstance(value.get("colours"), dict)
    )
    assert told["colours"] == {name: colour(name) for name in told["colours"]}
    assert service.colour is colour  # and no table of its own


@pytest.mark.parametrize("file", [*WEB, *BUILT, *TEMPLATES], ids=lambda path: path.name)
def test_no_page_has_a_colour_of_an_emotion_of_its_own(file: Path) -> None:
    """Each asks for them, but for what an unknown name is shown in."""
    found = {each.lower() for each in HEX.findall(file.read_text(encoding="utf-8"))}
    assert {TABLE[each] for each in found & {*TABLE}} <= {"other", *_ACCENTS.get(file.name, ())}


_ACCENTS = {"page.css": {"angry"}, "recording.js": {"angry"}}
"""Where the second colour of curves, valence beside arousal, is the same vermilion."""


def test_what_an_unknown_name_is_shown_in() -> None:
    palette = (REPO / "web" / "src" / "draw" / "palette.ts").read_text(encoding="utf-8")
    (fallback,) = HEX.findall(palette)
    assert fallback == EMOTIONS["other"].colour


def test_curves_of_other_things_take_no_colour_of_an_emotion() -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra 'report'")
    from emotone.plots import curves, style

    used = {each.lower() for each in curves.CURVES} - {style.SECOND.lower()}
    assert not used & {*TABLE}


def test_the_files_a_timeline_becomes_name_no_colour(emotone: Callable[..., Done]) -> None:
    """None of these forms has colours; one that gets them has to take them from the table."""
    from emotone.timeline import exports

    for form in exports.FORMS:
        if form.name != "parquet":
            found = {each.lower() for each in HEX.findall(exports.text(talk(), form.name))}
            assert found <= {*TABLE}
