"""A bundle's models in ONNX Runtime: loaded when they are first needed, checked, run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotone import spectra
from emotone.audio.waveform import FloatArray
from emotone.bundle.model import Bundle
from emotone.bundle.storage import REMEDY
from emotone.errors import BundleError

if TYPE_CHECKING:
    import onnxruntime

    from emotone.bundle.card import Card

_FRAMES = "frames"
"""The optional input of a model, and what the model of ``frames.onnx`` gives."""

_POWER = "power"


class Runtime:
    """The models of a bundle. It may be used from several threads at once.

    Parameters
    ----------
    bundle
        What to run.
    threads
        Cores that one run may use.
    """

    def __init__(self, bundle: Bundle, threads: int) -> None:
        self._card: Card = bundle.card
        self._source: Path = bundle.path
        self._threads = threads
        self._bytes: bytes | None = bundle.model
        self._frames_bytes = bundle.frames
        self._has_frames = bundle.frames is not None
        self._model: onnxruntime.InferenceSession | None = None
        self._frames: onnxruntime.InferenceSession | None = None
        self._loading = threading.RLock()

    @property
    def takes_frames(self) -> bool:
        """Whether `describe` and `scores_of_frames` work."""
        return self._has_frames

    def load(self) -> None:
        """Load the model now, if it is not; the one of frames is, when it is first used.

        Raises
        ------
        BundleError
            If it does not load, or takes or gives anything else than the card says.
        """
        self._loaded()

    def scores(self, rows: FloatArray) -> FloatArray:
        """What the model answers to its input, ``(n, ...)``: float32 ``(n, emotions)``.

        Raises
        ------
        BundleError
            If the model does not load, or its answer is not a finite number per emotion.
        """
        return self._answer({self._card.input.kind: rows}, len(rows))

    def describe(self, frames: FloatArray) -> FloatArray:
        """Frames of sound as the model sees them, each by itself.

        Parameters
        ----------
        frames
            Float32 ``(k, 512)``, as `spectra.WindowFrames.missing` gives them; k from 1.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(rows, k)``.
        """
        session = self._frames_loaded()
        given = np.ascontiguousarray(spectra.power(frames).T)[None]
        (described,) = self._run(session, _FRAMES, {_POWER: given})
        if described.ndim != 3 or described.shape[::2] != (1, len(frames)):
            raise self._refuse("frames.onnx does not describe each frame")
        if not np.isfinite(described).all():
            raise self._refuse("frames.onnx does not describe frames by finite numbers")
        found: FloatArray = described[0]
        return found

    def scores_of_frames(self, windows: FloatArray) -> FloatArray:
        """What the model answers to windows of described frames, float32 ``(n, rows, frames)``."""
        unheard = np.zeros((1, 1), dtype=np.float32)
        return self._answer({self._card.input.kind: unheard, _FRAMES: windows}, len(windows))

    def _answer(self, given: dict[str, FloatArray], count: int) -> FloatArray:
        (scores,) = self._run(self._loaded(), "scores", given)
        expected = (count, len(self._card.emotions))
        if np.shape(scores) != expected or not np.isfinite(scores).all():
            raise self._refuse("the model does not answer with a finite score per emotion")
        return scores

    def _run(
        self, session: onnxruntime.InferenceSession, wanted: str, given: dict[str, FloatArray]
    ) -> list[FloatArray]:
        try:
            found: list[FloatArray] = session.run([wanted], given)
        except Exception as error:  # ONNX Runtime has its own, without a common base
            raise self._refuse(f"the model fails to compute ({_first_line(error)})") from error
        return found

    def _loaded(self) -> onnxruntime.InferenceSession:
        if self._model is None:
            with self._loading:
                if self._model is None and self._bytes is not None:
                    self._model = self._load_model(self._bytes)
                    self._bytes = None  # the session has its own copy
        if self._model is None:
            raise self._refuse("the model was not loaded")
        return self._model

    def _frames_loaded(self) -> onnxruntime.InferenceSession:
        if self._frames is None:
            with self._loading:
                if self._frames is None and self._frames_bytes is not None:
                    self._frames = self._load_frames(self._loaded(), self._frames_bytes)
                    self._frames_bytes = None
        if self._frames is None:
            raise self._refuse("there is no model of frames")
        return self._frames

    def _load_model(self, model: bytes) -> onnxruntime.InferenceSession:
        session = self._session(model)
        inputs = {(node.name, node.type) for node in session.get_inputs()}
        outputs = {(node.name, node.type) for node in session.get_outputs()}
        kind = self._card.input.kind
        if inputs != {(kind, "tensor(float)")}:
            raise self._refuse(f"the model must take one float32 input {kind!r}")
        if ("scores", "tensor(float)") not in outputs:
            raise self._refuse("the model must give a float32 output 'scores'")
        return session

    def _load_frames(
        self, model: onnxruntime.InferenceSession, frames: bytes
    ) -> onnxruntime.InferenceSession:
        """The model that describes frames, if it fits to the other one."""
        session = self._session(frames)
        (given,) = session.get_inputs()[:1] or [None]
        (made,) = session.get_outputs()[:1] or [None]
        taken = [n for n in model.get_overridable_initializers() if n.name == _FRAMES]
        if (
            self._card.input.rate != spectra.RATE
            or given is None
            or made is None
            or len(session.get_inputs()) != 1
            or (given.name, given.type, len(given.shape)) != (_POWER, "tensor(float)", 3)
            or given.shape[1] != spectra.BINS
            or (made.name, made.type, len(made.shape)) != (_FRAMES, "tensor(float)", 3)
            or [(n.type, n.shape[1:2]) for n in taken] != [("tensor(float)", made.shape[1:2])]
        ):
            raise self._refuse("frames.onnx does not describe frames as the model takes them")
        return session

    def _session(self, model: bytes) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Rows are small and few: reserving memory ahead costs more than it gains.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        # Planning which results can share memory takes three times as long as loading all else.
        options.enable_mem_reuse = False
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise self._refuse(f"the model does not load ({_first_line(error)})") from error

    def _refuse(self, cause: str) -> BundleError:
        return BundleError(cause, source=self._source, remedy=REMEDY)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:300] if text else type(error).__name__
