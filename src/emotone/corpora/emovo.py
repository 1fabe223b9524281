"""EMOVO: ``f1/dis-f1-b1.wav``, the emotion, the speaker (f female, m male) and the sentence."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from emotone.corpora.reader import CorpusInfo, Reader, Reading, Table, UnparsedNameError, look_up

EMOTIONS = {
    "dis": "disgust",
    "gio": "happy",
    "pau": "fearful",
    "rab": "angry",
    "sor": "surprised",
    "tri": "sad",
    "neu": "neutral",
}

_NAME = re.compile(r"([a-z]{3})-(([fm])\d)-([a-z]\d)", re.IGNORECASE)


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not emotion-speaker-sentence such as dis-f1-b1")
    emotion, speaker, sex, sentence = (group.lower() for group in match.groups())
    return Reading(
        emotion=look_up(EMOTIONS, emotion, "emotion"),
        label=emotion,
        speaker=speaker,
        gender="female" if sex == "f" else "male",
        sentence=sentence,
    )


READER = Reader(
    info=CorpusInfo(
        name="emovo",
        title="EMOVO: an Italian Emotional Speech Database",
        language="it",
        emotions=tuple(EMOTIONS.values()),
        licence="free for research, cite the paper",
        citation=(
            "Costantini G, Iaderola I, Paoloni A, Todisco M (2014). EMOVO Corpus: an Italian "
            "Emotional Speech Database. LREC, 3501-3504."
        ),
        homepage="http://voice.fub.it/activities/corpora/emovo/index.html",
        instructions=(
            "Follow the download link on http://voice.fub.it/activities/corpora/emovo/index.html "
            "(it leads to a file share without a direct address), unpack it, and read it with: "
            "emotone corpus check emovo=FOLDER"
        ),
    ),
    parse=_parse,
)
