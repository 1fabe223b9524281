"""How features lie in Parquet: the columns, and what is written beside them.

A row is a clip. Its features are one column of lists of equal length, since thousands of columns
are slow to open; what they are called is written beside them, as are the set with its version and
what was done to each clip first. So a model can be trained from them that hears sound afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emotone.audio import Preparation
from emotone.errors import EmotoneError, FeatureError
from emotone.features.sets import FeatureSet

COLUMN = "features"
"""The column of lists."""

TEXTS = (
    "file",
    "emotion",
    "label",
    "speaker",
    "corpus",
    "language",
    "gender",
    "intensity",
    "sentence",
    "split",
)
"""Columns of text, null where a corpus or manifest does not tell."""

KEY = b"emotone"
"""Of the metadata of a file; its value is JSON."""

NAMES_KEY = b"emotone.names"
"""The same for the names of the features, apart since there may be thousands."""


def schema(features: FeatureSet) -> Any:
    """The columns, as a `pyarrow.Schema`.

    ========== =========================================================================
    file       as it was given, or its address
    emotion    canonical name; with it label, the corpus's own word
    speaker    unique within the corpus
    corpus     and language, gender, intensity, sentence, split: as a corpus or manifest says
    duration_s of the recording
    features   float32, as many as the set has; null with an error
    warning    what was off with a recording that was read nonetheless
    error      why there are no features, with the remedy
    error_code the same as a stable word
    ========== =========================================================================
    """
    import pyarrow

    text = pyarrow.string()
    return pyarrow.schema(
        [
            *((name, text) for name in TEXTS),
            ("duration_s", pyarrow.float64()),
            (COLUMN, pyarrow.list_(pyarrow.float32(), features.dimension)),
            ("warning", text),
            ("error", text),
            ("error_code", text),
        ],
        metadata={NAMES_KEY: json.dumps(features.names)},
    )


@dataclass(frozen=True, slots=True)
class Description:
    """Which features a file holds.

    Attributes
    ----------
    feature_set, version
        The set.
    dimension
        How many there are.
    preparation
        What was done to each clip first.
    """

    feature_set: str
    version: str
    dimension: int
    preparation: Preparation

    @classmethod
    def of(cls, features: FeatureSet, preparation: Preparation) -> Description:
        """That of features which are computed here."""
        return cls(features.name, features.version, features.dimension, preparation)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "feature_set": self.feature_set,
            "feature_version": self.version,
            "dimension": self.dimension,
            "preparation": self.preparation.to_dict(),
        }

    @classmethod
    def read(cls, metadata: Mapping[bytes, bytes] | None, source: object) -> Description | None:
        """What the metadata of a Parquet file says; None where they tell of no features.

        Raises
        ------
        FeatureError
            If they make no sense.
        """
        if not metadata or KEY not in metadata:
            return None
        try:
            values = json.loads(metadata[KEY])
            if "feature_set" not in values:
                return None
            found = cls(
                values["feature_set"],
                values["feature_version"],
                values["dimension"],
                Preparation.from_dict(values["preparation"]),
            )
            if not (
                isinstance(found.feature_set, str)
                and isinstance(found.version, str)
                and isinstance(found.dimension, int)
                and 0 < found.dimension < 2**31
            ):
                raise ValueError("a name, version or dimension is none")
        except (ValueError, KeyError, TypeError, RecursionError, EmotoneError) as error:
            raise FeatureError(
                f"what it says of its features makes no sense ({str(error)[:200]})",
                source=source,
                remedy="Extract them again with 'emotone features'.",
            ) from None
        return found
