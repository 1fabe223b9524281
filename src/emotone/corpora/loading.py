"""From a folder, a manifest or ``NAME=FOLDER`` to a corpus."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from emotone.corpora import folder, manifest
from emotone.corpora.catalogue import READERS, info
from emotone.corpora.files import audio_files
from emotone.corpora.reader import Reader, UnparsedNameError
from emotone.corpora.utterance import Corpus, Problem, Utterance
from emotone.errors import CorpusError

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.+)", re.DOTALL)
_FOLDER = "folder"
_SAMPLE = 200  # names that are tried to recognise a corpus
_ENOUGH = 0.8  # share of them that has to parse

Spec = str | os.PathLike[str]


def load(spec: Spec) -> Corpus:
    """Read a corpus.

    Parameters
    ----------
    spec
        A folder (the reader is recognised by the file names; several corpora side by side in one
        folder are read as one), ``NAME=FOLDER`` with the name of a reader or ``folder`` for a
        folder per emotion, or a CSV, TSV, JSONL or Parquet manifest.

    Returns
    -------
    Corpus
        Utterances sorted by path as text (a manifest keeps its order), and what gave none.

    Raises
    ------
    CorpusError
        If there is nothing there, or no reader fits it.

    Examples
    --------
    >>> corpus = load("ravdess=data/ravdess")  # doctest: +SKIP
    >>> corpus.counts  # doctest: +SKIP
    {'neutral': 96, 'calm': 192, 'happy': 192, ...}
    """
    return _load(spec, {})


def _load(spec: Spec, names: dict[Path, str]) -> Corpus:
    """As `load`; a place that does not say what it is called takes its name from `names`, or is
    put there with its default one."""
    text = os.fspath(spec)
    named = _NAMED.fullmatch(text)
    if named is not None and not Path(text).exists():
        return _load_named(named.group(1).lower(), Path(named.group(2)).expanduser(), names)
    path = Path(text).expanduser()
    if manifest.is_manifest(path) and not path.is_dir():
        place = path.parent.resolve() / path.name
        return manifest.read(path, name=names.setdefault(place, path.stem))
    return _load_folder(path, names)


def _read_folder(root: Path, files: list[PurePosixPath], names: dict[Path, str]) -> Corpus:
    place = root.resolve()
    return folder.read(root, files, name=names.setdefault(place, place.name or _FOLDER))


def load_many(specs: Iterable[Spec]) -> Corpus:
    """Read several corpora as one, in the order given; a file that comes twice counts once.

    Tables and folders of one name are different corpora, of different people: their names begin
    with the folders that tell them apart (``anna/labels``, ``ben/labels``).

    Raises
    ------
    CorpusError
        As `load`; also if no spec is given.
    """
    specs = list(specs)
    names: dict[Path, str] = {}
    corpora = [_load(spec, names) for spec in specs]
    apart = _told_apart(names)
    if apart != names:
        corpora = [_load(spec, apart) for spec in specs]
    if not corpora:
        raise CorpusError("no corpus was given", remedy="Name at least one folder or manifest.")
    if len(corpora) == 1:
        return corpora[0]
    utterances: list[Utterance] = []
    problems = [problem for corpus in corpora for problem in corpus.problems]
    seen: dict[str, Utterance] = {}
    for corpus in corpora:
        for utterance in corpus.utterances:
            first = seen.setdefault(os.path.realpath(utterance.path), utterance)
            if first is utterance:
                utterances.append(utterance)
                continue
            reason = f"is also in {first.corpus}, and counts there"
            if utterance.emotion != first.emotion:
                reason += f", as {first.emotion} and not {utterance.emotion}"
            problems.append(Problem(utterance.path, reason, "repeated"))
    roots = [str(corpus.root.absolute()) for corpus in corpora]
    try:
        root = Path(os.path.commonpath(roots))
    except ValueError:  # different drives on Windows
        root = Path(roots[0])
    called = dict.fromkeys(corpus.name for corpus in corpora)
    return Corpus("+".join(called), root, tuple(utterances), tuple(problems))


def _told_apart(names: Mapping[Path, str]) -> dict[Path, str]:
    """The names of places, with as many of their folders before them as make them different."""
    alike: dict[str, list[Path]] = {}
    for place, name in names.items():
        alike.setdefault(name, []).append(place)
    apart = dict(names)
    for name, places in alike.items():
        together = len({place.parent for place in places}) < len(places)
        up = 0
        while len({apart[place] for place in places}) < len(places):
            for place in places:
                around = place.parts[:-1][-up:] if up else ()
                # Those side by side differ in their endings alone.
                apart[place] = "/".join([*around, place.name if together else name])
            up += 1
    return apart


def _load_named(name: str, root: Path, names: dict[Path, str]) -> Corpus:
    if name != _FOLDER:
        info(name)  # refuses an unknown name
    files = audio_files(root)
    _refuse_empty(root, files)
    if name == _FOLDER:
        corpus = _read_folder(root, files, names)
    else:
        corpus = _read(READERS[name], root, files)
    if not corpus.utterances:
        raise CorpusError(
            f"none of its {len(files)} audio files has a name of {name}: "
            f"{files[0]} {corpus.problems[0].reason}",
            source=root,
            remedy="Check the folder and the name of the corpus.",
        )
    return corpus


def _load_folder(root: Path, names: dict[Path, str]) -> Corpus:
    files = audio_files(root)
    _refuse_empty(root, files)
    reader = recognise(root, files)
    if reader is not None:
        return _read(reader, root, files)
    several = _several(root, files, names)
    if several is not None:
        return several
    if folder.fits(files):
        return _read_folder(root, files, names)
    raise CorpusError(
        f"its {len(files)} audio files fit no known corpus and lie in no folder named after "
        f"an emotion (the first: {files[0]})",
        source=root,
        remedy=f"Say which it is (NAME=FOLDER; {', '.join([*READERS, _FOLDER])}), or give a "
        "manifest with the columns path and emotion.",
    )


def _several(root: Path, files: list[PurePosixPath], names: dict[Path, str]) -> Corpus | None:
    """Known corpora side by side, each in a folder of its own; None unless there is one."""
    groups: dict[str, list[PurePosixPath]] = {}
    for file in files:
        groups.setdefault(file.parts[0] if len(file.parts) > 1 else "", []).append(file)
    below = {
        name: [file.relative_to(name) for file in group] if name else group
        for name, group in groups.items()
    }
    known = {name: recognise(root / name, files) for name, files in below.items() if name}
    if not any(known.values()):
        return None
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    for name, inside in below.items():
        reader = known.get(name)
        if reader is not None:
            part = _read(reader, root / name, inside)
        elif name and folder.fits(inside):
            part = _read_folder(root / name, inside, names)
        else:
            reason = f"its {len(inside)} audio files fit no known corpus and were left out"
            problems.append(Problem(root / name, reason, "folder"))
            continue
        utterances.extend(part.utterances)
        problems.extend(part.problems)
    utterances.sort(key=lambda utterance: utterance.path.as_posix())
    name = root.resolve().name or "corpora"
    return Corpus(name, root, tuple(utterances), tuple(problems))


def recognise(root: Path, files: list[PurePosixPath]) -> Reader | None:
    """The reader that most of these file names belong to, or None.

    Parameters
    ----------
    root
        A folder.
    files
        Its audio files, relative to it; some 200, spread over them, are tried.
    """
    around = _around(root)
    sample = [around / file for file in files[:: max(1, len(files) // _SAMPLE)]]
    best, most = None, 0.0
    for reader in READERS.values():
        share = sum(_parses(reader, file) for file in sample) / max(1, len(sample))
        if share > most:
            best, most = reader, share
    return best if most >= _ENOUGH else None


def _parses(reader: Reader, file: PurePosixPath) -> bool:
    try:
        reader.parse(file, {})
    except UnparsedNameError:
        return False
    return True


def _around(root: Path) -> PurePosixPath:
    """The last two folders, put before a file's path when it is parsed.

    So a reader that looks at folders also reads one of them alone: data/casia/wangzhe, data/DC.
    """
    return PurePosixPath(*root.resolve().parts[-2:])


def _read(reader: Reader, root: Path, files: list[PurePosixPath]) -> Corpus:
    table = reader.table(root)
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    around = _around(root)
    for file in files:
        try:
            told = reader.parse(around / file, table)
        except UnparsedNameError as error:
            problems.append(Problem(root / file, str(error)))
            continue
        utterances.append(
            Utterance(
                path=root / file,
                emotion=told.emotion,
                corpus=reader.info.name,
                label=told.label,
                speaker=told.speaker,
                language=reader.info.language,
                gender=told.gender,
                intensity=told.intensity,
                sentence=told.sentence,
                extra=told.extra,
            )
        )
    return Corpus(reader.info.name, root, tuple(utterances), tuple(problems))


def _refuse_empty(root: Path, files: list[PurePosixPath]) -> None:
    if not files:
        raise CorpusError(
            "holds no audio files",
            source=root,
            remedy="Give the folder that the corpus was unpacked into.",
            code="empty_corpus",
        )
