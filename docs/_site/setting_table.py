"""The table of settings, from the configuration of the package."""

from __future__ import annotations

from emotone.configuration import SETTINGS


def table() -> str:
    """Name, variable, what may be given, what it decides, and what holds where nobody sets it."""
    rows = [
        f"| `{setting.name}` | `{setting.variable}` | {setting.about} | {setting.kind} "
        f"| {'' if setting.default is None else f'`{_shown(setting.default)}`'} |"
        for setting in SETTINGS.values()
    ]
    head = "| setting | variable | what it decides | values | else |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
