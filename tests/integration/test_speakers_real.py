"""Speakers told apart in conversations of real voices that the projection was not learned from."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pyannote.database.util import load_rttm

from emotone.cli.app import run
from emotone.speech import RATE
from emotone.timeline import exports

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import speakers  # noqa: E402


def test_two_speakers_of_unheard_corpora(corpora: Path) -> None:
    for name in speakers.CORPORA:
        clips = speakers.read(corpora, name)
        talks = [speakers.Heard.of(speakers.conversation(clips, 2, 1.0, seed)) for seed in range(4)]
        found = speakers.figures(talks, asked=True)
        assert found["wrong_given_speech"] < 0.25
        assert found["wrong_given_speech"] < 0.7 * found["wrong_one_speaker"]
        assert found["miss"] + found["false_alarm"] < 0.15
        assert found["found"] == 2


@pytest.fixture(scope="module")
def talk(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of two people."""
    made = speakers.conversation(speakers.read(corpora, "ravdess"), 2, 0.5, seed=1)
    path = tmp_path_factory.mktemp("talks") / "talk.wav"
    soundfile.write(path, made.samples, RATE)
    return path


def test_the_command(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outs = {ending: tmp_path / f"talk.{ending}" for ending in ("rttm", "csv", "json", "html")}
    options = [text for out in outs.values() for text in ("-o", str(out))]
    assert run(["analyze", str(talk), "--speakers", "2", *options]) == 0
    printed = capsys.readouterr().out
    assert "Of all" in printed
    names = {"speaker 1", "speaker 2"}
    assert all(name in printed for name in names)
    timeline = exports.read(outs["json"])
    assert set(timeline.speakers) == names
    assert timeline.speakers[0] == "speaker 1"
    assert timeline.settings["speakers"] == 2
    (turns,) = load_rttm(outs["rttm"]).values()
    assert set(turns.labels()) == {"speaker_1", "speaker_2"}
    assert sum(segment.duration for segment in turns.itersegments()) == pytest.approx(
        timeline.summary().speech_s, abs=0.1
    )
    with outs["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["speaker"] for row in rows} == {"", *names}
    page = outs["html"].read_text(encoding="utf-8")
    assert all(name in page.lower() for name in names)


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5"])
def test_no_number_of_speakers(number: str, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(talk), f"--speakers={number}"]) == 2
    assert "whole number from 1, or auto" in capsys.readouterr().err.replace("\n", " ")


def test_standard_input_is_read_only_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert run(["analyze", "-", "--speakers", "2"]) == 2
    assert "only once" in capsys.readouterr().err


def test_silence_has_no_speakers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "quiet.wav"
    soundfile.write(path, np.full(3 * RATE, 1e-4), RATE, subtype="FLOAT")
    assert run(["analyze", str(path), "--speakers", "auto"]) == 0
    assert "speaker 1" not in capsys.readouterr().out
