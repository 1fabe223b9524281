"""A made-up `sounddevice`, whose one microphone gives a sound from a thread of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

BLOCK_S = 0.02

Int16 = npt.NDArray[np.int16]


class PortAudioError(Exception):
    """As that of sounddevice."""


@dataclass
class Fake:
    """What happens at the microphone.

    Attributes
    ----------
    sound
        Shape (n, channels); then silence for ever.
    rate
        Its own.
    speed
        Times real time.
    unplugged_s
        When it is pulled out.
    stalls
        Whether it then just gives nothing any more, or its stream is over.
    overflows_s
        Just before which times something was lost.
    refuses
        What cannot be had, with PortAudio's words.
    ended
        Set when it is pulled out.
    """

    sound: Int16
    rate: int = 16_000
    speed: float = 1.0
    unplugged_s: float | None = None
    stalls: bool = False
    overflows_s: tuple[float, ...] = ()
    refuses: dict[str, str] = field(default_factory=dict)
    devices: list[dict[str, Any]] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Fake:
        """Put it where `import sounddevice` finds it."""
        channels = self.sound.shape[1]
        if not self.devices:
            self.devices = [
                device("Loudspeaker", 0, 48_000.0),
                device("Made-up Microphone", channels, float(self.rate)),
            ]
        module = ModuleType("sounddevice")
        for name, value in {
            "PortAudioError": PortAudioError,
            "default": SimpleNamespace(device=(1, 0)),
            "query_devices": self.query_devices,
            "query_hostapis": lambda: [{"name": "Made-up"}],
            "check_input_settings": self.check,
            "InputStream": self.open,
        }.items():
            setattr(module, name, value)
        monkeypatch.setitem(sys.modules, "sounddevice", module)
        return self

    def query_devices(self, which: int | str | None = None, kind: str | None = None) -> Any:
        """All of them, or one, with the errors of sounddevice."""
        if kind is None:
            return self.devices
        inputs = [each for each in self.devices if each["max_input_channels"]]
        if which is None or isinstance(which, int):
            number = 1 if which is None else which
            if number >= len(self.devices):
                raise PortAudioError(f"Error querying device {-1 if which is None else which}")
            if self.devices[number] not in inputs:
                raise ValueError(f"Not an input device: {self.devices[number]['name']!r}")
            return self.devices[number]
        matching = [each for each in inputs if which.lower() in each["name"].lower()]
        if len(matching) > 1:
            raise ValueError(f"Multiple input devices found for {which!r}")
        if not matching:
            raise ValueError(f"No input device matching {which!r}")
        return matching[0]

    def check(self, *, channels: int, **_: Any) -> None:
        """As PortAudio: one channel alone is not to be had from every device."""
        if "mono" in self.refuses and channels == 1:
            raise PortAudioError(self.refuses["mono"])

    def open(self, **options: Any) -> _Stream:
        """A stream, not started."""
        if "open" in self.refuses:
            raise PortAudioError(self.refuses["open"])
        self.opened.append(options)
        return _Stream(self, options["channels"], options["callback"], options["finished_callback"])


class _Stream:
    def __init__(
        self, fake: Fake, channels: int, callback: Callable[..., None], over: Callable[[], None]
    ) -> None:
        self._fake, self._channels, self._callback, self._over = fake, channels, callback, over
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        if "start" in self._fake.refuses:
            raise PortAudioError(self._fake.refuses["start"])
        self._thread.start()

    def abort(self, ignore_errors: bool = True) -> None:
        self._stop.set()
        self._thread.join(5)

    def close(self, ignore_errors: bool = True) -> None:
        self._fake.closed += 1

    def _run(self) -> None:
        fake = self._fake
        size = round(BLOCK_S * fake.rate)
        begun, at = time.monotonic(), 0
        buffer = np.zeros((size, self._channels), dtype=np.int16)
        while not self._stop.is_set():
            now_s = at / fake.rate
            if fake.unplugged_s is not None and now_s >= fake.unplugged_s:
                fake.ended.set()
                if not fake.stalls:
                    self._over()
                return
            time.sleep(max(0.0, begun + now_s / fake.speed - time.monotonic()))
            buffer[:] = 0  # PortAudio, too, uses one buffer again and again
            piece = fake.sound[at : at + size, : self._channels]
            buffer[: len(piece)] = piece
            lost = any(now_s <= moment < now_s + BLOCK_S for moment in fake.overflows_s)
            self._callback(buffer, size, None, SimpleNamespace(input_overflow=lost))
            at += size
        self._over()


def device(name: str, channels: int, rate: float) -> dict[str, Any]:
    """What PortAudio knows of one."""
    return {
        "name": name,
        "hostapi": 0,
        "max_input_channels": channels,
        "default_samplerate": rate,
    }
