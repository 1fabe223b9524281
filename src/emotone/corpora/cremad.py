"""CREMA-D: ``1001_DFA_ANG_XX.wav``, the actor, the sentence, the emotion and the level.

As documented at https://github.com/CheyneyComputerScience/CREMA-D. ``VideoDemographics.csv``
(ActorID, Age, Sex, Race, Ethnicity) gives the age, where it is there.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from emotone.corpora.reader import (
    CorpusInfo,
    Reader,
    Reading,
    Table,
    UnparsedNameError,
    look_up,
    rows_of,
)
from emotone.corpora.utterance import Gender

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
# One file of the original distribution has X for XX: 1040_ITH_SAD_X.wav.
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})", re.IGNORECASE)
_ACTORS = range(1001, 1092)
# As VideoDemographics.csv has it: 43 women, the other 48 actors are men.
# fmt: off
_WOMEN = frozenset((
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
))
# fmt: on
_TABLE = "VideoDemographics.csv"


def _demographics(root: Path) -> Table:
    """Rows of VideoDemographics.csv by actor, from the folder or the one above it."""
    return {row.get("ActorID") or "": row for row in rows_of(root, _TABLE)}


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not ACTOR_SENTENCE_EMOTION_LEVEL such as 1001_DFA_ANG_XX")
    actor, sentence, emotion, level = match.group(1), *(g.upper() for g in match.groups()[1:])
    if int(actor) not in _ACTORS:
        raise UnparsedNameError(f"actor {actor} is not from 1001 to 1091")
    gender: Gender = "female" if int(actor) in _WOMEN else "male"
    age = table.get(actor, {}).get("Age")
    return Reading(
        emotion=look_up(EMOTIONS, emotion, "emotion"),
        label=emotion,
        speaker=actor,
        gender=gender,
        intensity=look_up(INTENSITIES, "XX" if level == "X" else level, "level"),
        sentence=look_up(SENTENCES, sentence, "sentence"),
        extra={"age": age} if age else {},
    )


READER = Reader(
    info=CorpusInfo(
        name="crema-d",
        title="Crowd-sourced Emotional Multimodal Actors Dataset",
        language="en",
        emotions=tuple(EMOTIONS.values()),
        licence="Open Database License 1.0; contents under the Database Contents License 1.0",
        citation=(
            "Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014). CREMA-D: "
            "Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on Affective "
            "Computing 5(4): 377-390."
        ),
        homepage="https://github.com/CheyneyComputerScience/CREMA-D",
        instructions=(
            "The recordings are in Git LFS, which no archive of the repository holds. Install "
            "git-lfs (https://git-lfs.com), then: git clone "
            "https://github.com/CheyneyComputerScience/CREMA-D && cd CREMA-D && "
            "git lfs pull --include AudioWAV. Read it with: "
            "emotone corpus check crema-d=CREMA-D/AudioWAV"
        ),
    ),
    parse=_parse,
    table=_demographics,
)
