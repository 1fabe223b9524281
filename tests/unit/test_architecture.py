"""The house: which room may import which, and that what is public is described and typed."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted((REPO / "src" / "emotone").rglob("*.py"))
PUBLIC = [
    "emotone",
    "emotone.audio",
    "emotone.bundle",
    "emotone.client",
    "emotone.corpora",
    "emotone.diagnosis",
    "emotone.features",
    "emotone.live",
    "emotone.plots",
    "emotone.speech",
    "emotone.timeline",
]
"""What a user imports from."""


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter in a folder with a pyproject.toml and src/."""
    code = f"import sys; sys.path.insert(0, {str(folder / 'src')!r}); "
    code += "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, "--no-cache"] if sys.version_info >= (3, 11)
        else [sys.executable, "-c", code, "--no-cache"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_imports_go_one_way() -> None:
    done = linted(REPO)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("audio/waveform.py", "from emotone import recognizer", "Data flows one way"),
        ("server/app.py", "from emotone.cli import output", "No face is imported"),
        ("batch/run.py", "import ray", "Ray is imported in the cluster alone"),
        ("recognizer.py", "import torch", "What an answer runs through"),
    ],
)
def test_an_import_the_wrong_way_is_told(
    file: str, line: str, contract: str, tmp_path: Path
) -> None:
    shutil.copy(REPO / "pyproject.toml", tmp_path)
    shutil.copytree(
        REPO / "src" / "emotone", tmp_path / "src" / "emotone",
        ignore=lambda folder, names: [n for n in names if not (n.endswith(".py") or "." not in n)
                                      or n == "__pycache__"],
    )  # fmt: skip
    changed = tmp_path / "src" / "emotone" / file
    changed.write_text(f"{changed.read_text()}\n{line}\n")
    done = linted(tmp_path)
    assert done.returncode == 1
    broken = re.findall(r"^(.+) BROKEN", done.stdout, re.MULTILINE)
    assert any(name.startswith(contract) for name in broken)


def members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The public names of a module, and the public methods and properties of its classes."""
    for name in module.__all__:
        thing = getattr(module, name)
        yield f"{module.__name__}.{name}", thing
        if inspect.isclass(thing):
            for inner, member in vars(thing).items():
                if not inner.startswith("_") and (
                    inspect.isfunction(member) or isinstance(member, (property, classmethod))
                ):
                    yield f"{module.__name__}.{name}.{inner}", member


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_described(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    bare = []
    for called, thing in members(module):
        plain = thing.__func__ if isinstance(thing, classmethod) else thing
        # A type alias or a constant is described by the text behind it, which Python does not keep.
        describes = inspect.isclass(plain) or callable(plain) or isinstance(plain, property)
        if describes and getattr(plain, "__module__", "typing") != "typing":
            text = plain.__doc__ or ""
            if not text.strip() or text.startswith(f"{called.rpartition('.')[2]}("):
                bare.append(called)
    assert bare == []


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_everything_is_typed() -> None:
    """As mypy does, but for all files, those for one system alone included."""
    assert (REPO / "src" / "emotone" / "py.typed").is_file()
    bare = []
    for path in SOURCES:
        for node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            wanted = [a for a in given if a.arg not in ("self", "cls")]
            if node.returns is None or any(a.annotation is None for a in wanted):
                bare.append(f"{path.relative_to(REPO)}:{node.lineno} {node.name}")
    assert bare == []


def test_nothing_is_unpickled_or_evaluated() -> None:
    """No code path loads a pickle or evaluates text, whatever lint is told to look over."""
    forbidden = {"eval", "exec", "compile"}
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(REPO)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id in forbidden:
                    found.append(where)
                keywords = {k.arg: k.value for k in node.keywords}
                attribute = called.attr if isinstance(called, ast.Attribute) else ""
                owner = called.value if isinstance(called, ast.Attribute) else None
                of = owner.id if isinstance(owner, ast.Name) else ""
                if attribute == "load" and of in ("np", "numpy", "torch"):
                    option = "weights_only" if of == "torch" else "allow_pickle"
                    safe = keywords.get(option)
                    if not isinstance(safe, ast.Constant) or safe.value is not (of == "torch"):
                        found.append(where)
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if {n.partition(".")[0] for n in names} & {"pickle", "marshal", "shelve", "dill",
                                                       "cloudpickle", "joblib"}:  # fmt: skip
                found.append(where)
    assert found == []
