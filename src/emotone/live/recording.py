"""The audio of a live session, kept while it comes in."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Protocol

from emotone.audio.waveform import FloatArray
from emotone.errors import UsageError
from emotone.live.wav import WavFile, to_integers

ENDINGS = (".wav", ".flac")

_FLAC_CHANNELS = 8


class Recording:
    """A file that sound is appended to. What was written is there even if the program is killed.

    Parameters
    ----------
    path
        Ending with one of `ENDINGS`; the file must not be there yet.
    rate
        In Hz.
    channels
        At least 1; FLAC has 8 at most.
    bits
        16 or 24, or 32 for floats, of which FLAC keeps 24 bits.
    replace
        Whether a file may be there: it is replaced when the first sound is in the new one.

    Raises
    ------
    UsageError
        If the ending is another one, or FLAC cannot hold it.
    OSError
        If the file cannot be made; FileExistsError where there is one. `write` raises it when the
        disk is full.
    """

    def __init__(
        self, path: Path, rate: int, channels: int, bits: int, *, replace: bool = False
    ) -> None:
        check_ending(path)
        is_wav = path.suffix.lower() == ".wav"
        if not is_wav and channels > _FLAC_CHANNELS:
            raise UsageError(
                f"FLAC holds {_FLAC_CHANNELS} channels, not {channels}",
                source=path,
                remedy="Record to a .wav.",
            )
        self.path = path
        self.frames = 0
        self.rate = rate
        path.parent.mkdir(parents=True, exist_ok=True)

        def make() -> _File:
            if is_wav:
                return WavFile(path, rate, channels, bits)
            return _FlacFile(path, rate, channels, min(bits, 24))

        self._make = make
        self._file: _File | None = None
        if not (replace and path.exists()):
            self._file = make()

    def write(self, frames: FloatArray) -> None:
        """Append float32 from -1 to 1, shape ``(frames, channels)``."""
        try:
            if self._file is None:
                self._file = self._replaced(frames)
            else:
                self._file.write(frames)
        except OSError as error:
            error.filename = str(self.path)
            raise
        self.frames += len(frames)

    def close(self) -> None:
        """Complete the file; may be called again."""
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """Close it, and leave no file without any sound; one that was there before stays."""
        self.close()
        if self._file is not None and not self.frames:
            self.path.unlink(missing_ok=True)

    def _replaced(self, frames: FloatArray) -> _File:
        """A new file in the place of the old one, which is back if there cannot be one."""
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.old")
        self.path.replace(aside)
        file: _File | None = None
        try:
            file = self._make()
            file.write(frames)
        except BaseException:
            if file is not None:
                file.close()
            aside.replace(self.path)
            raise
        aside.unlink()
        return file


class _File(Protocol):
    def write(self, frames: FloatArray) -> None: ...

    def close(self) -> None: ...


class _FlacFile:
    """FLAC by libsndfile, which writes a frame of 4096 samples as soon as it is full."""

    def __init__(self, path: Path, rate: int, channels: int, bits: int) -> None:
        import soundfile

        path.open("xb").close()  # soundfile would write over one that is there
        self._bits = bits
        self._file: Any = soundfile.SoundFile(
            path, "w", rate, channels, subtype=f"PCM_{bits}", format="FLAC"
        )

    def write(self, frames: FloatArray) -> None:
        # As integers: from floats libsndfile would not give back the very same ones.
        integers = to_integers(frames, self._bits) << (32 - self._bits)
        try:
            self._file.write(integers)
        except (RuntimeError, AssertionError) as error:  # soundfile's, for a disk that is full
            raise OSError(errno.EIO, "the rest of the audio cannot be written") from error

    def close(self) -> None:
        self._file.close()


def check_ending(path: Path) -> None:
    """Refuse a path that no recording can be written to.

    Raises
    ------
    UsageError
        If its ending is none of `ENDINGS`.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"no recording can be written as {path.suffix or 'a file without an ending'}",
            source=path,
            remedy=f"End its name with {' or '.join(ENDINGS)}.",
        )
