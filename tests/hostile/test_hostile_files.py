"""Hundreds of broken and strange files through every way in: an outcome each, and soon."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hostile_files as hostile
import numpy as np
import pytest

import batches
import services
from emotone import audio
from emotone.audio import sources
from emotone.errors import AudioError

HERE = Path(__file__).resolve().parent
Corpus = list[tuple[Path, hostile.Strange]]

LIMIT_S = 60.0
"""What takes longer hangs."""

MOST_S, MOST_MIB = 30.0, 250.0
"""Of one file, on a machine that is busy; the longest is half an hour."""

HOUR_MIB = 400
"""Of a process that hears an hour, model and libraries included; the samples alone are 220."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes names that Windows refuses")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return hostile.write(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return hostile.make_odd(tmp_path_factory.mktemp("odd"))


def environment(place: Path) -> dict[str, str]:
    """Temporary files and progress go where they can be counted."""
    for name in ("tmp", "cache"):
        (place / name).mkdir(exist_ok=True)
    kept = {"TMPDIR": str(place / "tmp"), "EMOTONE_CACHE": str(place / "cache")}
    return {**os.environ, **kept, "COLUMNS": "120", "PYTHONUTF8": "1"}


def nothing_left(place: Path) -> None:
    assert list((place / "tmp").rglob("*")) == []
    assert [p for p in (place / "cache").rglob("*") if p.is_file() and p.suffix != ".sqlite"] == []


def heard(paths: list[Path], call: str, place: Path) -> list[dict[str, Any]]:
    """What `hear.py` tells of each."""
    done = subprocess.run(
        [sys.executable, HERE / "hear.py", str(LIMIT_S), call],
        input=json.dumps([str(path) for path in paths]).encode(),
        capture_output=True,
        env=environment(place),
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{paths[min(len(told), len(paths) - 1)]}: {said}"
    assert said == "", "no library prints anything of its own"
    nothing_left(place)
    return told


ALL = os.environ.get("EMOTONE_HOSTILE") == "all"
"""Whether every file is to go through the slow ways in as well; the tests of a change take some."""


def sample(corpus: Corpus, every: int) -> Corpus:
    """Every so-manieth file, or all."""
    return corpus if ALL else corpus[::every]


def well_told(message: str, path: Path) -> None:
    """An error names the file, the cause and the remedy, and nothing of the insides."""
    assert str(path)[:60] in message
    assert len(message) < 600 + len(str(path))
    for word in ("Traceback", "Error(", "object at 0x", "Errno"):
        assert word not in message


def test_there_are_more_than_three_hundred(corpus: Corpus) -> None:
    assert len({each.name for _, each in corpus}) == len(corpus) >= 300
    by_ending = Counter(path.suffix for path, _ in corpus)
    for ending in hostile.CONTAINERS:
        assert by_ending[f".{ending.removesuffix('24').replace('rf64', 'wav')}"] >= 10, ending


@pytest.mark.parametrize("call", ["predict", "timeline"])
def test_each_ends_in_an_answer_or_an_error(call: str, corpus: Corpus, tmp_path: Path) -> None:
    told = heard([path for path, _ in corpus], call, tmp_path)
    assert len(told) == len(corpus)
    for (path, strange), found in zip(corpus, told, strict=True):
        assert found["seconds"] < MOST_S, path
        assert found["mib"] < MOST_MIB, path
        if "message" in found:
            well_told(found["message"], path)
        if call == "predict" and strange.heard is not None:
            assert ("emotion" in found) == strange.heard, found


def test_analyze_ends_each_in_status_0_or_1(
    corpus: Corpus, odd: dict[str, Path], tmp_path: Path
) -> None:
    names = [path for path, each in corpus if not each.name.isascii() or "with" in each.name]
    some = [path for path, _ in sample(corpus, 4)] + names
    told = heard([*some, *(path for name, path in odd.items() if name != "pipe.wav")], "command",
                 tmp_path)  # fmt: skip
    for found in told:
        assert found["status"] in (0, 1)
        assert found["left"] == []
        if found["status"]:
            *before, last = found["said"].splitlines()
            assert last.startswith("error: ")
            assert all(line.startswith("warning: ") for line in before), before
        assert "Traceback" not in found["said"]


def test_predict_answers_them_all_in_one_call(
    corpus: Corpus, odd: dict[str, Path], tmp_path: Path
) -> None:
    paths = [path for path, _ in corpus] + [path for n, path in odd.items() if n != "pipe.wav"]
    for form in ("--json", "--csv", None):
        done = subprocess.run(
            [sys.executable, "-m", "emotone", "predict", *([form] if form else []), *paths],
            capture_output=True,
            env=environment(tmp_path),
            timeout=4 * LIMIT_S,
        )
        assert done.returncode == 1, done.stderr
        said = done.stderr.decode("utf-8")
        assert "Traceback" not in said
        assert "\x1b" not in said
        # A table for programs has the names as they are on disk, bytes that are no text included.
        text = done.stdout.decode("utf-8", "surrogateescape" if form == "--csv" else "strict")
        if form == "--json":
            answers = json.loads(text)
            assert [answer["file"] for answer in answers] == [str(path) for path in paths]
            failed = [answer for answer in answers if "error" in answer]
            assert all(set(answer["error"]) == {"code", "message"} for answer in failed)
        elif form == "--csv":
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            assert len(rows) == len(paths)
            assert sum(bool(row["error"]) for row in rows) == len(failed)
        else:
            assert text.count(" failed ") == len(failed)
            assert "\x1b" not in text
            assert "\x07" not in text
        nothing_left(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "cp1252:strict"])
@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_names_come_out_in_any_encoding(
    encoding: str, form: str | None, corpus: Corpus, tmp_path: Path
) -> None:
    paths = [path for path, each in corpus if not each.name.isascii()]
    assert len(paths) >= 3
    done = subprocess.run(
        [sys.executable, "-m", "emotone", "predict", *([form] if form else []), *paths],
        capture_output=True,
        env={**environment(tmp_path), "PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if encoding.startswith("utf") and form == "--csv":
        assert all(os.fsencode(path) in done.stdout for path in paths)


def test_a_batch_has_a_row_for_each(corpus: Corpus, odd: dict[str, Path], tmp_path: Path) -> None:
    folders = {path.parent for path, _ in corpus} | {odd["missing.wav"].parent}
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "emotone", "batch", *folders, out, "--jobs", "2"],
        capture_output=True,
        env=environment(tmp_path),
        timeout=4 * LIMIT_S,
    )
    said = done.stderr.decode("utf-8")
    assert done.returncode == 1, said
    assert "Traceback" not in said
    rows = batches.rows(out)
    visible = [path for path, _ in corpus if not path.name.startswith(".")]
    by_file = Counter(row["file"] for row in rows)
    unnamed = {str(p) for p in visible if not str(p).isprintable() or "\udcff" in str(p)}
    assert {str(path) for path in visible} - set(by_file) <= unnamed
    assert len(by_file) >= len(visible)
    for row in rows:
        assert (row["error"] is None) != (row["emotion"] is None and row["error"] is not None)
    nothing_left(tmp_path)


def test_the_service_answers_each_with_a_code(corpus: Corpus, tmp_path: Path) -> None:
    def sent_name(strange: hostile.Strange) -> str:
        file = strange.name.encode("utf-8", "replace").decode()
        return "".join(c for c in file if c.isprintable() and c != '"')

    with services.service(tmp_path / "service") as service:

        def predict(strange: hostile.Strange) -> None:
            file = (sent_name(strange), strange.data)
            answer = service.ask("POST", "/v1/predict", form={"file": file})
            assert answer.status == 200 or 400 <= answer.status < 500, (strange.name, answer.body)
            if answer.status != 200:
                assert set(answer.error) == {"code", "message", "remedy"}
                assert "/tmp" not in answer.error["message"]

        with ThreadPoolExecutor(4) as several:
            assert len(list(several.map(predict, (strange for _, strange in corpus)))) >= 300
        for _, strange in sample(corpus, 20):
            file = (sent_name(strange), strange.data)
            sent = service.ask("POST", "/v1/analyses", form={"file": file})
            assert sent.status in (202, 400, 413, 415, 422), sent.body
            if sent.status == 202:
                ended = service.finished(sent.json["id"])
                assert ended["state"] == "done" or ended["error"]["code"], ended
        assert service.ask("GET", "/healthz").status == 200
        assert service.stop() == 0
    assert not [line for line in service.said if "Traceback" in line]


def test_what_is_no_file_is_told_at_once(odd: dict[str, Path]) -> None:
    codes = {
        "loop.wav": "unreadable_audio",
        "dangling.wav": "missing_file",
        "ring.wav": "unreadable_audio",
        "directory.wav": "is_directory",
        "null.wav": "unreadable_audio",
        "endless.wav": "unreadable_audio",
        "full.wav": "unreadable_audio",
        "memory.wav": "unreadable_audio",
        "under-a-file.wav": "missing_file",
        "missing.wav": "missing_file",
        "too-long.wav": "missing_file",
        "socket.wav": "unreadable_audio",
    }
    if os.geteuid():
        codes["unreadable.wav"] = "permission_denied"
    for name, code in codes.items():
        began = time.monotonic()
        with pytest.raises(AudioError) as caught:
            audio.read(odd[name])
        assert caught.value.code == code, caught.value
        assert caught.value.remedy
        well_told(str(caught.value), odd[name])
        assert time.monotonic() - began < 20.0


def test_a_pipe_that_nobody_writes_to_is_waited_for_a_while(
    odd: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PIPE_S", 0.2)
    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir())) if sys.platform == "linux" else 0
    with pytest.raises(AudioError, match=r"no program wrote to this pipe within 0\.2 s"):
        audio.read(odd["pipe.wav"])
    if before:
        assert len(list(handles.iterdir())) == before


def test_a_pipe_whose_writer_thinks_for_longer_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PIPE_S", 0.2)
    pipe = tmp_path / "pipe.flac"
    os.mkfifo(pipe)
    data = hostile.encode(hostile.voice(), hostile.RATE, "FLAC")
    opened = os.open(pipe, os.O_RDWR)  # which waits for nobody

    def write() -> None:
        with os.fdopen(opened, "wb") as file:
            time.sleep(0.6)
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    assert audio.read(pipe).duration_s == pytest.approx(1.2)
    writer.join()


@pytest.mark.parametrize("way", ["predict", "analyze", "batch"])
def test_a_named_pipe_by_the_command_line(way: str, tmp_path: Path) -> None:
    """Written to it is heard; nobody writes to it in a batch, which does not wait for it."""
    folder = tmp_path / "in"
    folder.mkdir()
    pipe = folder / "pipe.flac"
    os.mkfifo(pipe)
    data = hostile.encode(hostile.voice(), hostile.RATE, "FLAC")
    writer = threading.Thread(target=lambda: pipe.write_bytes(data), daemon=True)
    arguments = ["batch", folder, tmp_path / "out"] if way == "batch" else [way, pipe]
    if way != "batch":
        writer.start()
    done = subprocess.run(
        [sys.executable, "-m", "emotone", *arguments],
        capture_output=True,
        env=environment(tmp_path),
        timeout=2 * LIMIT_S,
    )
    assert done.returncode in ((0,) if way != "batch" else (0, 1, 2)), done.stderr
    assert b"Traceback" not in done.stderr
    if way != "batch":
        writer.join(5)


def test_folders_that_lead_to_themselves_end(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (inside / "up").symlink_to(tmp_path)
    (inside / "clip.flac").write_bytes(hostile.encode(hostile.voice(), hostile.RATE, "FLAC"))
    assert audio.find_audio([tmp_path]) == [inside / "clip.flac"]


@pytest.mark.parametrize("ending", ["wav", "flac", "m4a", "mp3"])
def test_a_file_that_shrinks_while_it_is_read(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_SMALL_FILE", 0)
    long = np.resize(hostile.voice(), 60 * hostile.RATE)
    if ending == "m4a":
        data = hostile.encode_av(long, hostile.RATE, "ipod", "aac")
    else:
        data = hostile.encode(long, hostile.RATE, *hostile._SOUNDFILE[ending])
    path = tmp_path / f"shrinking.{ending}"
    path.write_bytes(data)
    blocks = audio.read_blocks(path, block_s=5.0)
    first = next(blocks)
    assert first.duration_s == 5.0
    os.truncate(path, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it ends early, or is damaged
        try:
            rest = sum(block.duration_s for block in blocks)
        except AudioError as error:
            well_told(str(error), path)
        else:
            assert rest <= 56.0


def test_a_file_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_SMALL_FILE", 0)
    path = tmp_path / "vanishing.flac"
    path.write_bytes(hostile.encode(hostile.voice(), hostile.RATE, "FLAC"))
    blocks = audio.read_blocks(path, block_s=0.5)
    next(blocks)
    path.unlink()  # what is open stays
    assert sum(block.duration_s for block in blocks) == pytest.approx(0.7)
    with pytest.raises(AudioError, match="no such file"):
        audio.read(path)


def test_a_file_that_grows_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    whole = hostile.encode(hostile.voice(), hostile.RATE, "WAV")
    path.write_bytes(whole)
    with path.open("rb", buffering=0) as handle:
        size = path.stat().st_size
        with path.open("ab") as more:
            more.write(bytes(100_000))
        assert sources._read_small(handle, size) == whole


@pytest.mark.skipif(sys.platform != "linux", reason="needs the files of Linux")
def test_a_file_that_says_it_is_empty_and_never_ends() -> None:
    began = time.monotonic()
    with pytest.raises(AudioError):
        audio.read("/proc/self/pagemap")
    assert time.monotonic() - began < 30.0


def test_hours_take_memory_for_themselves_and_little_more(tmp_path: Path) -> None:
    hour = tmp_path / "hour.flac"
    hour.write_bytes(hostile.silence_then_a_word(3600))
    (told,) = heard([hour], "predict", tmp_path)
    decoded = 3600 * 8000 * 4 / 2**20  # 110 MiB, and twice that at 16 kHz
    assert "emotion" in told
    assert told["mib"] < 8 * decoded, "what is read, resampled, and cut into windows"


MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(status)
"""
"""A command and the most memory of any of its processes, in MiB."""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_an_hour_of_silence_in_a_batch_and_in_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    hour = folder / "hour.flac"
    hour.write_bytes(hostile.silence_then_a_word(3600))
    batch = ["-m", "emotone", "batch", folder, tmp_path / "out", "--segments", "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, *batch],
        capture_output=True,
        env=environment(tmp_path),
        timeout=4 * LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < HOUR_MIB, "it is heard in pieces"
    first, *_, last = rows = batches.rows(tmp_path / "out")
    assert (first["start"], first["emotion"]) == (0.0, "silence")
    assert last["end"] == first["duration_s"] == pytest.approx(3600)
    assert any(row["angry"] is not None for row in rows), "the word in the end is heard"
    with services.service(tmp_path / "service", job_memory_bytes=HOUR_MIB << 20) as service:
        answer = service.ask("POST", "/v1/predict", form={"file": (hour.name, hour.read_bytes())})
        assert (answer.status, answer.error["code"]) == (413, "too_large")
        found = service.finished(service.send(hour)["id"])
        assert (found["state"], found["error"]) == ("done", None)
        assert found["timeline"]["duration_s"] == first["duration_s"]
