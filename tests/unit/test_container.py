"""The Dockerfile and compose.yaml, as far as they can be checked without an engine."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dockerfiles import stages

REPO = Path(__file__).resolve().parents[2]
DOCKERFILE, COMPOSE = REPO / "Dockerfile", REPO / "compose.yaml"


def tool(name: str) -> str:
    """A program beside this Python, or on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: it is in the dependency group test")
    return found


def composed() -> dict:
    return pytest.importorskip("yaml").safe_load(COMPOSE.read_text())


def test_hadolint_finds_nothing():
    command = [tool("hadolint"), "--failure-threshold", "style", str(DOCKERFILE)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_hadolint_would_find_something(tmp_path: Path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /tmp && pip install emotone\n")
    assert subprocess.run([tool("hadolint"), str(bad)], capture_output=True).returncode == 1


def test_compose_is_what_the_specification_says(tmp_path: Path):
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    run = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text().replace("cap_drop:", "cap_dorp:"))
    assert subprocess.run([*command, str(bad)], capture_output=True).returncode == 1


def test_the_image_runs_as_nobody_in_particular():
    _, runs = stages(DOCKERFILE)
    user, group = runs.last("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert f"--uid {user}" in " ".join(runs.all("RUN"))
    assert not [argument for argument in runs.all("COPY") if "--chown" in argument]
    assert runs.environment["EMOTONE_SERVER"] == runs.last("VOLUME")


def test_images_are_slim_and_of_one_version():
    built, runs = stages(DOCKERFILE)
    assert built.image == runs.image
    assert re.fullmatch(r"python:3\.1\d-slim-\w+", runs.image)
    assert re.fullmatch(r"postgres:\d+-\w+", composed()["services"]["database"]["image"])


def test_what_is_built_from_goes_to_the_engine_and_nothing_else():
    lines = (REPO / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    built, _ = stages(DOCKERFILE)
    copied = {name for argument in built.all("COPY") for name in argument.split()[:-1]}
    assert {name.removeprefix("./") for name in copied} == kept
    assert all((REPO / name).exists() for name in kept)
    assert any(fnmatch.fnmatch("src/emotone/__pycache__", rule.strip()) for rule in rules[1:])


def test_compose_opens_nothing_to_the_outside():
    services = composed()["services"]
    for service in services.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        assert "no-new-privileges:true" in service["security_opt"]
        assert not service.get("privileged")
    assert "ports" not in services["database"]
    assert services["emotone"]["read_only"] is True
    assert services["emotone"]["cap_drop"] == ["ALL"]
    assert services["database"]["networks"] == ["inside"]
    assert composed()["networks"]["inside"]["internal"] is True


def test_no_password_is_in_the_files():
    text = DOCKERFILE.read_text() + COMPOSE.read_text()
    assert not re.search(r"emotone_[0-9a-f]{12}_", text)
    for service in composed()["services"].values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "@" in value:
                assert "${POSTGRES_PASSWORD:?" in value
