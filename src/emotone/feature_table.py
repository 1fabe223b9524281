"""Features on disk, as `emotone features` writes them to Parquet, to learn from without the audio.

A table is one file or the parts of one extraction, or several of these. What is said of each clip
is read into memory, about half a kilobyte for each; the features themselves stay where they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import emotions
from emotone.batch.places import Place
from emotone.batch.plan import Plan, parts
from emotone.corpora import Corpus, Utterance
from emotone.corpora.utterance import Problem
from emotone.errors import CorpusError, EmotoneError, FeatureError, MissingExtraError, UsageError
from emotone.features import get
from emotone.features.stored import COLUMN, TEXTS, Description
from emotone.models.streamed import PIECE_BYTES, Piece, Streamed
from emotone.prediction import Failure

_AGAIN = "Extract them again with 'emotone features'."
_TEXT_ROWS = 8192
_NOTHING: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class StoredUtterance(Utterance):
    """An utterance whose features lie in a table.

    Attributes
    ----------
    row
        Which row of the table it is.
    error
        Why that has no features; None where it has.
    """

    row: int = -1
    error: EmotoneError | None = field(default=None, compare=False)


@dataclass(frozen=True)
class StoredCorpus(Corpus):
    """A corpus whose features are stored, in the order in which they were extracted.

    Attributes
    ----------
    table
        Where.
    """

    table: FeatureTable = field(default=None)  # type: ignore[assignment]

    def row(self, utterance: Utterance) -> int:
        """Where the features of an utterance lie in the table."""
        assert isinstance(utterance, StoredUtterance)
        return utterance.row


def is_table(source: str | os.PathLike[str]) -> bool:
    """Whether a path or address holds stored features, rather than audio or a list of it.

    Raises
    ------
    FeatureError
        If it is a Parquet file that says nonsense of its features.
    """
    text = os.fspath(source)
    if "://" not in text:
        path = Path(text)
        if path.is_dir():
            return (path / "_emotone" / "plan.parquet").is_file() or any(
                path.glob("part-*.parquet")
            )
        return path.suffix.lower() == ".parquet" and path.is_file() and _describes(text)
    place = Place(text)
    if text.lower().endswith(".parquet"):
        return _describes(text)
    return next(parts(place), None) is not None


def _describes(address: str) -> bool:
    try:
        with _opened(address) as file:
            return Description.read(file.metadata.metadata, address) is not None
    except CorpusError:  # whoever takes it for a list of clips says what is wrong
        return False


class FeatureTable:
    """Stored features. Made by `FeatureTable.open`.

    Attributes
    ----------
    sources
        As they were given.
    files
        Addresses of the Parquet files, in the order of the rows.
    groups
        Rows of each row group of each file.
    description
        Which features these are.
    """

    def __init__(
        self,
        sources: tuple[str, ...],
        files: tuple[str, ...],
        groups: tuple[tuple[int, ...], ...],
        description: Description,
    ) -> None:
        self.sources, self.files, self.groups = sources, files, groups
        self.description = description

    def __len__(self) -> int:
        return sum(map(sum, self.groups))

    @classmethod
    def open(cls, sources: Sequence[str | os.PathLike[str]]) -> FeatureTable:
        """Look at what there is; no row is read.

        Parameters
        ----------
        sources
            Parquet files, and folders with the parts of an extraction; paths or addresses.

        Raises
        ------
        CorpusError
            If one is missing, incomplete or damaged.
        FeatureError
            If one holds no features, or others than the first; or they are of another version than
            those that are computed here, so that no model could hear by them.
        MissingExtraError
            If pyarrow is not installed.
        """
        given = tuple(os.fspath(source) for source in sources)
        files = tuple(file for source in given for file in _files(source))
        first: Description | None = None
        groups = []
        for file in files:
            with _opened(file) as opened:
                found = Description.read(opened.metadata.metadata, file)
                if found is None:
                    raise FeatureError(
                        "it does not say which features it holds", source=file, remedy=_AGAIN
                    )
                _check_column(opened.schema_arrow, found, file)
                counts = range(opened.metadata.num_row_groups)
                groups.append(tuple(opened.metadata.row_group(i).num_rows for i in counts))
            first = first or found
            _check_alike(found, first, file, files[0])
        assert first is not None
        known = get(first.feature_set)
        if (known.version, known.dimension) != (first.version, first.dimension):
            raise FeatureError(
                f"its features are {first.feature_set} of version {first.version} with "
                f"{first.dimension:,} numbers, and emotone computes version {known.version} with "
                f"{known.dimension:,} here: a model of them would not understand what it hears",
                source=given[0],
                remedy=_AGAIN,
                code="other_version",
            )
        if known.rate is None and first.preparation.rate is None:
            raise FeatureError(
                "each clip's features were computed at the rate of the clip, so that the same "
                "number says different things",
                source=given[0],
                remedy="Extract them again with --rate, or into a folder, which takes the rate of "
                "most clips.",
                code="no_rate",
            )
        return cls(given, files, tuple(groups), first)

    def corpus(self) -> StoredCorpus:
        """The labelled clips; those without features among them, those without a label not.

        A file that comes again is a `Problem`, and so is a clip without an emotion.

        Raises
        ------
        CorpusError
            If there is no labelled clip, or a file cannot be read.
        """
        utterances: list[StoredUtterance] = []
        problems: list[Problem] = []
        seen: set[str] = set()
        shared: dict[str, str] = {}
        row = -1
        for file, cells in self._texts():
            name = Path(file).stem
            row += 1
            path = cells.get("file") or f"{file}, row {row}"
            emotion = _emotion(cells.get("emotion"))
            if path in seen:
                problems.append(Problem(Path(path), "its features come twice", "repeated"))
                continue
            seen.add(path)
            if emotion is None:
                problems.append(Problem(Path(path), "its features have no emotion", "row"))
                continue
            # A million clips have few speakers: each text is kept once.
            kept = {
                key: shared.setdefault(text, text) for key in TEXTS[2:] if (text := cells.get(key))
            }
            gender = kept.get("gender")
            code = cells.get("error_code")
            utterances.append(
                StoredUtterance(
                    path=Path(path),
                    emotion=shared.setdefault(emotion, emotion),
                    corpus=kept.get("corpus") or shared.setdefault(name, name),
                    label=kept.get("label", emotion),
                    speaker=kept.get("speaker"),
                    language=kept.get("language"),
                    gender=gender if gender in ("female", "male") else None,  # type: ignore[arg-type]
                    intensity=kept.get("intensity"),
                    sentence=kept.get("sentence"),
                    extra={"split": kept["split"]} if "split" in kept else _NOTHING,
                    row=row,
                    error=None
                    if code is None
                    else EmotoneError(cells.get("error") or code, code=code),
                )
            )
        if not utterances:
            raise CorpusError(
                "no clip has an emotion" if row >= 0 else "there is no clip in it",
                source=self.sources[0],
                remedy="Extract the features with --labels, or of a list with a column emotion.",
                code="no_labels",
            )
        names = [Path(source.rstrip("/")).stem for source in self.sources]
        return StoredCorpus(
            "+".join(dict.fromkeys(names)),
            Path(self.sources[0]),
            tuple(utterances),
            tuple(problems),
            self,
        )

    def features(self, rows: npt.ArrayLike) -> StoredFeatures:
        """The features of some rows."""
        return StoredFeatures(self, np.asarray(rows, dtype=np.intp))

    def _texts(self) -> Iterator[tuple[str, dict[str, str | None]]]:
        wanted = {*TEXTS, "error", "error_code"}
        for address in self.files:
            with _opened(address) as file:
                names = [name for name in file.schema_arrow.names if name in wanted]
                for cells in _cells(file, names):
                    yield address, cells

    @cached_property
    def _starts(self) -> npt.NDArray[np.intp]:
        """The first row of each row group, and the number of all."""
        counts = [count for file in self.groups for count in file]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)

    @cached_property
    def _homes(self) -> list[tuple[int, int]]:
        """File and number of each row group."""
        return [(at, group) for at, file in enumerate(self.groups) for group in range(len(file))]


class StoredFeatures(Streamed):
    """The features of some rows of a table; a row that has none is one of NaN.

    Parameters
    ----------
    table
        Where they are.
    rows
        Which, in which order.
    """

    def __init__(self, table: FeatureTable, rows: npt.NDArray[np.intp]) -> None:
        self.table, self.rows = table, rows
        self.shape = (len(rows), table.description.dimension)

    def __getitem__(self, rows: npt.ArrayLike) -> StoredFeatures:
        return StoredFeatures(self.table, self.rows[np.asarray(rows)])

    def read(self) -> npt.NDArray[np.float32]:
        """All of them, float32, shape ``(n, d)``."""
        matrix = np.empty(self.shape, dtype=np.float32)
        for positions, rows in self.pieces():
            matrix[positions] = rows
        return matrix

    def pieces(self, generator: np.random.Generator | None = None) -> Iterator[Piece]:
        """See `Streamed.pieces`.

        Raises
        ------
        CorpusError
            If a file cannot be read.
        """
        order = np.argsort(self.rows, kind="stable")
        sorted_rows = self.rows[order]
        bounds = np.searchsorted(sorted_rows, self.table._starts)
        groups = np.flatnonzero(np.diff(bounds))
        if generator is not None:
            generator.shuffle(groups)
        pool: list[Piece] = []
        held = 0
        for group in groups.tolist():
            inside = slice(bounds[group], bounds[group + 1])
            for piece in self._group(group, sorted_rows[inside], order[inside]):
                if pool and held + piece[1].nbytes > PIECE_BYTES:
                    yield _joined(pool, generator)
                    pool, held = [], 0
                pool.append(piece)
                held += piece[1].nbytes
        if pool:
            yield _joined(pool, generator)

    def _group(
        self, group: int, rows: npt.NDArray[np.intp], positions: npt.NDArray[np.intp]
    ) -> Iterator[Piece]:
        """Pieces of one row group: `rows` of the table, sorted, and where each belongs."""
        table = self.table
        at, number = table._homes[group]
        first = int(table._starts[group])
        with _opened(table.files[at]) as file:
            for matrix in _matrices(file, number, table.description, table.files[at]):
                inside = slice(*np.searchsorted(rows, (first, first + len(matrix))))
                wanted = rows[inside] - first
                if len(wanted) == len(matrix) and (np.diff(wanted) == 1).all():
                    yield positions[inside], matrix  # all of them: nothing is copied
                elif len(wanted):
                    yield positions[inside], matrix[wanted]
                first += len(matrix)


def failures(corpus: StoredCorpus) -> list[Failure]:
    """Its clips that have no features, with the reason."""
    return [
        Failure(str(utterance.path), utterance.error)
        for utterance in corpus.utterances
        if isinstance(utterance, StoredUtterance) and utterance.error is not None
    ]


def _joined(pool: Sequence[Piece], generator: np.random.Generator | None) -> Piece:
    positions = np.concatenate([piece[0] for piece in pool])
    rows = pool[0][1] if len(pool) == 1 else np.concatenate([piece[1] for piece in pool])
    if generator is not None:
        order = generator.permutation(len(positions))
        positions, rows = positions[order], rows[order]
    return positions, rows


# -- files


def _files(source: str) -> list[str]:
    """The Parquet files of a source, in the order of their rows."""
    place = Place(source)
    kind = place.kind()
    if kind == "missing":
        raise CorpusError(
            "there is no such file or folder", source=source, remedy="Check the path.",
            code="missing_file",
        )  # fmt: skip
    if place.is_local:
        place = Place(os.path.abspath(place.path))  # noqa: PTH100 -- workers may be elsewhere
    if kind == "file":
        return [place.address]
    found = sorted(parts(place), key=lambda part: part[0])
    plan = Plan.load(place)
    left = 0 if plan is None else len(plan.sizes) - len(found)
    if left:
        raise CorpusError(
            f"{left:,} of {len(found) + left:,} parts of the extraction are missing",
            source=source,
            remedy="Go on with 'emotone features … --resume'; or name the parts themselves.",
            code="incomplete",
        )
    if not found:
        raise CorpusError("there are no features in it", source=source, remedy=_AGAIN)
    return [part.address for _, part in found]


@contextmanager
def _opened(address: str) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile` that is read bit by bit, however large its row groups."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "report") from error
    try:
        with Place(address).open() as stream:
            yield pyarrow.parquet.ParquetFile(stream, pre_buffer=False, buffer_size=2**20)
    except (pyarrow.ArrowException, OSError) as error:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorpusError(
            f"it is no Parquet file that can be read ({text[:200]})", source=address, remedy=_AGAIN
        ) from error


def _cells(file: Any, names: Sequence[str]) -> Iterator[dict[str, str | None]]:
    for batch in file.iter_batches(batch_size=_TEXT_ROWS, columns=list(names)):
        columns = [[None if v is None else str(v) for v in c.to_pylist()] for c in batch.columns]
        for values in zip(*columns, strict=True):
            yield dict(zip(batch.schema.names, values, strict=True))


def _matrices(
    file: Any, group: int, description: Description, address: str
) -> Iterator[npt.NDArray[np.float32]]:
    """The features of a row group, some rows at a time; NaN where there are none."""
    import pyarrow

    d = description.dimension
    rows = max(16, PIECE_BYTES // (8 * d))
    listed = COLUMN in file.schema_arrow.names
    names = [COLUMN] if listed else list(get(description.feature_set).names)
    for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=names):
        if not listed:
            columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
            yield np.column_stack(columns).astype(np.float32)
            continue
        column = batch.column(0)
        lists = column.drop_null() if column.null_count else column
        flat = lists.flatten()
        fixed = pyarrow.types.is_fixed_size_list(column.type)
        lengths = [] if fixed else np.diff(lists.offsets.to_numpy()).tolist()
        if len(flat) != d * len(lists) or any(length != d for length in lengths):
            raise FeatureError(
                f"a clip has not the {d:,} features that the file tells of",
                source=address,
                remedy=_AGAIN,
            )
        numbers = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, d)
        if not column.null_count:
            yield numbers
            continue
        there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        matrix = np.full((len(there), d), np.nan, dtype=np.float32)
        matrix[there] = numbers
        yield matrix


def _check_column(schema: Any, description: Description, address: str) -> None:
    import pyarrow

    kinds = pyarrow.types
    if COLUMN in schema.names:
        kind = schema.field(COLUMN).type
        lists = kinds.is_fixed_size_list(kind) or kinds.is_list(kind) or kinds.is_large_list(kind)
        if lists and kinds.is_floating(kind.value_type):
            if not kinds.is_fixed_size_list(kind) or kind.list_size == description.dimension:
                return
            cause = (
                f"its column {COLUMN} has {kind.list_size:,} numbers and not "
                f"{description.dimension:,}"
            )
        else:
            cause = f"its column {COLUMN} holds {kind} and no lists of numbers"
        raise FeatureError(cause, source=address, remedy=_AGAIN)
    names = get(description.feature_set).names
    absent = sorted(set(names) - set(schema.names))
    if absent:
        raise FeatureError(
            f"it has no column {COLUMN}, nor {len(absent):,} of the {len(names):,} columns of "
            f"{description.feature_set}, {absent[0]} for one",
            source=address,
            remedy=_AGAIN,
        )
    odd = [name for name in names if not kinds.is_floating(schema.field(name).type)]
    if odd:
        raise FeatureError(f"its column {odd[0]} holds no numbers", source=address, remedy=_AGAIN)


def _check_alike(found: Description, first: Description, file: str, other: str) -> None:
    for name, value in found.to_dict().items():
        if value != first.to_dict()[name]:
            raise UsageError(
                f"its {name.replace('_', ' ')} is {value}, and that of {other} is "
                f"{first.to_dict()[name]}",
                source=file,
                remedy="Train from features that were made alike.",
            )


def _emotion(text: str | None) -> str | None:
    try:
        return None if text is None else emotions.canonical(text)
    except UsageError:
        return None
