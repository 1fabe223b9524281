"""Feature sets: named recipes, and the grammar in which any other is written.

A recipe is made of parts joined by ``+``: ``mfcc40+chroma12+mel128``. Each part may say after a
colon which statistics over time it wants, the mean if it says nothing: ``mfcc13:mean,std,p95+rms``.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol, cast

import numpy as np

from emotone.audio import Waveform, resample
from emotone.audio.waveform import FloatArray
from emotone.errors import FeatureError
from emotone.features.analysis import Analysis
from emotone.features.parts import PARTS, Part
from emotone.features.summary import check, summarise


class FeatureSet(Protocol):
    """A recipe from a waveform to a row of numbers."""

    @property
    def name(self) -> str:
        """The name it is asked for by."""

    @property
    def version(self) -> str:
        """Changes whenever the numbers do; part of every cache key and model card."""

    @property
    def rate(self) -> int | None:
        """The rate in Hz it works at, resampling what comes in; None is the clip's own."""

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each number of the row."""

    @property
    def dimension(self) -> int:
        """Length of the row."""

    def compute(self, waveform: Waveform) -> FloatArray:
        """The row of a waveform: float32, shape ``(dimension,)``."""


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a recipe, with its number of values and its statistics."""

    part: Part
    size: int
    statistics: tuple[str, ...] = ("mean",)

    def __str__(self) -> str:
        size = "" if self.part.sizes == range(1, 2) else str(self.size)
        statistics = "" if self.statistics == ("mean",) else ":" + ",".join(self.statistics)
        return f"{self.part.name}{size}{statistics}"


@dataclass(frozen=True)
class PartsSet:
    """A feature set written in the grammar.

    Attributes
    ----------
    name
        As asked for, or the recipe in its canonical spelling.
    terms
        Its parts, in the order of the row.
    """

    name: str
    terms: tuple[Term, ...]
    rate: int | None = None
    version: str = "1"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Such as ``mfcc_1_mean``."""
        return tuple(
            f"{name}_{statistic}"
            for term in self.terms
            for statistic in term.statistics
            for name in term.part.names(term.size)
        )

    @property
    def dimension(self) -> int:
        """Length of the row."""
        return len(self.names)

    def compute(self, waveform: Waveform) -> FloatArray:
        """The row of a waveform: float32, shape ``(dimension,)``.

        Raises
        ------
        FeatureError
            If a part cannot be computed at the waveform's rate.
        """
        clip = self._analysis(waveform)
        return np.concatenate(
            [
                summarise(term.part.compute(clip, term.size), term.statistics, clip.hop_s)
                for term in self.terms
            ]
        )

    def frames(self, waveform: Waveform) -> FloatArray:
        """The parts before summarising, side by side: float32, shape ``(t, sum of sizes)``."""
        clip = self._analysis(waveform)
        return np.concatenate([term.part.compute(clip, term.size) for term in self.terms], axis=1)

    def _analysis(self, waveform: Waveform) -> Analysis:
        if self.rate is not None and waveform.rate != self.rate:
            samples = resample(waveform.samples, waveform.rate, self.rate)
            waveform = Waveform(samples, self.rate)
        return Analysis(waveform, keep_spectrum=any(term.part.spectrum for term in self.terms))


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A named recipe, as `available` lists it.

    Attributes
    ----------
    name, dimension, description
        What it is.
    recipe
        How it is made: in the grammar, or ``module:function`` of a function that returns a
        `FeatureSet` and is imported when the set is first asked for.
    extra
        The optional extra it needs, if any.
    """

    name: str
    dimension: int
    description: str
    recipe: str
    extra: str | None = None


NAMED: dict[str, NamedSet] = {
    named.name: named
    for named in (
        NamedSet(
            "tutorial-180",
            180,
            "means of 40 MFCC, chroma and 128 mel bands: the RAVDESS tutorials' features",
            "mfcc40+chroma12+mel128",
        ),
        NamedSet(
            "tutorial-193",
            193,
            "tutorial-180, and means of spectral contrast and of the harmonic part's tonnetz",
            "mfcc40+chroma12+mel128+contrast7+tonnetz6",
        ),
        NamedSet("mfcc-13", 13, "means of 13 MFCC", "mfcc13"),
        NamedSet(
            "rich",
            5370,
            "voice, spectrum and their movement: what emotone's classical models hear",
            "emotone.features.rich:rich",
        ),
        NamedSet(
            "egemaps",
            88,
            "openSMILE's eGeMAPSv02 functionals; licensed for research only",
            "emotone.features.opensmile:egemaps",
            extra="opensmile",
        ),
        NamedSet(
            "compare",
            6373,
            "openSMILE's ComParE 2016 functionals; licensed for research only",
            "emotone.features.opensmile:compare",
            extra="opensmile",
        ),
    )
}
"""The named sets."""

_STATISTICS = r"(?::(?P<statistics>[a-z0-9,]+))?"
_TERM = re.compile(rf"(?P<name>[a-z][a-z0-9_]*?)(?P<size>\d*){_STATISTICS}")
_NAME = re.compile(rf"(?P<name>[a-z][a-z0-9_]*)(?P<size>){_STATISTICS}")
"""A term whose name is a part's as it stands, though it may end in a digit: ``f0``."""


def _parse_term(text: str) -> Term:
    match = (_NAME if text.partition(":")[0] in PARTS else _TERM).fullmatch(text)
    part = PARTS.get(match["name"]) if match else None
    if match is None or part is None:
        known = difflib.get_close_matches(text, [*NAMED, *PARTS], n=1)
        raise FeatureError(
            f"unknown feature {text!r}",
            remedy=(f"Did you mean {known[0]!r}? " if known else "")
            + f"Named sets: {', '.join(NAMED)}. Parts, joined by '+': {', '.join(PARTS)}.",
        )
    size = int(match["size"]) if match["size"] else part.size
    if size not in part.sizes or (match["size"] and part.sizes == range(1, 2)):
        allowed = f"{part.sizes[0]} to {part.sizes[-1]}" if len(part.sizes) > 1 else str(part.size)
        raise FeatureError(
            f"{part.name!r} cannot have {size} values",
            remedy=f"It has {allowed}, as in '{part.name}{part.size if part.size > 1 else ''}'.",
        )
    statistics = tuple(check(s) for s in (match["statistics"] or "mean").split(","))
    if len(set(statistics)) < len(statistics):
        raise FeatureError(f"a statistic is named twice in {text!r}", remedy="Name it once.")
    return Term(part, size, statistics)


def parse(recipe: str) -> tuple[Term, ...]:
    """The terms of a recipe.

    Raises
    ------
    FeatureError
        If a part or statistic is unknown, impossible or named twice.
    """
    terms = tuple(_parse_term(text.strip()) for text in recipe.lower().split("+"))
    if len({str(term) for term in terms}) < len(terms):
        raise FeatureError(f"a part is named twice in {recipe!r}", remedy="Name it once.")
    return terms


@lru_cache(maxsize=64)
def get(name: str) -> FeatureSet:
    """The feature set of a name or recipe.

    Parameters
    ----------
    name
        A named set (`available`) or a recipe such as ``"mfcc40:mean,std+rms"``.

    Raises
    ------
    FeatureError
        If there is no such set, or the recipe is not one.
    MissingExtraError
        If the set needs an extra that is not installed.

    Examples
    --------
    >>> get("mfcc2+rms:max").names
    ('mfcc_1_mean', 'mfcc_2_mean', 'rms_max')
    """
    named = NAMED.get(name.strip().lower())
    if named is None:
        terms = parse(name)
        return PartsSet("+".join(str(term) for term in terms), terms)
    module, colon, function = named.recipe.partition(":")
    if colon and module.startswith("emotone."):
        make = cast(Callable[[], FeatureSet], getattr(importlib.import_module(module), function))
        return make()
    return PartsSet(named.name, parse(named.recipe))


def available() -> list[NamedSet]:
    """The named sets, with their dimension and a description."""
    return list(NAMED.values())
