"""Templates of pages, and how they write numbers and settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from emotone import emotions
from emotone.errors import MissingExtraError

if TYPE_CHECKING:
    import jinja2


def template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """A template of this package, which escapes what it is filled with.

    Parameters
    ----------
    name
        Of a file in ``templates``.
    filters
        That it uses, beside ``percent``, ``setting`` and ``colour``.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise MissingExtraError("the HTML report", "report") from error
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(template_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(percent=percent, setting=_setting, colour=emotions.colour, **filters)
    return environment.get_template(name)


def template_text(name: str) -> str:
    """The text of a file in ``templates``."""
    return resources.files("emotone").joinpath("templates", name).read_text("utf-8")


def percent(value: float, decimals: int = 1) -> str:
    """``12.3 %``; a dash for what is no number."""
    return "–" if math.isnan(value) else f"{100 * value:.{decimals}f} %"


def _setting(value: object) -> str:
    """A setting as a person would write it."""
    if value is None or value == {} or value == [] or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_setting(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(item) for item in value)
    return str(value)
