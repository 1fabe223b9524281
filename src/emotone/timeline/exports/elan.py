"""A timeline as an annotation file of ELAN."""

from __future__ import annotations

import contextlib
import mimetypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree

from emotone.timeline.exports import names
from emotone.timeline.exports.spans import Span, in_turn
from emotone.timeline.segments import Timeline

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_LANGUAGE = "und"
_VOCABULARY = "emotions"
_END, _START = 0, 1


@dataclass(frozen=True, slots=True)
class _Tier:
    where: str
    """Channel and speaker, as much as there is."""
    participant: str | None
    spans: list[Span]


def text(timeline: Timeline, folder: Path | None = None) -> str:
    """EAF 3.0: a tier for each channel and speaker, a controlled vocabulary, the recording linked.

    Segments of speech whose speaker is known are on a tier of the speaker, ``emotion@A``, with the
    speaker as its participant; all others, silence included, on the tier ``emotion`` or
    ``emotion@channel 0``. The vocabulary offers the model's emotions to those who correct them. A
    dependent tier has the confidence, ``confidence@A``. Scores are left out.

    Parameters
    ----------
    timeline
        The timeline. Its file is linked by its absolute path and by the one from the folder.
    folder
        Where the annotation will lie; else beside the recording.

    Returns
    -------
    XML after the schema EAFv3.0.xsd of the Max Planck Institute for Psycholinguistics, with times
    in milliseconds and the present time as its date.
    """
    tiers = _tiers(timeline)
    values = [*map(names.plain, timeline.emotions), "silence", "non-speech"]
    values += [names.label(span.segment) for tier in tiers for span in tier.spans]
    vocabulary = {value: f"cveid{n}" for n, value in enumerate(dict.fromkeys(values))}
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "emotone",
            "DATE": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _INSTANCE,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = _add(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if timeline.file is not None and timeline.file != "-":
        _add(header, "MEDIA_DESCRIPTOR", **_media(Path(timeline.file), folder))
    slots = _slots(_add(root, "TIME_ORDER"), tiers)
    last = 0
    for number, tier in enumerate(tiers):
        ids = [(slots[number, n, _START], slots[number, n, _END]) for n in range(len(tier.spans))]
        last = _annotate(root, tier, ids, vocabulary, names.plain(timeline.model), last)
    _add(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(last)
    _define(root, vocabulary)
    ElementTree.indent(root, "    ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _tiers(timeline: Timeline) -> list[_Tier]:
    """Those of a channel together, what has no speaker first."""
    tiers: dict[str, _Tier] = {}
    for channel in timeline.channels or (None,):
        mine = in_turn(segment for segment in timeline.segments if segment.channel == channel)
        of_speakers: dict[str | None, list[Span]] = {None: []}
        for span in mine:
            of_speakers.setdefault(names.speaker(span.segment), []).append(span)
        for who, spans in of_speakers.items():
            where = names.unlike(names.place(channel, who), tiers)
            tiers[where] = _Tier(where, who, spans)
    return list(tiers.values())


def _media(file: Path, folder: Path | None) -> dict[str, str]:
    """Where the recording is, as ELAN writes it: a URL without escapes, for it undoes none."""
    whole = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow links
    kind = "audio/x-wav" if file.suffix.lower() == ".wav" else mimetypes.guess_type(file.name)[0]
    media = {
        "MEDIA_URL": names.writable(f"file:///{whole.as_posix().lstrip('/')}"),
        "MIME_TYPE": kind or "unknown",
    }
    with contextlib.suppress(ValueError):  # on another drive of Windows
        relative = Path(os.path.relpath(whole, folder or whole.parent)).as_posix()
        beside = relative if relative.startswith("../") else f"./{relative}"
        media["RELATIVE_MEDIA_URL"] = names.writable(beside)
    return media


def _slots(order: ElementTree.Element, tiers: Sequence[_Tier]) -> dict[tuple[int, int, int], str]:
    """A time slot for each start and end, in order of time; by the numbers of tier and span.

    Where one annotation ends as the next starts, the end comes first, else ELAN sees an overlap.
    """
    edges = [
        edge
        for tier, each in enumerate(tiers)
        for n, span in enumerate(each.spans)
        for edge in ((span.start_ms, _START, tier, n), (span.end_ms, _END, tier, n))
    ]
    slots: dict[tuple[int, int, int], str] = {}
    for number, (ms, side, tier, n) in enumerate(sorted(edges), start=1):
        slots[tier, n, side] = f"ts{number}"
        _add(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{number}", TIME_VALUE=str(ms))
    return slots


def _annotate(
    root: ElementTree.Element,
    tier: _Tier,
    slots: Sequence[tuple[str, str]],
    vocabulary: Mapping[str, str],
    annotator: str,
    last: int,
) -> int:
    """Add a tier, and the one of its confidences if it has any; the last annotation's number."""
    behind = f"@{tier.where}" if tier.where else ""
    about = {"TIER_ID": f"emotion{behind}", "ANNOTATOR": annotator}
    if tier.participant:
        about["PARTICIPANT"] = tier.participant
    emotions = _add(root, "TIER", LINGUISTIC_TYPE_REF="emotion", **about)
    about |= {"TIER_ID": f"confidence{behind}", "PARENT_REF": f"emotion{behind}"}
    sure = ElementTree.Element("TIER", {"LINGUISTIC_TYPE_REF": "confidence", **about})
    for span, (start, end) in zip(tier.spans, slots, strict=True):
        last += 1
        whole = f"a{last}"
        value = names.label(span.segment)
        annotation = _add(
            _add(emotions, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            ANNOTATION_ID=whole,
            CVE_REF=vocabulary[value],
            TIME_SLOT_REF1=start,
            TIME_SLOT_REF2=end,
        )
        _add(annotation, "ANNOTATION_VALUE").text = value
        if span.segment.confidence is not None:
            last += 1
            annotation = _add(
                _add(sure, "ANNOTATION"),
                "REF_ANNOTATION",
                ANNOTATION_ID=f"a{last}",
                ANNOTATION_REF=whole,
            )
            _add(annotation, "ANNOTATION_VALUE").text = f"{span.segment.confidence:.4f}"
    if len(sure):
        root.append(sure)
    return last


def _define(root: ElementTree.Element, vocabulary: Mapping[str, str]) -> None:
    """Add the kinds of tiers, and the vocabulary."""
    _add(
        root,
        "LINGUISTIC_TYPE",
        CONTROLLED_VOCABULARY_REF=_VOCABULARY,
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID="emotion",
        TIME_ALIGNABLE="true",
    )
    _add(
        root,
        "LINGUISTIC_TYPE",
        CONSTRAINTS="Symbolic_Association",
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID="confidence",
        TIME_ALIGNABLE="false",
    )
    _add(
        root,
        "LANGUAGE",
        LANG_DEF="http://cdb.iso.org/lg/CDB-00130975-001",
        LANG_ID=_LANGUAGE,
        LANG_LABEL="undetermined (und)",
    )
    _add(
        root,
        "CONSTRAINT",
        DESCRIPTION="1-1 association with a parent annotation",
        STEREOTYPE="Symbolic_Association",
    )
    entries = _add(root, "CONTROLLED_VOCABULARY", CV_ID=_VOCABULARY)
    _add(entries, "DESCRIPTION", LANG_REF=_LANGUAGE)
    for value, entry in vocabulary.items():
        named = _add(entries, "CV_ENTRY_ML", CVE_ID=entry)
        _add(named, "CVE_VALUE", LANG_REF=_LANGUAGE, DESCRIPTION="").text = value


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)
