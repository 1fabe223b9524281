"""Tables of features on disk: whole or not at all, and the same numbers in every form."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotone import exports
from emotone.errors import UsageError

NAMES = ("one", "two", "three")
MATRIX = np.array([[1.0, -2.5, 1e-20], [np.pi, 1 / 3, 3.4e38]], dtype=np.float32)
COLUMNS = {"file": ["a,b.wav", 'c "d".wav'], "speaker": ["é", None]}


def read(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """The files, speakers and numbers in a table."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as table:
            assert tuple(table["names"]) == NAMES
            return table["file"].tolist(), table["speaker"].tolist(), table["features"]
    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        numbers = np.stack([table[name].to_numpy() for name in NAMES], axis=1)
        speakers = [text or "" for text in table["speaker"].to_pylist()]
        return table["file"].to_pylist(), speakers, numbers
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    numbers = np.array([[row[name] for name in NAMES] for row in rows], dtype=np.float32)
    return [row["file"] for row in rows], [row["speaker"] for row in rows], numbers


@pytest.mark.parametrize("ending", [".csv", ".npz", ".parquet", ".CSV"])
def test_a_table_reads_back_as_it_was(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    exports.write_features(path, MATRIX, NAMES, COLUMNS)
    lower = path.rename(tmp_path / f"copy{ending.lower()}")
    files, speakers, numbers = read(lower)
    assert files == ["a,b.wav", 'c "d".wav']
    assert speakers == ["é", ""]
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, MATRIX)


@given(row=arrays.arrays(np.float32, 3, elements=st.floats(width=32, allow_nan=False)))
def test_csv_keeps_every_float32(row: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    exports.write_features(path, row[np.newaxis], NAMES, {"file": ["a"], "speaker": ["b"]})
    np.testing.assert_array_equal(read(path)[2][0], row)


def test_what_was_there_stays_when_the_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    exports.write_features(path, MATRIX, NAMES, COLUMNS)
    before = path.read_bytes()
    with pytest.raises(IndexError):
        exports.write_features(path, MATRIX, NAMES, {"file": ["only one"]})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_table_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    exports.write_features(path, MATRIX, NAMES, COLUMNS)
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("name", ["table.xlsx", "table"])
def test_an_unknown_form_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.parquet, \.npz"):
        exports.check_features_path(tmp_path / name)
    with pytest.raises(UsageError, match=r"\.csv, \.parquet, \.npz"):
        exports.write_features(tmp_path / name, MATRIX, NAMES, COLUMNS)
    assert not list(tmp_path.iterdir())
