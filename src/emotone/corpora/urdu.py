"""URDU: ``Angry/SM1_F10_A010.wav``, the speaker (SM male, SF female), the file, the emotion letter.

As found at https://github.com/siddiquelatif/URDU-Dataset, which speaks of 38 speakers; the names of
the 400 files hold 29.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from emotone.corpora.reader import CorpusInfo, Download, Reader, Reading, Table, UnparsedNameError

EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}

_NAME = re.compile(r"(S([MF])\d+)_F(\d+)_([AHNS])(\d+)", re.IGNORECASE)


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not SPEAKER_FILE_EMOTION such as SM1_F10_A010")
    speaker, sex, file, letter, number = (group.upper() for group in match.groups())
    return Reading(
        emotion=EMOTIONS[letter],
        label=letter,
        speaker=speaker,
        gender="female" if sex == "F" else "male",
        extra={"file": file, "number": number},
    )


READER = Reader(
    info=CorpusInfo(
        name="urdu",
        title="URDU: natural emotional speech from Urdu talk shows",
        language="ur",
        emotions=tuple(EMOTIONS.values()),
        licence="research use",
        citation=(
            "Latif S, Qayyum A, Usman M, Qadir J (2018). Cross Lingual Speech Emotion "
            "Recognition: Urdu vs. Western Languages. FIT, 88-93."
        ),
        homepage="https://github.com/siddiquelatif/URDU-Dataset",
        downloads=(
            Download(
                url="https://github.com/siddiquelatif/URDU-Dataset/archive/HEAD.zip",
                filename="urdu.zip",
                generated=True,
            ),
        ),
    ),
    parse=_parse,
)
