"""The description of the service: complete, with examples that are what they describe."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from pydantic import BaseModel

import emotone
from emotone.cli.app import run
from emotone.server.api import examples, schemas
from emotone.server.app import create_app
from emotone.server.settings import ServerSettings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "service.md"

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
        "name", "notes", "keep_audio", "keep_days"
    }  # fmt: skip


def test_the_model_of_the_examples_is_the_one_in_the_package() -> None:
    model, shown = emotone.load(), examples.MODEL
    assert shown["model"] == model.card.model
    assert shown["emotions"] == list(model.emotions)
    assert shown["uncertain_below"] == model.uncertain_below
    for name, figures in shown["figures"].items():
        said = model.card.metrics[name]
        assert figures == {key: said[key] for key in figures}


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


def test_the_document_names_every_route(described: dict[str, Any]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set()
    for method, path in re.findall(r"`(GET|POST|PATCH|DELETE) (/[^`?]*)", text):
        named.add((method, path.replace("/ID", "/{id}").replace("/N", "/{index}")))
    for path in re.findall(r"http://127\.0\.0\.1:8000(/v1/\w+)$", text, re.M):
        named.add(("POST", path))
    known = {(method.upper(), path) for path, ways in described["paths"].items() for method in ways}
    assert named - known - {("GET", "/v1/openapi.json")} == set()
    assert known - named == set()


def test_the_document_names_every_field_of_a_recording() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", text, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(schemas.AnalysisForm.model_fields) <= named


def test_the_commands_of_the_document_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    for line in re.findall(r"^\$ emotone (.+)$", DOCUMENT.read_text(encoding="utf-8"), re.M):
        assert run([*shlex.split(line), "--help"]) == 0, capsys.readouterr().err


def test_the_table_of_errors_has_those_that_there_are() -> None:
    table = DOCUMENT.read_text(encoding="utf-8").split("| Status | Codes |")[1].split("\n\n")[0]
    told = set(re.findall(r"`([a-z]+_[a-z_]+|over)`", table))
    server = Path(schemas.__file__).resolve().parents[1]
    sources = {path: path.read_text(encoding="utf-8") for path in server.rglob("*.py")}
    everything = "".join(sources.values()) + '"missing_extra"'  # which is the library's
    assert {code for code in told if f'"{code}"' not in everything} == set()
    raised = {
        code
        for path, text in sources.items()
        if path.parent.name in ("api", "security") or path.name in ("clips.py", "drawing.py")
        for code in re.findall(r"\bcode=\"(\w+)\"", text)
    }
    elsewhere = {"unauthorised", "forbidden", "empty_file"}  # of security, and of the library
    assert raised - elsewhere <= told | {"not_found"}
    assert {"405", "408"} <= set(re.findall(r"^\| (\d+)", table, re.M))
