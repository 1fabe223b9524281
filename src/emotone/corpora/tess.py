"""TESS: ``OAF_back_angry.wav``, the speaker, the word and the emotion."""

from __future__ import annotations

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

EMOTIONS = {
    "neutral": "neutral",
    "happy": "happy",
    "sad": "sad",
    "angry": "angry",
    "fear": "fearful",
    "disgust": "disgust",
    "ps": "surprised",
}
# OA is a slip of the original distribution: OA_bite_neutral.wav.
SPEAKERS = {"OAF": "OAF", "YAF": "YAF", "OA": "OAF"}


def _parse(path: PurePosixPath, table: Table) -> Reading:
    parts = path.stem.split("_")
    if len(parts) != 3:
        raise UnparsedNameError("not SPEAKER_word_emotion such as OAF_back_angry")
    speaker, word, emotion = parts
    return Reading(
        emotion=look_up(EMOTIONS, emotion.lower(), "emotion"),
        label=emotion.lower(),
        speaker=look_up(SPEAKERS, speaker.upper(), "speaker"),
        gender="female",
        sentence=f"Say the word {word.lower()}",
        extra={"word": word.lower()},
    )


READER = Reader(
    info=CorpusInfo(
        name="tess",
        title="Toronto Emotional Speech Set",
        language="en",
        emotions=tuple(EMOTIONS.values()),
        licence="CC BY-NC-ND 4.0",
        citation=(
            "Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). "
            "Borealis. doi:10.5683/SP2/E8H2MF."
        ),
        homepage="https://doi.org/10.5683/SP2/E8H2MF",
        downloads=(
            Download(
                url=(
                    "https://borealisdata.ca/api/access/dataset/:persistentId/"
                    "?persistentId=doi:10.5683/SP2/E8H2MF"
                ),
                filename="tess.zip",
                generated=True,
            ),
        ),
    ),
    parse=_parse,
)
