"""Schemathesis asks the real service whatever its OpenAPI description allows, and what it forbids.

No answer may be a failure of the service, and each must be as described. Not checked is whether all
that the description forbids is refused and all that it allows is taken: fields of forms are text,
to which JSON's types mean little, and not every string is the name of a model or a recording.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")
pytest.importorskip("schemathesis", reason="it is in the dependency group test")

from attackers import CLIP, Target, attacked, new_key

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
    "object_level_authorization",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("described") / "service"


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return new_key(folder, "a", "--scopes", "read,write,admin", "--per-minute", "1000000")


@pytest.fixture(scope="module")
def service(folder: Path, key: str) -> Iterator[Target]:
    with attacked(folder) as found:
        yield found


@pytest.fixture(scope="module")
def done(service: Target, key: str) -> str:
    """The id of an analysis with a timeline and its audio."""
    sent = service.send("/v1/analyses", CLIP.read_bytes(), key=key, keep_audio="true")
    assert sent.status == 202, sent.body
    deadline = time.monotonic() + 300
    while service.ask(sent.headers["location"], key=key).json["state"] != "done":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return sent.json["id"]


def examined(service: Target, key: str, folder: Path, *options: str) -> str:
    """What schemathesis says; the test fails where it finds anything."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None
    command = [program, "run", f"http://127.0.0.1:{service.port}/v1/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--seed", "1", "--request-timeout", "30"]
    command += ["-H", f"Authorization: Bearer {key}", "--continue-on-failure", *options]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, timeout=500)
    (folder.parent / "schemathesis.toml").unlink(missing_ok=True)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
    lines = [json.loads(line) for line in service.lines if line.startswith("{")]
    assert len([line for line in lines if line["event"] == "request"]) > 50
    assert [line for line in lines if line["level"] == "error"] == []
    assert [line for line in lines if line.get("status", 0) >= 500] == []
    return run.stdout


def test_whatever_is_described(service: Target, key: str, folder: Path):
    # Who watches an analysis waits until it is over; that is for those that are.
    said = examined(service, key, folder, "--max-examples", "5", "--exclude-path-regex", "/events$")
    selected, of = re.search(r"Operations:\s+(\d+) selected / (\d+) total", said).groups()
    assert int(selected) == int(of) - 1
    assert int(of) >= 19


def test_all_about_an_analysis_that_is_done(service: Target, key: str, done: str, folder: Path):
    (folder.parent / "schemathesis.toml").write_text(
        f'[parameters]\n"path.id" = "{done}"\n"path.index" = 0\n'
    )
    said = examined(
        service, key, folder, "--max-examples", "8", "--phases", "coverage,fuzzing",
        "--include-path-regex", r"\{id\}", "--exclude-method", "DELETE",
    )  # fmt: skip
    assert re.search(r"\b[1-9]\d* generated", said)
    assert service.ask(f"/v1/analyses/{done}", key=key).json["state"] == "done"


def test_the_description_is_complete(service: Target, key: str):
    """Every operation says what it is for, who may ask, and what it refuses, with examples."""
    spec = service.ask("/v1/openapi.json", key=key).json
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            at = f"{method.upper()} {path}"
            assert operation["summary"], at
            assert operation["description"], at
            if path.startswith("/v1"):
                assert operation["security"], at
                for status in ("401", "403", "429"):
                    schema = operation["responses"][status]["content"]["application/json"]
                    assert schema["schema"]["$ref"].endswith("/Error"), at
            for answer in operation["responses"].values():
                assert answer["description"], at
    text = json.dumps(spec)
    assert "HTTPBearer" in spec["components"]["securitySchemes"]
    assert '"422": {"description": "Validation Error"' not in text  # which it answers with 400
