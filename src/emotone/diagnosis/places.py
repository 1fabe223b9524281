"""The model that answers, and the folders that emotone keeps things in."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from emotone import configuration
from emotone.bundle.registry import DEFAULT, find, user_folder
from emotone.diagnosis.finding import Finding
from emotone.errors import EmotoneError
from emotone.exports import FULL
from emotone.features.cache import DEFAULT_MAX_BYTES, default_folder
from emotone.folders import check_writable

_MOST_FILES = 100_000


def examine() -> Iterator[Finding]:
    """The bundled model and the configured one, the folder of the user's own, and the cache."""
    yield _model(DEFAULT, "bundled")
    try:
        chosen = configuration.value("model")
        if chosen not in (None, DEFAULT):
            yield _model(None, "configured")
        yield _models(user_folder())
        yield _cache(default_folder())
    except RuntimeError as error:
        yield Finding("cache", "folder", "broken", str(error), "export HOME=FOLDER")
    except EmotoneError as error:
        yield Finding("configuration", "read", "broken", str(error), error.remedy)


def _model(model: str | None, name: str) -> Finding:
    """Load it and ask it, and say what it is."""
    import numpy as np

    from emotone.recognizer import load

    path: Path | None = None
    try:
        path = find(model)
        digest = _digest(path)
        started = time.perf_counter()
        recognizer = load(path, threads=1, threshold=0)
        time_s = np.arange(32_000) / 16_000
        tone = sum((np.sin(2 * np.pi * 150 * k * time_s) / k for k in range(1, 12)), 0 * time_s)
        answer = recognizer.predict((0.1 * tone.astype(np.float32), 16_000))
        took_ms = 1000 * (time.perf_counter() - started)
    except EmotoneError as error:
        bundled = name == "bundled"
        again = "pip install --force-reinstall --no-deps emotone"
        return Finding("model", name, "broken", error.cause, again if bundled else error.remedy)
    except Exception as error:  # a library that does not load is what this is to find out
        return Finding(
            "model",
            name,
            "broken",
            f"{type(error).__name__}: {error}",
            "pip install --force-reinstall emotone",
        )
    return Finding(
        "model",
        name,
        "fine",
        f"{answer.model}, loaded and asked in {took_ms:.0f} ms, sha256 {digest[:16]}…, {path}",
        facts={"model": answer.model, "path": str(path), "sha256": digest, "ms": round(took_ms, 1)},
    )


def _digest(path: Path) -> str:
    """Of a bundle: of the file, or of the card of a folder, which has those of its files."""
    file = path / "card.json" if path.is_dir() else path
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _cache(folder: Path) -> Finding:
    size = _size(folder)
    facts = {"path": str(folder), "bytes": size, "max_bytes": DEFAULT_MAX_BYTES}
    try:
        free = shutil.disk_usage(check_writable(folder)).free
    except OSError as error:
        full = error.errno in FULL
        return Finding(
            "cache",
            "folder",
            "broken",
            f"{folder}: nothing can be written there ({error.strerror})",
            ("emotone features --clear-cache, or " if full and size else "")
            + "export EMOTONE_CACHE=FOLDER, one that can be written to",
            {**facts, "writable": False},
        )
    return Finding(
        "cache",
        "folder",
        "fine",
        f"{folder}, {size / 2**20:,.1f} MiB, can be written to, {_gib(free)} free",
        facts={**facts, "writable": True, "free_bytes": free},
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, of so many at most."""
    total = seen = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_size
            except OSError:
                continue
            seen += 1
        if seen > _MOST_FILES:
            break
    return total


def _models(folder: Path) -> Finding:
    from emotone.bundle.registry import installed

    names = [each.name for each in installed() if not each.bundled]
    told = ", ".join(names) if names else "none of your own"
    return Finding(
        "model",
        "installed",
        "fine",
        f"{told} in {folder}",
        facts={"path": str(folder), "names": names},
    )
