"""The description of the service: complete, with examples that are what they describe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from pydantic import BaseModel

from emotone.server.api import examples, schemas
from emotone.server.app import create_app
from emotone.server.settings import ServerSettings

ANSWERS = {
    "SUMMARY": schemas.Summary,
    "ANALYSIS": schemas.Analysis,
    "SEGMENT": schemas.Segment,
    "TIMELINE": schemas.Timeline,
    "FULL_ANALYSIS": schemas.FullAnalysis,
    "ANALYSES": schemas.Analyses,
    "CORRECTION": schemas.Correction,
    "TRACKS": schemas.Tracks,
    "CORRECTIONS": schemas.Corrections,
    "MODEL": schemas.Model,
    "MODELS": schemas.Models,
    "SERVICE": schemas.Service,
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    app = create_app(ServerSettings(folder=tmp_path_factory.mktemp("service")))
    yield app.openapi()
    app.state.store.close()
    app.state.folder.close()


@pytest.mark.parametrize(("name", "model"), ANSWERS.items())
def test_an_example_is_what_it_describes(name: str, model: type[BaseModel]) -> None:
    example = getattr(examples, name)
    found = model.model_validate(example, strict=False)
    assert set(example) >= {key for key, field in model.model_fields.items() if field.is_required()}
    assert set(example) <= set(model.model_fields) | set(found.model_extra or {})
    if model.model_config.get("extra") != "allow":
        assert set(example) <= set(model.model_fields)


def test_every_example_is_tested() -> None:
    named = {name for name in vars(examples) if name.isupper()}
    assert named - {"OPTIONS"} == set(ANSWERS)
    assert set(examples.OPTIONS) == set(schemas.AnalysisForm.model_fields) - {
        "name", "notes", "keep_audio"
    }  # fmt: skip


def test_every_route_is_described(described: dict[str, Any]) -> None:
    for path, ways in described["paths"].items():
        for method, way in ways.items():
            where = f"{method} {path}"
            assert way.get("summary"), where
            assert way.get("description"), where
            assert way.get("tags"), where
            assert any(status.startswith("2") for status in way["responses"]), where
            assert len(way["responses"]) > 1 or path == "/healthz", where


def test_the_models_of_answers_have_examples(described: dict[str, Any]) -> None:
    known = described["components"]["schemas"]
    for path, ways in described["paths"].items():
        for way in ways.values():
            for status, answer in way["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
                name = schema.get("$ref", "").rsplit("/", 1)[-1]
                if status.startswith("2") and path.startswith("/v1") and name:
                    fields = known[name].get("properties", {}).values()
                    whole = "examples" in known[name]
                    each = all("examples" in field or "$ref" in str(field) for field in fields)
                    assert whole or each, name
