"""The models that requests choose from, each opened once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emotone.audio.limits import Limits
from emotone.bundle.registry import DEFAULT, find
from emotone.recognizer import Recognizer, load
from emotone.server.errors import RequestError


@dataclass(frozen=True)
class Models:
    """Recognizers by name.

    Attributes
    ----------
    paths
        Where each bundle is; the processes that hear clips and recordings open them again.
    """

    paths: Mapping[str, Path]
    _recognizers: Mapping[str, Recognizer]

    @classmethod
    def open(cls, further: Mapping[str, Path], limits: Limits) -> Models:
        """The model that ships with the package, and further ones by name.

        Raises
        ------
        BundleError
            If one is missing or refused.
        """
        paths = {DEFAULT: find(None), **{name: find(path) for name, path in further.items()}}
        opened = {name: load(path, limits=limits) for name, path in paths.items()}
        return cls(paths, opened)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all models, the default first."""
        return tuple(self._recognizers)

    def get(self, name: str | None = None) -> Recognizer:
        """The recognizer of that name; the default when None.

        Raises
        ------
        RequestError
            If there is none.
        """
        return self._recognizers[self.check(name)]

    def check(self, name: str | None) -> str:
        """The name of a model that there is; ``default`` for None.

        Raises
        ------
        RequestError
            If there is none of this name.
        """
        if name is None:
            return DEFAULT
        if name not in self._recognizers:
            raise RequestError(
                "there is no model of this name",
                status=422,
                code="unknown_model",
                remedy=f"Choose one of: {', '.join(self.names)}.",
            )
        return name
