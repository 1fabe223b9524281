"""EmoDB: ``03a01Wa.wav``, the speaker, the text, the emotion letter (of the German word), the take.

As documented at http://emodb.bilderbar.info/.
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

EMOTIONS = {
    "W": "angry",
    "L": "boredom",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
SPEAKERS: dict[str, Gender] = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}
TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}

_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z]?)")


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not speaker, text, emotion letter, take such as 03a01Wa")
    speaker, text, letter, take = match.groups()
    return Reading(
        emotion=look_up(EMOTIONS, letter, "emotion"),
        label=letter,
        speaker=speaker,
        gender=SPEAKERS.get(speaker),
        sentence=TEXTS.get(text, text),
        extra={"text": text} | ({"take": take} if take else {}),
    )


READER = Reader(
    info=CorpusInfo(
        name="emodb",
        title="Berlin Database of Emotional Speech",
        language="de",
        emotions=tuple(EMOTIONS.values()),
        licence="free for research, cite the paper",
        citation=(
            "Burkhardt F, Paeschke A, Rolfes M, Sendlmeier W, Weiss B (2005). A Database of "
            "German Emotional Speech. Interspeech, 1517-1520."
        ),
        homepage="http://emodb.bilderbar.info/",
        downloads=(
            Download(  # the distributor documents no https
                url="http://emodb.bilderbar.info/download/download.zip",
                filename="emodb.zip",
            ),
        ),
    ),
    parse=_parse,
)
