"""Whether a store or a disk has failed rather than the recordings in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from emotone.batch.places import Place
from emotone.batch.sources import base
from emotone.errors import EmotoneError

CODES = {"missing_file", "permission_denied", "store_failed", "unreadable_audio"}
"""Errors of a recording that a store or disk may be the cause of."""

_EVERY = 20

_NO_FOLDER = {None, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
"""What the system says of a path that no folder has, None where Python says it."""

_MOUNTS = {"/", "/mnt", "/net", "/Volumes"}
_MOUNTS_OF_USERS = {"/media", "/run/media"}
"""Where disks appear as folders, and are gone without a trace; or folders of users with these."""


class Watch:
    """Asks after the place of the recordings of one block while these fail.

    Parameters
    ----------
    inputs
        What the recordings were found from.
    root
        The folder that relative paths begin at.
    block
        The recordings of the block.
    """

    def __init__(self, inputs: Sequence[str], root: str, block: Sequence[str] = ()) -> None:
        self._inputs, self._root, self._block = inputs, root, block
        self._last: str | None = None
        self._failed = 0

    def see(self, file: str, code: str | None) -> None:
        """One more recording, and its error if it has one.

        Raises
        ------
        EmotoneError
            Every so many failures, as `end`.
        """
        if code in CODES and not ("://" in file and code == "unreadable_audio"):
            self._last, self._failed = file, self._failed + 1
            if self._failed % _EVERY == 0:
                self.end()

    def end(self) -> None:
        """The block is at its end.

        Raises
        ------
        EmotoneError
            If something failed, and the place that it was in does not answer any more or is empty:
            ``store_failed``. Errors in the rows would then stay there for nothing.
        """
        if self._last is not None:
            check(self._last, self._inputs, self._root, self._block)


def check(file: str, inputs: Sequence[str], root: str, block: Sequence[str] = ()) -> None:
    """Refuse to go on if what a recording was found in is gone.

    Raises
    ------
    EmotoneError
        ``store_failed``.
    """
    place = Place(os.path.join(root, file) if "://" not in file else file)  # noqa: PTH118
    if not place.is_local:
        place.at(place.path.rpartition("/")[0]).kind()
        return
    held = False
    for given in inputs:
        found = base(Place(given))
        if not found.is_local:
            continue
        folder = os.path.join(root, found.path)  # noqa: PTH118
        if not place.path.startswith(folder.rstrip(os.sep) + os.sep):
            continue
        held = True
        try:
            empty = _is_empty(folder)
        except OSError as error:
            raise _gone(folder, f"cannot be read ({error.strerror or error})") from error
        if empty:
            raise _gone(folder, "is empty")
    if not held:
        _check_above(place.path, [os.path.join(root, other) for other in block])  # noqa: PTH118


def _check_above(file: str, block: Sequence[str]) -> None:
    """Refuse to go on if the disk of a recording that was named by itself seems to be gone.

    A folder may have been taken away on purpose. So what counts is the nearest one above that is
    there: where a disk is not mounted, it is empty or does not answer, or it is where disks are.
    An empty one counts for nothing if others of the block are there beside it.
    """
    gone, folder = file, os.path.dirname(file)  # noqa: PTH120
    while folder != gone:
        try:
            empty = _is_empty(folder)
        except PermissionError:
            return  # what is in it may be read for all that
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) not in _NO_FOLDER:
                raise _gone(folder, f"cannot be read ({error})") from error
            gone, folder = folder, os.path.dirname(folder)  # noqa: PTH120
            continue
        if empty and not _is_beside_others(folder, block):
            raise _gone(folder, "is empty", " If it was emptied for good, delete it.")
        if gone != file and _holds_disks(folder):
            raise _gone(gone, "is gone")
        return
    raise _gone(folder, "is gone")


def _is_beside_others(folder: str, block: Sequence[str]) -> bool:
    above = os.path.dirname(folder)  # noqa: PTH120
    if _holds_disks(above):
        return False
    beside = os.path.join(above, "")  # noqa: PTH118
    return any(each.startswith(beside) and os.path.exists(each) for each in block)  # noqa: PTH110


def _is_empty(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def _holds_disks(folder: str) -> bool:
    return bool({folder, os.path.dirname(folder)} & _MOUNTS_OF_USERS) or folder in _MOUNTS  # noqa: PTH120


def _gone(folder: str, cause: str, else_: str = "") -> EmotoneError:
    return EmotoneError(
        f"the folder that recordings were found in {cause} now",
        source=folder,
        remedy=f"See whether its disk or share is connected; then go on with --resume.{else_}",
        code="store_failed",
    )
