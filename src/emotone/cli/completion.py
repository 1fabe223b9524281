"""What a shell may complete for the values of options. Each is asked for when Tab is pressed."""

from __future__ import annotations

from collections.abc import Callable

Complete = Callable[[str], list[str]]
"""From the beginning of a value to the values that it may become."""


def choices(*values: str) -> Complete:
    """One of some words."""
    return lambda incomplete: [value for value in values if value.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """The models that can be asked for by name; the shell adds files where none is alike."""
    from emotone.bundle.registry import installed

    return _alike([each.name for each in installed()], incomplete)


def emotions(incomplete: str) -> list[str]:
    """Emotions with commas between them: what is begun last, each but once."""
    from emotone.emotions import EMOTIONS

    return _listed(list(EMOTIONS), incomplete)


def merged(incomplete: str) -> list[str]:
    """The emotion before the ``=`` of ``A=B``, or behind it."""
    from emotone.emotions import EMOTIONS

    first, equals, _ = incomplete.partition("=")
    if not equals:
        return _alike([f"{name}=" for name in EMOTIONS], incomplete)
    return _alike([f"{first}={name}" for name in EMOTIONS if name != first], incomplete)


def families(incomplete: str) -> list[str]:
    """Kinds of models."""
    from emotone.models.families import FAMILIES

    return _alike(list(FAMILIES), incomplete)


def several_families(incomplete: str) -> list[str]:
    """Kinds of models with commas between them, or all."""
    from emotone.models.families import FAMILIES

    return [*_alike(["all"], incomplete), *_listed(list(FAMILIES), incomplete)]


def feature_sets(incomplete: str) -> list[str]:
    """Named feature sets."""
    from emotone.features import available

    return _alike([each.name for each in available()], incomplete)


def corpora(incomplete: str) -> list[str]:
    """Corpora that can be downloaded."""
    from emotone.corpora.catalogue import registry

    return _alike([each.name for each in registry()], incomplete)


def benchmarks(incomplete: str) -> list[str]:
    """Benchmarks of the checkout, and ``list``."""
    from emotone.cli.benchmark import scripts
    from emotone.errors import UsageError

    try:
        found = [name.replace("_", "-") for name in scripts()]
    except UsageError:  # there is no checkout
        return []
    return _alike(["list", *found], incomplete)


def commands(incomplete: str) -> list[str]:
    """The words of the root's commands."""
    from emotone.cli.app import COMMANDS

    return _alike(list(COMMANDS), incomplete)


def _alike(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _listed(names: list[str], incomplete: str) -> list[str]:
    before, comma, begun = incomplete.rpartition(",")
    used = set(before.split(","))
    return [f"{before}{comma}{name}" for name in _alike(names, begun) if name not in used]
