"""SAVEE: ``DC_a01.wav`` or ``DC/a01.wav``, the speaker, the emotion letter and the sentence.

As documented at http://kahlan.eps.surrey.ac.uk/savee/: four male speakers; a, d, f, h, n, sa, su.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from emotone.corpora.reader import CorpusInfo, Reader, Reading, Table, UnparsedNameError, look_up

EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SPEAKERS = {name: name for name in ("DC", "JE", "JK", "KL")}

_NAME = re.compile(r"(?:([A-Z]{2})_)?(sa|su|[adfhn])(\d\d)", re.IGNORECASE)


def _parse(path: PurePosixPath, table: Table) -> Reading:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise UnparsedNameError("not SPEAKER_letters-and-number such as DC_a01 or DC/sa05")
    speaker = match.group(1) or path.parent.name
    letters = match.group(2).lower()
    return Reading(
        emotion=EMOTIONS[letters],
        label=letters,
        speaker=look_up(SPEAKERS, speaker.upper(), "speaker"),
        gender="male",
        sentence=f"{letters}{match.group(3)}",
    )


READER = Reader(
    info=CorpusInfo(
        name="savee",
        title="Surrey Audio-Visual Expressed Emotion",
        language="en",
        emotions=tuple(EMOTIONS.values()),
        licence="free for research after registration",
        citation=(
            "Haq S, Jackson PJB (2010). Multimodal Emotion Recognition. In Machine Audition: "
            "Principles, Algorithms and Systems, IGI Global, 398-423."
        ),
        homepage="http://kahlan.eps.surrey.ac.uk/savee/",
        instructions=(
            "Register at http://kahlan.eps.surrey.ac.uk/savee/Download.html, download the audio, "
            "unpack it, and read it with: emotone corpus check savee=FOLDER"
        ),
    ),
    parse=_parse,
)
