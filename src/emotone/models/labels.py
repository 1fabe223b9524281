"""Labels as indices, and whether speakers can keep parts apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emotone.emotions import in_order
from emotone.models.calibration import IntArray


def encode(labels: npt.NDArray[np.str_]) -> tuple[npt.NDArray[np.str_], IntArray]:
    """The distinct labels in the order of the vocabulary, and each label's index among them."""
    distinct, codes = np.unique(labels, return_inverse=True)
    classes = in_order(distinct.tolist())
    rank = np.array([classes.index(name) for name in distinct.tolist()], dtype=np.int64)
    return np.array(classes, dtype=np.str_), rank[codes]


def grouped(groups: Sequence[str | None] | None) -> bool:
    """Whether every speaker is known and there are two or more."""
    return groups is not None and None not in groups and len(set(groups)) > 1
