"""The notebooks run from top to bottom, and are committed without what they print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest

from blocks import REPO
from materials import make

NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def materials(corpora_if_any, tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("materials") / "all", corpora_if_any, REPO / "examples")


def run(notebook: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str):
    """The notebook as it is after all cells were run, in a folder of its own."""
    from nbclient import NotebookClient

    for name, value in {
        "EMOTONE_CACHE": str(folder / ".cache"),
        "IPYTHONDIR": str(folder / ".ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        **variables,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    content = nbformat.read(notebook, as_version=4)
    NotebookClient(
        content, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return content


def pictures(content) -> int:
    """How many cells show a picture."""
    return sum(
        any("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))
        for cell in content.cells
    )


def printed(content) -> str:
    return "".join(
        output.get("text", "") for cell in content.cells for output in cell.get("outputs", ())
    )


def test_the_tutorial_done_right(materials, tmp_path, monkeypatch):
    ravdess = str(materials / "ravdess")
    content = run(
        REPO / "notebooks" / "ravdess.ipynb", tmp_path, monkeypatch, EMOTONE_RAVDESS=ravdess
    )
    assert pictures(content) == 6
    assert "say nothing about a new voice" in printed(content)
    assert (tmp_path / "mine.emotone").is_file()


def test_exploring_a_recording(materials, tmp_path, monkeypatch):
    recording = tmp_path / "talk.wav"
    recording.write_bytes((materials / "meeting.wav").read_bytes())
    content = run(REPO / "notebooks" / "recording.ipynb", tmp_path, monkeypatch)
    assert pictures(content) == 1
    assert {path.suffix for path in tmp_path.glob("talk.*")} >= {".TextGrid", ".eaf", ".srt"}


def test_a_recording_comes_along(tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(REPO / "examples")
    run(REPO / "notebooks" / "recording.ipynb", tmp_path, monkeypatch)
    assert (tmp_path / "talk.wav").is_file()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_not_committed(notebook):
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert notebook.stat().st_size < 50_000


def test_there_are_two():
    assert [notebook.stem for notebook in NOTEBOOKS] == ["ravdess", "recording"]
