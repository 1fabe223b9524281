"""The project's chores, each with no set-up before it: `python3 tasks.py demo`, `test`, `lint`, …

Needs Python 3.10 to 3.13 and nothing else. Each task builds the virtual environment that it needs
(`.venv` for the demo, `.venv-test` for the rest) with the versions pinned in constraints.txt, and
uses it again until one of the files that decide its contents changes.
"""

# No annotations and no newer syntax at the top: an old Python must get as far as the message.
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CONSTRAINTS = ROOT / "constraints.txt"
GROUPS = "test", "lint", "docs", "fuzz", "release"  # of pyproject.toml: what the tests need
OLDEST, NEWEST = (3, 10), (3, 13)


def say(text):
    """Print a line of the task's own, apart from what its programs print."""
    print("» " + text, flush=True)


def run(command, **options):
    """Run a program from the project's folder and give its exit status."""
    return subprocess.run([str(part) for part in command], cwd=str(ROOT), **options).returncode


def check_python():
    """Stop, saying what to do, where this Python cannot build the environment."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            "error: emotone needs Python {}.{} to {}.{}, and this is {}. Run it with another one, "
            "for example: python3.12 tasks.py {}".format(
                *OLDEST, *NEWEST, sys.version.split()[0], " ".join(sys.argv[1:])
            )
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit(
            "error: this Python cannot make virtual environments (no venv or ensurepip). On Debian "
            "and Ubuntu: sudo apt-get install python3-venv. Elsewhere install Python from "
            "https://www.python.org/downloads/"
        )


def fingerprint(*folders):
    """A hash of what decides an environment's contents: Python, the pins, the package."""
    digest = hashlib.sha256(sys.version.encode())
    files = [ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__)]
    for folder in folders:
        files += [f for f in (ROOT / folder).rglob("*") if "__pycache__" not in f.parts]
    for file in sorted(files):
        if file.is_file():
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def environment(name, requirements, stamp):
    """The folder of programs of the virtual environment `name`, built if it is not as asked."""
    check_python()
    folder = ROOT / name
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    stamp_file = folder / "emotone-stamp"
    if stamp_file.is_file() and stamp_file.read_text() == stamp and python.exists():
        return programs
    say(f"Setting up {name} (downloads packages the first time, a few minutes at most)")
    pip = re.search(r"^pip==\S+", CONSTRAINTS.read_text(), re.MULTILINE).group()
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pins = ["-c", CONSTRAINTS, "--build-constraint", CONSTRAINTS]
    for command in (
        [sys.executable, "-m", "venv", "--clear", folder],
        [*install, pip],
        [*install, *pins, *requirements],
    ):
        status = run(command)
        if status:
            sys.exit(
                "error: this step failed with exit status {}: {}. Its own message is above; with "
                "the network back, run the task again.".format(status, " ".join(map(str, command)))
            )
    stamp_file.write_text(stamp)
    return programs


def testing():
    """The environment with every extra and the test and lint tools; the package as it stands."""
    groups = [part for name in GROUPS for part in ("--group", name)]
    requirements = ["-e", ".[all]", *groups]
    return environment(".venv-test", requirements, fingerprint())


def demo(arguments):
    """Install the package alone and name the emotion of the clips in examples/."""
    programs = environment(".venv", ["."], fingerprint("src"))
    clips = arguments or [
        str(clip.relative_to(ROOT)) for clip in sorted((ROOT / "examples").glob("*.flac"))
    ]
    say("emotone predict " + " ".join(clips))
    return run([programs / "emotone", "predict", *clips])


def test(arguments):
    """Run the tests; further arguments go to pytest (`test tests/unit -k audio`)."""
    programs = testing()
    usual = ["-n", "auto", "--durations=30"]
    return run([programs / "python", "-m", "pytest", *(arguments or usual)])


def lint(arguments):
    """Check style and format with ruff, types with mypy, the direction of imports, and the pins."""
    programs = testing()
    status = 0
    for command in (
        ["ruff", "check", *arguments],
        ["ruff", "format", "--check", *arguments],
        ["mypy"],
        ["lint-imports", "--no-cache"],
        ["python", "tools/lock.py", "--check"],
    ):
        say(" ".join(command))
        status = run([programs / command[0], *command[1:]]) or status
    return status


def docs(arguments):
    """Build the documentation into site/; `docs serve` shows it and follows changes."""
    programs = testing()
    serve = arguments[:1] == ["serve"]
    command = ["serve", *arguments[1:]] if serve else ["build", "--strict", *arguments]
    os.environ["NO_MKDOCS_2_WARNING"] = "1"  # an advertisement
    status = run([programs / "mkdocs", *command])
    if not status and not serve and not arguments:
        say("open site/index.html")
    return status


def tool(name, arguments):
    """Run a program of tools/ where everything is installed."""
    return run([testing() / "python", Path("tools") / (name + ".py"), *arguments])


def lock(arguments):
    """Check the pins of constraints.txt; with --resolve, move them on (network)."""
    return tool("lock", arguments or ["--check"])


def audit(arguments):
    """Look up known weaknesses of what is pinned (network)."""
    return tool("audit", arguments)


def licences(arguments):
    """Write docs/licences.md, and check that every licence will do."""
    return tool("licences", arguments)


def build(arguments):
    """Build wheel, source distribution and bill of materials into dist/, and try them."""
    return tool("build", arguments)


def speed(arguments):
    """Check that nothing has become slower than benchmarks/results/speed.json says."""
    script = Path("benchmarks") / "speed.py"
    committed = Path("benchmarks") / "results" / "speed.json"
    quick = ["--quick", "--check", committed]
    return run([testing() / "python", script, *(arguments or quick)])


def fuzz(arguments):
    """Try changed inputs on what reads files and messages; `fuzz --seconds 600` for longer."""
    return run([testing() / "python", Path("tests") / "fuzz" / "run.py", *arguments])


TASKS = {
    "demo": demo,
    "test": test,
    "lint": lint,
    "docs": docs,
    "speed": speed,
    "fuzz": fuzz,
    "lock": lock,
    "audit": audit,
    "licences": licences,
    "build": build,
}


def main():
    """Run the task that the command line names."""
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        print(__doc__)
        for name, task in TASKS.items():
            print(f"  python3 tasks.py {name:8} {task.__doc__}")
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    try:
        return TASKS[sys.argv[1]](sys.argv[2:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
