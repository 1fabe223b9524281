"""nEMO: ``samples/WR0_surprised_64.wav``; ``data.tsv`` gives the text, the gender and the age."""

from __future__ import annotations

import csv
import re
from pathlib import Path, PurePosixPath

from emotone.corpora.reader import (
    CorpusInfo,
    Download,
    Reader,
    Reading,
    Table,
    UnparsedNameError,
    look_up,
    rows_of,
)
from emotone.corpora.utterance import Gender

EMOTIONS = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}

_NAME = re.compile(r"([A-Z]{2}\d)_([a-z]+)_(\d+)")
_GENDERS: dict[str, Gender] = {"female": "female", "male": "male"}


def _rows(root: Path) -> Table:
    """Rows of data.tsv by file stem, from the folder or the one above it."""
    rows = rows_of(root, "data.tsv", delimiter="\t", quoting=csv.QUOTE_NONE)
    return {Path(row.get("file_id") or "").stem: row for row in rows}


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not SPEAKER_emotion_sentence such as WR0_surprised_64")
    speaker, emotion, number = match.groups()
    row = table.get(path.stem, {})
    age = (row.get("age") or "").strip()
    return Reading(
        emotion=look_up(EMOTIONS, emotion, "emotion"),
        label=emotion,
        speaker=speaker,
        gender=_GENDERS.get((row.get("gender") or "").strip()),
        sentence=(row.get("raw_text") or "").strip() or number,
        extra={"number": number} | ({"age": age} if age else {}),
    )


READER = Reader(
    info=CorpusInfo(
        name="nemo",
        title="nEMO: Dataset of Emotional Speech in Polish",
        language="pl",
        emotions=tuple(EMOTIONS.values()),
        licence="CC BY-NC-SA 4.0",
        citation=(
            "Christop I (2024). nEMO: Dataset of Emotional Speech in Polish. LREC-COLING, "
            "12111-12116."
        ),
        homepage="https://github.com/amu-cai/nEMO",
        downloads=(
            Download(
                url="https://github.com/amu-cai/nEMO/archive/HEAD.zip",
                filename="nemo.zip",
                generated=True,
            ),
        ),
    ),
    parse=_parse,
    table=_rows,
)
