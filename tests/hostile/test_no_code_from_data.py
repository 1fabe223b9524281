"""Nothing in emotone runs what it reads: seen in the source itself, and tried with pickles."""

from __future__ import annotations

import ast
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import emotone

SOURCE = Path(emotone.__file__).parent
ROOT = SOURCE.parents[1]

MODULES = frozenset(
    ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml",
     "ruamel", "jsonpickle", "pty", "code", "codeop", "runpy", "imp", "hickle", "klepto")
)  # fmt: skip
"""What turns bytes into objects of any kind, or texts into code."""

BUILTINS = frozenset(("eval", "exec", "compile", "__import__", "breakpoint", "execfile"))

ATTRIBUTES = frozenset(
    ("read_pickle", "to_pickle", "unsafe_load", "full_load", "load_extension", "set_trace",
     "register_custom_ops_library", "enable_load_extension")
)  # fmt: skip
"""Methods of libraries that do the same, by whatever object they are called on."""

SAFE: dict[str, tuple[str, bool]] = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
    "np.savez": ("allow_pickle", False),
    "np.savez_compressed": ("allow_pickle", False),
    "np.lib.format.read_array": ("allow_pickle", False),
    "np.lib.format.write_array": ("allow_pickle", False),
}
"""Calls that are harmless with this argument, given as a constant."""

NAMED_IMPORTS = {
    "bundle/__init__.py",  # names of a table in the same file
    "__init__.py",
    "features/sets.py",
    "cli/app.py",
    "client/live.py",
}
"""Files that import by a name that is computed; out of tables of their own, not out of data."""


def faults(text: str, file: str) -> Iterator[str]:
    """Each place of a source text that may run what it reads."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        where = f"{file}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        for name in names:
            if name.split(".")[0] in MODULES or name == "multiprocessing.connection":
                yield f"{where} imports {name}"
        if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield f"{where} uses .{node.attr}"
        if isinstance(node, ast.Call):
            yield from _call(node, where, file)


def _call(node: ast.Call, where: str, file: str) -> Iterator[str]:
    called = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if called in BUILTINS:
        yield f"{where} calls {called}()"
    if called in SAFE:
        name, value = SAFE[called]
        found = given.get(name)
        if not (isinstance(found, ast.Constant) and found.value is value):
            yield f"{where} calls {called}() without {name}={value}"
    if called == "importlib.import_module" and file not in NAMED_IMPORTS:
        yield f"{where} imports by a computed name"
    shell = given.get("shell")
    if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
        yield f"{where} starts a shell"
    if called in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"):
        yield f"{where} starts a shell"
    if called.endswith("trust_remote_code"):
        yield f"{where} trusts remote code"
    remote = given.get("trust_remote_code")
    if remote is not None and not (isinstance(remote, ast.Constant) and remote.value is False):
        yield f"{where} trusts remote code"


def test_no_source_runs_what_it_reads() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 200
    found = [
        fault
        for path in files
        for fault in faults(path.read_text(encoding="utf-8"), path.relative_to(SOURCE).as_posix())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import yaml.constructor",
        "eval(x)",
        "exec(x)",
        "compile(x, 'f', 'exec')",
        "__import__(name)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.savez(path, **arrays)",
        "pandas.read_pickle(path)",
        "options.register_custom_ops_library(path)",
        "importlib.import_module(card['module'])",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "M.from_pretrained(path, trust_remote_code=True)",
    ],
)
def test_each_way_is_seen(text: str) -> None:
    assert list(faults(text, "some.py")), text


@pytest.mark.parametrize(
    "text", ["torch.load(p, weights_only=True)", "re.compile(x)", "model.eval()", "json.loads(x)"]
)
def test_what_is_harmless_is_not(text: str) -> None:
    assert not list(faults(text, "some.py")), text


class _Evil:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(Path(os.environ["EMOTONE_MARK"])),)


def _pickles(monkeypatch: pytest.MonkeyPatch, mark: Path) -> dict[str, bytes]:
    """The same in every wrapping that programs of the field give their models and features."""
    monkeypatch.setenv("EMOTONE_MARK", str(mark))
    import torch

    array = np.empty(1, dtype=object)
    array[0] = _Evil()
    npy, npz, pt = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, array, allow_pickle=True)
    np.savez(npz, features=array)
    torch.save({"weights": _Evil()}, pt)
    return {
        "pkl": pickle.dumps(_Evil()),
        "npy": npy.getvalue(),
        "npz": npz.getvalue(),
        "pt": pt.getvalue(),
    }


def test_no_command_unpickles_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    clip = str(ROOT / "examples" / "raised-voice.flac")
    for ending, data in _pickles(monkeypatch, mark).items():
        for name in (f"evil.{ending}", "evil.emotone", "evil.wav", "evil.csv", "evil.json"):
            path = tmp_path / name
            path.write_bytes(data)
    code = """
import contextlib, sys
from emotone.cli import main
commands = sys.argv[1:]
for command in commands:
    sys.argv = ["emotone", *command.split("|")]
    with contextlib.suppress(SystemExit):
        main()
"""
    folder = tmp_path
    commands = [
        *(f"models|verify|{folder}/evil.{end}" for end in ("emotone", "pkl", "pt", "npz")),
        *(f"predict|{clip}|--model|{folder}/evil.{end}" for end in ("emotone", "pt")),
        *(f"predict|{folder}/evil.{end}" for end in ("wav", "pkl", "npy")),
        f"corpus|check|{folder}/evil.csv",
        f"plot|timeline|{folder}/evil.json|-o|{folder}/x.png",
        f"plot|loss|{folder}/evil.json|-o|{folder}/x.png",
        f"plot|coverage|{folder}/evil.csv|-o|{folder}/x.png",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *commands], capture_output=True, text=True, timeout=120
    )
    assert not mark.exists()
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("error: ") >= len(commands) - 4, done.stderr
    # And the mark would have been left.
    pickle.loads((tmp_path / "evil.pkl").read_bytes())
    assert mark.is_dir()
