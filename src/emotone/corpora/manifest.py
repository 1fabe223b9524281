"""Manifests: a table of utterances as CSV, JSONL or Parquet, read and written.

Columns: ``path`` and ``emotion``; optional ``speaker``, ``gender``, ``intensity``, ``sentence``,
``language``, ``corpus``, ``label``; any others are kept as extras. A relative path starts from the
manifest's own folder.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emotone import emotions
from emotone.corpora.utterance import Corpus, Gender, Problem, Utterance
from emotone.errors import CorpusError, MissingExtraError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
COLUMNS = (
    "path",
    "emotion",
    "label",
    "speaker",
    "gender",
    "intensity",
    "sentence",
    "language",
    "corpus",
)
_GENDERS: dict[str, Gender] = {
    "female": "female",
    "f": "female",
    "woman": "female",
    "male": "male",
    "m": "male",
    "man": "male",
}
_REMEDY = "A manifest has the columns path and emotion, and one row per clip."

Row = Mapping[str, Any]


def is_manifest(path: Path) -> bool:
    """Whether a path ends like a manifest."""
    return path.suffix.lower() in SUFFIXES


def _text(value: object) -> str | None:
    """A cell as text; None for an empty one. Whole floats (Parquet, spreadsheets) lose their .0."""
    if value is None or value != value:  # NaN is how a table marks an empty cell
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _delimited_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        if path.suffix.lower() == ".tsv":
            delimiter = "\t"
        else:
            header = lines.readline()
            lines.seek(0)
            # European spreadsheets write semicolons.
            delimiter = ";" if ";" in header and "," not in header else ","
        reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        _check_columns(path, reader.fieldnames)
        # DictReader keeps the cells past the header's under None; they belong to no column.
        for row in reader:
            yield reader.line_num, {k: v for k, v in row.items() if isinstance(k, str)}


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise CorpusError(
                    f"row {number} is not JSON ({error})",
                    source=path,
                    remedy='Each line is one object such as {"path": "a.wav", "emotion": "happy"}.',
                ) from None
            if not isinstance(row, dict):
                raise CorpusError(
                    f"row {number} is not a JSON object",
                    source=path,
                    remedy='Each line is one object such as {"path": "a.wav", "emotion": "happy"}.',
                )
            yield number, {str(key).strip().lower(): value for key, value in row.items()}


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Reading a Parquet manifest", "train") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = {name: name.strip().lower() for name in file.schema_arrow.names}
        _check_columns(path, list(names.values()))
        number = 0
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, {names[key]: value for key, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise CorpusError(
            f"is not a Parquet file that can be read ({_first_line(error)})",
            source=path,
            remedy="Write it again.",
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_columns(path: Path, columns: list[str]) -> None:
    missing = [name for name in ("path", "emotion") if name not in columns]
    if missing:
        raise CorpusError(
            f"has no column {' and no column '.join(missing)} "
            f"(its columns: {', '.join(columns) or 'none'})",
            source=path,
            remedy=_REMEDY,
        )


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet_rows(path)
    return _json_rows(path) if suffix in (".jsonl", ".ndjson") else _delimited_rows(path)


def _utterance(row: Row, number: int, path: Path, name: str) -> Utterance | Problem:
    cells = {key: text for key, value in row.items() if (text := _text(value)) is not None}
    for column in ("path", "emotion"):
        if column not in cells:
            return Problem(path, f"row {number} has no {column}", "row")
    if "\0" in cells["path"]:
        raise CorpusError(f"row {number} has a path with a zero byte", source=path, remedy=_REMEDY)
    gender = cells.get("gender")
    if gender is not None and gender.lower() not in _GENDERS:
        raise CorpusError(
            f"row {number} has the gender {gender!r}",
            source=path,
            remedy="Write female or male, or leave it empty.",
        )
    return Utterance(
        path=path.parent / cells["path"],
        emotion=emotions.canonical(cells["emotion"]),
        corpus=cells.get("corpus", name),
        label=cells.get("label", cells["emotion"]),
        speaker=cells.get("speaker"),
        language=cells.get("language"),
        gender=None if gender is None else _GENDERS[gender.lower()],
        intensity=cells.get("intensity"),
        sentence=cells.get("sentence"),
        extra={key: value for key, value in cells.items() if key not in COLUMNS},
    )


def read(path: Path, *, name: str | None = None) -> Corpus:
    """Read a CSV, TSV, JSONL or Parquet manifest.

    A listed file that is missing is a `Problem`, and so is a row without a path or an emotion, and
    a file that is listed again: the first row counts, since a clip that came twice could be in
    train and test at once. The order is that of the rows. Any emotion is taken: a known word as its
    canonical name, another in lower case.

    Parameters
    ----------
    path
        The manifest.
    name
        Of the corpus where its rows do not say it; the file's without its ending if None.

    Raises
    ------
    CorpusError
        If it is missing, lacks a column, has no row with a path and an emotion, or a row is wrong;
        the message names the row (in CSV and JSONL its line, in Parquet its place counted from 1).
    MissingExtraError
        For Parquet without pyarrow.
    """
    name = name or path.stem
    if not path.is_file():
        raise CorpusError(
            "is no regular file" if path.exists() else "there is no such manifest",
            source=path,
            remedy="Check the path.",
            code="missing_file",
        )
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    first: dict[str, tuple[int, str]] = {}
    try:
        for number, row in _rows(path):
            utterance = _utterance(row, number, path, name)
            if isinstance(utterance, Problem):
                problems.append(utterance)
            elif utterance.path.is_file():
                place = (number, utterance.emotion)
                before = first.setdefault(os.path.realpath(utterance.path), place)
                if before is place:
                    utterances.append(utterance)
                    continue
                reason = f"listed in row {number}, but also in row {before[0]}"
                if utterance.emotion != before[1]:
                    reason += f", as {before[1]} and not {utterance.emotion}"
                problems.append(Problem(utterance.path, reason, "repeated"))
            else:
                problems.append(
                    Problem(utterance.path, f"listed in row {number}, but not there", "missing")
                )
    except UnicodeDecodeError:
        raise CorpusError(
            "is not UTF-8 text", source=path, remedy="Save the manifest as UTF-8."
        ) from None
    except csv.Error as error:
        raise CorpusError(f"is not a table ({error})", source=path, remedy=_REMEDY) from None
    except PermissionError:
        raise CorpusError(
            "may not be read",
            source=path,
            remedy="Give yourself read permission on it.",
            code="permission_denied",
        ) from None
    if not utterances and all(problem.kind == "row" for problem in problems):
        reason = problems[0].reason if problems else "has no rows"
        raise CorpusError(reason, source=path, remedy=_REMEDY)
    return Corpus(name, path, tuple(utterances), tuple(problems))


def _record(utterance: Utterance, folder: Path) -> dict[str, str | None]:
    try:
        where = os.path.relpath(utterance.path, folder)
    except ValueError:  # another drive on Windows
        where = str(utterance.path.absolute())
    return {
        "path": Path(where).as_posix(),
        "emotion": utterance.emotion,
        "label": utterance.label,
        "speaker": utterance.speaker,
        "gender": utterance.gender,
        "intensity": utterance.intensity,
        "sentence": utterance.sentence,
        "language": utterance.language,
        "corpus": utterance.corpus,
        **{key: value for key, value in utterance.extra.items() if key not in COLUMNS},
    }


def write_manifest(corpus: Corpus, path: str | os.PathLike[str]) -> None:
    """Write a corpus as a manifest that `load` reads back in the same order.

    Parameters
    ----------
    corpus
        What to write.
    path
        Ends in .csv, .tsv, .jsonl or .parquet; audio paths are written relative to its folder.

    Raises
    ------
    CorpusError
        If the ending is none of these, or the file cannot be written.
    """
    target = Path(path)
    if not is_manifest(target):
        raise CorpusError(
            f"a manifest does not end in {target.suffix or 'nothing'}",
            source=target,
            remedy=f"Choose one of {', '.join(SUFFIXES)}.",
        )
    folder = target.absolute().parent
    records = [_record(utterance, folder) for utterance in corpus.utterances]
    columns = list(dict.fromkeys([*COLUMNS, *(key for record in records for key in record)]))
    part = target.with_name(target.name + ".part")
    try:
        _write(part, target.suffix.lower(), records, columns)
        part.replace(target)
    except OSError as error:
        raise CorpusError(
            f"cannot be written ({error.strerror})", source=target, remedy="Choose another place."
        ) from None
    finally:
        part.unlink(missing_ok=True)


def _write(
    part: Path, suffix: str, records: list[dict[str, str | None]], columns: list[str]
) -> None:
    if suffix == ".parquet":
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise MissingExtraError("Writing a Parquet manifest", "train") from None
        table = pyarrow.table(
            {
                column: pyarrow.array([record.get(column) for record in records], pyarrow.string())
                for column in columns
            }
        )
        pyarrow.parquet.write_table(table, part)
    elif suffix in (".jsonl", ".ndjson"):
        with part.open("w", encoding="utf-8", newline="\n") as out:
            for record in records:
                known = {key: value for key, value in record.items() if value is not None}
                out.write(json.dumps(known, ensure_ascii=False) + "\n")
    else:
        with part.open("w", encoding="utf-8", newline="") as out:
            delimiter = "\t" if suffix == ".tsv" else ","
            writer = csv.DictWriter(out, columns, delimiter=delimiter, lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)
