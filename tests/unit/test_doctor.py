"""`emotone doctor`: what it finds, and that it finds what is wrong."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
from commands import Done
from emotone.bundle import registry
from emotone.diagnosis import Finding, machine, packages, places
from emotone.errors import DeviceError, MissingExtraError

Emotone = Callable[..., Done]


def by_name(done: Done) -> dict[str, dict[str, Any]]:
    return {f"{each['area']}/{each['name']}": each for each in done.json["findings"]}


def test_a_sound_machine(emotone: Emotone, tmp_path: Path) -> None:
    done = emotone("doctor", "--json")
    found = by_name(done)
    assert (done.status, done.json["healthy"]) == (0, True)
    assert found["packages/numpy"]["facts"]["version"] == np.__version__
    assert found["packages/Python"]["facts"]["version"].startswith(sys.version.split()[0])
    extras = {name.partition("/")[2] for name in found if name.startswith("extras/")}
    assert {"train", "server", "live", "batch", "report"} <= extras
    default = registry.find("default")
    model = found["model/bundled"]
    assert model["facts"]["sha256"] == hashlib.sha256(default.read_bytes()).hexdigest()
    assert model["facts"]["model"].startswith("emotone-default@")
    assert {"aac", "mp3", "opus"} <= {*found["machine/codecs"]["facts"]["decodes"]}
    assert found["machine/processor"]["facts"]["cores"] >= 1
    assert found["cache/folder"]["facts"]["path"] == str(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()  # it looks, and makes nothing
    table = emotone("doctor")
    assert (table.status, table.err) == (0, "Nothing is broken\n")
    assert "emotone-default@" in table.out


def test_it_takes_under_two_seconds_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom emotone.cli.app import run\nstatus = run(['doctor', '--no-ask-torch'])\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules\nsys.exit(status)"
    )
    environment = {**os.environ, "EMOTONE_CACHE": str(tmp_path)}

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor: on the clock it is the same on a machine that does nothing else.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0


def test_a_missing_extra_names_its_command_and_is_no_fault(
    emotone: Emotone, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    done = emotone("doctor", "--json")
    train = by_name(done)["extras/train"]
    assert done.status == 0
    assert (train["state"], train["remedy"]) == ("absent", "pip install 'emotone[train]'")
    assert train["detail"].startswith("without torch; there are ")


def test_a_package_that_is_too_old_is_a_fault(
    emotone: Emotone, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "0.1" if name == "soundfile" else "2.0" if name == "duckdb" else real(name),
    )
    done = emotone("doctor", "--json")
    found = by_name(done)
    assert done.status == 1
    assert found["packages/soundfile"]["detail"] == "0.1, but emotone needs >=0.13"
    assert found["packages/soundfile"]["remedy"] == "pip install 'soundfile>=0.13'"
    assert found["extras/batch"]["state"] == "broken"
    told = emotone("doctor")
    assert "→ pip install 'soundfile>=0.13'" in told.out
    assert "things to mend" in told.err


def test_emotone_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(name: str) -> object:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    assert [(each.name, each.state) for each in packages.examine()] == [
        ("Python", "fine"),
        ("emotone", "absent"),
    ]


def test_a_damaged_model_is_a_fault(
    emotone: Emotone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = bundles.write(tmp_path / "models" / "broken.emotone")
    broken.write_bytes(broken.read_bytes()[:-200])
    monkeypatch.setenv("EMOTONE_MODEL", "broken")
    done = emotone("doctor", "--json")
    found = by_name(done)
    assert done.status == 1
    assert found["model/bundled"]["state"] == "fine"
    assert found["model/configured"]["state"] == "broken"
    assert found["model/configured"]["remedy"]


def test_a_cache_that_cannot_be_written(
    emotone: Emotone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOTONE_CACHE", str(tmp_path / "file"))
    done = emotone("doctor", "--json")
    cache = by_name(done)["cache/folder"]
    assert done.status == 1
    assert (cache["state"], cache["facts"]["writable"]) == ("broken", False)
    assert "EMOTONE_CACHE" in cache["remedy"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_cache_on_a_full_disk(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom emotone.diagnosis import places\nfrom pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "found = places._cache(Path(sys.argv[1]))\nprint(found.state, found.detail, found.remedy)"
    )
    (tmp_path / "kept").write_bytes(b"123")
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("broken ")
    assert "nothing can be written there (File too large)" in done.stdout
    assert "emotone features --clear-cache, or export EMOTONE_CACHE=" in done.stdout


def test_the_room_that_is_left_for_the_cache(tmp_path: Path) -> None:
    found = places._cache(tmp_path)
    assert found.facts["free_bytes"] > 0
    assert re.search(r", can be written to, [\d,.]+ [GM]iB free$", found.detail)


def test_where_there_is_nothing_beside_ascii(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "emotone", "doctor", "--no-ask-torch"],
        capture_output=True,
        text=True,
        env={**os.environ, **plain, "EMOTONE_CACHE": str(tmp_path)},
    )
    assert "\\u" not in done.stdout + done.stderr
    assert re.search(r"^packages +ok +Python", done.stdout, re.MULTILINE)
    assert "..., " in done.stdout


def test_the_size_of_the_cache(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    assert places._cache(tmp_path).facts["bytes"] == 8


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (MissingExtraError("a microphone", "live"), "pip install 'emotone[live]'"),
        (DeviceError("no sound", remedy="Install it."), "Install it."),
    ],
)
def test_microphones(error: Exception, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def devices() -> list[object]:
        raise error

    monkeypatch.setattr("emotone.live.microphone.devices", devices)
    found = machine._microphones()
    assert (found.state, found.remedy) == ("absent", remedy)
    monkeypatch.setattr("emotone.live.microphone.devices", lambda: [])
    assert machine._microphones().state == "absent"


def test_torch_is_asked_where_there_are_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Finding] = []
    for signs, found in ((False, "fine"), (True, "absent")):
        monkeypatch.setattr(machine, "_has_signs_of_one", lambda signs=signs: signs)
        monkeypatch.setattr(machine, "find_spec", lambda name: None)
        asked.append(machine._accelerator(None))
        assert asked[-1].state == found
    assert asked[-1].remedy == "pip install 'emotone[train]'"


def test_a_variable_that_means_nothing_is_named(
    emotone: Emotone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTONE_MODLE", "mine")
    found = by_name(emotone("doctor", "--json"))["configuration/EMOTONE_MODLE"]
    assert found["remedy"] == "Did you mean 'EMOTONE_MODEL'?"
