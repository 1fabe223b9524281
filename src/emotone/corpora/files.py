"""The audio files of a folder, in the one order everything else relies on."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from emotone.audio.files import walked
from emotone.errors import CorpusError


def audio_files(root: Path) -> list[PurePosixPath]:
    """Every audio file below a folder, relative to it, sorted by its path as text.

    Hidden files and the ``__MACOSX`` leftovers of zip archives are passed over. Linked folders are
    followed, each real folder once.

    Raises
    ------
    CorpusError
        If the folder is missing, not a folder or may not be read.
    """
    check_folder(root)
    found: list[str] = []
    for folder, names in walked(root):
        relative = folder.relative_to(root).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        found.extend(prefix + name for name in names)
    return [PurePosixPath(name) for name in sorted(found)]


def check_folder(root: Path) -> None:
    """Raise `CorpusError` unless the path is a folder that may be listed."""
    if not root.exists():
        raise CorpusError(
            "there is no such file or folder",
            source=root,
            remedy="Check the path, or get a corpus with: emotone corpus download NAME",
            code="missing_file",
        )
    if not root.is_dir():
        raise CorpusError(
            "is neither a folder nor a CSV, JSONL or Parquet manifest",
            source=root,
            remedy="Give the folder of a corpus, or a manifest with the columns path and emotion.",
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise CorpusError(
            "may not be read",
            source=root,
            remedy="Give yourself read permission on the folder.",
            code="permission_denied",
        )
