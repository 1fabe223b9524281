"""The table of emotions, from the vocabulary of the package."""

from __future__ import annotations

from emotone.emotions import CANONICAL, EMOTIONS


def table() -> str:
    """Name, colour, valence and arousal of each; the eight of the default model first."""
    rows = []
    for name, emotion in EMOTIONS.items():
        shown = f'<span class="emotion" style="--colour: {emotion.colour}">{name}</span>'
        ours = "yes" if name in CANONICAL else ""
        rows.append(
            f"| {shown} | `{emotion.colour}` | {emotion.valence:+.1f} | {emotion.arousal:+.1f} "
            f"| {ours} |"
        )
    head = ["| emotion | colour | valence | arousal | default model |"]
    return "\n".join([*head, "| --- | --- | --: | --: | --- |", *rows])
