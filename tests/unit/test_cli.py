"""The command line: what goes to stdout and stderr, exit statuses, and help that can be trusted."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import bundles
import timelines
from commands import Done
from emotone.cli import timelines as cli_timelines
from emotone.cli.app import COMMANDS, every_command

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLIP = EXAMPLES / "raised-voice.flac"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of two clips, an empty file, and one that is not audio."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for clip in EXAMPLES.glob("*.flac"):
        shutil.copy(clip, folder)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is no audio")
    return folder


ALL = {" ".join(words): command for words, command in every_command()}


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A folder per emotion, two speakers with six tones of each, and a file that is not audio."""
    rng = np.random.default_rng(0)
    time = np.arange(4800) / 16000
    for number in range(24):
        emotion, speaker = ("sad", "happy")[number % 2], ("ann", "bob")[number // 2 % 2]
        pitch = (200, 1000)[number % 2] * rng.uniform(0.9, 1.1)
        file = tmp_path / "tones" / speaker / emotion / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.3 * np.sin(2 * np.pi * pitch * time), 16000)
    (tmp_path / "tones" / "ann" / "sad" / "text.wav").write_text("this is no audio")
    return tmp_path / "tones"


# -- help


def test_help_lists_every_command(emotone: Any) -> None:
    done = emotone("--help")
    assert done.status == 0
    for name in COMMANDS:
        assert re.search(rf"^│ {name} ", done.out, re.MULTILINE)


@pytest.mark.parametrize("words", ALL)
def test_every_help_has_an_example_and_fits_80_columns(
    emotone: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    done = emotone(*words.split(), "--help")
    assert done.status == 0
    assert f"emotone {words}" in done.out.split("Examples:")[1]
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("words", ALL)
def test_the_examples_in_a_help_use_options_that_exist(words: str) -> None:
    options = {opt for p in ALL[words].params for opt in [*p.opts, *p.secondary_opts]}
    text = ALL[words].help.split("Examples:")[1].replace("\\\n", " ")
    used = [
        word
        for line in text.splitlines()
        if f"emotone {words}" in line
        for word in line.split(f"emotone {words}")[1].split()
    ]
    assert used or words in ("models list", "corpus list", "server keys list")
    assert {word for word in used if re.match(r"--?[a-z]", word)} <= options


def test_version(emotone: Any) -> None:
    from emotone import __version__

    assert emotone("--version") == Done(0, f"emotone {__version__}\n", "")


# -- predict


def test_predict_prints_a_row_per_clip(emotone: Any, toy: Path) -> None:
    done = emotone("predict", CLIP, EXAMPLES / "low-voice.flac", "--model", toy)
    assert (done.status, done.err) == (0, "")
    rows = [line for line in done.out.splitlines() if ".flac" in line]
    assert len(rows) == 2
    assert all(re.search(r"(neutral|happy|sad|angry) +0\.\d\d █", row) for row in rows)


def test_predict_json_is_one_array_and_nothing_else(emotone: Any, toy: Path) -> None:
    done = emotone("predict", CLIP, "--json", "-m", toy)
    assert (done.status, done.err) == (0, "")
    (answer,) = done.json
    assert answer["file"] == str(CLIP)
    assert answer["model"] == "test@1.0"
    assert (
        answer["scores"][answer["emotion"]]
        == answer["confidence"]
        == max(answer["scores"].values())
    )
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert answer["duration_s"] == pytest.approx(soundfile.info(CLIP).duration, abs=1e-3)


def test_predict_csv_has_a_column_per_score(emotone: Any, toy: Path, mixed: Path) -> None:
    done = emotone("predict", mixed, "--csv", "-m", toy)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert done.status == 1
    assert list(rows[0]) == [
        "file", "emotion", "confidence", *bundles.EMOTIONS, "duration_s", "model", "error",
    ]  # fmt: skip
    answered = [row for row in rows if not row["error"]]
    assert len(rows) == 4
    assert len(answered) == 2
    for row in answered:
        assert float(row["confidence"]) == max(float(row[name]) for name in bundles.EMOTIONS)


def test_a_bad_file_is_reported_in_its_row_and_the_others_are_answered(
    emotone: Any, toy: Path, mixed: Path
) -> None:
    table = emotone("predict", mixed, "-m", toy)
    assert table.status == 1
    assert re.search(r"empty\.wav +failed +the file is empty", table.out)
    assert re.search(r"low-voice\.flac +(neutral|happy|sad|angry)", table.out)
    assert table.err == "error: 2 of 4 clips could not be answered.\n"

    found = emotone("predict", mixed, "-m", toy, "--json")
    assert found.status == 1
    codes = {Path(each["file"]).name: each.get("error", {}).get("code") for each in found.json}
    assert codes == {
        "empty.wav": "empty_file",
        "low-voice.flac": None,
        "raised-voice.flac": None,
        "text.wav": "unreadable_audio",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_utf8_leaves_the_json_valid(toy: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.flac"
    shutil.copy(CLIP, name)
    command = [sys.executable, "-m", "emotone", "predict", name, "-m", toy, "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    (answer,) = json.loads(done.stdout.decode("utf-8", "strict"))
    assert os.fsencode(answer["file"]) == name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_is_no_command_to_the_terminal(emotone: Any, toy: Path, tmp_path: Path) -> None:
    named = tmp_path / "red\x1b[31m\nline.flac"
    shutil.copy(CLIP, named)
    done = emotone("predict", named, "-m", toy)
    assert "red\ufffd[31m\ufffdline.flac" in done.out
    assert "\x1b" not in done.out
    assert emotone("predict", named, "-m", toy, "--json").json[0]["file"] == str(named)


def test_one_bad_file_is_one_line(emotone: Any, toy: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.wav"
    done = emotone("predict", missing, "-m", toy)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"error: {missing}: there is no such file. Check the path.\n"


def test_one_answer_for_a_long_recording_is_told_of_once(
    emotone: Any, toy: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(CLIP)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(samples, 2 + 20 * rate // len(samples)), rate)
    seconds = soundfile.info(long).duration
    plain = emotone("predict", long, "-m", toy)
    assert plain.err == (
        f"{long} lasts 0:{seconds:.1f} and has one answer for all of it; "
        "'emotone analyze FILE' tells when the emotion changes\n"
    )
    assert emotone("predict", long, "-m", toy, "--quiet") == Done(0, plain.out, "")
    several = emotone("predict", long, CLIP, long, "-m", toy, "--json")
    assert len(several.json) == 3
    assert several.err == (
        "Clips of over 20 s (2 of 3) have one answer each; "
        "'emotone analyze FILE' tells when the emotion changes\n"
    )
    just = tmp_path / "just.wav"
    soundfile.write(just, np.resize(samples, 20 * rate), rate)
    assert emotone("predict", just, "-m", toy).err == ""


def test_top_and_threshold(emotone: Any, toy: Path) -> None:
    top = emotone("predict", CLIP, "-m", toy, "--top", 3)
    assert len(re.findall(r" 0\.\d\d ", top.out)) == 3
    unsure = emotone("predict", CLIP, "-m", toy, "--threshold", 1)
    assert "uncertain" in unsure.out
    assert emotone("predict", CLIP, "-m", toy, "--threshold", 1, "--json").json[0]["emotion"] == (
        "uncertain"
    )


def test_some_emotions_alone(emotone: Any) -> None:
    free = emotone("predict", CLIP, "--json").json[0]["scores"]
    (answer,) = emotone("predict", CLIP, "--emotions", "sad, Anger", "--json").json
    assert set(answer["scores"]) == {"angry", "sad"}
    assert answer["scores"]["sad"] == pytest.approx(
        free["sad"] / (free["sad"] + free["angry"]), abs=2e-3
    )
    wrong = emotone("predict", CLIP, "--emotions", "sad,hapy")
    assert (wrong.status, wrong.out) == (2, "")
    assert "Did you mean 'happy'?" in wrong.err


def test_adapting_to_a_speaker(emotone: Any, toy: Path, tmp_path: Path) -> None:
    plain = emotone("predict", CLIP, "-m", toy, "--json").json[0]
    done = emotone("predict", CLIP, "-m", toy, "--json", "--adapt", EXAMPLES, "--adapt", CLIP)
    assert done.status == 0
    assert "Adapted to 3 clips of one speaker" in done.err
    (answer,) = done.json
    assert answer["adapted_clips"] == 3
    assert answer["confidence"] < plain["confidence"]
    assert "adapted_clips" not in plain
    missing = emotone("predict", CLIP, "-m", toy, "--adapt", tmp_path / "none.wav")
    assert (missing.status, missing.out) == (2, "")
    assert "none.wav: there is no such file" in missing.err
    neutral = emotone("predict", CLIP, "-m", toy, "--adapt", CLIP, "--neutral")
    assert neutral.status == 1
    assert "split by speaker" in neutral.err


def test_uncertain_as_the_model_says(emotone: Any, toy: Path) -> None:
    below = {"confidence": 1.0, "target": 0.8, "accuracy": 0.8, "coverage": 0.5, "clips": 99}
    silent = emotone("predict", CLIP, "-m", toy, "--uncertain")
    assert silent.status == 2
    assert "states no confidence" in silent.err
    bundles.write(toy, calibration={"uncertain_below": below})
    assert emotone("predict", CLIP, "-m", toy, "--uncertain", "--json").json[0]["emotion"] == (
        "uncertain"
    )


def test_a_channel_is_heard_alone(emotone: Any, toy: Path, tmp_path: Path) -> None:
    left, rate = soundfile.read(CLIP)
    right, _ = soundfile.read(EXAMPLES / "low-voice.flac")
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.stack([left, right[: len(left)]], axis=1), rate)
    mono = tmp_path / "mono.wav"
    soundfile.write(mono, left, rate)
    scores = [
        emotone("predict", path, *options, "-m", toy, "--json").json[0]["scores"]
        for path, options in ((stereo, ("--channel", 0)), (mono, ()), (stereo, ("--channel", 1)))
    ]
    assert scores[0] == scores[1] != scores[2]
    assert emotone("predict", stereo, "--channel", 2, "-m", toy).status in (1, 2)


def test_a_name_with_markup_is_shown_as_it_is(emotone: Any, toy: Path, tmp_path: Path) -> None:
    odd = tmp_path / "[red]a :smile:.flac"
    shutil.copy(CLIP, odd)
    assert "[red]a :smile:.flac" in emotone("predict", odd, "-m", toy).out


def test_a_model_is_found_by_its_name(emotone: Any, toy: Path) -> None:
    assert emotone("predict", CLIP, "-m", "toy", "--json").json[0]["model"] == "test@1.0"
    unknown = emotone("predict", CLIP, "-m", "nobody")
    assert unknown.status == 1
    assert "nobody" in unknown.err
    assert "toy" in unknown.err


# -- errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "a.wav", "--json", "--csv"),
        ("predict", "a.wav", "--nonsense"),
        ("predict", "a.wav", "--top", "0"),
        ("predict", "a.wav", "--threshold", "2"),
        ("predict", "a.wav", "--threshold", "0.5", "--uncertain"),
        ("predict", "a.wav", "--neutral"),
        ("predict",),
        ("features",),
        ("features", "a.wav", "--set", "mfccc40"),
        ("features", "a.wav", "-o", "table.xlsx"),
        ("features", "a.wav", "--json"),
        ("features", str(CLIP), "--band", "low-high"),
        ("features", str(CLIP), "--rate", "3"),
        ("models", "burn"),
        ("benchmark", "no-such"),
        ("nothing",),
    ],
)
def test_wrong_usage_is_status_2_without_a_traceback(
    emotone: Any, arguments: tuple[str, ...]
) -> None:
    done = emotone(*arguments)
    assert done.status == 2
    assert "Traceback" not in done.err
    assert done.err.strip() or done.out.strip()


def test_an_error_is_one_line_and_a_traceback_on_demand(
    emotone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotone.errors import FeatureError

    done = emotone("features", CLIP, "--set", "mfccc40")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    monkeypatch.setenv("EMOTONE_DEBUG", "1")
    with pytest.raises(FeatureError):
        emotone("features", CLIP, "--set", "mfccc40")
    monkeypatch.setenv("EMOTONE_DEBUG", "0")
    assert emotone("features", CLIP, "--set", "mfccc40") == done


def test_colour_is_for_terminals_alone(emotone: Any, toy: Path, mixed: Path) -> None:
    done = emotone("predict", mixed, "-m", toy)
    assert "\x1b" not in done.out + done.err


def test_ctrl_c_is_one_line_and_status_130(
    emotone: Any, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emotone.recognizer.load", interrupted)
    assert emotone("predict", CLIP, "-m", toy) == Done(130, "", "error: interrupted\n")


def test_a_place_that_cannot_be_written_is_one_line(emotone: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = emotone("features", CLIP, "-s", "mfcc-13", "-o", tmp_path / "file" / "out.csv")
    assert done.status == 1
    assert done.err.startswith(f"error: {tmp_path / 'file'}")


def test_a_warning_is_one_line_on_stderr(emotone: Any, toy: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.flac"
    cut.write_bytes(CLIP.read_bytes()[:40_000])
    done = emotone("predict", cut, "-m", toy, "--json")
    assert done.status == 0
    assert done.json[0]["file"] == str(cut)
    assert re.fullmatch(r"warning: .*cut\.flac: .*\n", done.err)


def test_a_reader_that_leaves_early_is_no_error(toy: Path, mixed: Path) -> None:
    for number in range(300):
        os.link(CLIP, mixed / f"{number}.flac")
    process = subprocess.Popen(
        [sys.executable, "-m", "emotone", "predict", mixed, "-m", toy, "--csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("file,emotion")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]], ids=str)
def test_a_full_disk_is_one_line(toy: Path, form: list[str]) -> None:
    command = [sys.executable, "-m", "emotone", "predict", EXAMPLES, "-m", toy, *form]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: standard output(, or a file in \S+)?: No space left on device\. "
        r"Free some space, or write to another disk\.\n",
        done.stderr,
    )


def piped(command: str, *, held: bool = True) -> subprocess.CompletedProcess[str]:
    """A line of the shell in which ``emotone`` is this one; Python may hold output back or not."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    if not held:
        environment["PYTHONUNBUFFERED"] = "1"
    program = f"emotone() {{ '{sys.executable}' -m emotone \"$@\"; }}; "
    return subprocess.run(
        ["bash", "-c", program + command], capture_output=True, text=True, env=environment
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("words", ["--help", "--version", "predict --help", ""])
def test_help_that_cannot_be_written(words: str, held: bool) -> None:
    done = piped(f"emotone {words} >/dev/full", held=held)
    assert done.returncode == 1
    assert re.fullmatch(r"error: standard output.*: No space left on device\. .*\n", done.stderr)


@pytest.mark.parametrize("words", ["--help", "predict --help", "--version"])
def test_a_reader_of_the_help_that_leaves_early(words: str) -> None:
    done = piped(f"emotone {words} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("form", ["", "--json", "--csv"])
def test_a_closed_stdout_is_told(toy: Path, form: str) -> None:
    done = piped(f"emotone predict '{CLIP}' -m '{toy}' {form} >&-")
    assert done.returncode == 1
    assert done.stderr == "error: standard output: Bad file descriptor.\n"


def test_a_closed_stderr_leaves_stdout_alone(toy: Path) -> None:
    done = piped(f"emotone predict none.wav '{CLIP}' -m '{toy}' --json 2>&-")
    assert done.returncode == 1
    assert len(json.loads(done.stdout)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_errors_that_cannot_be_told_leave_the_status(toy: Path) -> None:
    done = piped(f"emotone predict none.wav '{CLIP}' -m '{toy}' --json 2>/dev/full")
    assert done.returncode == 1
    assert len(json.loads(done.stdout)) == 2


@pytest.mark.parametrize("command", ["predict", "analyze"])
def test_a_closed_stdin_is_told(toy: Path, command: str) -> None:
    done = piped(f"emotone {command} - -m '{toy}' <&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: standard input: it is closed. ")


@pytest.mark.parametrize("command", ["predict", "analyze"])
def test_an_empty_name_is_called_so(emotone: Any, toy: Path, command: str) -> None:
    done = emotone(command, "", "-m", toy)
    assert done.status == 1
    assert done.err.startswith("error: '': the name is empty. ")


@pytest.mark.parametrize(
    ("kept", "end"), [(False, "2 segments more; -o OUT keeps them all"), (True, "2 segments more")]
)
def test_a_long_table_says_how_to_keep_it_all_unless_it_is_kept(
    kept: bool, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_timelines, "_ROWS", 1)
    cli_timelines.show(timelines.call(), kept=kept)
    printed = capsys.readouterr().out
    assert printed.endswith(f"… and {end}\n")
    assert "█" in printed, "drawn as the table of predict, in a pipe as well"
    assert "#" not in printed


def test_a_command_that_is_misspelt(emotone: Any) -> None:
    done = emotone("prdict", CLIP)
    assert done.status == 2
    assert "there is no command 'prdict'. Did you mean 'predict'?" in done.err
    assert "Did you mean 'check'?" in emotone("corpus", "chekc").err


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
@pytest.mark.parametrize("ending", ["json", "csv", "TextGrid", "html", "png"])
def test_a_full_disk_is_told_by_the_name_of_what_was_to_be_written(
    toy: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"out.{ending}"
    code = (
        "import resource, sys\nfrom emotone.cli.app import run\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\nsys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "analyze", CLIP, "-m", toy, "-o", out]
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "mpl")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.startswith(f"error: {out}: ")
    assert "Free some space, or write" in told
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_the_rate_in_the_progress_counts_from_the_start(toy: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "emotone", "predict", EXAMPLES, "-m", toy]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while more := os.read(ours, 4096):
                shown += more
    os.close(ours)
    assert process.returncode == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown)
    assert b"2/2 clips" in plain
    assert not re.search(rb"\d{3}\.\d/s", plain)


# -- features


def test_features_of_a_clip_as_csv_on_stdout(emotone: Any) -> None:
    from emotone import features

    done = emotone("features", CLIP, "--set", "mfcc-13", "--no-cache")
    assert (done.status, done.err) == (0, "")
    (row,) = csv.DictReader(io.StringIO(done.out))
    assert row.pop("file") == str(CLIP)
    assert list(row) == list(features.get("mfcc-13").names)
    np.testing.assert_allclose([float(v) for v in row.values()], features.extract(CLIP, "mfcc-13"))


@pytest.mark.parametrize("ending", ["csv", "npz", "parquet"])
def test_features_of_a_folder_as_a_file(
    emotone: Any, mixed: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "new" / f"table.{ending}"
    done = emotone("features", mixed, "-s", "mfcc13:mean,std", "-o", out)
    assert (done.status, done.out) == (1, "")
    assert f"Wrote 2 clips × 26 features to {out}" in done.err
    assert "2 of 4 clips gave no features" in done.err
    if ending == "csv":
        with out.open(encoding="utf-8") as lines:
            files = [row["file"] for row in csv.DictReader(lines)]
    elif ending == "npz":
        with np.load(out, allow_pickle=False) as table:
            files = table["file"].tolist()
            assert table["features"].shape == (2, 26)
            assert table["features"].dtype == np.float32
            assert len(table["names"]) == 26
    else:
        from pyarrow import parquet

        frame = parquet.read_table(out)
        files = frame["file"].to_pylist()
        assert frame.shape == (2, 27)
    assert files == [str(mixed / "low-voice.flac"), str(mixed / "raised-voice.flac")]
    assert not list(out.parent.glob(".*"))


def test_features_come_from_the_cache_the_second_time(emotone: Any, tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    shutil.copy(CLIP, clip)
    command = ("features", clip, "-s", "mfcc-13", "-o", tmp_path / "out.csv")
    assert "from the cache" not in emotone(*command).err
    assert "1 of them from the cache" in emotone(*command).err
    assert "from the cache" not in emotone(*command, "--normalize", "peak").err


def test_the_cache_is_shown_and_cleared(emotone: Any, tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    shutil.copy(CLIP, clip)
    emotone("features", clip, "-s", "mfcc-13")
    found = emotone("features", "--cache-info", "--json").json
    assert Path(found["path"]).parent == tmp_path / "cache"
    assert found["bytes"] == 13 * 4
    assert f"{found['path']}: 0.0 MiB" in emotone("features", "--cache-info").out
    cleared = emotone("features", "--clear-cache")
    assert (cleared.status, cleared.out) == (0, "")
    assert found["path"] in cleared.err
    assert emotone("features", "--cache-info", "--json").json["bytes"] == 0
    assert emotone("features", "--cache-info", "--clear-cache").status == 2


def test_features_with_labels(emotone: Any, tmp_path: Path) -> None:
    for emotion in ("angry", "sad"):
        (tmp_path / "own" / emotion).mkdir(parents=True)
        shutil.copy(CLIP, tmp_path / "own" / emotion / f"{emotion}.flac")
    done = emotone("features", tmp_path / "own", "--labels", "-s", "mfcc-13")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["emotion"] for row in rows] == ["angry", "sad"]


def test_what_a_manifest_lists_in_vain_is_said(emotone: Any, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"path,emotion\n{CLIP},angry\ngone.wav,sad\nlost.wav,sad\n")
    done = emotone("features", table, "--labels", "-s", "mfcc-13")
    assert len(done.out.splitlines()) == 2
    assert done.err.startswith(f"warning: left out: {tmp_path / 'gone.wav'}: listed in row 3, but")
    assert " and 1 more. " in done.err
    assert done.err.count("\n") == 1
    done = emotone("plot", "map", table, "-o", tmp_path / "map.png", "-s", "mfcc-13")
    assert "warning: left out: " in done.err


def test_the_named_sets_are_listed(emotone: Any) -> None:
    from emotone.features import available

    assert "tutorial-180" in emotone("features", "--list").out
    listed = emotone("features", "--list", "--json").json
    assert [each["name"] for each in listed] == [each.name for each in available()]


# -- corpus


def test_corpora_are_listed(emotone: Any) -> None:
    assert "ravdess" in emotone("corpus", "list").out
    names = {each["name"] for each in emotone("corpus", "list", "--json").json}
    assert {"ravdess", "tess", "emodb", "nemo"} <= names


def test_a_corpus_with_trouble_is_shown_and_status_1(emotone: Any, tmp_path: Path) -> None:
    for emotion in ("angry", "sad"):
        (tmp_path / "own" / emotion).mkdir(parents=True)
        shutil.copy(CLIP, tmp_path / "own" / emotion)
    sound = emotone("corpus", "check", tmp_path / "own")
    assert sound.status == 1
    assert "1 group of identical files" in sound.out
    assert re.search("^Language +unknown$", sound.out, re.MULTILINE)
    assert "Terms" not in sound.out
    (tmp_path / "own" / "sad" / "broken.wav").write_text("no audio")
    broken = emotone("corpus", "check", tmp_path / "own", "--json")
    assert broken.status == 1
    assert broken.json["emotions"] == {"sad": 2, "angry": 1}
    assert len(broken.json["unreadable"]) == 1


def test_a_row_without_an_emotion_is_listed_and_left_out(emotone: Any, tones: Path) -> None:
    table = tones.parent / "odd.csv"
    clips = sorted(tones.rglob("[0-9]*.wav"))
    rows = [f"{clip},{clip.parent.name},{clip.parent.parent.name}" for clip in clips]
    table.write_text("\n".join(["path,emotion,speaker", *rows, f"{clips[0]},,"]) + "\n")
    looked = emotone("corpus", "check", table)
    assert looked.status == 1
    assert "24 clips" in looked.out
    assert "1 name or row is left out" in looked.out
    assert "odd.csv: row 26 has no emotion" in looked.out
    done = emotone("train", table, "-f", "tree", *FAST, "--no-report", "--split", "none",
                   "-o", tones.parent / "m.emotone")  # fmt: skip
    assert done.status == 0
    assert "warning: left out: " in done.err
    assert "odd.csv: row 26 has no emotion" in done.err


@pytest.mark.parametrize(("width", "letters"), [(200, None), (80, 4), (72, 3)])
def test_emotions_are_cut_where_their_columns_do_not_fit(width: int, letters: int | None) -> None:
    from emotone.cli.corpus import _letters
    from emotone.emotions import CANONICAL

    emotions = [*CANONICAL, "boredom"]
    rows = {"ravdess": dict.fromkeys(emotions, 192), "all": dict.fromkeys(emotions, 999)}
    assert _letters(width, len("ravdess"), rows, emotions) == letters


def test_a_corpus_is_not_downloaded_before_its_terms_are_agreed_to(
    emotone: Any, tmp_path: Path
) -> None:
    done = emotone("corpus", "download", "ravdess", "-o", tmp_path / "ravdess")
    assert done.status == 1
    assert "--accept-licence" in done.err
    assert not (tmp_path / "ravdess").exists()


# -- training and testing


FAST = ("-s", "rms+centroid", "-j", 1)


@pytest.mark.parametrize("form", ["--csv", None])
def test_speakers_in_train_and_test_are_said_beside_every_figure(
    emotone: Any, tones: Path, form: str | None
) -> None:
    data = f"folder={tones}"
    forms = [form] if form else []
    found = emotone("compare", data, "-f", "tree", *FAST, "--split", "random:test=0.5", *forms)
    assert found.status == 1  # since something was left out
    assert "train and test share 2 speakers" in found.err
    assert "text.wav" in found.err  # what was left out is named
    model = tones.parent / "model.emotone"
    assert emotone("train", data, "-f", "tree", *FAST, "--no-report", "--split", "none",
                   "-o", model).status == 1  # fmt: skip
    tested = emotone("evaluate", model, data, "-j", 1, "--split", "random:test=0.5", *forms)
    assert "train and test share 2 speakers" in tested.err
    assert "was trained on tones" in tested.err


def test_an_emotion_that_no_fold_can_test_is_told_beside_the_figures(
    emotone: Any, tones: Path
) -> None:
    (tones / "ann" / "disgust").mkdir()
    (tones / "ann" / "sad" / "text.wav").unlink()
    (tones / "ann" / "sad" / "0.wav").rename(tones / "ann" / "disgust" / "0.wav")
    options = (f"folder={tones}", "-f", "tree", *FAST, "--split", "speakers:2")
    for done in (
        emotone("compare", *options),
        emotone("train", *options, "--no-report", "-o", tones.parent / "m.emotone"),
    ):
        assert "on 23 clips" in done.out
        assert "warning: 1 clip is not asked about" in done.err
        assert "disgust (1)" in done.err


def test_compare_shows_every_figure_with_its_interval_in_80_columns(
    emotone: Any, tones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("compare", f"folder={tones}", "-f", "tree,mlp-200-200-100-50", *FAST,
             "--split", "random:test=0.5")  # fmt: skip
    rows = emotone(*words, "--json").json["rows"]
    table = emotone(*words).out
    monkeypatch.setattr("emotone.cli.output._UNBOUNDED", 80)
    narrow = emotone(*words).out
    assert max(map(len, narrow.splitlines())) <= 80
    assert re.findall(r"[\d.]+–[\d.]+", narrow) == re.findall(r"[\d.]+–[\d.]+", table)
    flat = {row["family"]: row for row in csv.DictReader(io.StringIO(emotone(*words, "--csv").out))}
    assert set(flat) == {"tree", "mlp-200-200-100-50"}
    for row in rows:
        shown = re.search(rf"^ *{row['family']} +(.*)\n +(.*)$", table, re.MULTILINE)
        for at, name in enumerate(("ua", "wa", "f1")):
            low, high = row["ci95" if name == "ua" else f"{name}_ci95"]
            assert low <= row[name] <= high
            assert shown.group(1).split()[at] == f"{100 * row[name]:.1f}"
            assert shown.group(2).split()[at] == f"{100 * low:.1f}–{100 * high:.1f}"
            written = [float(flat[row["family"]][f"{name}{end}"]) for end in ("", "_low", "_high")]
            assert written == [row[name], low, high]


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("train", "-f", "tree", "--no-report", "--split", "none"), "out.emotone"),
        (("compare", "-f", "tree", "--split", "random:test=0.5"), None),
        (("plot", "features"), "out.png"),
        (("plot", "map", "--pca"), "out.png"),
    ],
)
@pytest.mark.parametrize("broken", [True, False])
def test_what_was_left_out_makes_status_1_after_all_else_is_done(
    emotone: Any, tones: Path, words: tuple[str, ...], out: str | None, broken: bool
) -> None:
    if not broken:
        (tones / "ann" / "sad" / "text.wav").unlink()
    written = [] if out is None else ["-o", tones.parent / out]
    done = emotone(*words, f"folder={tones}", *FAST, *written)
    assert done.status == int(broken), done.err
    assert ("warning: left out: " in done.err) == ("text.wav" in done.err) == broken
    assert out is None or (tones.parent / out).exists()


def test_answers_that_cannot_be_written_are_refused_before_the_work(
    emotone: Any, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotone.evaluation.evaluate", lambda *_, **__: pytest.fail("it tested"))
    done = emotone("evaluate", toy, EXAMPLES, "--predictions", "answers.txt")
    assert done.status == 2
    assert ".csv or .jsonl" in done.err


def test_a_place_that_cannot_hold_a_bundle_is_refused_before_the_training(
    emotone: Any, tones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotone.training.train", lambda *_, **__: pytest.fail("it trained"))
    (tones.parent / "notes.txt").touch()
    taken = tones.parent / "taken.emotone"
    taken.mkdir()
    for place in (tones, tones.parent / "notes.txt", taken, tones.parent / "notes.txt" / "m"):
        done = emotone("train", f"folder={tones}", "-o", place)
        assert done.status == 1
        assert str(place) in done.err


@pytest.mark.parametrize("name", ["x.onnx", "x.ONNX", "x.pt", "x.zip", "x.json"])
def test_an_ending_of_another_format_is_refused_before_the_training(
    emotone: Any, tones: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("emotone.training.train", lambda *_, **__: pytest.fail("it trained"))
    done = emotone("train", f"folder={tones}", "-o", tones.parent / name)
    assert done.status == 2
    assert f"-o {tones.parent / 'x.emotone'}" in done.err
    assert ("emotone models export" in done.err) == ("onnx" in name.lower())


def test_a_report_of_the_model_before_is_told_of(emotone: Any, tones: Path) -> None:
    (tones / "ann" / "sad" / "text.wav").unlink()
    out = tones.parent / "one.emotone"
    (tones.parent / "one.json").write_text("{}")
    words = ("train", f"folder={tones}", "-f", "tree", *FAST, "-o", out)
    first = emotone(*words, "--no-report", "--split", "none")
    assert "of the model before" not in first.err  # for there was none
    assert "of the model before" not in emotone(*words, "--split", "random:test=0.5").err
    again = emotone(*words, "--no-report", "--split", "none")
    (warning,) = (line for line in again.err.splitlines() if "of the model before" in line)
    assert warning.startswith("warning: one.report.html, one.json, ")
    assert "one.confusion.png" in warning
    untested = emotone(*words, "--split", "none")
    assert "warning: one.curve.png, one.confusion.png" in untested.err


def test_a_bundle_may_be_called_anything(emotone: Any, tones: Path) -> None:
    (tones / "ann" / "sad" / "text.wav").unlink()
    out = tones.parent / "мой model.emotone"
    done = emotone("train", f"folder={tones}", "-f", "tree", *FAST, "--no-report",
                   "--split", "none", "-o", out)  # fmt: skip
    assert done.status == 0, done.err
    assert emotone("models", "show", out, "--json").json["name"] == "model"


# -- models


def test_models_are_listed_with_the_refused_ones(emotone: Any, toy: Path) -> None:
    (toy.parent / "bad.emotone").write_text("not a zip")
    listed = {each["name"]: each for each in emotone("models", "list", "--json").json}
    assert listed["toy"]["model"] == "test@1.0"
    assert listed["bad"]["model"] is None
    assert "bad.emotone" in listed["bad"]["error"]
    assert "refused" in emotone("models", "list").out


def test_a_card_is_shown(emotone: Any, toy: Path) -> None:
    done = emotone("models", "show", toy)
    assert done.status == 0
    assert re.search(r"^Emotions +neutral, happy, sad, angry$", done.out, re.MULTILINE)
    assert emotone("models", "show", toy, "--json").json["name"] == "test"


def test_parameters_of_a_hybrid_have_a_row_for_each_member(emotone: Any) -> None:
    done = emotone("models", "show", "default")
    assert re.search(r"^Params of crnn +epochs \d+, .*channels \(24, 48, 64\)", done.out, re.M)
    assert re.search(r"^Params of ridge augment +speed 0.12", done.out, re.M)
    assert re.search(r"^ +uncertain below: confidence 0\.\d+", done.out, re.M)


def test_a_tampered_model_does_not_verify(emotone: Any, toy: Path, tmp_path: Path) -> None:
    assert emotone("models", "verify", toy).status == 0
    assert emotone("models", "verify", toy, "--json").json["passed"] is True
    bad = tmp_path / "bad.emotone"
    with zipfile.ZipFile(toy) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data + b"\0" if name == "model.onnx" else data)
    done = emotone("models", "verify", bad)
    assert done.status == 1
    assert re.search(r"✗ +checksum", done.out)


def test_a_model_is_exported_and_read_again(emotone: Any, toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert emotone("models", "export", toy, folder).out == f"{folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]
    answers = [emotone("predict", CLIP, "-m", m, "--json").json for m in (toy, folder)]
    assert answers[0] == answers[1]


# -- benchmark


def test_benchmarks_are_found_in_a_checkout_alone(
    emotone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkout" / "src" / "emotone").mkdir(parents=True)
    (tmp_path / "checkout" / "benchmarks").mkdir()
    for name in ("speed_one", "speed_two", "other"):
        status = 3 * (name == "speed_two")
        code = f"import sys\nprint({name!r}, *sys.argv[1:])\n"
        code += f'if __name__ == "__main__":\n    sys.exit({status})'
        text = f'"""Measures {name}.\n\nLong."""\n{code}\n'
        (tmp_path / "checkout" / "benchmarks" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path / "checkout")
    installed = tmp_path / "lib" / "site-packages" / "emotone" / "cli" / "benchmark.py"
    monkeypatch.setattr("emotone.cli.benchmark.__file__", str(installed))
    (tmp_path / "checkout" / "benchmarks" / "shared.py").write_text("raise SystemExit(3)")
    listed = [line.split(maxsplit=1) for line in emotone("benchmark", "list").out.splitlines()]
    assert listed == [[n, f"Measures {n}."] for n in ("other", "speed_one", "speed_two")]
    failed = emotone("benchmark", "speed-two", "--clips", "3")
    assert (failed.status, failed.out) == (3, "speed_two --clips 3\n")
    assert emotone("benchmark", "speed").status == 2  # which stands for no other
    assert emotone("benchmark", "other").status == 0
    assert emotone("benchmark", "speed-one").out == "speed_one\n"
    monkeypatch.chdir(tmp_path)
    assert "Run this in a checkout" in emotone("benchmark", "list").err


def test_the_benchmarks_are_those_of_the_emotone_that_runs(
    emotone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("own", "other"):
        (tmp_path / name / "src" / "emotone" / "cli").mkdir(parents=True)
        (tmp_path / name / "benchmarks").mkdir()
        text = '"""Measures."""\nif __name__ == "__main__":\n    pass\n'
        (tmp_path / name / "benchmarks" / f"{name}.py").write_text(text)
    editable = tmp_path / "own" / "src" / "emotone" / "cli" / "benchmark.py"
    monkeypatch.setattr("emotone.cli.benchmark.__file__", str(editable))
    monkeypatch.chdir(tmp_path / "other")
    assert emotone("benchmark", "list").out.split() == ["own", "Measures."]


def test_a_benchmark_that_is_killed_is_an_error(
    emotone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src" / "emotone" / "cli").mkdir(parents=True)
    (tmp_path / "benchmarks").mkdir()
    text = 'import os\nif __name__ == "__main__":\n    os.kill(os.getpid(), 9)\n'
    (tmp_path / "benchmarks" / "killed.py").write_text(text)
    own = tmp_path / "src" / "emotone" / "cli" / "benchmark.py"
    monkeypatch.setattr("emotone.cli.benchmark.__file__", str(own))
    done = emotone("benchmark", "killed")
    assert done.status == 1
    assert "benchmarks/killed.py: was killed by SIGKILL" in done.err


# -- plot


@pytest.mark.parametrize("kind", ["waveform", "spectrogram", "mel", "mfcc", "chroma"])
def test_a_clip_is_drawn(emotone: Any, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"{kind}.png"
    done = emotone("plot", kind, CLIP, "-o", out)
    assert done == Done(0, "", f"Wrote {out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_timeline_is_drawn_with_its_recording_or_without(emotone: Any, tmp_path: Path) -> None:
    kept, alone, whole = (tmp_path / name for name in ("t.json", "alone.png", "whole.png"))
    assert emotone("analyze", CLIP, "-o", kept).status == 0
    assert emotone("plot", "timeline", kept, "-o", alone) == Done(0, "", f"Wrote {alone}\n")
    assert emotone("plot", "timeline", kept, "--sound", CLIP, "-o", whole).status == 0
    assert len(whole.read_bytes()) > len(alone.read_bytes())
    for text in ("{}", "[]", "not json", '{"format": 1}'):
        kept.write_text(text)
        done = emotone("plot", "timeline", kept, "-o", alone)
        assert done.status == 2, text
        assert str(kept) in done.err


def test_what_is_no_result_is_not_drawn(emotone: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    for text in ("[]", "{}", "not json", '{"history": {"kind": "epochs"}}'):
        other.write_text(text)
        for kind in ("loss", "confusion", "reliability"):
            done = emotone("plot", kind, other, "-o", tmp_path / "out.png")
            assert done.status == 2, (kind, text)
            assert done.err.startswith("error: ")
