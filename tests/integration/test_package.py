"""The package as it is published, built and tried where nothing else is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel, source distribution and bill of materials, all of them tried."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, REPO / "tools" / "build.py", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trying the wheel" in done.stdout
    assert "Trying the sdist" in done.stdout
    return out


def test_wheel_and_source_distribution_work_alone(built: Path) -> None:
    """The trying itself is in tools/build.py, which fails where anything does not work."""
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    assert max(wheel.stat().st_size, sdist.stat().st_size) < 12e6
    names = zipfile.ZipFile(wheel).namelist()
    assert {"emotone/py.typed", "emotone/server/page/index.html"} <= {*names}
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "tools/"))]


def test_the_bill_of_materials_is_of_what_runs(built: Path) -> None:
    bill = json.loads((built / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "emotone"
    components = {each["name"].lower(): each for each in bill["components"]}
    assert {"numpy", "onnxruntime", "soundfile", "av", "typer"} <= {*components}
    assert not {"torch", "pytest", "pip"} & {*components}
    assert all(each["version"] and each["purl"] for each in components.values())
