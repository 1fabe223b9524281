"""Which files are audio, and finding them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from emotone.errors import AudioError

_ENDINGS = """
wav wave flac ogg oga opus mp3 mp2 aif aiff aifc au snd caf w64 rf64 sph
aac m4a m4b mp4 m4v mov 3gp mkv mka webm avi wma asf amr ac3 flv ape wv ts mpg mpeg
"""

EXTENSIONS = frozenset(f".{ending}" for ending in _ENDINGS.split())
"""Endings, in lower case, of the files that `find_audio` picks from a folder."""


def is_audio_path(path: str | os.PathLike[str]) -> bool:
    """Whether a path's ending is one of `EXTENSIONS`; the file is not opened.

    Examples
    --------
    >>> is_audio_path("clip.FLAC"), is_audio_path("notes.txt")
    (True, False)
    """
    return os.path.splitext(os.fspath(path))[1].lower() in EXTENSIONS  # noqa: PTH122


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is there; no name is too long and no link too tangled for an answer."""
    return os.path.isdir(path)  # noqa: PTH112 -- Path.is_dir raises for such names


def find_audio(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The audio files among paths and inside folders.

    A path to a file is kept whatever its ending, and one that does not exist is kept too, so that
    reading it tells what is wrong. A folder is walked to its bottom, linked folders too, each real
    one once; hidden files and folders, what zip archives leave, and files whose ending is not one
    of `EXTENSIONS`, are left out.

    Parameters
    ----------
    paths
        Files and folders.

    Returns
    -------
    list[Path]
        In the order given, the files of each folder sorted; each file once.

    Raises
    ------
    AudioError
        ``missing_file`` when a folder holds no audio at all.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if not is_folder(path):
            found[path] = None
            continue
        inside = sorted(each / name for each, names in walked(path) for name in names)
        if not inside:
            raise AudioError(
                "the folder holds no audio files",
                source=path,
                remedy="Name a folder with WAV, FLAC, Ogg, Opus, MP3, M4A or other audio in it.",
                code="missing_file",
            )
        found.update(dict.fromkeys(inside))
    return list(found)


def walked(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and all below it, each with the names of its audio files, unsorted.

    Linked folders are followed, each real one once. Hidden files and folders, and the ``__MACOSX``
    leftovers of zip archives, are passed over.

    Parameters
    ----------
    folder
        Where to begin.
    """
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # Sorted, for of two names of one folder the first counts.
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "__MACOSX")
        yield Path(root), [name for name in names if name[0] != "." and is_audio_path(name)]
