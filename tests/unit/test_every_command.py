"""What all commands have in common: --quiet, --verbose, --colour, and the parts of their help."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from commands import Done
from emotone.cli import messages, output, progress
from emotone.cli.app import COMMANDS, LazyGroup, app, every_command
from emotone.execution import Progress

REPO = Path(__file__).resolve().parents[2]
CLIP = REPO / "examples" / "raised-voice.flac"
ALL = {" ".join(words): command for words, command in every_command()}
Emotone = Callable[..., Done]


@pytest.mark.parametrize("words", ALL)
def test_every_command_is_quiet_and_verbose_by_the_same_options(words: str) -> None:
    options = [opt for param in ALL[words].params for opt in [*param.opts, *param.secondary_opts]]
    assert {"--quiet", "-q", "--verbose", "-v", "--colour"} <= {*options}
    assert len(options) == len({*options})


GROUPS = sorted({name.split()[0] for name in ALL if " " in name})
STATUSES = ["0", "1", "2", "129", "130", "141", "143"]


@pytest.mark.parametrize("words", GROUPS)
def test_the_help_of_a_group_has_what_those_below_it_have(emotone: Emotone, words: str) -> None:
    told = emotone(words, "--help").out
    for part in ("Options of every command", "--quiet", "Files and environment:", "See also:"):
        assert part in told
    assert re.findall(r"^   (\d+) ", told.partition("Exit status:")[2], re.M) == STATUSES
    assert re.search(r"emotone \w|docs/", told.partition("See also:")[2])


def test_an_option_of_every_command_may_stand_after_a_group(emotone: Emotone) -> None:
    assert emotone("corpus", "--quiet", "list").status == 0
    both = emotone("corpus", "--quiet", "list", "--verbose")
    assert (both.status, "exclude each other" in both.err) == (2, True)


def test_the_help_of_all_lists_the_same_exit_statuses(emotone: Emotone) -> None:
    told = emotone("--help").out.partition("Exit status:")[2].partition("EMOTONE_DEBUG")[0]
    assert re.findall(r"\b\d+\b", told) == STATUSES


@pytest.mark.parametrize("words", ALL)
def test_every_help_is_as_complete_as_a_manual(emotone: Emotone, words: str) -> None:
    told = emotone(*words.split(), "--help").out
    assert re.findall(r"^   (\d+) ", told.partition("Exit status:")[2], re.M) == STATUSES
    parts = ("Usage:", "Examples:", "Files and environment:", "Exit status:", "See also:")
    at = [told.index(part) for part in parts]
    assert at == sorted(at)
    for see in re.findall(r"emotone ((?:[a-z]+ ?)+)", told[at[-1] :]):
        assert any(name == see.strip() or name.startswith(f"{see.strip()} ") for name in ALL)
    for page in re.findall(r"docs/[\w/-]+\.md", told):
        assert (REPO / page).is_file()


EVERY = sorted({" ".join(words.split()[:n]) for words in ALL for n in range(4)})
"""With all groups and, without a word, the program itself."""


def prose(emotone: Emotone, words: str) -> list[str]:
    """The lines of a help page that lie outside of tables."""
    lines = (line.rstrip() for line in emotone(*words.split(), "--help").out.splitlines())
    return [line for line in lines if not line.startswith(("│", "╭", "╰"))]


@pytest.mark.parametrize("words", EVERY)
def test_no_line_of_a_help_is_broken_at_80_columns(
    emotone: Emotone, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = prose(emotone, words)
    monkeypatch.setenv("COLUMNS", "80")
    told = prose(emotone, words)
    assert told == wide
    for line, following in pairwise(told):
        if following[:1] == line[:1] == " " and following[1:2].strip() and line[1:2].strip():
            ends = line.endswith(":") or line.startswith((" emotone ", " Usage:"))
            assert ends or len(line) > 50, "a line in the middle of a paragraph"


@pytest.mark.parametrize("words", EVERY)
def test_every_command_and_group_has_examples(emotone: Emotone, words: str) -> None:
    heading = "Examples:" if words else "Start with one of these:"
    told = [line.strip() for line in prose(emotone, words)]
    examples = told[told.index(heading) + 1 :]
    examples = examples[: examples.index("")]
    assert any(f"emotone {words}".rstrip() in line for line in examples)


def test_the_list_of_commands_begins_as_their_help_does() -> None:
    root = get_command(app)
    assert isinstance(root, LazyGroup)
    for name, summary in COMMANDS.items():
        assert len(summary) <= 65, "it would be broken at 80 columns"
        assert root.get_command(None, name).help.startswith(summary)


def test_the_help_of_all_loads_no_command(emotone: Emotone) -> None:
    import sys

    before = {name for name in sys.modules if name.startswith("emotone.cli.")}
    for name in before - {"emotone.cli.app", "emotone.cli.everywhere", "emotone.cli.messages"}:
        del sys.modules[name]
    try:
        assert emotone("--help").status == 0
        assert "emotone.cli.predict" not in sys.modules
    finally:
        for name in before:  # others hold on to those modules
            sys.modules.pop(name, None)


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_leaves_results_and_errors(emotone: Emotone, toy: Path, place: str) -> None:
    arguments = ["predict", CLIP, "--model", toy, "--adapt", CLIP]

    def call(*options: str) -> Done:
        return emotone(*options, *arguments) if place == "before" else emotone(*arguments, *options)

    assert "Adapted to 1 clip" in call().err
    quiet = call("--quiet")
    assert (quiet.status, quiet.err) == (0, "")
    assert quiet.out == call().out
    verbose = call("-v")
    assert re.search(r"It took \d+\.\d\d s.*; exit status 0", verbose.err)
    assert verbose.out == quiet.out
    both = call("-q", "-v")
    assert (both.status, both.out) == (2, "")
    assert "exclude each other" in both.err


def test_quiet_keeps_errors(emotone: Emotone, tmp_path: Path) -> None:
    done = emotone("predict", tmp_path / "none.wav", "-q")
    assert done.status == 1
    assert done.err.startswith("error: ")


def test_one_command_does_not_leave_its_level_to_the_next(emotone: Emotone, toy: Path) -> None:
    emotone("predict", CLIP, "--model", toy, "-v")
    assert emotone("predict", CLIP, "--model", toy).err == ""


def test_verbose_tells_what_is_in_force_and_what_caused_an_error(
    emotone: Emotone, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTONE_PREDICT_TOP", "2")
    done = emotone("predict", CLIP, "--model", toy, "--verbose")
    assert "predict --top = 2 (EMOTONE_PREDICT_TOP)" in done.err
    toy.write_bytes(b"no zip")
    assert "caused by " in emotone("predict", CLIP, "--model", toy, "-v").err
    assert "caused by " not in emotone("predict", CLIP, "--model", toy).err


def test_quiet_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown: list[Any] = []
    monkeypatch.setattr(progress, "_progress", lambda **_: shown.append(1))
    monkeypatch.setattr(messages.said, "level", messages.QUIET)
    with progress.bar("Hearing") as report, progress.stages():
        report(1, 2)
    assert shown == []


def test_the_bar_of_a_training_begins_anew_with_each_fold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bars = []
    made = progress._progress

    def spy(**options: Any) -> Any:
        bars.append(made(**options))
        return bars[0]

    monkeypatch.setattr(progress, "_progress", spy)
    with progress.stages() as tell:
        (epochs,) = (task for task in bars[0].tasks if task.fields["unit"] == "batches")
        for done in (1, 2, 3):
            tell(Progress("epochs", done, 3, "crnn, epoch 1 of 1"))
        assert epochs.finished
        tell(Progress("epochs", 1, 3, "crnn, epoch 1 of 1"))  # of the second fold
        assert not epochs.finished
        assert (epochs.completed, epochs.fields["before"]) == (1, 0)
        tell(Progress("epochs", 3, 3, "crnn, epoch 1 of 1"))
        tell(Progress("epochs", 2, 3, "crnn, epoch 2 of 3"))  # of the third, which was cut off
        assert epochs.fields["before"] == 1
        assert epochs.time_remaining != 0


@pytest.mark.parametrize(("when", "coloured"), [("always", True), ("never", False)])
def test_colour_is_as_asked_for(
    emotone: Emotone, toy: Path, when: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    done = emotone("predict", CLIP, "--model", toy, "--colour", when)
    assert ("\x1b[" in done.out) is coloured
    failed = emotone("predict", "none.wav", "--colour", when)
    assert ("\x1b[31m" in failed.err) is coloured
    assert "\x1b[" not in emotone("predict", CLIP, "--model", toy).out
    assert emotone("predict", CLIP, "--colour", "red").status == 2
    assert output.console().color_system is None
