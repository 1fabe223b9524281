"""The pages of the Python reference: which modules are public, and what each is for."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Hear": {
        "emotone": "What most programs need: load a model, and ask it.",
        "emotone.recognizer": "A bundle, loaded, and what it can be asked.",
        "emotone.prediction": "One answer, or why there is none.",
        "emotone.adaptation": "A model made to fit a speaker, from a few unlabelled clips.",
        "emotone.selective": "When a model had better say that it is uncertain.",
        "emotone.timeline": "Which emotion is heard when, in a recording.",
        "emotone.stream": "Sound that is still arriving, as arrays.",
        "emotone.live": "Sound that is still arriving, from a microphone or a pipe.",
        "emotone.speech": "Where somebody speaks.",
        "emotone.exports": "Answers as rows, CSV and JSON.",
        "emotone.timeline.exports": "Timelines as files of other programs.",
        "emotone.batch": "Any number of recordings, to Parquet.",
        "emotone.cluster": "The same on more than one machine, by Ray.",
        "emotone.client": "A service, asked from Python.",
    },
    "Sound and features": {
        "emotone.audio": "Read, prepare and resample sound.",
        "emotone.features": "Numbers from sound.",
        "emotone.feature_table": "Features on disk, to learn from without the audio.",
        "emotone.emotions": "The vocabulary: names, colours, valence and arousal.",
    },
    "Learn": {
        "emotone.corpora": "Corpora of emotional speech, and your own.",
        "emotone.splits": "Train and test.",
        "emotone.training": "From a corpus to a bundle.",
        "emotone.comparison": "Families under the same folds.",
        "emotone.evaluation": "A bundle on labelled clips.",
        "emotone.metrics": "Figures of merit, with intervals.",
        "emotone.models": "Families of models.",
        "emotone.bundle": "A trained model on disk.",
    },
    "Show": {
        "emotone.plots": "Sound, features and results as pictures.",
        "emotone.report": "One page with everything.",
    },
    "Care": {
        "emotone.errors": "What a caller can catch.",
        "emotone.configuration": "Settings from files and the environment.",
        "emotone.diagnosis": "What is there to work with, and what is missing.",
    },
}
"""Module and one line about it, by the group in which the reference shows it."""

HIDDEN = {
    "emotone.plots": ("emotone.plots.timeline.timeline",),
    "emotone.speech": ("emotone.speech.utterances.utterances",),
}
"""Functions with the name of their file, which is what Griffe takes them for."""

MODULES = {name: about for group in GROUPS.values() for name, about in group.items()}


def pages(folder: str) -> dict[str, str]:
    """Path in the site and Markdown of each page."""
    return {f"{folder}{name}.md": _page(name) for name in MODULES}


def _page(module: str) -> str:
    """A page as Markdown: what mkdocstrings is to put there."""
    parts = [f"# {module}\n\n::: {module}\n"]
    for name in HIDDEN.get(module, ()):
        heading = "        show_root_heading: true\n        show_root_toc_entry: true\n"
        parts.append(f"::: {name}\n    options:\n{heading}")
    return "\n".join(parts)


def navigation(folder: str) -> list[dict[str, list[dict[str, str]]]]:
    """The part of MkDocs' navigation that shows these pages."""
    return [
        {group: [{name: f"{folder}{name}.md"} for name in names]} for group, names in GROUPS.items()
    ]


def table() -> str:
    """Every module with its line, by group, for the page before them all."""
    rows = [
        f"| {group if place == 0 else ''} | [`{name}`](python/{name}.md) | {about} |"
        for group, names in GROUPS.items()
        for place, (name, about) in enumerate(names.items())
    ]
    return "\n".join(["| | module | |", "| --- | --- | --- |", *rows])
