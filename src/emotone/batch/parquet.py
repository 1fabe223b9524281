"""The results as Parquet: one table, in parts that appear whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotone.batch.places import Place
from emotone.errors import EmotoneError

_ROWS = 16_384
"""Rows that are held before they are written, as a row group of their own."""


def schema(emotions: Sequence[str]) -> Any:
    """The columns, as a `pyarrow.Schema`.

    ========== =========================================================================
    file       as it was given, or its address
    start, end of the clip or segment, in seconds; null with an error
    channel    from 0, where one is heard by itself
    speaker    as a manifest or the path says
    recorded   when, UTC
    emotion    the likeliest; ``silence`` or ``non-speech`` where nobody speaks
    confidence its calibrated probability
    …          a column for each emotion of the model: its calibrated probability
    duration_s length of the whole recording
    model      name and version
    version    of emotone
    warning    what was off with a recording that was heard nonetheless
    error      why there is no answer, with the remedy
    error_code the same as a stable word
    ========== =========================================================================
    """
    import pyarrow

    number, score, text = pyarrow.float64(), pyarrow.float32(), pyarrow.string()
    return pyarrow.schema(
        [
            ("file", text),
            ("start", number),
            ("end", number),
            ("channel", pyarrow.int32()),
            ("speaker", text),
            ("recorded", pyarrow.timestamp("us")),
            ("emotion", text),
            ("confidence", score),
            *((name, score) for name in emotions),
            ("duration_s", number),
            ("model", text),
            ("version", text),
            ("warning", text),
            ("error", text),
            ("error_code", text),
        ]
    )


class Part:
    """The rows of one block on their way to a file.

    Parameters
    ----------
    schema
        Its columns.
    folder
        A local folder where it grows.
    about
        Written into the file beside the rows, as plain types.
    """

    def __init__(self, schema: Any, folder: Path, about: dict[str, Any]) -> None:
        import pyarrow.parquet

        self._schema = schema
        self._about = about
        handle, name = tempfile.mkstemp(dir=folder, suffix=".parquet")
        self._path = Path(name)
        self._file = open(handle, "wb")  # noqa: PTH123, SIM115
        texts = [column.name for column in schema if pyarrow.types.is_string(column.type)]
        self._writer = pyarrow.parquet.ParquetWriter(
            self._file, self._schema, compression="zstd", use_dictionary=texts
        )
        self._rows: list[dict[str, Any]] = []
        self._recordings, self._audio_s = 0, 0.0
        self._codes: Counter[str] = Counter()

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """All rows of one recording; columns that are missing are null."""
        self._rows += rows
        self._recordings += 1
        self._audio_s += rows[0].get("duration_s") or 0.0
        if rows[0].get("error_code"):
            self._codes[rows[0]["error_code"]] += 1
        if len(self._rows) >= _ROWS:
            self._flush()

    def finish(self, place: Place) -> None:
        """Complete it and put it there.

        Raises
        ------
        EmotoneError, OSError
            If it cannot be written.
        """
        self._flush()
        counts = {
            "recordings": self._recordings,
            "audio_s": round(self._audio_s, 3),
            "failures": dict(self._codes),
        }
        self._writer.add_key_value_metadata({"emotone": json.dumps(self._about | counts)})
        self._writer.close()
        self._file.close()
        place.take(self._path)

    def drop(self) -> None:
        """Forget it, if it is not finished."""
        if not self._file.closed:
            self._writer.close()
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_batch(
                pyarrow.RecordBatch.from_pylist(self._rows, schema=self._schema)
            )
            self._rows = []


def about(part: Place) -> dict[str, Any]:
    """What is written into a part beside its rows: block, model, recordings, failures and so on.

    Raises
    ------
    EmotoneError
        If it cannot be read: ``damaged_part``.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with part.open() as stream:
            found: dict[str, Any] = json.loads(
                pyarrow.parquet.read_metadata(stream).metadata[b"emotone"]
            )
    except (OSError, KeyError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise damaged(part.address, error) from error
    return found


def damaged(where: str, error: Exception) -> EmotoneError:
    """What is told of results that cannot be read."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return EmotoneError(
        f"a part of the results cannot be read ({text[:300].rstrip('.')})",
        source=where,
        remedy="Delete the part; the same batch with --resume hears its recordings again.",
        code="damaged_part",
    )
