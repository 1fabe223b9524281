"""Sliding medians of width 31, many at a time, by sorting networks made of whole arrays.

Sixteen neighbouring windows of 31 share 16 elements. Those are sorted once; then the windows part
ways in halves, each half taking in the elements it shares, and at each parting only those survive
that can still be a median: 8 of 24, 4 of 28, 2 of 30, 1 of 31. Every step is an element-wise
minimum or maximum of large contiguous arrays, about 30 of them per median instead of a sort of 31.
The idea is that of Adams, "Fast median filters using separable sorting networks" (ACM Transactions
on Graphics 2021).
"""

from __future__ import annotations

import numpy as np

from emotone.audio.waveform import FloatArray

WIDTH = 31

_GROUP = 16
_HALF = WIDTH // 2
# Columns worked on together: enough to hide the calls, and bounded memory.
_COLUMNS = 1536

Planes = list[FloatArray]
"""A sorted list, element by element; each element an array ``(groups, columns)``."""

Runs = dict[tuple[int, int], Planes]
"""Sorted runs of neighbouring rows by their length and their first row in a group."""


def _sort_bitonic(values: Planes) -> Planes:
    """Sort what rises and then falls, in its own memory (Batcher 1968)."""
    half = len(values) // 2
    if not half:
        return values
    pairs = list(zip(values[:half], values[half:], strict=True))
    low = [np.minimum(a, b) for a, b in pairs]
    high = [np.maximum(a, b, out=b) for a, b in pairs]
    return _sort_bitonic(low) + _sort_bitonic(high)


def _merge(first: Planes, second: Planes) -> Planes:
    """Merge two sorted lists of the same length, odd and even places apart (Batcher 1968)."""
    if len(first) == 1:
        return [np.minimum(first[0], second[0]), np.maximum(first[0], second[0])]
    even = _merge(first[::2], second[::2])
    odd = _merge(first[1::2], second[1::2])
    merged = [even[0]]
    for a, b in zip(odd[:-1], even[1:], strict=True):
        merged += [np.minimum(a, b), np.maximum(a, b, out=b)]
    return [*merged, odd[-1]]


def _narrow(known: Planes, new: Planes) -> Planes:
    """The middle third of 2n sorted values and n sorted new ones, sorted."""
    n = len(new)
    # The n largest of all are in the upper half or new: leave them out, then the n smallest.
    lower = [np.minimum(a, b) for a, b in zip(known[n:], new[::-1], strict=True)]
    lower = _sort_bitonic(lower)
    pairs = zip(known[:n], lower[::-1], strict=True)
    return _sort_bitonic([np.maximum(a, b, out=b) for a, b in pairs])


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
    # The last group's windows read into two more; what lies past the mirrored rows is thrown away.
    after = (groups + 2) * _GROUP - rows - _HALF
    mirrored = np.pad(np.arange(rows), (_HALF, after), mode="symmetric")
    # Row i of every group lies together, so that the arrays worked on are contiguous.
    order = mirrored.reshape(-1, _GROUP).T
    out = np.empty((groups, _GROUP, columns), np.float32)
    for start in range(0, columns, _COLUMNS):
        block = slice(start, start + _COLUMNS)
        for window, median in _medians(values[:, block][order], groups).items():
            out[:, window, block] = median
    return out.reshape(-1, columns)[:rows]


def _medians(rows: FloatArray, groups: int) -> dict[int, FloatArray]:
    """The median of each of the 16 windows of all groups; ``rows[i]`` is row i of all groups."""
    runs: Runs = {(1, row): [plane] for row, plane in enumerate(rows)}
    for length in (1, 2, 4):
        for row in range(2 * length - 1, _GROUP, 2 * length):
            first, second = runs[length, row], _run(runs, row + length, length)
            count = min(len(first[0]), len(second[0]))
            runs[2 * length, row] = _merge(
                [plane[:count] for plane in first], [plane[:count] for plane in second]
            )
    shared = _merge(_run(runs, _HALF, 8, groups), _run(runs, _HALF + 8, 8, groups))
    medians: dict[int, FloatArray] = {}
    _part(shared, 0, _GROUP, runs, groups, medians)
    return medians


def _run(runs: Runs, row: int, length: int, groups: int | None = None) -> Planes:
    """The sorted run that starts at a row of each group, or of one after it from row 16."""
    skip = row // _GROUP
    stop = None if groups is None else skip + groups
    return [plane[skip:stop] for plane in runs[length, row % _GROUP]]


def _part(
    known: Planes, low: int, high: int, runs: Runs, groups: int, medians: dict[int, FloatArray]
) -> None:
    """Give windows ``low`` to ``high``, which share ``known``, what their halves share."""
    middle = (low + high) // 2
    length = middle - low
    for first, last, row in ((low, middle, middle - 1), (middle, high, low + WIDTH)):
        kept = _narrow(known, _run(runs, row, length, groups))
        if length == 1:
            medians[first] = kept[0]
        else:
            _part(kept, first, last, runs, groups, medians)
