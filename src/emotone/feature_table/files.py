"""The Parquet files of stored features: which there are, and what is read from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.batch.places import Place
from emotone.batch.plan import Plan, parts
from emotone.errors import CorpusError, FeatureError, MissingExtraError
from emotone.features import get
from emotone.features.stored import COLUMN, Description
from emotone.models.streamed import PIECE_BYTES

AGAIN = "Extract them again with 'emotone features'."
_TEXT_ROWS = 8192


# -- files


def files_of(source: str) -> list[str]:
    """The Parquet files of a source, in the order of their rows.

    Raises
    ------
    CorpusError
        If there is no such file or folder, no features in it, or parts are missing.
    """
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
    plan = Plan.load(place)
    found = sorted(parts(place) if plan is None else plan.done(), key=lambda part: part[0])
    left = 0 if plan is None else len(plan.sizes) - len(found)
    if left:
        raise CorpusError(
            f"{left:,} of {len(found) + left:,} parts of the extraction are missing",
            source=source,
            remedy="Go on with 'emotone features … --resume'; or name the parts themselves.",
            code="incomplete",
        )
    if not found:
        raise CorpusError("there are no features in it", source=source, remedy=AGAIN)
    return [part.address for _, part in found]


@contextmanager
def opened(address: str) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile` that is read bit by bit, however large its row groups.

    Raises
    ------
    CorpusError
        If it cannot be read, within the block as well.
    MissingExtraError
        If pyarrow is not installed.
    """
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
            f"it is no Parquet file that can be read ({text[:200]})", source=address, remedy=AGAIN
        ) from error


def cells_of(file: Any, names: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """These columns of an opened file as texts, row by row."""
    for batch in file.iter_batches(batch_size=_TEXT_ROWS, columns=list(names)):
        columns = [[None if v is None else str(v) for v in c.to_pylist()] for c in batch.columns]
        for values in zip(*columns, strict=True):
            yield dict(zip(batch.schema.names, values, strict=True))


def matrices(
    file: Any, group: int, description: Description, address: str
) -> Iterator[npt.NDArray[np.float32]]:
    """The features of a row group, float32 ``(rows, d)``, some at a time; NaN where there are none.

    Raises
    ------
    FeatureError
        If a clip has another number of features than the file tells of.
    """
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
                remedy=AGAIN,
            )
        numbers = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, d)
        if not column.null_count:
            yield numbers
            continue
        there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        matrix = np.full((len(there), d), np.nan, dtype=np.float32)
        matrix[there] = numbers
        yield matrix


def check_column(schema: Any, description: Description, address: str) -> None:
    """Refuse a file whose columns are not what it says of its features.

    Raises
    ------
    FeatureError
        If the features are missing, no floating-point numbers, or of another dimension.
    """
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
        raise FeatureError(cause, source=address, remedy=AGAIN)
    names = get(description.feature_set).names
    absent = sorted(set(names) - set(schema.names))
    if absent:
        raise FeatureError(
            f"it has no column {COLUMN}, nor {len(absent):,} of the {len(names):,} columns of "
            f"{description.feature_set}, {absent[0]} for one",
            source=address,
            remedy=AGAIN,
        )
    odd = [name for name in names if not kinds.is_floating(schema.field(name).type)]
    if odd:
        raise FeatureError(f"its column {odd[0]} holds no numbers", source=address, remedy=AGAIN)
