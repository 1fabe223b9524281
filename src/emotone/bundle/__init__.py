"""The model on disk: a folder or a ``.emotone`` zip file with ``model.onnx``, ``card.json``,
and mostly ``frames.onnx``.

Loading a bundle never runs code from it, and a damaged, tampered, oversized or unknown one is
refused with the reason before anything is loaded.

>>> from emotone.bundle import Bundle
>>> Bundle.open("mine.emotone").card.emotions         # doctest: +SKIP
('neutral', 'happy', 'sad', 'angry')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.bundle.card import FORMAT_VERSION, Card, FileRecord, ModelInput
    from emotone.bundle.checks import Check, export, verify
    from emotone.bundle.model import Bundle, write
    from emotone.bundle.registry import DEFAULT, Installed, find, installed, user_folder
    from emotone.bundle.storage import DEFAULT_MAX_BYTES, check_target

# Loaded when first used: one prediction needs the half of it, and waits for all it imports.
_WHERE = {
    "card": ("FORMAT_VERSION", "Card", "FileRecord", "ModelInput"),
    "checks": ("Check", "export", "verify"),
    "registry": ("DEFAULT", "Installed", "find", "installed", "user_folder"),
    "model": ("Bundle", "write"),
    "storage": ("DEFAULT_MAX_BYTES", "check_target"),
}

__all__ = [
    "DEFAULT",
    "DEFAULT_MAX_BYTES",
    "FORMAT_VERSION",
    "Bundle",
    "Card",
    "Check",
    "FileRecord",
    "Installed",
    "ModelInput",
    "check_target",
    "export",
    "find",
    "installed",
    "user_folder",
    "verify",
    "write",
]


def __getattr__(name: str) -> Any:
    for module, names in _WHERE.items():
        if name in names:
            value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
