"""Sliding medians of width 31, many at a time, by sorting networks made of whole arrays.

Sixteen neighbouring windows of 31 share 16 elements. Those are sorted once; then the windows part
ways in halves, each half taking in the elements it shares, and at each parting only those survive
that can still be a median: 8 of 24, 4 of 28, 2 of 30, 1 of 31. Every step is an element-wise
minimum or maximum of long rows, about 30 of them per median instead of a sort of 31. The idea is
that of Adams, "Fast median filters using separable sorting networks" (ACM Transactions on Graphics
2021).
"""

from __future__ import annotations

import numpy as np

from emotone.audio.waveform import FloatArray

WIDTH = 31

_GROUP = 16
_HALF = WIDTH // 2
# Columns worked on together: rows long enough to hide the calls, and bounded memory.
_COLUMNS = 1536

Lists = list[FloatArray]
# Sorted runs of neighbouring rows by length: run k of length n starts at row n * k + n - 1.
Runs = dict[int, Lists]


def _sort_bitonic(values: Lists, *, reuse: bool = True) -> Lists:
    """Sort sequences that rise and then fall (Batcher 1968), in their own memory with ``reuse``."""
    half = len(values) // 2
    if not half:
        return values
    pairs = list(zip(values[:half], values[half:], strict=True))
    low = [np.minimum(a, b) for a, b in pairs]
    high = [np.maximum(a, b, out=b if reuse else None) for a, b in pairs]
    return _sort_bitonic(low) + _sort_bitonic(high)


def _merge(first: Lists, second: Lists) -> Lists:
    return _sort_bitonic(first + second[::-1], reuse=False)


def _narrow(known: Lists, new: Lists) -> Lists:
    """The middle third of 2n sorted values and n sorted new ones, sorted."""
    n = len(new)
    # The n largest of all are in the upper half or new: leave them out, then the n smallest.
    lower = [np.minimum(a, b) for a, b in zip(known[n:], new[::-1], strict=True)]
    lower = _sort_bitonic(lower)
    middle = [np.maximum(a, b) for a, b in zip(known[:n], lower[::-1], strict=True)]
    return _sort_bitonic(middle)


def median_over_rows(values: FloatArray) -> FloatArray:
    """Median of each value and its 15 neighbours above and 15 below in the same column.

    Past the ends the rows are mirrored, edge row included, like
    ``scipy.ndimage.median_filter(values, (31, 1), mode="reflect")``.

    Parameters
    ----------
    values
        float32 without NaN, shape ``(rows, columns)``.

    Returns
    -------
    float32, of the same shape.
    """
    rows, columns = values.shape
    groups = -(-rows // _GROUP)
    # Rows past the last are read by windows that are thrown away.
    spare = groups * _GROUP - rows + 3
    padded = np.pad(values, ((_HALF, _HALF + spare), (0, 0)), mode="symmetric")
    out = np.empty((groups * _GROUP, columns), np.float32)
    for start in range(0, columns, _COLUMNS):
        block = slice(start, start + _COLUMNS)
        _medians(padded[:, block], out[:, block], groups)
    return out[:rows]


def _medians(x: FloatArray, out: FloatArray, groups: int) -> None:
    """Medians of ``x[i : i + 31]`` into ``out[i]`` for the 16 windows of each group."""
    runs: Runs = {1: [x]}
    for length in (1, 2, 4):
        second = [plane[2::2] for plane in runs[length]]
        first = [plane[1::2][: len(second[0])] for plane in runs[length]]
        runs[2 * length] = _merge(first, second)
    shared = _merge(_run(runs, _HALF, 8, groups), _run(runs, _HALF + 8, 8, groups))
    _part(shared, 0, _GROUP, runs, out, groups)


def _run(runs: Runs, row: int, length: int, groups: int) -> Lists:
    """The sorted run of a length that starts at a row of each group."""
    first, step = (row + 1) // length - 1, _GROUP // length
    return [plane[first::step][:groups] for plane in runs[length]]


def _part(known: Lists, low: int, high: int, runs: Runs, out: FloatArray, groups: int) -> None:
    """Give windows ``low`` to ``high``, which share ``known``, what their halves share."""
    middle = (low + high) // 2
    length = middle - low
    for first, last, row in ((low, middle, middle - 1), (middle, high, low + WIDTH)):
        kept = _narrow(known, _run(runs, row, length, groups))
        if length == 1:
            out[first::_GROUP] = kept[0]
        else:
            _part(kept, first, last, runs, out, groups)
