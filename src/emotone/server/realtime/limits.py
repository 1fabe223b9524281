"""What one live session may do."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from emotone.audio.limits import MAX_RATE, MIN_RATE


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may do.

    Attributes
    ----------
    max_frame_bytes
        The largest binary frame that is heard.
    max_message_bytes
        The largest text that is read.
    max_ahead_s
        Seconds of audio that may come in ahead of real time. Who goes on beyond that for
        `fast_for_s`, or has three times as many at once, is sent away.
    fast_for_s
        See there, in seconds.
    idle_s
        Seconds without any message after which a session ends; silence is sound, too.
    authorise_s
        Seconds to show a key in.
    least_step_s, longest_window_s
        What a client may ask for, in seconds.
    max_lag_s
        Seconds of audio that may wait to be heard; then the session is given up.
    """

    max_frame_bytes: int = 256 * 1024
    max_message_bytes: int = 16 * 1024
    max_ahead_s: float = 10.0
    fast_for_s: float = 5.0
    idle_s: float = 60.0
    authorise_s: float = 10.0
    least_step_s: float = 0.1
    longest_window_s: float = 10.0
    max_lag_s: float = 30.0

    def to_dict(self) -> dict[str, float]:
        """What a client should know, as plain types."""
        return {**asdict(self), "least_rate": MIN_RATE, "most_rate": MAX_RATE}


DEFAULT_LIMITS = Limits()

CLOCK_TOLERANCE = 0.001
"""How much faster than ours a client's clock may be without its sound being ahead of time."""
