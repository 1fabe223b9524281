"""The C++ example, compiled and run: it answers as Python does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

import emotone
from emotone import bundle

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / "examples" / "cpp"
CLIPS = tuple((REPO / "examples").glob("*.flac"))


def header() -> Path:
    """The folder of ONNX Runtime's header: that of a release where there is one, else our part."""
    root = os.environ.get("ONNXRUNTIME_ROOT")
    return Path(root) / "include" if root else REPO / "tests" / "cpp"


@pytest.fixture(scope="module")
def hear(tmp_path_factory) -> Path:
    """The program, built against the library in the wheel."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler here")
    libraries = list((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not libraries:
        pytest.skip("this wheel of onnxruntime has no shared library to link with")
    folder = tmp_path_factory.mktemp("cpp")
    program = folder / "hear"
    # The name that the library calls itself by, which the wheel's file does not have.
    (folder / "libonnxruntime.so.1").symlink_to(libraries[0])
    done = subprocess.run(
        [
            *(compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"),
            *("-I", header(), EXAMPLE / "hear.cpp", libraries[0]),
            *(f"-Wl,-rpath,{folder}", "-o", program),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    bundle.export(bundle.Bundle.open(bundle.find("default")), folder)
    return folder / "model.onnx"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_it_answers_as_python_does(hear, model, clip, subtype, tmp_path):
    samples, rate = soundfile.read(clip, dtype="float32")
    wav = tmp_path / "clip.wav"
    soundfile.write(wav, samples, rate, subtype=subtype)
    done = run(hear, model, wav)
    assert done.returncode == 0, done.stderr
    answered = {name: float(score) for name, score in map(str.split, done.stdout.splitlines())}
    expected = emotone.load().predict(wav).scores
    assert tuple(answered) == emotone.load().emotions
    assert answered == pytest.approx(expected, abs=2e-4)
    assert done.stderr == ""


def test_the_channels_are_averaged_and_the_silence_cut(hear, model, tmp_path):
    samples, rate = soundfile.read(CLIPS[0], dtype="float32")
    quiet = np.zeros(rate, np.float32)
    padded = np.concatenate([quiet, samples, quiet])
    wav = tmp_path / "stereo.wav"
    soundfile.write(wav, np.stack([padded, padded / 2], axis=1), rate, subtype="FLOAT")
    done = run(hear, model, wav)
    answered = {name: float(score) for name, score in map(str.split, done.stdout.splitlines())}
    assert answered == pytest.approx(emotone.load().predict(wav).scores, abs=2e-4)


def test_what_it_cannot_hear_it_says(hear, model, tmp_path):
    samples, rate = soundfile.read(CLIPS[0])
    wav = tmp_path / "clip.wav"
    soundfile.write(wav, samples, 44_100)
    done = run(hear, model, wav)
    assert done.returncode == 1
    assert "16 kHz" in done.stderr
    for content in (b"", b"RIFF", b"RIFF\0\0\0\0WAVE", wav.read_bytes()[:30]):
        wav.write_bytes(content)
        done = run(hear, model, wav)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")
    soundfile.write(wav, samples, rate)
    assert run(hear, tmp_path / "no.onnx", wav).returncode == 1
    assert run(hear).returncode == 2
