"""The rate that features are computed at, where neither they nor their user names one."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Iterable

from emotone import audio
from emotone.audio import Source
from emotone.errors import AudioError, EmotoneWarning


def common(sources: Iterable[Source], name: object = "the clips") -> int | None:
    """The rate of most clips, in Hz; of rates that are as common, the lowest.

    Parameters
    ----------
    sources
        Some clips. Those that cannot be read are passed over: that is told when their turn comes.
    name
        What they are, for a warning (`EmotoneWarning`) where the rates differ.

    Returns
    -------
    int or None
        None where no clip tells.
    """
    rates: Counter[int] = Counter()
    for source in sources:
        with contextlib.suppress(AudioError, OSError):
            rates[audio.probe(source).rate] += 1
    if not rates:
        return None
    rate = max(rates, key=lambda rate: (rates[rate], -rate))
    if len(rates) > 1:
        others = ", ".join(str(other) for other in sorted(rates) if other != rate)
        warnings.warn(
            f"{name}: most clips are at {rate} Hz and some at {others} Hz; all are brought "
            f"to {rate} Hz. Name another rate if you want one.",
            EmotoneWarning,
            stacklevel=3,
        )
    return rate
