"""TurEV-DB: ``Angry/1157_kz_acik.wav``, the speaker's number, the emotion's code and the word.

The second part goes with the emotion (kz angry, sk calm, mt happy, hl sad), the first with one of
the six voices, so the first is the speaker. The database does not give their gender.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from emotone.corpora.reader import (
    CorpusInfo,
    Download,
    Reader,
    Reading,
    Table,
    UnparsedNameError,
    look_up,
)

EMOTIONS = {"kz": "angry", "sk": "calm", "mt": "happy", "hl": "sad"}

_NAME = re.compile(r"(\d{4})_([a-z]{2})_(\w+)", re.IGNORECASE)


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not SPEAKER_emotion_word such as 1157_kz_acik")
    speaker, code, word = match.groups()
    return Reading(
        emotion=look_up(EMOTIONS, code.lower(), "emotion"),
        label=code.lower(),
        speaker=speaker,
        sentence=word.lower(),
    )


READER = Reader(
    info=CorpusInfo(
        name="turev",
        title="TurEV-DB: Turkish Emotion-Voice Database",
        language="tr",
        emotions=tuple(EMOTIONS.values()),
        licence="CC BY-NC-ND 4.0",
        citation=(
            "Canpolat SF, Ormanoğlu Z, Zeyrek D (2020). Turkish Emotion Voice Database "
            "(TurEV-DB). SLTU-CCURL, 368-375."
        ),
        homepage="https://github.com/Xeonen/TurEV-DB",
        downloads=(
            Download(
                url="https://github.com/Xeonen/TurEV-DB/archive/HEAD.zip",
                filename="turev.zip",
                generated=True,
                inside="Sound Source",
            ),
        ),
    ),
    parse=_parse,
)
