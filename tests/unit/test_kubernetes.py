"""The example of a job on Kubernetes: what it starts is a command that there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from emotone.cli.batch import app

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "examples" / "kubernetes"

RESOURCES = {
    "type": "object",
    "required": ["requests", "limits"],
    "additionalProperties": {
        "type": "object",
        "required": ["cpu", "memory"],
        "additionalProperties": {"type": "string"},
    },
}
CONTAINER = {
    "type": "object",
    "required": ["name", "image", "resources"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string"},
        "resources": RESOURCES,
        "env": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "value"],
                "additionalProperties": {"type": "string"},
            },
        },
    },
}
GROUP = {
    "rayStartParams": {"type": "object", "additionalProperties": {"type": "string"}},
    "template": {
        "type": "object",
        "required": ["spec"],
        "additionalProperties": False,
        "properties": {
            "spec": {
                "type": "object",
                "required": ["containers"],
                "additionalProperties": False,
                "properties": {
                    "serviceAccountName": {"type": "string"},
                    "containers": {"type": "array", "items": CONTAINER, "minItems": 1},
                },
            }
        },
    },
}
SCHEMA = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["entrypoint", "rayClusterSpec"],
            "additionalProperties": False,
            "properties": {
                "entrypoint": {"type": "string"},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": {"type": "integer"},
                "backoffLimit": {"type": "integer"},
                "rayClusterSpec": {
                    "type": "object",
                    "required": ["headGroupSpec"],
                    "additionalProperties": False,
                    "properties": {
                        "rayVersion": {"type": "string"},
                        "enableInTreeAutoscaling": {"type": "boolean"},
                        "headGroupSpec": {
                            "type": "object",
                            "required": ["rayStartParams", "template"],
                            "additionalProperties": False,
                            "properties": GROUP,
                        },
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["groupName", "template"],
                                "additionalProperties": False,
                                "properties": {
                                    **GROUP,
                                    "groupName": {"type": "string"},
                                    "replicas": {"type": "integer"},
                                    "minReplicas": {"type": "integer"},
                                    "maxReplicas": {"type": "integer"},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The part of KubeRay's own definition of a RayJob (ray.io/v1) that the example uses."""


def job() -> Any:
    return pytest.importorskip("yaml").safe_load((FOLDER / "rayjob.yaml").read_text())


def test_the_job_is_one() -> None:
    check = pytest.importorskip("jsonschema").Draft202012Validator(SCHEMA)
    assert [error.message for error in check.iter_errors(job())] == []
    wrong = job()
    wrong["spec"]["entryPoint"] = wrong["spec"].pop("entrypoint")
    assert list(check.iter_errors(wrong))


def test_its_command_is_one_that_goes_on() -> None:
    program, group, *words = shlex.split(job()["spec"]["entrypoint"])
    assert (program, group) == ("emotone", "batch")
    commands: Any = typer.main.get_command(app)
    with commands.make_context("batch", list(words)) as context:
        name, command, rest = commands.resolve_command(context, words)
        with command.make_context(name, rest, parent=context) as parsed:
            assert parsed.params["resume"]
            assert parsed.params["allow_failures"]  # or one bad file is a new cluster
            assert parsed.params["ray"] == "auto"
            assert all(place.startswith("s3://") for place in parsed.params["places"])


def test_versions_and_images_agree() -> None:
    cluster = job()["spec"]["rayClusterSpec"]
    pins = (REPO / "constraints.txt").read_text()
    (version,) = set(re.findall(r"^ray==([\d.]+)", pins, re.M))
    assert cluster["rayVersion"] == version
    image = (FOLDER / "Dockerfile").read_text()
    assert f"FROM rayproject/ray:{version}-py3" in image
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    containers = [group["template"]["spec"]["containers"][0] for group in groups]
    (name,) = {container["image"] for container in containers}
    assert f"-t {name} ." in image
    for container in containers:
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]


def test_hadolint_finds_nothing() -> None:
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no hadolint here: it is in the dependency group test")
    done = subprocess.run([found, str(FOLDER / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
