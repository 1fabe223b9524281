"""Clips that wait for others of their length, since a model takes less time for many at once."""

from __future__ import annotations

from emotone.batch.reading import Clip


class Alike:
    """Clips by their length; which are heard next depends on their order alone.

    Parameters
    ----------
    most, weight
        Clips, and bytes of them, from which on it is full.
    """

    def __init__(self, *, most: int, weight: int) -> None:
        self._most, self._weight = most, weight
        self._of_length: dict[tuple[int, int], list[Clip]] = {}
        self._count = self._held = 0

    def __bool__(self) -> bool:
        return self._count > 0

    @property
    def full(self) -> bool:
        """Whether some are to be taken before more are added."""
        return self._count >= self._most or self._held >= self._weight

    def add(self, clip: Clip, length: tuple[int, int]) -> None:
        """One more, of that length."""
        self._of_length.setdefault(length, []).append(clip)
        self._count += 1
        self._held += clip.weight

    def take(self, most: int) -> list[Clip]:
        """The first ones, so many at most, of the length that the most have."""
        length = max(self._of_length, key=lambda each: len(self._of_length[each]))
        waiting = self._of_length.pop(length)
        taken, left = waiting[:most], waiting[most:]
        if left:
            self._of_length[length] = left
        self._count -= len(taken)
        self._held -= sum(clip.weight for clip in taken)
        return taken
