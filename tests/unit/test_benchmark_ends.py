"""What a benchmark leaves when it is cut off, and what it says when it cannot begin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emotone.errors import AudioError, CorpusError, EmotoneError, SplitError, UsageError

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "benchmarks"))

import _joint  # noqa: E402
import _main  # noqa: E402
import _records  # noqa: E402
import emobox  # noqa: E402


def raising(error: BaseException) -> Any:
    def main() -> None:
        raise error

    return main


def test_a_file_of_records_is_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results" / "some.json"
    _records.write(path, [{"ua": 1}, {"ua": 2}])
    assert path.read_text() == '[\n{"ua": 1},\n{"ua": 2}\n]\n'
    whole, write_text = path.read_text(), Path.write_text

    def half(self: Path, text: str, **options: Any) -> int:
        write_text(self, text[:5], **options)
        raise OSError("no space")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="no space"):
        _records.write(path, [{"ua": 3}])
    assert path.read_text() == whole
    assert list(path.parent.iterdir()) == [path]  # and nothing unfinished beside it


def test_what_cannot_be_replaced_is_written_to(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.json", tmp_path / "link.json"
    link.symlink_to(kept)
    _records.write(link, [{"ua": 1}])
    assert link.is_symlink()
    assert _records.read(kept) == [{"ua": 1}]
    _records.write(Path(os.devnull), [{"ua": 1}])
    assert Path(os.devnull).is_char_device()


def test_records_take_the_place_of_their_own_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    foreign = [{"ua": 7}, {"ua": 8}]  # which agree in the key: in that they have none of it
    there = [{"task": "b", "seed": 0, "wa": 1}, *foreign, {"task": "a", "seed": 1, "wa": 2}]
    _records.write(path, there)
    _records.update(path, [{"task": "a", "seed": 1, "wa": 3}], key=("task", "seed"))
    assert _records.read(path) == [*there[:3], {"task": "a", "seed": 1, "wa": 3}]
    new = {"task": "a", "seed": 0, "wa": 4}
    _records.update(path, [new], key=("task", "seed"), order=lambda r: "ab".find(r.get("task", "")))
    assert [r.get("wa") for r in _records.read(path)] == [None, None, 3, 4, 1]


@pytest.mark.parametrize("text", ["", "[\n{", "{}", "[1]"])
def test_a_file_that_holds_no_records_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(EmotoneError, match=r"some\.json: holds no list of records\. .*another one"):
        _records.read(path)
    assert _records.read(tmp_path / "none.json") == []


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UsageError("no such fold", remedy="Give one."), 2, "error: no such fold. Give one.\n"),
        (SplitError("cannot be made"), 2, "error: cannot be made.\n"),
        (AudioError("no samples", source="a.wav"), 1, "error: a.wav: no samples.\n"),
        (FileNotFoundError(2, "No such file", "a.csv"), 1, "error: a.csv: No such file.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_message(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _main.run(raising(error))
    assert ended.value.code == status
    assert capsys.readouterr().err == said


def test_the_status_of_a_benchmark_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, status in ((None, 0), (0, 0), (1, 1)):
        with pytest.raises(SystemExit) as ended:
            _main.run(lambda given=given: given)
        assert ended.value.code == status
    with pytest.raises(ZeroDivisionError):  # a fault of ours
        _main.run(raising(ZeroDivisionError()))
    with pytest.raises(OSError, match="nameless"):
        _main.run(raising(OSError("nameless")))
    monkeypatch.setenv("EMOTONE_DEBUG", "1")
    with pytest.raises(UsageError):
        _main.run(raising(UsageError("wrong")))


def test_every_benchmark_ends_so() -> None:
    for script in (REPO / "benchmarks").glob("*.py"):
        _, begins, end = script.read_text(encoding="utf-8").partition('if __name__ == "__main__":')
        assert end == ("\n    _main.run(main)\n" if begins else ""), script


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders of three corpora, with the fold files of two: of one fold and of three."""
    for name in ("urdu", "casia", "nemo"):
        (tmp_path / name).mkdir()
    (tmp_path / "emobox").mkdir()
    for name, folds in (("urdu", ["1", ""]), ("casia", ["1", "2 3", "3"])):
        rows = "".join(f"{i}.wav,{fold},\n" for i, fold in enumerate(folds))
        (tmp_path / "emobox" / f"{name}.csv").write_text(f"path,test_folds,train_folds\n{rows}")
    return tmp_path


def test_folds_are_counted_before_anything_is_heard(data: Path) -> None:
    assert _joint.testable(data, emobox.CORPORA, None, [3]) == ["urdu", "casia"]
    assert _joint.testable(data, emobox.CORPORA, ["casia"], []) == ["casia"]
    with pytest.raises(UsageError, match=r"no fold 4 of urdu or casia.*urdu has 1, casia has 3"):
        _joint.testable(data, emobox.CORPORA, None, [1, 4])
    with pytest.raises(UsageError, match="no fold 2 of urdu"):  # though another corpus has it
        _joint.testable(data, emobox.CORPORA, ["urdu"], [2])
    with pytest.raises(UsageError, match="no fold 0"):
        _joint.testable(data, emobox.CORPORA, None, [0])
    with pytest.raises(CorpusError, match="does not hold tess with a fold file"):
        _joint.testable(data, emobox.CORPORA, ["tess", "casia"], [1])
    (data / "emobox" / "urdu.csv").write_text("path\n1.wav\n")
    with pytest.raises(SplitError, match="no fold file"):
        _joint.testable(data, emobox.CORPORA, None, [1])


def test_a_folder_without_corpora_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds none of the corpora.*EMOTONE_CORPORA"):
        _joint.present(tmp_path)
    with pytest.raises(CorpusError, match="is no folder"):
        _joint.present(tmp_path / "none")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("emobox.py --family crnn --fold 9 --corpus casia", 2, "there is no fold 9 of casia"),
        ("emobox.py --family crnn --fold 1 --param nonsense", 2, "--param nonsense is no pair"),
        ("robustness.py --fold 2 --corpus urdu", 2, "there is no fold 2 of urdu"),
        ("robustness.py --model nosuch", 1, "nosuch: there is no model"),
        ("robustness.py --condition nosuch", 2, "there is no condition 'nosuch'"),
    ],
)
def test_a_command_that_cannot_be_is_refused_in_one_line(
    data: Path, words: str, status: int, said: str
) -> None:
    script, *options = words.split()
    command = [sys.executable, str(REPO / "benchmarks" / script), "--data", str(data), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_fault() -> None:
    long = "import _main; _main.run(lambda: print('x' * 1_000_000))"
    command = [sys.executable, "-c", long]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPO / "benchmarks"
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


def test_what_the_classical_recipe_has_no_use_for_is_refused(data: Path) -> None:
    script = REPO / "benchmarks" / "emobox.py"
    command = [sys.executable, str(script), "--data", str(data), "--bundles", str(data / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "--bundles is for neural families" in done.stderr


def test_a_peer_that_is_not_installed_is_named() -> None:
    lacking = "import _main; _main.run(lambda: __import__('nosuchpeer'))"
    done = subprocess.run(
        [sys.executable, "-c", lacking], capture_output=True, text=True, cwd=REPO / "benchmarks"
    )
    assert done.returncode == 2
    assert "needs the module 'nosuchpeer'" in done.stderr
    assert "pip install --group test" in done.stderr
    assert "Traceback" not in done.stderr
