"""Pictures and pages of a real server: without their packages, and many at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
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


def test_clips_do_not_wait_for_drawings(tmp_path: Path) -> None:
    with service(tmp_path / "data", clip_workers=1) as server:
        id = server.finished(server.send(SPEECH)["id"])["id"]
        path = f"/v1/analyses/{id}/export?format=png"
        with ThreadPoolExecutor(5) as pool:
            drawn = [pool.submit(server.ask, "GET", path) for _ in range(5)]
            clip = pool.submit(
                server.ask, "POST", "/v1/predict", form={"file": ("a.flac", SPEECH.read_bytes())}
            )
        answers = [each.result() for each in drawn]
        assert clip.result().status == 200
        refused = [each for each in answers if each.status != 200]
        assert {each.error["code"] for each in refused} == {"too_many_at_once"}
        assert all(each.status == 429 and each.headers["Retry-After"] for each in refused)
        assert len(refused) < len(answers)
        assert all(each.body.startswith(b"\x89PNG") for each in answers if each.status == 200)
        declared = server.ask("GET", "/v1/openapi.json").json["paths"]
        told = declared["/v1/analyses/{id}/export"]["get"]["responses"]
        assert {"413", "422", "429", "501", "503"} <= set(told)
