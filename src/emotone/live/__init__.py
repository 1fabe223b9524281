"""Hearing while it sounds: where live sound comes from, and the session that hears and keeps it.

>>> from emotone.live import Microphone, Session
>>> session = Session(emotone.load(), Microphone())                # doctest: +SKIP
>>> for events in session:                                         # doctest: +SKIP
...     for event in events:
...         print(event.to_dict())
"""

from __future__ import annotations

from emotone.live.arrivals import Source
from emotone.live.microphone import Microphone
from emotone.live.pipe import Pipe
from emotone.live.recording import Recording
from emotone.live.session import Behind, Overflowed, Session

__all__ = ["Behind", "Microphone", "Overflowed", "Pipe", "Recording", "Session", "Source"]
