"""Pictures and pages of a real server: without their packages, and many at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

import services
from services import service

SPEECH = Path(__file__).resolve().parents[2] / "examples" / "low-voice.flac"


def test_a_picture_whose_package_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = "import sys\nsys.modules |= dict.fromkeys(('matplotlib', 'jinja2', 'pyarrow'))\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setitem(services.ENVIRONMENT, "PYTHONPATH", paths)
    with service(tmp_path / "data") as server:
        offered = server.ask("GET", "/v1/service").json["export_formats"]
        assert not {"png", "svg", "html", "parquet"} & set(offered)
        done = server.finished(server.send(SPEECH)["id"])
        assert done["state"] == "done"
        for form in ("png", "svg", "html", "parquet"):
            answer = server.ask("GET", f"/v1/analyses/{done['id']}/export?format={form}")
            assert (answer.status, answer.error["code"]) == (501, "missing_extra"), form
            assert "pip install" in answer.error["remedy"]
