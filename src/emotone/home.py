"""The folder of whoever runs the program."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The user's home folder.

    Where the system knows of none, as in a container under a number that nobody has, a place that
    is not there and cannot be made: what is looked for in it is not found, and what would be kept
    in it is told of as any other place that cannot be written.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull, "home")
