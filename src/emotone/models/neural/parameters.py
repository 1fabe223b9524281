"""From the parameters that a user sets, flat, to all of a neural family's. Loads no PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from emotone.configuration import suggestion
from emotone.errors import UsageError
from emotone.models.neural.settings import (
    AUGMENT,
    BODIES,
    CLOSED_FORM,
    Augmentation,
    MemberSettings,
    Settings,
    TrainingSettings,
)

SHARED = (
    "validation",
    "hold_out",
    "clips_per_epoch",
    "temperature",
    "accelerator",
    "devices",
    "precision",
)
"""Parameters that the members of a hybrid have in common, so that they hold out the same clips."""


def allowed(family: str, members: Sequence[str] = ()) -> list[str]:
    """The parameters that a user may set for a neural family; for a hybrid, with its members."""
    if not members:
        return list(_fields(family))
    return [*SHARED, *(f"{name}.{key}" for name in members for key in _member_fields(name))]


def resolve_members(
    family: str, members: Sequence[str], params: Mapping[str, Any]
) -> dict[str, Any]:
    """As `resolve` for a hybrid: what its members share, and ``MEMBER.PARAMETER`` of each.

    Raises
    ------
    UsageError
        As `resolve` does.
    """
    _check_names(family, params, allowed(family, members))
    resolved: dict[str, Any] = {}
    for member in members:
        own = resolve(member, member_params(member, params))
        resolved |= {key: own[key] for key in SHARED}
        for key, entry in _member_fields(member).items():
            name = f"{member}.{key}"
            resolved[name] = own[key] if key in own else params.get(name, entry.default)
            _check_value(name, resolved[name], entry)
    return resolved


def member_params(member: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a hybrid's parameters that one of its members is made with."""
    names = {key: f"{member}.{key}" for key in _fields(member) if key not in SHARED}
    names |= {key: key for key in SHARED}
    return {key: params[name] for key, name in names.items() if name in params}


def resolve(family: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of a neural family: the defaults with the user's values over them, checked.

    Raises
    ------
    UsageError
        If a parameter does not belong to the family, or a value is outside its range.
    """
    known = _fields(family)
    _check_names(family, params, known)
    for name, value in params.items():
        _check_value(name, value, known[name])
    resolved = {name: params.get(name, entry.default) for name, entry in known.items()}
    Settings.of(family, resolved)  # what contradicts itself is refused here
    return resolved


def _check_names(family: str, params: Mapping[str, Any], known: Collection[str]) -> None:
    for name in params:
        if name not in known:
            raise UsageError(
                f"the family '{family}' has no parameter '{name}'",
                remedy=suggestion(name, sorted(known)),
            )


def _check_value(name: str, value: Any, entry: dataclasses.Field[Any]) -> None:
    if not entry.metadata["check"](value):
        raise UsageError(f"the parameter '{name}' is {value!r}", remedy=entry.metadata["remedy"])


def _member_fields(member: str) -> dict[str, dataclasses.Field[Any]]:
    own = {name: entry for name, entry in _fields(member).items() if name not in SHARED}
    return own | {entry.name: entry for entry in dataclasses.fields(MemberSettings)}


def _fields(family: str) -> dict[str, dataclasses.Field[Any]]:
    found = {
        entry.name: entry
        for entry in dataclasses.fields(TrainingSettings)
        if family not in CLOSED_FORM or entry.name in (*SHARED, "augment")
    }
    found |= {entry.name: entry for entry in dataclasses.fields(BODIES[family])}
    return found | {f"{AUGMENT}{entry.name}": entry for entry in dataclasses.fields(Augmentation)}
