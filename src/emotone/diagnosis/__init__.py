"""What there is for emotone to work with, what is missing, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator

from emotone.diagnosis.finding import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine(*, ask_torch: bool | None = None) -> Iterator[Finding]:
    """Look at packages, extras, the machine, the model and the folders, each as it is found.

    Parameters
    ----------
    ask_torch
        Whether to import PyTorch, which takes seconds, to ask for an accelerator; where there are
        signs of one when None.

    Examples
    --------
    >>> [each.name for each in examine() if each.state == "broken"]     # doctest: +SKIP
    []
    """
    from emotone.diagnosis import machine, packages, places

    yield from packages.examine()
    yield from machine.examine(ask_torch=ask_torch)
    yield from places.examine()
