"""Settings from files and the environment: which wins, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import bundles
import emotone as package
from commands import Done
from emotone import configuration
from emotone.bundle.registry import find
from emotone.cli.app import COMMANDS, every_command
from emotone.cli.defaults import options
from emotone.errors import BundleError, UsageError
from emotone.features.cache import default_folder

CLIP = Path(__file__).resolve().parents[2] / "examples" / "raised-voice.flac"
Emotone = Callable[..., Done]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's file, not written yet; the user's is beside it, in ``user/emotone/``."""
    here = tmp_path / "project"
    here.mkdir()
    (tmp_path / "user" / "emotone").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("EMOTONE_CONFIG", raising=False)
    monkeypatch.setattr(configuration, "user_folder", lambda: tmp_path / "user" / "emotone")
    for name in [name for name in os.environ if name.startswith("EMOTONE_")]:
        monkeypatch.delenv(name)
    return here / "emotone.toml"


@pytest.fixture
def user(project: Path, tmp_path: Path) -> Path:
    return tmp_path / "user" / "emotone" / "config.toml"


# -- which wins


def test_the_stronger_place_wins(
    project: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> tuple[object, str]:
        value = configuration.read().value("threads")
        return value.value, value.origin

    assert found() == (1, "built in")
    user.write_text("threads = 2")
    assert found() == (2, str(user))
    project.write_text("threads = 3")
    assert found() == (3, "emotone.toml")
    monkeypatch.setenv("EMOTONE_THREADS", "4")
    assert found() == (4, "EMOTONE_THREADS")


def test_one_file_in_place_of_both(
    project: Path, user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_text("threads = 3")
    user.write_text("threads = 2\njobs = 2")
    named = tmp_path / "named.toml"
    named.write_text("threads = 7")
    monkeypatch.setenv("EMOTONE_CONFIG", str(named))
    assert configuration.value("threads") == 7
    assert configuration.value("jobs") is None
    monkeypatch.setenv("EMOTONE_CONFIG", "")
    assert configuration.value("threads") == 1
    monkeypatch.setenv("EMOTONE_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(UsageError, match="no such file"):
        configuration.value("threads")


@pytest.mark.parametrize("level", ["quiet", "verbose"])
@pytest.mark.parametrize("place", ["environment", "project", "user"])
def test_one_level_may_be_set_anywhere(
    emotone: Emotone,
    project: Path,
    user: Path,
    place: str,
    level: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if place == "environment":
        monkeypatch.setenv(f"EMOTONE_{level.upper()}", "1")
    else:
        (project if place == "project" else user).write_text(f"{level} = true")
    done = emotone("predict", CLIP, "--adapt", CLIP)
    assert done.status == 0, done.err
    assert ("Adapted to 1 clip" in done.err) is (level == "verbose")
    assert ("It took" in done.err) is (level == "verbose")


def test_the_stronger_of_two_levels_holds(
    emotone: Emotone, project: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write_text("quiet = true")
    project.write_text("verbose = true")
    assert "It took" in emotone("predict", CLIP).err
    monkeypatch.setenv("EMOTONE_QUIET", "1")
    assert emotone("predict", CLIP).err == ""
    user.write_text("quiet = true\nverbose = true")
    project.unlink()
    monkeypatch.delenv("EMOTONE_QUIET")
    both = emotone("predict", CLIP)
    assert both.status == 2
    assert "exclude each other" in both.err


def test_an_option_of_a_command_has_one_precedence(
    emotone: Emotone, toy: Path, project: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(*arguments: object) -> int:
        done = emotone("predict", CLIP, "--model", toy, *arguments)
        assert (done.status, done.err) == (0, "")
        return sum(" 0." in line for line in done.out.splitlines())

    assert rows() == 1
    user.write_text("[predict]\ntop = 2")
    assert rows() == 2
    project.write_text("[predict]\ntop = 3")
    assert rows() == 3
    monkeypatch.setenv("EMOTONE_PREDICT_TOP", "4")
    assert rows() == 4
    assert rows("--top", 1) == 1


def test_a_setting_of_all_commands_gives_way_to_one_of_a_command(
    emotone: Emotone, project: Path
) -> None:
    project.write_text("jobs = 2\n[predict]\njobs = 1")
    of = {
        command: {row["name"]: row["value"] for row in emotone("config", "show", *command.split(),
                  "--json").json["values"] if row["command"]}
        for command in ("predict", "analyze", "batch run", "serve")
    }  # fmt: skip
    assert of["predict"]["jobs"] == 1
    assert of["analyze"]["jobs"] == of["batch run"]["jobs"] == 2
    assert of["serve"]["jobs"] == 1  # there it counts what is heard at once


def test_python_takes_the_same(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.write(project.parent / "mine.emotone")
    project.write_text('model = "mine.emotone"\nthreshold = 1.0\ncache = "kept"')
    recognizer = package.load()
    assert recognizer.model == "test@1.0"
    assert recognizer.predict(CLIP).emotion == "uncertain"
    assert recognizer.predict(CLIP, threshold=0).emotion != "uncertain"
    assert [answer.emotion for answer in recognizer.predict_many([CLIP])] == ["uncertain"]
    assert package.load(threshold=0).predict(CLIP).emotion != "uncertain"
    assert package.load("default").model.startswith("emotone-default@")
    assert default_folder() == Path("kept")
    monkeypatch.setenv("EMOTONE_MODEL", "nobody")
    with pytest.raises(BundleError, match="EMOTONE_MODEL asks for"):
        find()


def test_a_path_counts_from_the_folder_of_its_file(user: Path) -> None:
    user.write_text('cache = "kept"\nmodel = "default"\nmodels = "~/models"')
    assert configuration.value("cache") == str(user.parent / "kept")
    assert configuration.value("model") == "default"
    assert configuration.value("models") == str(Path("~/models").expanduser())


# -- what is refused


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modell = 'a'", "Did you mean 'model'?"),
        ("threads = 0", "Give a whole number from 1."),
        ("threads = true", "Give a whole number from 1."),
        ("threshold = 1.5", 'Give a number from 0 to 1, or "card".'),
        ("model = 3", "Give a name or a path."),
        ("quiet = 'perhaps'", "Give true or false."),
        ("colour = 'red'", "Give auto, always or never."),
        ("quiet = true\nverbose = true", "exclude each other"),
        ("model = ", "this is no TOML"),
        ("[predic]\ntop = 3", "Did you mean 'predict'?"),
        ("[predict]\ntopp = 3", "Did you mean 'top'?"),
        ("[predict]\ntop = 'many'", "top is 'many'"),
        ("[predict]\ntop = 0", "top is 0"),
        ("[predict]\ntop = [1]", "Give one value."),
        ("[predict]\nadapt = 'a.wav'", "Give a list"),
        ("[predict]\nneutral = 'yes'", "Give true or false."),
        ("[predict]\njson = true", "belongs to one call"),
        ("[predict.top]\na = 1", "top is {'a': 1}"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_the_file(
    emotone: Emotone, toy: Path, project: Path, text: str, told: str
) -> None:
    project.write_text(text)
    done = emotone("predict", CLIP, "--model", toy)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: emotone.toml: ")
    assert told in done.err


def test_help_comes_whatever_is_wrong_in_a_file(emotone: Emotone, project: Path) -> None:
    project.write_text("[predict]\ntopp = 3")
    done = emotone("predict", "--help")
    assert (done.status, done.err) == (0, "")
    assert "Exit status:" in done.out
    assert emotone("predict").status == 2


def test_a_command_without_options_of_its_own(emotone: Emotone, project: Path) -> None:
    project.write_text("[benchmark]\nrounds = 3")
    done = emotone("benchmark", "list")
    assert done.status == 2
    assert "is no option of it. There is none." in done.err


def test_what_is_wrong_in_a_group(emotone: Emotone, project: Path) -> None:
    project.write_text("[corpus]\njobs = 3")
    done = emotone("corpus", "list")
    assert done.status == 2
    assert "Its tables are [corpus.check], " in done.err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a = " + b"[" * 5000, b"#" * 2_000_000])
def test_a_file_that_is_no_configuration(project: Path, content: bytes) -> None:
    project.write_bytes(content)
    with pytest.raises(UsageError, match=r"emotone\.toml"):
        configuration.read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
def test_a_pipe_of_the_name_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project)
    with pytest.raises(UsageError, match="no regular file"):
        configuration.read()


def test_an_unknown_variable_of_a_command(
    emotone: Emotone, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTONE_PREDICT_TPO", "3")
    done = emotone("predict", CLIP)
    assert done.status == 2
    assert "Did you mean 'EMOTONE_PREDICT_TOP'?" in done.err
    assert emotone("models", "show").status == 0
    shown = emotone("config", "show")
    assert "EMOTONE_PREDICT_TPO" in shown.err


def test_a_strangers_folder_opens_nothing(emotone: Emotone, project: Path, user: Path) -> None:
    project.write_text("[serve]\ninsecure = true\nhost = '0.0.0.0'")
    done = emotone("serve", "--no-browser")
    assert done.status == 2
    assert "which a project's file may not" in done.err
    project.unlink()
    user.write_text("[serve]\ninsecure = true")
    rows = emotone("config", "show", "serve", "--json").json["values"]
    (insecure,) = [row for row in rows if row["name"] == "insecure"]
    assert (insecure["value"], insecure["origin"]) == (True, str(user))


def test_what_the_command_line_excludes_is_not_asked_for_by_a_file(
    emotone: Emotone, toy: Path, project: Path
) -> None:
    project.write_text("[predict]\nthreshold = 0.1")
    done = emotone("predict", CLIP, "--model", toy, "--uncertain")
    assert "states no confidence" in done.err  # and not that two options exclude each other


# -- what is shown


def test_show_tells_where_each_value_comes_from(
    emotone: Emotone, project: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_text("jobs = 2\n[analyze]\nwindow = 2.0")
    monkeypatch.setenv("EMOTONE_COLOUR", "never")
    rows = emotone("config", "show", "--json").json["values"]
    found = {(row["command"], row["name"]): (row["value"], row["origin"]) for row in rows}
    assert found[None, "colour"] == ("never", "EMOTONE_COLOUR")
    assert found[None, "jobs"] == (2, "emotone.toml")
    assert found[None, "threads"] == (1, "built in")
    assert found["analyze", "window"] == (2.0, "emotone.toml")
    table = emotone("config", "show")
    assert table.status == 0
    assert any(line.split() == ["analyze", "window", "2.0", "emotone.toml"] for line in
               table.out.splitlines())  # fmt: skip
    unknown = emotone("config", "show", "predikt")
    assert (unknown.status, "Did you mean 'predict'?" in unknown.err) == (2, True)


def test_path_tells_the_files(emotone: Emotone, project: Path, user: Path) -> None:
    project.write_text("")
    rows = emotone("config", "path", "--json").json
    assert [(row["role"], row["exists"]) for row in rows] == [("project", True), ("user", False)]
    assert rows[1]["path"] == str(user)
    assert emotone("config", "path").out.splitlines()[1].endswith("config.toml (not there)")


def test_a_broken_file_stops_neither_the_doctor_nor_the_paths(
    emotone: Emotone, project: Path
) -> None:
    project.write_text("modell = 1")
    assert emotone("config", "path").status == 0
    assert emotone("config", "show").status == 2
    done = emotone("doctor", "--json")
    assert done.status == 1
    broken = [each for each in done.json["findings"] if each["state"] == "broken"]
    assert {each["area"] for each in broken} == {"configuration"}
    assert all(each["remedy"].startswith("Did you mean 'model'?") for each in broken)


# -- every option


def test_every_option_can_be_set_but_those_of_one_call() -> None:
    """And no two commands, nor a setting, share a variable."""
    seen = {setting.variable for setting in configuration.SETTINGS.values()}
    for words, command in every_command():
        for name in options(command):
            variable = configuration.variable(*words, name)
            assert variable not in seen
            seen.add(variable)
    assert {"EMOTONE_PREDICT_TOP", "EMOTONE_SERVER_KEYS_CREATE_DAYS"} <= seen
    assert "EMOTONE_TRAIN_OUTPUT" not in seen
    assert not {name.upper() for name in COMMANDS} & {"CONFIG_SHOW"}
