"""Fold files: which rows train and test each fold, as the EmoBox benchmark partitions corpora.

A CSV with the columns ``path``, ``test_folds`` and ``train_folds`` (fold names separated by
spaces); further columns are passed over. A row is matched to an utterance by the end of its path,
in any case and without the audio ending, so that the corpus may lie anywhere and in any container.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from emotone.corpora.utterance import Utterance
from emotone.errors import SplitError
from emotone.pipes import refuse_pipe

_COLUMNS = ("path", "test_folds", "train_folds")
# A name alone, without its folder, has to be this long to tell a clip: "201" and "a01" do not.
_TELLING = 6

Drawn = tuple[str, npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class _Row:
    parts: tuple[str, ...]
    test: tuple[str, ...]
    train: tuple[str, ...]


def _parts(path: str) -> tuple[str, ...]:
    pure = PurePosixPath(path.replace("\\", "/"))
    return tuple(part.casefold() for part in pure.with_suffix("").parts)


def _read(file: Path) -> list[_Row]:
    rows: list[_Row] = []
    try:
        refuse_pipe(file)
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise SplitError(
                    f"has no column {' and no column '.join(missing)}",
                    source=file,
                    remedy=f"A fold file has the columns {', '.join(_COLUMNS)}.",
                )
            for row in reader:
                path = (row["path"] or "").strip()
                if not PurePosixPath(path).name:
                    raise SplitError(
                        f"row {reader.line_num} has no path", source=file, remedy="Give it one."
                    )
                test = tuple((row["test_folds"] or "").split())
                train = tuple((row["train_folds"] or "").split())
                both = sorted(set(test) & set(train))
                if both:
                    raise SplitError(
                        f"row {reader.line_num} is in both train and test of fold {both[0]}",
                        source=file,
                        remedy="Take it out of one.",
                    )
                rows.append(_Row(_parts(path), test, train))
    except UnicodeDecodeError:
        raise SplitError("is not UTF-8 text", source=file, remedy="Save it as UTF-8.") from None
    except csv.Error as error:
        raise SplitError(
            f"is not a table ({error})", source=file, remedy="Give a CSV file."
        ) from None
    except OSError as error:
        raise SplitError(
            f"cannot be read ({error.strerror})", source=file, remedy="Check the path."
        ) from None
    return rows


def _match(rows: Sequence[_Row], paths: Sequence[tuple[str, ...]]) -> dict[int, int]:
    """Row to utterance, by the longest common end of their paths; each is used once."""
    by_end: dict[tuple[str, ...], int | None] = {}
    for number, row in enumerate(rows):
        for length in range(1, len(row.parts) + 1):
            end = row.parts[-length:]
            by_end[end] = None if end in by_end else number  # None: several rows end so
    deepest = max((len(row.parts) for row in rows), default=0)
    best: dict[int, tuple[int, int]] = {}
    for position, parts in enumerate(paths):
        for length in range(min(deepest, len(parts)), 0, -1):
            found = by_end.get(parts[-length:])
            if found is None or (length == 1 and len(parts[-1]) < _TELLING):
                continue
            if found not in best or best[found][0] < length:
                best[found] = (length, position)
            break
    return {row: position for row, (_, position) in best.items()}


def read_folds(utterances: Sequence[Utterance], path: Path) -> tuple[list[Drawn], tuple[str, ...]]:
    """The folds of one fold file, or of every CSV of a folder, over these utterances.

    Parameters
    ----------
    utterances
        What the folds are made of.
    path
        A CSV, or a folder of them; those of corpora that are not there are passed over.

    Returns
    -------
    folds
        Name, train and test positions of each; the name begins with that of the file if there are
        several (``"ravdess:1"``).
    notes
        How many rows and utterances matched nothing, one sentence each.

    Raises
    ------
    SplitError
        If it cannot be read, lacks a column, or no row matches an utterance.
    """
    if path.is_dir():
        files = sorted(path.glob("*.csv"))
        if not files:
            raise SplitError("holds no CSV", source=path, remedy="Give a folder of fold files.")
    else:
        files = [path]
    paths = [_parts(u.path.absolute().as_posix()) for u in utterances]
    folds: list[Drawn] = []
    notes: list[str] = []
    used: set[int] = set()
    absent: list[str] = []
    for file in files:
        rows = _read(file)
        matched = _match(rows, paths)
        if not matched:
            absent.append(file.name)
            continue
        used.update(matched.values())
        if len(matched) < len(rows):
            notes.append(f"{len(rows) - len(matched)} of {len(rows)} rows of {file.name} match "
                         "no utterance")  # fmt: skip
        folds.extend(_folds_of(rows, matched, f"{file.stem}:" if len(files) > 1 else ""))
    if not folds:
        raise SplitError(
            f"no row matches any of the {len(utterances)} utterances",
            source=path,
            remedy="Check that it is the fold file of this corpus; paths are matched by their end.",
        )
    if absent:
        notes.append(f"no utterance is in {', '.join(absent)}")
    if len(used) < len(utterances):
        notes.append(
            f"{len(utterances) - len(used)} of {len(utterances)} utterances are in no fold file"
        )
    return folds, tuple(notes)


def _folds_of(rows: Sequence[_Row], matched: dict[int, int], prefix: str) -> list[Drawn]:
    train: dict[str, list[int]] = {}
    test: dict[str, list[int]] = {}
    for number, position in matched.items():
        for name in rows[number].train:
            train.setdefault(name, []).append(position)
        for name in rows[number].test:
            test.setdefault(name, []).append(position)
    names = sorted(
        test, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)
    )
    return [
        (
            f"{prefix}{name}",
            np.asarray(sorted(train.get(name, [])), np.intp),
            np.asarray(sorted(test[name]), np.intp),
        )
        for name in names
    ]
