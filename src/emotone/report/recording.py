"""One self-contained HTML page about a recording: its timeline, its sound, what it sums up to."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from emotone.audio import Source
from emotone.emotions import EMOTIONS, colour, in_order
from emotone.errors import UsageError
from emotone.report.template import template, template_text
from emotone.timeline.clock import clock
from emotone.timeline.exports.names import plain
from emotone.timeline.segments import Segment, Timeline
from emotone.timeline.summary import Summary
from emotone.timeline.tracks import Track, curve, tracks

if TYPE_CHECKING:
    import jinja2
    import markupsafe

    from emotone.features.overview import Overview

EMBED_MINUTES = 60.0

_PAGE = 200
"""Rows of the table that stand in the page; a script turns to the others."""

_STRIP = 800
"""Columns of the strip that shows the whole recording."""

_SILENCE, _OTHER_SOUND = -1, -2

RESPONSIBLE_USE = (
    "This is what a model hears in a voice, not what a person feels. It learned from acted speech, "
    "and it errs. In the European Union the AI Act bars recognising emotions at work and in "
    "schools, save for medical or safety reasons, and the GDPR makes a voice personal data. Tell "
    "the people who are recorded, and let no decision about a person rest on this page alone."
)


def write(
    timeline: Timeline,
    path: str | os.PathLike[str],
    *,
    source: Source | None = None,
    embed_audio: bool = True,
    embed_minutes: float = EMBED_MINUTES,
    link: str | os.PathLike[str] | None = None,
    overview: Overview | None = None,
    title: str | None = None,
) -> Path:
    """Write the page of a recording.

    Parameters
    ----------
    timeline
        What to show.
    path
        Where to. What is there is replaced when the new page is complete.
    source
        The recording, which is read once more for its waveform and its audio; one that can be read
        again. None leaves both out.
    embed_audio
        Whether the page holds the audio, as MP3 of 14 MB an hour. It is a voice: whoever has the
        page can listen to it.
    embed_minutes
        The audio of a recording longer than this is not put into the page.
    link
        Where the page finds the audio where it does not hold it: a path relative to the page's
        folder. None leaves the page without a player.
    overview
        Of the recording, where it is known already: without it the source is read for it.
    title
        Above the page; None is the name of the timeline's file.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    AudioError
        If the source cannot be read.
    UsageError
        If the timeline lasts no time, the link is no relative path, or the page cannot be written.
    MissingExtraError
        If jinja2 is not installed.

    Examples
    --------
    >>> from emotone.report import recording
    >>> recording.write(timeline, "talk.html", source="talk.mp3")  # doctest: +SKIP
    """
    from emotone.exports import replacing, unwritten
    from emotone.report.sound import hear

    target = Path(path)
    if link is not None:
        relative(link)  # before the work, not after it
    _template()
    long = timeline.duration_s > 60 * embed_minutes
    audio = None
    if source is not None and (overview is None or (embed_audio and not long)):
        alone = timeline.channels[0] if len(timeline.channels) == 1 else None
        heard, audio = hear(source, channel=alone, audio=embed_audio and not long)
        overview = overview or heard
    page = recording_html(
        timeline, overview=overview, audio=audio, link=None if audio else link, title=title
    )
    try:
        with replacing(target) as unfinished:
            unfinished.write_text(page, encoding="utf-8")
    except OSError as error:
        raise unwritten(error, "the page", target) from error
    return target


def recording_html(
    timeline: Timeline,
    *,
    overview: Overview | None = None,
    audio: bytes | None = None,
    link: str | os.PathLike[str] | None = None,
    title: str | None = None,
) -> str:
    """The page of a recording as text; the same timeline gives the same text.

    Parameters
    ----------
    timeline
        What to show.
    overview
        Of the recording; None leaves its waveform out.
    audio
        An MP3 file to put into the page.
    link
        Where the page finds the audio that it does not hold: a path relative to its folder.
    title
        Above the page; None is the name of the timeline's file.

    Raises
    ------
    UsageError
        If the timeline lasts no time, or the link is no relative path.
    MissingExtraError
        If jinja2 is not installed.
    """
    if not timeline.duration_s > 0:
        raise UsageError("the timeline lasts no time", remedy="Give one of a recording.")
    found = tracks(timeline)
    labels = _labels(timeline)
    listed = [segment for segment in timeline.segments if segment.kind != "silence"]
    data = _data(timeline, found, labels, overview)
    style = template_text("page.css") + template_text("recording.css") + _shades(labels)
    script = template_text("recording.js")
    shown = [labels[index] for index in data["shown"]]
    summary = timeline.summary()
    page = _template().render(
        title=plain(title or "") or _name(timeline),
        file=_name(timeline),
        timeline=timeline,
        model=plain(timeline.model),
        summary=summary,
        labels=labels,
        names={label: plain(label) or "unnamed" for label in labels},
        number={label: index for index, label in enumerate(labels)},
        shown=shown,
        others=bool(set(timeline.emotions) - set(shown)),
        other_sound=any(segment.kind == "non-speech" for segment in listed),
        voices=_voices(timeline, found) if len(found) > 1 else [],
        rows=[(segment, _voice(segment, found)) for segment in listed[:_PAGE]],
        listed=len(listed),
        page=_PAGE,
        strip=_strip(timeline, found, labels, overview),
        audio=None if audio is None else base64.b64encode(audio).decode("ascii"),
        link=None if link is None else relative(link),
        data=_json(data),
        style=_markup(style),
        script=_markup(script),
        policy=_policy(style, script, embedded=audio is not None, linked=link is not None),
        settings=_settings(timeline),
        responsible_use=RESPONSIBLE_USE,
    )
    # The names of files may hold what is no character, and then the page could not be written.
    return page.encode(errors="replace").decode()


def relative(path: str | os.PathLike[str]) -> str:
    """A path as a URL relative to a page, which no character in it can make another one.

    Raises
    ------
    UsageError
        If it is absolute or empty.

    Examples
    --------
    >>> relative("calls/50 % #1.wav")
    'calls/50%20%25%20%231.wav'
    """
    given = os.fspath(path)
    known = Path(given)
    if (
        not given
        or known.is_absolute()
        or PureWindowsPath(given).anchor
        or PureWindowsPath(given).drive
    ):
        raise UsageError(
            "a page names its audio by a path relative to its own folder",
            source=given,
            remedy="Give one such as recordings/talk.mp3 or ../talk.mp3.",
        )
    return quote(os.fsencode(known.as_posix()), safe="/")


def _template() -> jinja2.Template:
    return template("recording.html.jinja", clock=clock)


def _name(timeline: Timeline) -> str:
    name = "" if timeline.file is None else PureWindowsPath(timeline.file).name
    return plain(name) or "Recording"


def _labels(timeline: Timeline) -> list[str]:
    """The emotions by number: those of the model, then any others that segments have."""
    return list(dict.fromkeys([*timeline.emotions, *(s.label for s in timeline.speech)]))


def _data(
    timeline: Timeline, found: list[Track], labels: list[str], overview: Overview | None
) -> dict[str, Any]:
    """What the script draws."""
    number = {label: index for index, label in enumerate(labels)}
    channels = timeline.channels
    curves = [curve(timeline, channel) for channel in channels]
    leading = {s.label for s in timeline.speech}
    for scores in curves:
        leading |= {scores.emotions[i] for i in np.unique(scores.scores.argmax(axis=1))}
    place = {(track.channel, track.speaker): index for index, track in enumerate(found)}
    kinds = {"silence": _SILENCE, "non-speech": _OTHER_SOUND}
    return {
        "duration": timeline.duration_s,
        "page": _PAGE,
        "emotions": [
            {
                "name": plain(label) or "unnamed",
                "colour": colour(label),
                "valence": EMOTIONS[label].valence if label in EMOTIONS else None,
                "arousal": EMOTIONS[label].arousal if label in EMOTIONS else None,
            }
            for label in labels
        ],
        "scored": len(timeline.emotions),
        "shown": [number[label] for label in in_order(leading)],
        "tracks": [
            {"name": _title(track), "channel": channels.index(track.channel)} for track in found
        ],
        "channels": [
            {
                "starts": _base64(scores.starts.astype("<f4")),
                "ends": _base64(scores.ends.astype("<f4")),
                "scores": _base64(np.round(255 * scores.scores).astype(np.uint8)),
            }
            for scores in curves
        ],
        "segments": [
            [
                round(s.start, 3),
                round(s.end, 3),
                kinds.get(s.kind, number.get(s.label, _OTHER_SOUND)),
                round(s.confidence or 0.0, 4),
                place[s.channel, s.speaker] if s.kind == "speech" else -1,
                channels.index(s.channel),
            ]
            for s in timeline.segments
        ],
        "envelope": None if overview is None else _envelope(overview),
    }


def _envelope(overview: Overview) -> dict[str, Any]:
    peaks = np.maximum(-overview.low, overview.high)
    scaled = np.round(255 * peaks / (float(peaks.max()) or 1.0))
    return {"step": overview.step_s, "points": _base64(scaled.astype(np.uint8))}


def _title(track: Track) -> str:
    return track.name[:1].upper() + track.name[1:]


def _voice(segment: Segment, found: list[Track]) -> str:
    """The name of the track that a segment is on."""
    if segment.kind != "speech":
        return ""
    who = (segment.channel, segment.speaker)
    return next(_title(track) for track in found if (track.channel, track.speaker) == who)


def _voices(timeline: Timeline, found: list[Track]) -> list[tuple[str, Summary]]:
    """Each voice summed up by itself."""
    return [
        (_title(track), dataclasses.replace(timeline, segments=track.segments).summary())
        for track in found
    ]


def _strip(
    timeline: Timeline, found: list[Track], labels: list[str], overview: Overview | None
) -> dict[str, Any]:
    """The whole recording in a few shapes: to find one's way, and for a page that runs no script.

    A unit is a column to the right and a fortieth of a row down.
    """
    width = timeline.duration_s or 1.0
    number = {label: f"e{index}" for index, label in enumerate(labels)}
    number |= {"silence": "", "non-speech": "none"}
    edges = np.linspace(0, width, _STRIP + 1)
    return {
        "columns": _STRIP,
        "rows": [
            [
                (round(_STRIP * a / width, 2), round(_STRIP * (b - a) / width, 2), number[label])
                for a, b, label in track.runs(edges)
                if number[label]
            ]
            for track in found
        ],
        "wave": None if overview is None else _outline(overview),
    }


def _outline(overview: Overview) -> str:
    """The envelope as a path of at most `_STRIP` steps around 20, from 0 to 40."""
    group = -(-len(overview.low) // _STRIP)
    starts = np.arange(0, len(overview.low), group)
    peaks = np.maximum.reduceat(np.maximum(-overview.low, overview.high), starts)
    heights = 20 * peaks / (float(peaks.max()) or 1.0)
    right = starts * overview.step_s / overview.duration_s * _STRIP
    upper = [f"{x:.1f},{20 - y:.1f}" for x, y in zip(right, heights, strict=True)]
    lower = [f"{x:.1f},{20 + y:.1f}" for x, y in zip(right[::-1], heights[::-1], strict=True)]
    return f"M{'L'.join(upper + lower)}Z"


def _settings(timeline: Timeline) -> Mapping[str, Any]:
    return {str(name).replace("_", " "): value for name, value in timeline.settings.items()}


def _shades(labels: list[str]) -> str:
    """A class for the colour of each emotion: the page allows no style on an element."""
    rules = [
        f".e{index} {{ --shade: {colour(label)}; fill: {colour(label)}; }}\n"
        for index, label in enumerate(labels)
    ]
    return "".join(rules)


def _policy(style: str, script: str, *, embedded: bool, linked: bool) -> str:
    """What the page may do: its own style and script, known by their hashes, and its own audio."""
    media = ["blob:"] * embedded + ["'self'", "file:"] * linked
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            f"media-src {' '.join(media) or chr(39) + 'none' + chr(39)}",
            "form-action 'none'",
            "base-uri 'none'",
        ]
    )


def _hash(text: str) -> str:
    """As a policy names a style or script (W3C Content Security Policy Level 3)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(data: Mapping[str, Any]) -> markupsafe.Markup:
    """JSON that ends no element, whatever is in it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _markup(text)


def _markup(text: str) -> markupsafe.Markup:
    from markupsafe import Markup

    return Markup(text)


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
