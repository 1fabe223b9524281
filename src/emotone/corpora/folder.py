"""Any corpus that keeps each emotion in a folder: ``happy/a.wav`` or ``anna/happy/a.wav``."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from emotone import emotions
from emotone.corpora.utterance import Corpus, Problem, Utterance

_NO_SPEAKERS = re.compile(
    "train(ing)?|test(ing)?|val(id(ation)?)?|dev|eval(uation)?|audio|data|wav", re.IGNORECASE
)
"""Folders around the emotions that are parts of a data set, not people."""

_NUMBERED = re.compile(r"^\d+[\s_.-]*(?=\D)")


def emotion_of(folder: str) -> str | None:
    """The canonical emotion a folder is named after, or None.

    A leading number is passed over (``01_happy``). One and two letters say too little: ``f`` is as
    often a woman as fear.
    """
    word = _NUMBERED.sub("", folder)
    return emotions.canonical(word) if len(word) > 2 and emotions.is_known(word) else None


def fits(files: list[PurePosixPath]) -> bool:
    """Whether most files lie in a folder named after a known emotion."""
    inside = sum(any(emotion_of(part) for part in file.parts[:-1]) for file in files)
    return bool(files) and inside >= 0.9 * len(files)


def read(root: Path, files: list[PurePosixPath], *, name: str | None = None) -> Corpus:
    """Read a folder per emotion.

    The emotion is the innermost folder named after a known one. A single folder around it is the
    speaker, unless it is called ``train``, ``test`` or the like. Where no folder of a file is
    known, its first folder is taken as an emotion of its own, in lower case.

    Parameters
    ----------
    root
        The folder.
    files
        Its audio files, relative to it, in order.
    name
        Of the corpus; the folder's name if None.
    """
    name = name or root.resolve().name or "folder"
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    for file in files:
        folders = file.parts[:-1]
        if not folders:
            problems.append(Problem(root / file, "lies in no emotion's folder"))
            continue
        place = next((i for i in reversed(range(len(folders))) if emotion_of(folders[i])), 0)
        label = folders[place]
        utterances.append(
            Utterance(
                path=root / file,
                emotion=emotion_of(label) or emotions.canonical(label),
                corpus=name,
                label=label,
                speaker=folders[0]
                if place == 1 and not _NO_SPEAKERS.fullmatch(folders[0])
                else None,
            )
        )
    return Corpus(name, root, tuple(utterances), tuple(problems))
