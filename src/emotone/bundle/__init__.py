"""The model on disk: a folder or a ``.emotone`` zip file with ``model.onnx`` and ``card.json``.

Loading a bundle never runs code from it, and a damaged, tampered, oversized or unknown one is
refused with the reason before anything is loaded.

>>> from emotone.bundle import Bundle
>>> Bundle.open("mine.emotone").card.emotions         # doctest: +SKIP
('neutral', 'happy', 'sad', 'angry')
"""

from emotone.bundle.card import FORMAT_VERSION, Card, FileRecord, ModelInput
from emotone.bundle.checks import Check, export, verify
from emotone.bundle.installed import DEFAULT, Installed, find, installed, user_folder
from emotone.bundle.model import Bundle, write
from emotone.bundle.storage import DEFAULT_MAX_BYTES

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
    "export",
    "find",
    "installed",
    "user_folder",
    "verify",
    "write",
]
