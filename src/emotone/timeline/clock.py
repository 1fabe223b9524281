"""Times as people read them."""

from __future__ import annotations


def clock(seconds: float, decimals: int = 1) -> str:
    """A time as ``0:07.3``, or ``1:02:03.4`` from an hour on.

    Examples
    --------
    >>> clock(7.26), clock(3723.4, 0)
    ('0:07.3', '1:02:03')
    """
    unit = 10**decimals
    whole = round(seconds * unit)
    minutes, rest = divmod(whole, 60 * unit)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // unit:02d}" + (f".{rest % unit:0{decimals}d}" if decimals else "")
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
