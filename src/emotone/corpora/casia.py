"""CASIA, the public part: ``liuchanhg/angry/201.wav``, speaker, emotion, number of the sentence."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from emotone.corpora.reader import CorpusInfo, Reader, Reading, Table, UnparsedNameError, look_up
from emotone.corpora.utterance import Gender

EMOTIONS = {
    "angry": "angry",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprised",
}
# The spelling is the distribution's.
SPEAKERS: dict[str, Gender] = {
    "liuchanhg": "female",
    "wangzhe": "male",
    "zhaoquanyin": "female",
    "zhaozuoxiang": "male",
}


def _parse(path: PurePosixPath, table: Table) -> Reading:
    if len(path.parts) < 3 or not re.fullmatch(r"\d{3}", path.stem):
        raise UnparsedNameError("not speaker/emotion/number such as liuchanhg/angry/201")
    speaker, emotion = path.parts[-3], path.parts[-2].lower()
    gender = SPEAKERS.get(speaker.lower())
    if gender is None:
        raise UnparsedNameError(f"{speaker!r} is no speaker of this corpus ({', '.join(SPEAKERS)})")
    return Reading(
        emotion=look_up(EMOTIONS, emotion, "emotion"),
        label=emotion,
        speaker=speaker,
        gender=gender,
        sentence=path.stem,
    )


READER = Reader(
    info=CorpusInfo(
        name="casia",
        title="CASIA Mandarin emotional speech corpus (the public part)",
        language="zh",
        emotions=tuple(EMOTIONS.values()),
        licence="research use",
        citation="Institute of Automation, Chinese Academy of Sciences. CASIA emotional corpus.",
        homepage="http://www.chineseldc.org/resource_info.php?rid=76",
        instructions=(
            "The corpus is distributed by Chinese LDC "
            "(http://www.chineseldc.org/resource_info.php?rid=76); obtain it there and read it "
            "with: emotone corpus check casia=FOLDER"
        ),
    ),
    parse=_parse,
)
