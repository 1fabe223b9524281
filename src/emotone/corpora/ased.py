"""ASED: ``03Happy/h3-04-01-02-39.wav``, emotion, sentence, repetition, gender and speaker.

As documented at https://github.com/Ethio2021/ASED_V1. A few names of the distribution give one
speaker two genders; they are read as written.
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
from emotone.corpora.utterance import Gender

EMOTIONS = {"n1": "neutral", "f2": "fearful", "h3": "happy", "s4": "sad", "a5": "angry"}
_GENDERS: dict[str, Gender] = {"01": "female", "02": "male"}

_NAME = re.compile(r"([a-z]\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)", re.IGNORECASE)


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not emotion-sentence-repetition-gender-speaker: h3-04-01-02-39")
    code, sentence, repetition, gender, speaker = match.groups()
    code = code.lower()
    return Reading(
        emotion=look_up(EMOTIONS, code, "emotion"),
        label=code,
        speaker=speaker,
        gender=_GENDERS.get(gender),
        sentence=f"{code}-{sentence}",
        extra={"repetition": str(int(repetition))},
    )


READER = Reader(
    info=CorpusInfo(
        name="ased",
        title="Amharic Speech Emotion Dataset, version 1",
        language="am",
        emotions=tuple(EMOTIONS.values()),
        licence="research use",
        citation=(
            "Retta EA, Almekhlafi E, Sutcliffe R, Mhamed M, Ali H, Feng J (2023). A New Amharic "
            "Speech Emotion Dataset and Classification Benchmark. ACM TALLIP 22(1)."
        ),
        homepage="https://github.com/Ethio2021/ASED_V1",
        downloads=(
            Download(
                url="https://github.com/Ethio2021/ASED_V1/archive/HEAD.zip",
                filename="ased.zip",
                generated=True,
            ),
        ),
    ),
    parse=_parse,
)
