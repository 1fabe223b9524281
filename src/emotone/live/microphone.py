"""Sound from a microphone, by PortAudio."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.decoding import to_float
from emotone.audio.limits import check_rate
from emotone.audio.waveform import FloatArray
from emotone.errors import DeviceError, MissingExtraError, UsageError
from emotone.live.arrivals import MOST_BYTES, Arrivals

STALLED_S = 3.0
"""A microphone that gives nothing for so long is gone; a silent one gives zeros."""

_WIDTH = 2
"""Bytes of a sample."""

_INSTEAD = "or pipe sound in: … | emotone listen --stdin"


@dataclass(frozen=True, slots=True)
class Device:
    """What sound can be taken from.

    Attributes
    ----------
    number
        What to ask for it by, beside its name.
    name
        As the system calls it.
    system
        The sound system that offers it, such as ``"ALSA"`` or ``"Core Audio"``.
    channels
        How many it has at most.
    rate
        Its own, in Hz.
    is_default
        Whether it is taken where none is asked for.
    """

    number: int
    name: str
    system: str
    channels: int
    rate: int
    is_default: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain types, ready for JSON."""
        return {
            "device": self.number,
            "name": self.name,
            "system": self.system,
            "channels": self.channels,
            "rate": self.rate,
            "default": self.is_default,
        }


def devices() -> list[Device]:
    """The devices that sound can be taken from.

    Raises
    ------
    MissingExtraError
        If sounddevice is not installed.
    DeviceError
        If PortAudio is not installed, or does not answer.
    """
    sounddevice = _sounddevice()
    try:
        systems = [system["name"] for system in sounddevice.query_hostapis()]
        default = sounddevice.default.device[0]
        return [
            Device(
                number=number,
                name=str(about["name"]),
                system=systems[about["hostapi"]],
                channels=int(about["max_input_channels"]),
                rate=round(about["default_samplerate"]),
                is_default=number == default,
            )
            for number, about in enumerate(sounddevice.query_devices())
            if about["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise _refused("the sound system", error) from error


class Microphone:
    """A device that sound is taken from, from the moment it is opened.

    Parameters
    ----------
    device
        Its number, or a part of its name; the system's default when None.
    rate
        In Hz; the device's own when None.
    channels
        How many to take; when None one, or all where the device does not give one alone.
    stalled_s
        After so many seconds without any sound, not even silence, it is given up.
    now
        The clock for that, in seconds.

    Raises
    ------
    MissingExtraError
        If sounddevice is not installed.
    DeviceError
        If there is no microphone, PortAudio is not installed, or the device cannot be opened.
    UsageError
        If there is no such device, the rate is outside 8 to 192 kHz, or the channels are none.

    Examples
    --------
    >>> microphone = Microphone("USB")                              # doctest: +SKIP
    >>> microphone.take(1.0).shape                                  # doctest: +SKIP
    (480, 1)
    """

    bits = 16
    is_live = True

    def __init__(
        self,
        device: int | str | None = None,
        *,
        rate: int | None = None,
        channels: int | None = None,
        least_channels: int = 1,
        stalled_s: float = STALLED_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if channels is not None and channels < 1:
            raise UsageError(f"{channels} channels", remedy="Give a number of them from 1 on.")
        sounddevice = _sounddevice()
        about = _about(sounddevice, device)
        self.name = str(about["name"])
        self.rate = check_rate(round(about["default_samplerate"]) if rate is None else rate)
        self.channels = channels or _fewest(sounddevice, device, self.rate, about, least_channels)
        self.overflows = 0
        self._closed = False
        self._arrivals = Arrivals(MOST_BYTES // (self.channels * _WIDTH))
        self._dropping = False
        self._stalled_s, self._now = stalled_s, now
        try:
            self._stream = sounddevice.InputStream(
                device=device,
                samplerate=self.rate,
                channels=self.channels,
                dtype="int16",
                latency="high",
                callback=self._came,
                finished_callback=self._arrivals.end,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise _refused(self.name, error) from error
        try:
            self._stream.start()
        except sounddevice.PortAudioError as error:
            self._stream.close(ignore_errors=True)
            raise _refused(self.name, error) from error
        self._last = now()

    @property
    def waiting(self) -> int:
        """Frames that have come and were not taken."""
        return self._arrivals.waiting

    def take(self, timeout_s: float) -> FloatArray | None:
        """All that has come since the last call; see `Source.take`.

        Raises
        ------
        DeviceError
            If the device is gone.
        """
        found = self._arrivals.take(timeout_s)
        now = self._now()
        if found is None:
            if self._closed:
                return None
            raise self._lost("it stopped")
        if len(found):
            self._last = now
        elif now - self._last > self._stalled_s:
            raise self._lost(f"nothing has come from it for {now - self._last:.0f} s")
        return to_float(found.reshape(len(found), self.channels))

    def close(self) -> None:
        """Let go of the device; may be called again."""
        if self._closed:
            return
        self._closed = True
        try:
            # Not stop(), which would wait for a device that may be gone.
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
        finally:
            self._arrivals.end()

    def _came(self, frames: npt.NDArray[np.int16], _count: int, _time: Any, status: Any) -> None:
        """In PortAudio's own thread, so nothing that takes time."""
        if status and status.input_overflow:
            self.overflows += 1
        taken = self._arrivals.put(frames.copy())
        if not taken and not self._dropping and not self._closed:
            self.overflows += 1  # once, however long nothing is taken
        self._dropping = not taken

    def _lost(self, why: str) -> DeviceError:
        return DeviceError(
            f"the microphone is gone: {why}",
            source=self.name,
            remedy="Was it unplugged, or taken by another program? Connect it and start again.",
            code="device_lost",
        )


def _about(sounddevice: Any, device: int | str | None) -> dict[str, Any]:
    """What PortAudio knows of the device asked for."""
    try:
        found: dict[str, Any] = sounddevice.query_devices(device, "input")
        return found
    except (sounddevice.PortAudioError, ValueError) as error:
        known = devices()
        if not known:
            raise DeviceError(
                "there is no microphone",
                remedy=f"Connect one and allow the terminal to use it, {_INSTEAD}",
                code="no_device",
            ) from error
        names = "; ".join(f"{each.number} {each.name}" for each in known)
        if device is None:
            raise DeviceError(
                "the system names no default microphone",
                remedy=f"Choose one with --device: {names}.",
                code="no_device",
            ) from error
        several = isinstance(error, ValueError) and str(error).startswith("Multiple")
        raise UsageError(
            f"several microphones match {device!r}" if several else f"no microphone is {device!r}",
            remedy=f"Give a number, or more of the name: {names}.",
            code="unknown_device",
        ) from error


def _fewest(
    sounddevice: Any, device: int | str | None, rate: int, about: dict[str, Any], least: int
) -> int:
    """So many channels, or all where the device does not give these alone."""
    try:
        sounddevice.check_input_settings(
            device=device, channels=least, dtype="int16", samplerate=rate
        )
    except (sounddevice.PortAudioError, ValueError):
        return int(about["max_input_channels"])
    return least


def _refused(name: str, error: Exception) -> DeviceError:
    return DeviceError(
        f"it cannot be opened ({' '.join(str(error).split())})",
        source=name,
        remedy="Check that no other program holds it, that the terminal may use the microphone, "
        "and its rate and channels (emotone listen --list-devices).",
        code="device_refused",
    )


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        if error.name == "_sounddevice_data":
            raise _without_portaudio() from error
        raise MissingExtraError("a microphone", "live") from error
    except OSError as error:
        raise _without_portaudio() from error
    return sounddevice


def _without_portaudio() -> DeviceError:
    if sys.platform == "darwin":
        how = "brew install portaudio"
    elif sys.platform == "win32":
        how = "pip install --force-reinstall sounddevice, whose wheel brings it"
    else:
        how = (
            "sudo apt-get install libportaudio2 (Debian, Ubuntu), sudo dnf install portaudio "
            "(Fedora), sudo pacman -S portaudio (Arch), apk add portaudio (Alpine)"
        )
    return DeviceError(
        "a microphone needs the library PortAudio, which is not installed",
        remedy=f"Install it: {how}; {_INSTEAD}",
        code="no_portaudio",
    )
