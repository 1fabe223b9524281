"""RAVDESS: seven two-digit fields in the name, ``03-01-06-01-02-01-12.wav``.

Modality, vocal channel, emotion, intensity, statement, repetition, actor (odd male, even female),
as documented at https://zenodo.org/records/1188976.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, cast

from emotone.corpora.reader import (
    CorpusInfo,
    Download,
    Reader,
    Reading,
    Table,
    UnparsedNameError,
    look_up,
)
from emotone.corpora.utterance import Gender

Modality = Literal["full-AV", "video-only", "audio-only"]
VocalChannel = Literal["speech", "song"]
Intensity = Literal["normal", "strong"]

MODALITIES = {"01": "full-AV", "02": "video-only", "03": "audio-only"}
VOCAL_CHANNELS = {"01": "speech", "02": "song"}
EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
REPETITIONS = {"01": "1", "02": "2"}

_NAME = re.compile(r"\d\d(?:-\d\d){6}")


@dataclass(frozen=True, slots=True)
class RavdessName:
    """The seven fields of a RAVDESS file name."""

    modality: Modality
    vocal_channel: VocalChannel
    emotion: str
    intensity: Intensity
    statement: str
    repetition: int
    actor: int

    @property
    def gender(self) -> Gender:
        """Odd actors are male, even ones female."""
        return "female" if self.actor % 2 == 0 else "male"


def parse_name(stem: str) -> RavdessName:
    """The seven fields of a RAVDESS file name without its extension.

    Raises
    ------
    UnparsedNameError
        If it is not seven two-digit fields, or one has no meaning.

    Examples
    --------
    >>> name = parse_name("03-01-06-01-02-01-12")
    >>> name.emotion, name.actor, name.gender
    ('fearful', 12, 'female')
    """
    if not _NAME.fullmatch(stem):
        raise UnparsedNameError("not seven two-digit fields such as 03-01-06-01-02-01-12")
    modality, channel, emotion, intensity, statement, repetition, actor = stem.split("-")
    if not 1 <= int(actor) <= 24:
        raise UnparsedNameError(f"actor {actor} is not from 01 to 24")
    return RavdessName(
        modality=cast("Modality", look_up(MODALITIES, modality, "modality")),
        vocal_channel=cast("VocalChannel", look_up(VOCAL_CHANNELS, channel, "vocal channel")),
        emotion=look_up(EMOTIONS, emotion, "emotion"),
        intensity=cast("Intensity", look_up(INTENSITIES, intensity, "intensity")),
        statement=look_up(STATEMENTS, statement, "statement"),
        repetition=int(look_up(REPETITIONS, repetition, "repetition")),
        actor=int(actor),
    )


def _parse(path: PurePosixPath, table: Table) -> Reading:
    name = parse_name(path.stem)
    if name.modality == "video-only":
        raise UnparsedNameError("video-only: it has no sound")
    return Reading(
        emotion=name.emotion,
        label=name.emotion,
        speaker=f"{name.actor:02d}",
        gender=name.gender,
        intensity=name.intensity,
        sentence=name.statement,
        extra={
            "modality": name.modality,
            "vocal_channel": name.vocal_channel,
            "repetition": str(name.repetition),
        },
    )


READER = Reader(
    info=CorpusInfo(
        name="ravdess",
        title="Ryerson Audio-Visual Database of Emotional Speech and Song",
        language="en",
        emotions=tuple(EMOTIONS.values()),
        licence="CC BY-NC-SA 4.0",
        citation=(
            "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional "
            "Speech and Song (RAVDESS). PLoS ONE 13(5): e0196391."
        ),
        homepage="https://zenodo.org/records/1188976",
        downloads=(
            Download(
                url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1",
                filename="Audio_Speech_Actors_01-24.zip",
                md5="bc696df654c87fed845eb13823edef8a",
                bytes=208_468_073,
                part="speech",
            ),
            Download(
                url="https://zenodo.org/records/1188976/files/Audio_Song_Actors_01-24.zip?download=1",
                filename="Audio_Song_Actors_01-24.zip",
                part="song",
                optional=True,
            ),
        ),
    ),
    parse=_parse,
)
