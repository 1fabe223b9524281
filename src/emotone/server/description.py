"""The OpenAPI description, as the service really answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

_VALIDATION = "HTTPValidationError"


def describe(app: FastAPI) -> None:
    """Take out of the description what FastAPI puts there and the service does not do.

    FastAPI says that whatever fails its validation is answered with 422, in a shape of its own.
    Here it is 400, in the one shape of all errors, as the routes themselves say.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        spec = made()  # which is made once, so this changes it once
        for methods in spec["paths"].values():
            for operation in methods.values():
                if _VALIDATION in str(operation["responses"].get("422", "")):
                    del operation["responses"]["422"]
        schemas = spec.get("components", {}).get("schemas", {})
        for name in (_VALIDATION, "ValidationError"):
            schemas.pop(name, None)
        return spec

    app.openapi = openapi  # type: ignore[method-assign]
