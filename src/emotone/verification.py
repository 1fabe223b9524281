"""Every check of a bundle: what stands on disk, and whether it runs.

What a stranger's model does when it runs is tried in a process of its own, which may take so much
memory and time and no more: one that computes for hours, fills the memory or brings ONNX Runtime
down fails its check, and nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from emotone import runtime, spectra
from emotone.bundle import checks
from emotone.bundle.checks import Check
from emotone.bundle.model import Bundle
from emotone.bundle.storage import DEFAULT_MAX_BYTES, REMEDY
from emotone.children import apart, single_threaded
from emotone.errors import BundleError, EmotoneError
from emotone.recognizer import Recognizer

TRIAL_S = 60.0
"""Seconds that a trial run may take, all in all; a model of 10 MB takes one."""

TRIAL_BYTES = 2**30
"""Memory that a trial run may take, beside four times the size of the models."""

_PROGRAM_BYTES = 2**30
"""Addresses that Python and ONNX Runtime need for themselves."""


def verify(
    path: str | Path, *, max_bytes: int = DEFAULT_MAX_BYTES, within_s: float = TRIAL_S
) -> list[Check]:
    """Every check of a bundle, one by one: those of `emotone.bundle.verify`, and whether it runs.

    Parameters
    ----------
    path
        The bundle.
    max_bytes
        The most that the model may hold.
    within_s
        Seconds that the trial run may take.

    Returns
    -------
    list of Check
        In the order in which they are made, up to the first that fails. The last is ``runs``: this
        emotone has the feature set, the model loads, and its scores are probabilities; in bounded
        time and memory.
    """
    path = Path(path)
    found = checks.verify(path, max_bytes=max_bytes)
    if all(check.passed for check in found):
        found.append(_tried(path, max_bytes, within_s))
    return found


def _tried(path: Path, max_bytes: int, within_s: float) -> Check:
    """Have a process of its own call `trial`, and wait for it that long."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"from {__name__} import trial; trial()"],
            input=json.dumps({"path": str(path.absolute()), "max_bytes": max_bytes}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=single_threaded(),
            timeout=within_s,
            **apart(),
        )
    except subprocess.TimeoutExpired:
        cause = f"three random rows take the model more than {within_s:g} s"
    else:
        try:
            told = json.loads(done.stdout)
            return Check("runs", told["passed"], told["detail"])
        except ValueError:
            cause = f"the model brings the program down (exit status {done.returncode})"
    return Check("runs", False, str(BundleError(cause, source=path, remedy=REMEDY)))


def trial() -> None:
    """Run a bundle once, as its standard input says, and tell on standard output how it went."""
    given: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    try:
        bundle = Bundle.open(given["path"], max_bytes=given["max_bytes"])
        _bound(TRIAL_BYTES + 4 * (len(bundle.model) + len(bundle.frames or b"")))
        told = {"passed": True, "detail": _trial(bundle)}
    except EmotoneError as error:
        told = {"passed": False, "detail": str(error)}
    except MemoryError:
        told = {"passed": False, "detail": f"{given['path']}: the model takes too much memory"}
    sys.stdout.write(json.dumps(told))


def _bound(most: int) -> None:
    """Let this process take that much memory and no more."""
    runtime.bound_memory(most)
    if sys.platform == "linux":  # elsewhere the bound on addresses is none, or there is none
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        room = pages * resource.getpagesize() + most + _PROGRAM_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (room if hard < 0 else min(room, hard), hard))


def _trial(bundle: Bundle) -> str:
    began = time.monotonic()
    recognizer = Recognizer(bundle)
    width = bundle.card.input.dimension or bundle.card.input.rate or 1
    rows = np.random.default_rng(0).normal(size=(3, width)).astype(np.float32)
    scores = recognizer.scores(rows)
    if scores.min() < 0 or abs(scores.sum(axis=1) - 1).max() > 1e-3:
        raise BundleError(
            "the scores of the model are not probabilities", source=bundle.path, remedy=REMEDY
        )
    if recognizer.takes_frames:
        for samples in (9000, 48_000):
            sound = 0.1 * np.random.default_rng(1).standard_normal(samples).astype(np.float32)
            described = recognizer.describe(spectra.framed(sound))
            seen = recognizer.hear_frames([described])
            if abs(seen - recognizer.hear([sound], spectra.RATE)).max() > 1e-3:
                raise BundleError(
                    "with frames.onnx the model does not answer as without it",
                    source=bundle.path,
                    remedy=REMEDY,
                )
    took = f"{time.monotonic() - began:.2f} s"
    return f"{len(rows)} random rows in, {scores.shape[1]} probabilities each out, in {took}"
