"""What a program and the command wait for before anything happens."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import bundles

HEAVY = {
    "av",
    "joblib",
    "librosa",
    "matplotlib",
    "noisereduce",
    "numpy",
    "onnx",
    "onnxruntime",
    "optuna",
    "pandas",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "soundfile",
    "soxr",
    "typer",
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def loaded_after(code: str, *arguments: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded when the code is through."""
    probe = f"{code}\nimport sys; print('\\n'.join({{m.split('.')[0] for m in sys.modules}}))"
    output = subprocess.run(
        [sys.executable, "-c", probe, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    ).stdout
    return set(output.split())


def cpu_s(code: str) -> float:
    """Seconds of CPU, user and system, of a fresh interpreter with the code; the least of 7."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(7))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_after("import emotone") & HEAVY


def test_importing_the_package_costs_under_60_ms_of_cpu() -> None:
    assert cpu_s("import emotone") - cpu_s("pass") < 0.060


def test_the_errors_and_the_vocabulary_load_nothing_heavy() -> None:
    assert not loaded_after("import emotone.errors, emotone.emotions, emotone.prediction") & HEAVY


def test_turning_a_timeline_into_another_form_loads_nothing_heavy() -> None:
    code = (
        "from emotone.timeline import Timeline, exports\n"
        "for form in exports.FORMS:\n"
        "    if form.name != 'parquet':\n"
        "        exports.text(Timeline(1.0, 'm@1', ('happy',), ()), form.name)"
    )
    assert not loaded_after(code) & HEAVY


@pytest.mark.parametrize("flag", ["--json", "--csv"])
def test_predicting_for_a_program_loads_what_one_answer_needs(tmp_path: Path, flag: str) -> None:

    bundle = bundles.write(tmp_path / "toy.emotone")
    clip = Path(__file__).resolve().parents[2] / "examples" / "raised-voice.flac"
    code = (
        "import contextlib, io, sys\n"
        "from emotone.cli.app import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    assert run(sys.argv[1:]) == 0"
    )
    loaded = loaded_after(code, "predict", str(clip), "--model", str(bundle), flag)
    assert {"numpy", "onnxruntime", "typer"} <= loaded
    assert not loaded & (HEAVY - {"numpy", "soundfile", "soxr", "onnxruntime", "typer"})
    # Typer 0.29 would bring it, and a quarter of a cold start with it.
    assert "pydantic" not in loaded


def test_the_command_itself_loads_no_subcommand() -> None:
    code = (
        "from emotone.cli.app import run\nassert run(['--version']) == 0\n"
        "import sys; assert 'emotone.cli.predict' not in sys.modules"
    )
    assert not loaded_after(code) & (HEAVY - {"typer"})
