"""CREMA-D: ``1001_DFA_ANG_XX.wav``, the actor, the sentence, the emotion and the level.

As documented at https://github.com/CheyneyComputerScience/CREMA-D. ``VideoDemographics.csv``
(ActorID, Age, Sex, Race, Ethnicity), where it is there, gives gender and age.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path, PurePosixPath

from emotone.corpora.reader import CorpusInfo, Reader, Reading, Table, UnparsedNameError, look_up
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
_GENDERS: dict[str, Gender] = {"female": "female", "male": "male"}
_TABLE = "VideoDemographics.csv"


def _demographics(root: Path) -> Table:
    """Rows of VideoDemographics.csv by actor, from the folder or the one above it."""
    for folder in (root, root.parent):
        file = folder / _TABLE
        if file.is_file():
            with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
                return {row.get("ActorID") or "": row for row in csv.DictReader(lines)}
    return {}


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not ACTOR_SENTENCE_EMOTION_LEVEL such as 1001_DFA_ANG_XX")
    actor, sentence, emotion, level = match.group(1), *(g.upper() for g in match.groups()[1:])
    person = table.get(actor, {})
    age = person.get("Age")
    return Reading(
        emotion=look_up(EMOTIONS, emotion, "emotion"),
        label=emotion,
        speaker=actor,
        gender=_GENDERS.get((person.get("Sex") or "").strip().lower()),
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
    ),
    parse=_parse,
    table=_demographics,
)
