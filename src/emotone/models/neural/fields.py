"""Fields of settings that know which values they take. Loads no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from typing import Any

_Check = Callable[[Any], bool]


def _is_number(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and low <= value <= high


def is_whole(value: Any, low: int, high: int) -> bool:
    """Whether this is a whole number from `low` to `high`; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def checked(default: Any, check: _Check, remedy: str) -> Any:
    """A field that holds whatever a check allows; the remedy says what that is."""
    return field(default=default, metadata={"check": check, "remedy": remedy})


def number(default: float | None, low: float, high: float, *, optional: bool = False) -> Any:
    """A field that holds a number from `low` to `high`, or None where it is optional."""
    empty = " or null" if optional else ""
    return checked(
        default,
        lambda value: (optional and value is None) or _is_number(value, low, high),
        f"Give a number from {low:g} to {high:g}{empty}.",
    )


def whole(default: int | None, low: int, high: int, *, optional: bool = False) -> Any:
    """A field that holds a whole number from `low` to `high`, or None where it is optional."""
    empty = " or null" if optional else ""
    return checked(
        default,
        lambda value: (optional and value is None) or is_whole(value, low, high),
        f"Give a whole number from {low} to {high}{empty}.",
    )


def flag(default: bool) -> Any:
    """A field that is true or false."""
    return checked(default, lambda value: isinstance(value, bool), "Give true or false.")


def one_of(default: str, *options: str) -> Any:
    """A field that holds one of some words."""
    return checked(default, lambda value: value in options, f"Give one of {', '.join(options)}.")


def text(default: str, meaning: str) -> Any:
    """A field that holds a text."""
    return checked(default, lambda value: isinstance(value, str), meaning)


def wholes(default: tuple[int, ...], low: int, high: int) -> Any:
    """A field that holds a list of as many whole numbers as its default."""
    return checked(
        default,
        lambda value: (
            isinstance(value, (list, tuple))
            and len(value) == len(default)
            and all(is_whole(item, low, high) for item in value)
        ),
        f"Give a list of {len(default)} whole numbers from {low} to {high}.",
    )


def interval(default: tuple[float, float], low: float, high: float) -> Any:
    """A field that holds the two ends of a range."""
    return checked(
        default,
        lambda value: (
            isinstance(value, (list, tuple))
            and len(value) == 2
            and all(_is_number(item, low, high) for item in value)
            and value[0] <= value[1]
        ),
        f"Give a list of two numbers from {low:g} to {high:g}, the lower first.",
    )
