"""Whether a store or a disk has failed rather than the recordings in it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from emotone.batch.places import Place
from emotone.batch.sources import base
from emotone.errors import EmotoneError

CODES = {"missing_file", "permission_denied", "store_failed", "unreadable_audio"}
"""Errors of a recording that a store or disk may be the cause of."""

_EVERY = 20


class Watch:
    """Asks after the place of the recordings of one block while these fail.

    Parameters
    ----------
    inputs
        What the recordings were found from.
    root
        The folder that relative paths begin at.
    """

    def __init__(self, inputs: Sequence[str], root: str) -> None:
        self._inputs, self._root = inputs, root
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
            check(self._last, self._inputs, self._root)


def check(file: str, inputs: Sequence[str], root: str) -> None:
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
    for given in inputs:
        found = base(Place(given))
        if not found.is_local:
            continue
        folder = os.path.join(root, found.path)  # noqa: PTH118
        if not place.path.startswith(folder.rstrip(os.sep) + os.sep):
            continue
        try:
            with os.scandir(folder) as entries:
                cause = "is empty" if next(entries, None) is None else None
        except OSError as error:
            cause = f"cannot be read ({error.strerror or error})"
        if cause is not None:
            raise EmotoneError(
                f"the folder that recordings were found in {cause} now",
                source=folder,
                remedy="See whether its disk or share is connected; then go on with --resume.",
                code="store_failed",
            )
