"""What a help page tells after the options: files and environment, exit status, see also."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emotone import configuration
from emotone.cli.defaults import options

WIDTH = 76
_EXAMPLES: tuple[str, ...] = ("top", "window", "set")
"""Options that make good examples."""
_INDENT = 22


@dataclass(frozen=True, slots=True)
class Notes:
    """What is peculiar to a command.

    Attributes
    ----------
    see
        Other commands, and pages of docs/.
    files
        What it reads and writes beside what it is given, and variables: each with its meaning.
    failed
        What exit status 1 means.
    """

    see: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()
    failed: str = "some inputs failed; the others are done"


ENDED = (
    ("129", "its terminal was closed"),
    ("130", "interrupted, by Ctrl-C"),
    ("141", "the reader of its pipe has left"),
    ("143", "terminated"),
)
"""Exit statuses of what does not come to its end: 128 and the signal's number."""

_CACHE = ("EMOTONE_CACHE", "the folder of kept features, else in the cache folder of the system")
_MODEL = ("EMOTONE_MODEL", "the model where --model is not given")
_MODELS = ("EMOTONE_MODELS", "the folder where models are found by name")
_DATABASE = ("EMOTONE_DATABASE", "as --database, which need not be seen by others then")
_SERVER = ("EMOTONE_SERVER", "the folder of the service where --folder is not given")
_DONE = "it could not be done"

NOTES: dict[str, Notes] = {
    "predict": Notes(
        ("analyze", "listen", "models", "docs/model-card.md"),
        (_MODEL, _MODELS, ("EMOTONE_THRESHOLD", "as --threshold, for Python too; or card")),
    ),
    "analyze": Notes(
        ("predict", "batch", "plot timeline", "docs/timeline.md"),
        (_MODEL, _MODELS, ("EMOTONE_CACHE", "holds the progress of what was stopped")),
        "it could not be heard or not all be written",
    ),
    "batch": Notes(("batch run", "batch summarize", "analyze", "docs/scaling.md"), (), _DONE),
    "batch run": Notes(
        ("batch summarize", "analyze", "docs/scaling.md"),
        (_MODEL, _MODELS, ("OUT/", "Parquet, and the plan and progress that --resume reads")),
    ),
    "batch summarize": Notes(("batch run", "docs/scaling.md"), failed=_DONE),
    "listen": Notes(
        ("analyze", "doctor", "docs/live.md"),
        (_MODEL, _MODELS),
        "the sound could not be heard or not all be written",
    ),
    "serve": Notes(
        ("server keys create", "server backup", "docs/service.md", "docs/security.md"),
        (_SERVER, _DATABASE, ("EMOTONE_HOSTS", "as --allow-host"), ("EMOTONE_LOG", "as --log")),
        "it could not start",
    ),
    "server": Notes(("serve", "docs/service.md"), (_SERVER, _DATABASE), _DONE),
    "features": Notes(("train", "plot features", "docs/client.md"), (_CACHE,)),
    "corpus": Notes(
        ("train", "evaluate", "docs/data-statement.md"), (), "something is wrong in it"
    ),
    "corpus list": Notes(("corpus download", "corpus check"), (), _DONE),
    "corpus download": Notes(("corpus check", "train"), (), _DONE),
    "train": Notes(
        ("evaluate", "compare", "predict --model", "docs/experiments.md"),
        (
            _CACHE,
            ("BUNDLE.training/", "where a training that is stopped goes on"),
            ("BUNDLE.report.html", "and more beside the bundle; --no-report for none"),
        ),
        "some clips could not be read and were left out",
    ),
    "evaluate": Notes(
        ("train", "plot confusion", "compare"),
        (_CACHE, _MODELS),
        "some clips could not be read and were left out",
    ),
    "compare": Notes(
        ("train", "evaluate"), (_CACHE,), "some clips could not be read and were left out"
    ),
    "models": Notes(("predict --model", "train", "docs/model-card.md"), (_MODELS,), _DONE),
    "models verify": Notes(("models show", "doctor"), (_MODELS,), "a check failed"),
    "plot": Notes(("analyze", "train", "features"), (), "it could not be drawn"),
    "plot features": Notes(("features", "plot map"), (_CACHE,), "it could not be drawn"),
    "plot map": Notes(("features", "plot features"), (_CACHE,), "it could not be drawn"),
    "benchmark": Notes(
        ("compare", "docs/experiments.md"),
        (
            ("EMOTONE_CORPORA", "the folder of the corpora, else ../shared/data"),
            ("benchmarks/results/", "what was measured, as JSON"),
        ),
        "a benchmark or a check in it failed",
    ),
    "config": Notes(("doctor",), failed="a file cannot be read, or sets what there is not"),
    "doctor": Notes(
        ("config show", "models verify"),
        (_MODEL, _MODELS, _CACHE),
        "something that is needed is missing or broken",
    ),
}
"""By the words that call a command; what has none of its own has those of its group."""


def of(words: tuple[str, ...], command: Any) -> str:
    """The end of a command's help page.

    Parameters
    ----------
    words
        What calls it, without ``emotone``.
    command
        Of Typer.
    """
    notes = NOTES.get(" ".join(words)) or NOTES.get(words[0], Notes(()))
    files = [*notes.files]
    settable = options(command)
    if settable:
        example = next((name for name in _EXAMPLES if name in settable), next(iter(settable)))
        table = ".".join(words)
        files += [
            (f"\\[{table}] in a file", f"defaults of its options, such as {example} = …"),
            (f"{configuration.variable(*words, example)}", "the same, by the environment"),
        ]
    files.append(("emotone.toml", "here, then config.toml in your folder: see 'emotone config'"))
    lines = ["Files and environment:", *_listed(files)]
    lines += ["", "Exit status:"]
    statuses = [("0", "all done"), ("1", notes.failed), ("2", "wrong usage"), *ENDED]
    lines += _listed(statuses, indent=6)
    called = [see if see.startswith("docs/") else f"emotone {see}" for see in notes.see]
    lines += ["", "See also:", *_wrapped(", ".join(called), 2)]
    return "\n".join(lines)


def add(words: tuple[str, ...], command: Any) -> None:
    """Give a command, and all below a group, the end of its help page."""
    for name, inner in getattr(command, "commands", {}).items():
        add((*words, name), inner)
    command.epilog = of(words, command)


def _listed(rows: Iterable[tuple[str, str]], indent: int = _INDENT) -> list[str]:
    """A line for each name and its meaning, in two columns."""
    found = []
    for name, meaning in rows:
        head = f"  {name}"
        unseen = name.count("\\")  # which keeps Rich from taking a bracket for markup
        lines = _wrapped(meaning, indent + 2)
        if len(head) - unseen <= indent:
            lines[0] = head.ljust(indent + 2 + unseen) + lines[0].lstrip()
        else:
            lines.insert(0, head)
        found += lines
    return found


def _wrapped(text: str, indent: int) -> list[str]:
    import textwrap

    blank = " " * indent
    return textwrap.wrap(
        text, WIDTH, initial_indent=blank, subsequent_indent=blank, break_on_hyphens=False
    )
