"""Features on disk, and the labelled clips among them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emotone import emotions
from emotone.batch.places import Place
from emotone.batch.plan import parts
from emotone.corpora.utterance import Problem
from emotone.errors import CorpusError, EmotoneError, FeatureError, UsageError
from emotone.feature_table.corpus import StoredCorpus, StoredUtterance
from emotone.feature_table.files import AGAIN, cells_of, check_column, files_of, opened
from emotone.feature_table.rows import StoredFeatures
from emotone.features import get
from emotone.features.stored import TEXTS, Description

_NOTHING: dict[str, str] = {}


def is_table(source: str | os.PathLike[str]) -> bool:
    """Whether a path or address holds stored features, rather than audio or a list of it.

    Raises
    ------
    FeatureError
        If it is a Parquet file that says nonsense of its features.
    """
    text = os.fspath(source)
    if "://" not in text:
        path = Path(text)
        if path.is_dir():
            return (path / "_emotone" / "plan.parquet").is_file() or any(
                path.glob("part-*.parquet")
            )
        return path.suffix.lower() == ".parquet" and path.is_file() and _describes(text)
    place = Place(text)
    if text.lower().endswith(".parquet"):
        return _describes(text)
    return next(parts(place), None) is not None


def _describes(address: str) -> bool:
    try:
        with opened(address) as file:
            return Description.read(file.metadata.metadata, address) is not None
    except CorpusError:  # whoever takes it for a list of clips says what is wrong
        return False


class FeatureTable:
    """Stored features. Made by `FeatureTable.open`.

    Attributes
    ----------
    sources
        As they were given.
    files
        Addresses of the Parquet files, in the order of the rows.
    groups
        Rows of each row group of each file.
    description
        Which features these are.
    """

    def __init__(
        self,
        sources: tuple[str, ...],
        files: tuple[str, ...],
        groups: tuple[tuple[int, ...], ...],
        description: Description,
    ) -> None:
        self.sources, self.files, self.groups = sources, files, groups
        self.description = description

    def __len__(self) -> int:
        return sum(map(sum, self.groups))

    @classmethod
    def open(cls, sources: Sequence[str | os.PathLike[str]]) -> FeatureTable:
        """Look at what there is; no row is read.

        Parameters
        ----------
        sources
            Parquet files, and folders with the parts of an extraction; paths or addresses.

        Raises
        ------
        CorpusError
            If one is missing, incomplete or damaged.
        FeatureError
            If one holds no features, or others than the first; or they are of another version than
            those that are computed here, so that no model could hear by them.
        MissingExtraError
            If pyarrow is not installed.
        """
        given = tuple(os.fspath(source) for source in sources)
        files = tuple(file for source in given for file in files_of(source))
        first: Description | None = None
        groups = []
        for file in files:
            with opened(file) as stored:
                found = Description.read(stored.metadata.metadata, file)
                if found is None:
                    raise FeatureError(
                        "it does not say which features it holds", source=file, remedy=AGAIN
                    )
                check_column(stored.schema_arrow, found, file)
                counts = range(stored.metadata.num_row_groups)
                groups.append(tuple(stored.metadata.row_group(i).num_rows for i in counts))
            first = first or found
            _check_alike(found, first, file, files[0])
        assert first is not None
        known = get(first.feature_set)
        if (known.version, known.dimension) != (first.version, first.dimension):
            raise FeatureError(
                f"its features are {first.feature_set} of version {first.version} with "
                f"{first.dimension:,} numbers, and emotone computes version {known.version} with "
                f"{known.dimension:,} here: a model of them would not understand what it hears",
                source=given[0],
                remedy=AGAIN,
                code="other_version",
            )
        if known.rate is None and first.preparation.rate is None:
            raise FeatureError(
                "each clip's features were computed at the rate of the clip, so that the same "
                "number says different things",
                source=given[0],
                remedy="Extract them again with --rate, or into a folder, which takes the rate of "
                "most clips.",
                code="no_rate",
            )
        return cls(given, files, tuple(groups), first)

    def corpus(self) -> StoredCorpus:
        """The labelled clips; those without features among them, those without a label not.

        A file that comes again is a `Problem`, and so is a clip without an emotion.

        Raises
        ------
        CorpusError
            If there is no labelled clip, or a file cannot be read.
        """
        utterances: list[StoredUtterance] = []
        problems: list[Problem] = []
        seen: set[str] = set()
        shared: dict[str, str] = {}
        row = -1
        for file, cells in self._texts():
            name = Path(file).stem
            row += 1
            path = cells.get("file") or f"{file}, row {row}"
            emotion = _emotion(cells.get("emotion"))
            if path in seen:
                problems.append(Problem(Path(path), "its features come twice", "repeated"))
                continue
            seen.add(path)
            if emotion is None:
                problems.append(Problem(Path(path), "its features have no emotion", "row"))
                continue
            # A million clips have few speakers: each text is kept once.
            kept = {
                key: shared.setdefault(text, text) for key in TEXTS[2:] if (text := cells.get(key))
            }
            gender = kept.get("gender")
            code = cells.get("error_code")
            utterances.append(
                StoredUtterance(
                    path=Path(path),
                    emotion=shared.setdefault(emotion, emotion),
                    corpus=kept.get("corpus") or shared.setdefault(name, name),
                    label=kept.get("label", emotion),
                    speaker=kept.get("speaker"),
                    language=kept.get("language"),
                    gender=gender if gender in ("female", "male") else None,  # type: ignore[arg-type]
                    intensity=kept.get("intensity"),
                    sentence=kept.get("sentence"),
                    extra={"split": kept["split"]} if "split" in kept else _NOTHING,
                    row=row,
                    error=None
                    if code is None
                    else EmotoneError(cells.get("error") or code, code=code),
                )
            )
        if not utterances:
            raise CorpusError(
                "no clip has an emotion" if row >= 0 else "there is no clip in it",
                source=self.sources[0],
                remedy="Extract the features with --labels, or of a list with a column emotion.",
                code="no_labels",
            )
        names = [Path(source.rstrip("/")).stem for source in self.sources]
        return StoredCorpus(
            "+".join(dict.fromkeys(names)),
            Path(self.sources[0]),
            tuple(utterances),
            tuple(problems),
            self,
        )

    def features(self, rows: npt.ArrayLike) -> StoredFeatures:
        """The features of some rows."""
        return StoredFeatures(self, np.asarray(rows, dtype=np.intp))

    def _texts(self) -> Iterator[tuple[str, dict[str, str | None]]]:
        wanted = {*TEXTS, "error", "error_code"}
        for address in self.files:
            with opened(address) as file:
                names = [name for name in file.schema_arrow.names if name in wanted]
                for cells in cells_of(file, names):
                    yield address, cells

    @cached_property
    def starts(self) -> npt.NDArray[np.intp]:
        """The first row of each row group, and the number of all."""
        counts = [count for file in self.groups for count in file]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)

    @cached_property
    def homes(self) -> list[tuple[int, int]]:
        """File and number of each row group."""
        return [(at, group) for at, file in enumerate(self.groups) for group in range(len(file))]


def _check_alike(found: Description, first: Description, file: str, other: str) -> None:
    for name, value in found.to_dict().items():
        if value != first.to_dict()[name]:
            raise UsageError(
                f"its {name.replace('_', ' ')} is {value}, and that of {other} is "
                f"{first.to_dict()[name]}",
                source=file,
                remedy="Train from features that were made alike.",
            )


def _emotion(text: str | None) -> str | None:
    try:
        return None if text is None else emotions.canonical(text)
    except UsageError:
        return None
