"""Zip archives for tests."""

from __future__ import annotations

import io
import zipfile


def zipped(entries: dict[str, bytes]) -> bytes:
    """An archive of these files, equal for equal ones."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()
