"""The package as it is published, and whether it works where nothing else is installed.

    python tools/build.py [--out dist] [--only wheel|sdist] [--no-smoke] [--release vX.Y.Z]

Builds the source distribution, and from that the wheel; then installs each in a virtual environment
of its own, with the pinned versions of what it runs on, and tries it there: the command names the
emotion of an example, `emotone doctor` finds nothing broken, the page, the model, the licence and
`py.typed` are inside, no extra came along, and a typed program of a user passes `mypy --strict`.
From the environment of the wheel the bill of materials is made: sbom.cdx.json (CycloneDX). With
--release the version and the changelog must be those of the tag; what the changelog says of it is
written to notes.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
EXAMPLE = ROOT / "examples" / "raised-voice.flac"
SBOM = "sbom.cdx.json"

INSIDE = (
    "emotone/py.typed",
    "emotone/assets/default.emotone",
    "emotone/server/page/index.html",
    "emotone/templates/report.html.jinja",
)
"""Files that no import would miss at once."""

NOT_ALONG = ("torch", "sklearn", "pandas", "matplotlib", "fastapi", "librosa", "pydantic")
"""What an extra brings, and the package alone must not."""

PROGRAM = '''
"""What a user writes, checked by types alone."""

import emotone


def loudest(path: str) -> tuple[str, float]:
    recognizer: emotone.Recognizer = emotone.load()
    prediction: emotone.Prediction = recognizer.predict(path, threshold=0.5)
    for answer in recognizer.predict_many([path]):
        if isinstance(answer, emotone.Failure):
            raise answer.error
    timeline: emotone.Timeline = recognizer.timeline(path)
    shares: float = sum(timeline.summary().shares.values())
    numbers = emotone.features.extract(path, "tutorial-180")
    return prediction.emotion, prediction.confidence + shares + float(numbers.sum())


def heard(samples: list[float]) -> int:
    stream = emotone.Stream(emotone.load(), 16_000)
    try:
        return len(stream.feed(samples))
    except emotone.EmotoneError as error:
        raise SystemExit(error.code) from error
'''


def say(text: str) -> None:
    """Print a line of the task's own."""
    print(f"» {text}", flush=True)


def run(*command: object, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program, and give what it prints; stop with its words where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        told = (done.stdout + done.stderr).strip()[-4000:]
        raise SystemExit(f"{told}\nerror: this failed: {' '.join(map(str, command))}")
    return done.stdout


def release_notes(tag: str, version: str, changelog: str) -> str:
    """What the changelog says of a release; stops where tag, version and changelog disagree."""
    if tag != f"v{version}":
        raise SystemExit(f"error: the tag is {tag}, but the version is {version}")
    heading = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise SystemExit(f"error: CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'")
    rest = changelog[found.end() :]
    notes = re.split(r"^## |^\[", rest, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not notes:
        raise SystemExit(f"error: CHANGELOG.md says nothing of {version}")
    return notes + "\n"


def version() -> str:
    """That of pyproject.toml, which must be that of the package."""
    project, package = (
        re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        for pattern, file in (
            (r'^version = "(.+)"$', "pyproject.toml"),
            (r'^__version__ = "(.+)"$', "src/emotone/__init__.py"),
        )
    )
    assert project is not None
    assert package is not None
    if project[1] != package[1]:
        raise SystemExit(f"error: pyproject.toml says {project[1]}, the package {package[1]}")
    return project[1]


def build(out: Path) -> tuple[Path, Path]:
    """The source distribution, and the wheel made from it; the same bytes for the same commit."""
    out.mkdir(parents=True, exist_ok=True)
    stamp = run("git", "log", "-1", "--format=%ct").strip() if (ROOT / ".git").exists() else "0"
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, SOURCE_DATE_EPOCH=stamp,
        PIP_BUILD_CONSTRAINT=str(CONSTRAINTS))  # fmt: skip
    (wheel,) = out.glob("emotone-*.whl")
    (sdist,) = out.glob("emotone-*.tar.gz")
    return wheel, sdist


def look_inside(wheel: Path, sdist: Path) -> None:
    """Stop where a file is missing."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [name for name in INSIDE if name not in names]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        missing.append("LICENSE")
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tasks.py",
              "constraints.txt", "web/package.json", "tests/conftest.py")  # fmt: skip
    missing += [f"{name} in the source distribution" for name in wanted if name not in sources]
    if missing:
        raise SystemExit(f"error: the package is without {', '.join(missing)}")


def environment(folder: Path, artefact: Path) -> Path:
    """A virtual environment with an artefact and what it runs on; gives its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet",
        "--disable-pip-version-check", "--constraint", CONSTRAINTS, "--build-constraint",
        CONSTRAINTS, artefact)  # fmt: skip
    return python


def smoke(python: Path, folder: Path) -> None:
    """Use what is installed as a user does, from another folder."""
    clean = {"PYTHONPATH": "", "EMOTONE_CONFIG": "", "EMOTONE_CACHE": str(folder / "cache")}
    program = python.parent / ("emotone.exe" if os.name == "nt" else "emotone")
    (answer,) = json.loads(run(program, "predict", EXAMPLE, "--json", cwd=folder, **clean))
    if answer["emotion"] not in answer["scores"] or not 0 < answer["confidence"] <= 1:
        raise SystemExit(f"error: this is no answer: {answer}")
    health = json.loads(run(program, "doctor", "--json", cwd=folder, **clean))
    if not health["healthy"]:
        raise SystemExit(f"error: the doctor finds something broken: {health}")
    along = run(python, "-c", "from importlib.util import find_spec\nimport sys\n"
                "print(*[name for name in sys.argv[1:] if find_spec(name)])", *NOT_ALONG,
                cwd=folder, **clean).split()  # fmt: skip
    if along:
        raise SystemExit(f"error: the package alone brings {', '.join(along)}")
    where = run(python, "-c", "import emotone; print(emotone.__file__)", cwd=folder, **clean)
    if str(python.parent.parent) not in where:
        raise SystemExit(f"error: tried was {where.strip()}, not what was installed")


def check_types(python: Path, folder: Path) -> None:
    """A user's program against the installed package, as strictly as mypy can."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python,
        "--cache-dir", folder / "mypy", program, cwd=folder, MYPYPATH="")  # fmt: skip


def bill_of_materials(python: Path, out: Path) -> Path:
    """What is in the environment of the wheel, as CycloneDX."""
    target = out / SBOM
    run(sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject",
        ROOT / "pyproject.toml", "--mc-type", "library", "--output-reproducible", "--validate",
        "--output-format", "JSON", "--output-file", target, python)  # fmt: skip
    components = {each["name"] for each in json.loads(target.read_text())["components"]}
    if not {"numpy", "onnxruntime", "typer"} <= components:
        raise SystemExit(f"error: the bill of materials names only {sorted(components)}")
    return target


def main() -> int:
    """Build, try, and list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--only", choices=["wheel", "sdist"], help="try only this one")
    parser.add_argument("--no-smoke", action="store_true", help="build, and try nothing")
    parser.add_argument("--release", metavar="TAG", help="it is to be published as that")
    options = parser.parse_args()
    notes = None
    if options.release:
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        notes = release_notes(options.release, version(), changelog)
    for old in options.out.glob("emotone-*"):
        old.unlink()
    started = time.monotonic()
    say("Building the source distribution and the wheel")
    wheel, sdist = build(options.out)
    look_inside(wheel, sdist)
    if notes is not None:
        (options.out / "notes.md").write_text(notes, encoding="utf-8")
    tried = {} if options.no_smoke else {"wheel": wheel, "sdist": sdist}
    for kind, artefact in tried.items():
        if options.only not in (None, kind):
            continue
        say(f"Trying the {kind} where nothing else is installed")
        with tempfile.TemporaryDirectory(prefix="emotone-smoke-") as name:
            folder = Path(name)
            python = environment(folder / "venv", artefact)
            smoke(python, folder)
            if kind == "wheel":
                check_types(python, folder)
                say(f"Written: {bill_of_materials(python, options.out)}")
    for artefact in (wheel, sdist):
        say(f"Written: {artefact} ({artefact.stat().st_size / 1e6:.1f} MB)")
    say(f"{time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
