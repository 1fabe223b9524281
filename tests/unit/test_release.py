"""What a release rests on: workflows, pins, licences, audit, notes."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tools"))
import audit
import build
import licences
import lock

WORKFLOWS = sorted((REPO / ".github" / "workflows").glob("*.yml"))


# -- workflows


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_valid(workflow: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema",
               "vendor.github-workflows", str(workflow)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_trusts_little(workflow: Path) -> None:
    """Actions are pinned to commits, rights are few, and no text of others gets into a shell."""
    text = workflow.read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert found["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
    for job in found["jobs"].values():
        assert job["timeout-minutes"] <= 45
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def _matrix(job: dict[str, Any]) -> list[str]:
    """The targets of fuzzing that a job names."""
    groups = job.get("strategy", {}).get("matrix", {}).get("targets", ())
    return [target for group in groups for target in group.split()]


def test_ci_runs_what_has_to_pass() -> None:
    jobs = yaml.safe_load((REPO / ".github/workflows/ci.yml").read_text())["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert any(run.endswith(".ci/run") for run in runs)
    assert "python tasks.py audit" in runs
    fuzzed = [word for job in jobs.values() for word in _matrix(job)]
    assert sorted(fuzzed) == sorted(
        path.stem.removeprefix("fuzz_") for path in (REPO / "tests" / "fuzz").glob("fuzz_*.py")
    )
    ran = (REPO / ".ci" / "run").read_text()
    assert {"lint", "test", "speed"} <= {*re.findall(r"^python3 tasks\.py (\w+)", ran, re.M)}


def test_a_release_is_published_by_trust_after_it_was_tried() -> None:
    jobs = yaml.safe_load((REPO / ".github/workflows/release.yml").read_text())["jobs"]
    publish = jobs["publish"]
    assert publish["needs"] == "build"
    assert publish["environment"] == "release"
    assert publish["permissions"] == {"id-token": "write"}
    assert all("password" not in step.get("with", {}) for step in publish["steps"])
    assert any("tasks.py build --release" in step.get("run", "") for step in jobs["build"]["steps"])
    others = [job for name, job in jobs.items() if name != "publish"]
    assert all("id-token" not in job.get("permissions", {}) for job in others)


def test_every_task_is_documented() -> None:
    listed = subprocess.run([sys.executable, REPO / "tasks.py", "--help"], capture_output=True,
                            text=True, check=True).stdout  # fmt: skip
    tasks = re.findall(r"^  python3 tasks\.py (\w+)", listed, re.MULTILINE)
    told = (REPO / "CONTRIBUTING.md").read_text()
    assert len(tasks) >= 8
    assert all(f"python3 tasks.py {task} " in told for task in tasks)


# -- changelog and version


def test_versions_agree() -> None:
    assert build.version() == importlib.metadata.version("emotone")


CHANGES = "# Changelog\n\n## [Unreleased]\n\n- x\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- a\n\n"


def test_notes_of_a_release_are_its_section() -> None:
    more = CHANGES + "## [1.1.0] - 2026-01-01\n\n- b\n\n[1.1.0]: somewhere\n"
    assert build.release_notes("v1.2.0", "1.2.0", more) == "### Added\n\n- a\n"
    assert build.release_notes("v1.1.0", "1.1.0", more) == "- b\n"


@pytest.mark.parametrize(
    ("tag", "version", "told"),
    [
        ("v1.2.1", "1.2.0", "the tag is v1.2.1, but the version is 1.2.0"),
        ("v1.3.0", "1.3.0", "no section"),
        ("vUnreleased", "Unreleased", "no section"),
    ],
)
def test_a_release_that_does_not_agree_is_refused(tag: str, version: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        build.release_notes(tag, version, CHANGES)


def test_the_changelog_has_the_form() -> None:
    text = (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    assert text.count("\n## [Unreleased]\n") == 1
    kinds = {*re.findall(r"^### (.+)$", text, re.MULTILINE)}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


# -- pins


def test_the_pins_are_what_is_needed_here() -> None:
    head, pins = lock.read(lock.CONSTRAINTS.read_text(encoding="utf-8"))
    assert lock.problems(pins, *lock.needed()) == []
    assert lock.written(head, pins) == lock.CONSTRAINTS.read_text(encoding="utf-8")


PINS = [
    lock.Pin("One", "1"),
    lock.Pin("two", "1", lock._OLD),
    lock.Pin("two", "2", lock._NEW),
    lock.Pin("three", "3", 'sys_platform == "nowhere"'),
    lock.Pin("pip", "1"),
]


def test_what_is_wrong_with_pins() -> None:
    pins = [pin for pin in PINS if pin.condition != lock._OLD]
    if sys.version_info < (3, 11):
        pins = [pin for pin in PINS if pin.condition != lock._NEW]
    two = "1" if sys.version_info < (3, 11) else "2"
    good = {"one": "1", "two": two, "pip": "1"}
    assert lock.problems(pins, good, ()) == []
    assert lock.problems(pins, good | {"one": "9"}, ()) == ["one is 9 here and pinned to 1"]
    assert lock.problems(pins, good | {"four": "4"}, ()) == ["four 4 is needed here and not pinned"]
    assert lock.problems(pins, {"one": "1", "two": two}, ()) == [
        "pip is pinned and nothing here needs it"
    ]
    assert lock.problems(pins, good, {"five"}) == ["five is needed here and not installed"]
    assert lock.problems([*pins, lock.Pin("one", "2")], good, ())[0].startswith("one is pinned 2")


def test_moving_one_column_leaves_the_other() -> None:
    moved = lock.moved(PINS, {"one": "5", "two": "1", "new": "7", "pip": "1"}, old=False)
    assert {*map(str, moved)} == {
        f"One==1 ; {lock._OLD}",
        f"One==5 ; {lock._NEW}",
        "two==1",  # both columns have the same again
        'three==3 ; sys_platform == "nowhere"',
        f"new==7 ; {lock._NEW}",
        "pip==1",
    }
    gone = lock.moved(PINS, {"one": "1", "pip": "1"}, old=True)
    assert f"two==2 ; {lock._NEW}" in map(str, gone)
    assert f"two==1 ; {lock._OLD}" not in map(str, gone)


def test_what_pip_reports() -> None:
    report = {
        "install": [
            {"metadata": {"name": name, "version": version}}
            for name, version in (
                ("Torch", "2.1+cpu"),
                ("emotone", "1"),
                ("nvidia-x", "1"),
                ("triton", "3"),
            )
        ]
    }
    assert lock.resolved(report) == {"torch": "2.1"}


# -- audit


def test_an_audit_could_begin() -> None:
    _, pins = lock.read(lock.CONSTRAINTS.read_text(encoding="utf-8"))
    told = audit.asked(pins, offline=True)
    assert len(told) > 1
    assert sum(audit.would_look_at(said) for _, said in told) == len(pins)
    assert any(not pin.holds for pin in pins)


def test_every_pin_is_looked_up_and_each_name_once_in_a_list() -> None:
    pins = [
        lock.Pin("a", "1", 'python_version < "3.11"'),
        lock.Pin("A", "2", 'python_version >= "3.11"'),
        lock.Pin("b", "1", 'sys_platform == "win32"'),
    ]
    assert audit.rounds(pins) == [["a==1", "b==1"], ["A==2"]]


REPORT = {
    "dependencies": [
        {"name": "fine", "version": "1", "vulns": []},
        {
            "name": "weak",
            "version": "2",
            "vulns": [
                {
                    "id": "PYSEC-1",
                    "aliases": ["CVE-1"],
                    "fix_versions": ["2.1"],
                    "description": "It\nleaks.",
                }
            ],
        },
    ]
}


def test_weaknesses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = audit.weaknesses(REPORT)
    assert str(found) == "weak 2: PYSEC-1, CVE-1; mended in 2.1. It leaks."
    assert found.accepted is None
    monkeypatch.setitem(audit.ACCEPTED, "CVE-1", "not reached")
    assert found.accepted == "not reached"
    with pytest.raises(ValueError, match="nothing"):
        audit.weaknesses({"dependencies": []})


# -- licences


def test_every_licence_will_do_and_is_listed() -> None:
    found = licences.listed()
    assert {"numpy", "onnxruntime", "typer"} <= {
        each.name for each in found if each.brought_by == "emotone"
    }
    assert licences.problems(found, licences.PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("expression", "brought_by", "allowed"),
    [
        ("MIT", "emotone", True),
        ("Apache-2.0 OR GPL-3.0-only", "emotone", True),
        ("Apache-2.0 AND GPL-3.0-only", "emotone", False),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "emotone", True),
        ("GPL-3.0-only", "train", False),
        ("not stated", "emotone", False),
        ("MIT AND LicenseRef-audEERING", "opensmile", True),
        ("MIT AND LicenseRef-audEERING", "emotone", False),
    ],
)
def test_the_list_of_licences(expression: str, brought_by: str, allowed: bool) -> None:
    assert licences.Licence("x", expression, brought_by).allowed is allowed


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (["MIT License"], True),
        (["OSI Approved", "BSD License"], True),
        (["MIT License", "Mozilla Public License 2.0 (MPL 2.0)"], True),
        (["GNU General Public License v3 (GPLv3)"], False),
        (["MIT License", "GNU General Public License v3 (GPLv3)"], False),
        (["BSD License", "Other/Proprietary License"], False),
    ],
)
def test_no_classifier_hides_behind_another(names: list[str], allowed: bool) -> None:
    metadata = Message()
    for name in names:
        metadata["Classifier"] = f"License :: OSI Approved :: {name}"
    stated = licences.stated_in(metadata)  # type: ignore[arg-type]
    assert licences.Licence("x", stated, "emotone").allowed is allowed


def test_an_exception_is_of_one_distribution_and_told_with_its_reason() -> None:
    text = licences.PAGE.read_text(encoding="utf-8")
    for (name, part), reason in licences.EXCEPTIONS.items():
        assert part in licences.STATED[name]
        assert licences.Licence(name, part, "emotone").allowed
        assert not licences.Licence("another", part, "train").allowed
        assert reason in text


def test_what_the_wheel_of_pyav_holds_is_stated() -> None:
    files = [str(file) for file in importlib.metadata.files("av") or ()]
    under_gpl = [file for file in files if re.search(r"libx26[45]", file)]
    if under_gpl:
        assert "GPL-2.0-or-later" in licences.expression("av").split(" AND ")


def test_a_licence_that_is_not_listed_is_told() -> None:
    bad = licences.Licence("strange", "Proprietary", "emotone")
    told = licences.problems([bad], "")
    assert len(told) == (2 if sys.version_info >= (3, 11) else 1)
    assert "which is not on the list" in told[0]
