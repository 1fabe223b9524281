"""Whether a file is the one that it was: by what the file system says, and by its bytes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

# A file changed this recently may change again within one tick of the file system's clock.
_SETTLED_S = 2.0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file system tells of a file without reading it."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """The stamp of a file, or None where there is none."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None
        return cls(
            found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & 0x7FFFFFFFFFFFFFFF
        )

    @property
    def settled(self) -> bool:
        """Whether the last change is long enough ago that a later one would show."""
        return time.time() - max(self.modified, self.changed) / 1e9 > _SETTLED_S


def content_of(path: Path) -> bytes | None:
    """The BLAKE2b digest of a file's bytes, or None where it is no readable regular file."""
    digest = hashlib.blake2b(digest_size=20)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            while piece := file.read(2**20):
                digest.update(piece)
    except (OSError, ValueError):
        return None
    return digest.digest()
