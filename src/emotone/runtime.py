"""A bundle's models in ONNX Runtime: loaded when they are first needed, checked, run.

What a model computes is up to whoever made it, so its memory and its time are bounded. All models
of a process share an allocator that gives them so much and then refuses, which fails the run and
nothing else; a run that takes far longer than any real model is told to stop at its next node.
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotone import interrupts, memory, spectra
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

PADDED = "emotone.padded"
"""Word in a model's metadata that says, by ``"ignored"``, that columns of zeros after the described
frames of a window change nothing, so that windows of several lengths can be heard together."""

_SHARE = 2
"""Of the memory of the machine, all models of a process together may have the half."""

_LEAST_BYTES = 2 * 2**30
"""On any machine they may have so much."""

RUN_S, RUN_S_PER_NUMBER = 60.0, 1e-3
"""A run may take a minute, and a millisecond for each number that the model is given: a second of
sound at 16 kHz may take sixteen."""

_LOOK_S = 0.5
"""Seconds from one look at what runs to the next."""


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
        self._ignores_padding = False
        self._model: onnxruntime.InferenceSession | None = None
        self._frames: onnxruntime.InferenceSession | None = None
        self._loading = threading.RLock()

    @property
    def takes_frames(self) -> bool:
        """Whether `describe` and `scores_of_frames` work."""
        return self._has_frames

    @property
    def ignores_padding(self) -> bool:
        """Whether columns of zeros after described frames change nothing, see `PADDED`."""
        self._loaded()
        return self._ignores_padding

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
        allowed_s = RUN_S + RUN_S_PER_NUMBER * sum(each.size for each in given.values())
        options = _run_options()
        run = (time.monotonic() + allowed_s, options)
        _WATCH.begin(run)
        try:
            found: list[FloatArray] = session.run([wanted], given, options)
        except Exception as error:  # ONNX Runtime has its own, without a common base
            if options.terminate:
                raise self._refuse(f"the model does not answer within {allowed_s:.0f} s") from error
            raise self._refuse(_why("fails to compute", error)) from error
        finally:
            _WATCH.end(run)
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
        said = session.get_modelmeta().custom_metadata_map
        self._ignores_padding = said.get(PADDED) == "ignored"
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
        with interrupts.deferred():  # in the middle of a library it would be an ImportError
            import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        if bound_memory(max(_LEAST_BYTES, memory.available() // _SHARE)):
            options.add_session_config_entry("session.use_env_allocators", "1")
        else:
            options.enable_cpu_mem_arena = False
        # Rows are small and few: reserving memory ahead costs more than it gains.
        options.enable_mem_pattern = False
        # Planning which results can share memory takes three times as long as loading all else.
        options.enable_mem_reuse = False
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise self._refuse(_why("does not load", error)) from error

    def _refuse(self, cause: str) -> BundleError:
        return BundleError(cause, source=self._source, remedy=REMEDY)


_bounding = threading.Lock()
_bounded: bool | None = None


def bound_memory(most: int) -> bool:
    """Bound what all models of this process may take together; the first to ask decides.

    Parameters
    ----------
    most
        Bytes, weights included.

    Returns
    -------
    bool
        Whether there is a bound: not where another library of the program has set its own.
    """
    global _bounded
    with _bounding:
        if _bounded is None:
            import onnxruntime

            # As much as is asked for at a time, and nothing ahead.
            arena = onnxruntime.OrtArenaCfg(
                {
                    "max_mem": most,
                    "arena_extend_strategy": 1,
                    "initial_chunk_size_bytes": -1,
                    "max_dead_bytes_per_chunk": -1,
                }
            )
            where = onnxruntime.OrtMemoryInfo(
                "Cpu",
                onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
                0,
                onnxruntime.OrtMemType.DEFAULT,
            )
            try:
                onnxruntime.create_and_register_allocator(where, arena)
                _bounded = True
            except Exception:  # ONNX Runtime has its own, without a common base
                _bounded = False
        return _bounded


def _run_options() -> onnxruntime.RunOptions:
    import onnxruntime

    options = onnxruntime.RunOptions()
    if _bounded:
        # What the run took is given back after it.
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


class _Watch:
    """Tells runs to stop that are past their time; one thread, asleep while nothing runs."""

    def __init__(self) -> None:
        self._running: set[tuple[float, onnxruntime.RunOptions]] = set()
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, run: tuple[float, onnxruntime.RunOptions]) -> None:
        self._running.add(run)
        if self._thread is None or not self._thread.is_alive():  # as after a fork
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def end(self, run: tuple[float, onnxruntime.RunOptions]) -> None:
        self._running.discard(run)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._look, name="emotone-watch", daemon=True
                )
                self._thread.start()

    def _look(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(_LOOK_S)
            now = time.monotonic()
            # A set that changes meanwhile cannot be gone through, a copy of it can.
            for ends, options in self._running.copy():
                if now > ends:
                    options.terminate = True
            if not self._running:
                self._wake.clear()
                if self._running:  # one that began in between
                    self._wake.set()


_WATCH = _Watch()


_NO_MEMORY = re.compile(r"Available memory of \d+|bad_alloc|[Ff]ailed to allocate memory")


def _why(what: str, error: Exception) -> str:
    """What the model does, and why, as ONNX Runtime says it."""
    text = str(error).strip()
    if _NO_MEMORY.search(text):
        return f"the model {what}: it takes more memory than models may have"
    return f"the model {what} ({(text.splitlines() or [type(error).__name__])[0][:300]})"
