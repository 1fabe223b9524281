"""Tables that name clips: manifests, fold files, lists for batches, tables of answers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import refusals

from emotone import corpora, evaluation
from emotone.batch import sources
from emotone.corpora import manifest
from emotone.corpora.utterance import Utterance
from emotone.errors import EmotoneError
from emotone.splits import fold_files

_KEPT = tempfile.TemporaryDirectory(prefix="emotone-fuzz-")
_FOLDER = Path(_KEPT.name)
_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
_UTTERANCES = [Utterance(path=_FOLDER / "03-01.wav", emotion="happy", corpus="c", label="happy")]

CSV = b"path,emotion,speaker,gender\n03-01.wav,happy,1,f\nb.wav,sad,,\n"
JSON = b'{"path": "03-01.wav", "emotion": "happy", "speaker": 1.0}\n{"path": "b", "emotion": "x"}\n'
FOLDS = b"path,test_folds,train_folds\nx/03-01.wav,1,2 3\nb.wav,,1\n"
LIST = b"path,speaker,recorded\na.wav,1,2026-11-21\nb.wav,,1700000000\n"
ANSWERS = b"path,emotion,speaker,predicted,confidence\na,happy,1,sad,0.5\n"


def seeds() -> list[bytes]:
    """The first byte says what the rest is, the second its ending."""
    found = []
    for kind in range(4):
        for ending, text in enumerate((CSV, CSV.replace(b",", b"\t"), JSON)):
            found.append(bytes([kind, ending]) + text)
        found += [bytes([kind, 0]) + text for text in (FOLDS, LIST, ANSWERS)]
        found += [bytes([kind, 0]) + b"\xef\xbb\xbf" + CSV.replace(b",", b";")]
    found.append(b"\0\3" + _parquet())
    return found


def _parquet() -> bytes:
    import io

    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"path": ["03-01.wav"], "emotion": ["happy"], "speaker": [1.0]})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def one_input(data: bytes) -> None:
    """A table is read, or refused by an `EmotoneError`."""
    kind, ending = (*data[:2], 0, 0)[:2]
    path = _FOLDER / f"table{_ENDINGS[ending % len(_ENDINGS)]}"
    path.write_bytes(data[2:])
    try:
        if kind % 4 == 0:
            corpus = corpora.load(path)
            assert len(corpus.utterances) + len(corpus.problems) > 0
            manifest.write_manifest(corpus, _FOLDER / "again.jsonl")
        elif kind % 4 == 1:
            folds, _ = fold_files.read_folds(_UTTERANCES, path)
            assert all(len(test) for _, _, test in folds)
        elif kind % 4 == 2:
            for recording in sources.find([path]):
                assert recording.file
        else:
            evaluation.read_predictions(path)
    except EmotoneError as error:
        refusals.check(error)
