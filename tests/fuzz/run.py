"""Coverage-guided fuzzing of what emotone reads from outside.

    python tests/fuzz/run.py [--seconds N] [--corpus DIR] [--seed N] [TARGET ...]

Each TARGET is one of the files fuzz_*.py beside this one: it begins from its seeds, and atheris
changes them wherever that reaches new lines of emotone. An input that ends in anything else than a
result or an `EmotoneError` is kept as a file in the folder fuzz-found and ends the run with exit
status 1. Put it into tests/fuzz/regressions/TARGET/, where the tests try it from then on.

Without atheris (it needs Linux and Python 3.11) the seeds and the inputs of old faults are tried,
nothing more, and a line says so. With --corpus what was found to reach new lines is kept in a
folder per target, to go on from another time. Without --seed every run tries other inputs; the
tests give one, so that what fails there fails for a change, and not by chance.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
REGRESSIONS = HERE / "regressions"
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))

_INPUT_S = 20
"""An input that takes longer is a fault."""

_MEMORY_MB = 2_048
"""One that takes more memory is a fault as well."""

_LEAST = 4_096
"""Bytes that an input may have, unless a seed has more: a seed is never cut."""


def target(name: str) -> Callable[[bytes], None]:
    """What tries one input."""
    found: Callable[[bytes], None] = _module(name).one_input
    return found


def inputs(name: str) -> list[bytes]:
    """The seeds of a target, and what it once failed on."""
    seeds: Iterable[bytes] = _module(name).seeds()
    old = sorted((REGRESSIONS / name).glob("*")) if (REGRESSIONS / name).is_dir() else []
    return [*seeds, *(path.read_bytes() for path in old)]


def longest(known: Iterable[bytes]) -> int:
    """Bytes that an input may have, so that none of these is cut."""
    return max(_LEAST, *map(len, known))


def _module(name: str):  # type: ignore[no-untyped-def]
    for folder in (HERE, HERE.parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return importlib.import_module(f"fuzz_{name}")


def has_atheris() -> bool:
    """Whether there is more to do than the seeds."""
    return importlib.util.find_spec("atheris") is not None


def fuzz(name: str, seconds: float, corpus: Path, found: Path, scratch: Path, seed: int = 0) -> int:
    """Fuzz one target in a process of its own; gives its exit status. Seed 0: another each time."""
    corpus.mkdir(parents=True, exist_ok=True)
    for data in (known := inputs(name)):
        (corpus / f"seed-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
    found.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--within", name, str(corpus)]
    command += [f"-max_total_time={max(1, round(seconds))}", f"-timeout={_INPUT_S}"]
    command += [f"-rss_limit_mb={_MEMORY_MB}", f"-max_len={longest(known)}", "-print_final_stats=1"]
    command += [f"-artifact_prefix={found}/{name}-", "-verbosity=0", f"-seed={seed}"]
    environment = {**os.environ, "TMPDIR": str(scratch)}  # swept away with it
    return subprocess.run(command, env=environment).returncode


def _within(name: str, arguments: list[str]) -> None:
    """In the process of its own: what follows never returns."""
    import atheris

    warnings.simplefilter("ignore")
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    with atheris.instrument_imports(include=["emotone"]):
        one_input = target(name)
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


def seeds_only(name: str) -> int:
    """Try what is known; gives how many inputs that were."""
    one_input = target(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data in (known := inputs(name)):
            one_input(data)
    return len(known)


def main() -> int:
    """As the command line says."""
    if sys.argv[1:2] == ["--within"]:
        _within(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each (60)")
    parser.add_argument("--corpus", type=Path, help="keep what reaches new lines here")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="keep faults here")
    parser.add_argument("--seed", type=int, default=0, help="from 1; default: another each time")
    given = parser.parse_args()
    unknown = sorted(set(given.targets) - set(TARGETS))
    if unknown:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(TARGETS)}")
    if not has_atheris():
        print("atheris is not installed: the seeds and old faults are tried, nothing more")
        for name in given.targets or TARGETS:
            print(f"{name}: {seeds_only(name)} inputs, no fault")
        return 0
    failed = []
    with tempfile.TemporaryDirectory(prefix="emotone-fuzz-") as scratch:
        for name in given.targets or TARGETS:
            print(f"» {name}", flush=True)
            corpus = (given.corpus or Path(scratch)) / name
            if fuzz(name, given.seconds, corpus, given.found, Path(scratch), given.seed):
                failed.append(name)
    print(f"faults in {', '.join(failed)}, see {given.found}/" if failed else "no fault")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
