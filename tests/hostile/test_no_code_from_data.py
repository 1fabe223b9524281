"""Nothing in emotone runs what it reads: seen in the source itself, and tried with pickles."""

from __future__ import annotations

import ast
import io
import os
import pickle
import re
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
    "numpy.load": ("allow_pickle", False),
    "numpy.save": ("allow_pickle", False),
    "numpy.savez": ("allow_pickle", False),
    "numpy.savez_compressed": ("allow_pickle", False),
    "numpy.lib.format.read_array": ("allow_pickle", False),
    "numpy.lib.format.write_array": ("allow_pickle", False),
}
"""Calls that are harmless with this argument, given as a constant; by whatever name."""

SHELLS = frozenset(
    ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
     "asyncio.create_subprocess_shell")
)  # fmt: skip

COMPUTED = frozenset(("importlib.import_module", "importlib.__import__", "runpy.run_path"))

EVALUATED = frozenset(("eval", "query"))
"""Methods that evaluate a text where they are given one: of pandas. Those of networks and of
figures take none."""

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
    names = _names(tree)
    for node in ast.walk(tree):
        where = f"{file}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import(node, where, file)
        if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield f"{where} uses .{node.attr}"
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Store):
            # Not called on the spot it may be handed on: getattr(x, f)(text), map(eval, texts).
            said = _dotted(node, names)
            if said.removeprefix("builtins.") in BUILTINS and (
                isinstance(node, ast.Name) or said.startswith("builtins.")
            ):
                yield f"{where} uses {said}"
            if said in SHELLS:
                yield f"{where} starts a shell"
            if said in COMPUTED and file not in NAMED_IMPORTS:
                yield f"{where} imports by a computed name"
        if isinstance(node, ast.Call):
            yield from _call(node, where, names)


def _names(tree: ast.AST) -> dict[str, str]:
    """What the names of a file stand for, wherever it imports them: ``t`` for ``torch``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):  # load = torch.load
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
            said = _dotted(node.value, found)
            if said in SAFE or said in SHELLS or said in COMPUTED:
                found |= {t.id: said for t in node.targets if isinstance(t, ast.Name)}
    return found


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    first, dot, rest = ast.unparse(node).partition(".")
    return names.get(first, first) + dot + rest


def _import(node: ast.Import | ast.ImportFrom, where: str, file: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        whole = [alias.name for alias in node.names]
    elif node.level:
        return
    else:
        whole = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
    for name in whole:
        if name.split(".")[0] in MODULES or name.startswith("multiprocessing.connection"):
            yield f"{where} imports {name}"
        if name in SHELLS or (name in COMPUTED and file not in NAMED_IMPORTS):
            yield f"{where} imports {name}"
        if name.removeprefix("builtins.") in BUILTINS:
            yield f"{where} imports {name}"
        if isinstance(node, ast.ImportFrom) and name in SAFE:
            yield f"{where} imports {name} by its own name"


def _call(node: ast.Call, where: str, names: dict[str, str]) -> Iterator[str]:
    called = _dotted(node.func, names)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if called in SAFE:
        name, value = SAFE[called]
        found = given.get(name)
        if not (isinstance(found, ast.Constant) and found.value is value):
            yield f"{where} calls {called}() without {name}={value}"
    if isinstance(node.func, ast.Attribute) and node.func.attr in EVALUATED and node.args:
        yield f"{where} evaluates a text by .{node.func.attr}()"
    shell = given.get("shell")
    if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
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


PICKLED_PEERS = {"benchmarks/speed.py", "benchmarks/speed_predict.py"}
"""What the tutorials do is measured beside emotone, with pickles that the benchmark has made."""


@pytest.mark.parametrize("folder", ["benchmarks", "tools", "docs/_site"])
def test_nor_does_what_is_run_beside_it(folder: str) -> None:
    files = sorted((ROOT / folder).glob("*.py"))
    assert files
    found = [
        fault
        for path in files
        for fault in faults(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
        if path.relative_to(ROOT).as_posix() not in PICKLED_PEERS or "pickle" not in fault
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
        "import numpy as np; np.load(path)",
        "import numpy as np; np.load(path, allow_pickle=True)",
        "import numpy as np; np.savez(path, **arrays)",
        "pandas.read_pickle(path)",
        "options.register_custom_ops_library(path)",
        "importlib.import_module(card['module'])",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "from torch import load",
        "from torch import load as safe_load",
        "import torch as t; t.load(p)",
        "import torch; load = torch.load; load(p)",
        "from numpy import load",
        "import numpy as n; n.load(p)",
        "from importlib import import_module",
        "from importlib import import_module as get; get(name)",
        "import importlib as i; i.import_module(name)",
        "from os import system",
        "import os as o; o.popen(line)",
        "from subprocess import getoutput",
        "import builtins; builtins.eval(x)",
        "import builtins as b; b.exec(x)",
        "from builtins import eval as harmless",
        "list(map(eval, texts))",
        "df.eval(x)",
        "df.query(x)",
        "from multiprocessing import connection",
        "M.from_pretrained(path, trust_remote_code=True)",
    ],
)
def test_each_way_is_seen(text: str) -> None:
    assert list(faults(text, "some.py")), text


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(p, weights_only=True)",
        "re.compile(x)",
        "model.eval()",
        "json.loads(x)",
        "import numpy as np; np.load(p, allow_pickle=False)",
        "from json import load; load(f)",
        "def eval(self): pass",
        "from os import path",
    ],
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
import sys
from emotone.cli import main
commands = sys.argv[1:]
for number, command in enumerate(commands):
    print(f"=== {number}", file=sys.stderr, flush=True)
    sys.argv = ["emotone", *command.split("|")]
    try:
        main()
    except SystemExit as ended:
        print(f"=== status {ended.code}", file=sys.stderr, flush=True)
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
    told = re.split(r"^=== \d+\n", done.stderr, flags=re.MULTILINE)[1:]
    assert len(told) == len(commands)
    for command, said in zip(commands, told, strict=True):
        assert re.search(r"=== status [12]$", said.strip()), f"{command}: {said}"
        # What is wrong with a bundle is the result that models verify was asked for: on stdout.
        assert ("error: " in said) is not command.startswith("models|verify"), f"{command}: {said}"
    # And the mark would have been left.
    pickle.loads((tmp_path / "evil.pkl").read_bytes())
    assert mark.is_dir()
