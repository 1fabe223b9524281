"""What tells voices apart, learned from the corpora: src/emotone/assets/voices.npz.

    python benchmarks/voices.py [--data CORPORA] [--choose]

A linear discriminant analysis of `emotone.speech.voices.statistics` over the speakers of seven
corpora: the differences between speakers of the same corpus, in the measure of how much the clips
of one speaker differ, also by noise, every speaker counting alike. RAVDESS and EmoDB are left out
whole: `benchmarks/speakers.py` measures on their speakers.

With --choose nothing is written. Each of the larger corpora is left out in turn, its windows are
grouped by the projection of the others, and printed is which ridge and which rule for the number of
speakers do best. The constants here and in emotone.timeline.speakers are from there.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

import _main
import _records
from emotone import audio, corpora
from emotone.errors import AudioError
from emotone.speech import RATE, voices
from emotone.speech.clustering import Tree, count

CORPORA = ("tess", "urdu", "ased", "turev", "casia", "emovo", "nemo")
"""Learned from."""

LEFT_OUT = ("casia", "emovo", "nemo", "turev")
"""In turn, to choose by: those whose speakers are known by name."""

CLIPS = 150
APART = round(voices.WINDOW_S / voices.STEP_S)
DIRECTIONS = 24
RIDGE = 0.1
ASSET = _records.BENCHMARKS.parent / "src" / "emotone" / "assets" / "voices.npz"

Rows = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


def material(data: Path, names: tuple[str, ...]) -> tuple[Rows, Names]:
    """Statistics of windows that do not overlap, and ``corpus/speaker`` of each.

    Of up to `CLIPS` clips of each speaker, each as it is and once more in noise.
    """
    rows, speakers = [], []
    generator = np.random.default_rng(0)
    for name in names:
        paths: dict[str, list[Path]] = {}
        for utterance in corpora.load_many([f"{name}={data / name}"]).utterances:
            if utterance.speaker is not None:
                paths.setdefault(f"{name}/{utterance.speaker}", []).append(utterance.path)
        for speaker, mine in paths.items():
            for place in generator.permutation(len(mine))[:CLIPS]:
                try:
                    samples = audio.read(mine[place], rate=RATE).samples
                except AudioError:
                    continue
                for heard in (samples, noisy(samples, generator)):
                    found = voices.statistics(heard)[::APART]
                    rows.append(found)
                    speakers += [speaker] * len(found)
    return np.concatenate(rows).astype(np.float64), np.array(speakers)


def noisy(
    samples: npt.NDArray[np.float32], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """In noise 10 to 40 dB below, white or falling by up to 6 dB an octave."""
    spectrum = np.fft.rfft(generator.normal(size=len(samples)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** generator.uniform(0, 1)
    noise = np.fft.irfft(spectrum, len(samples))
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-generator.uniform(10, 40) / 20)
    return np.asarray(samples + noise * (level / noise.std()), np.float32)


def corpus_of(speakers: Names) -> Names:
    """The corpus of each."""
    return np.array([speaker.partition("/")[0] for speaker in speakers])


def learned(rows: Rows, speakers: Names, ridge: float = RIDGE) -> tuple[Rows, Rows]:
    """The middle, shape ``(d,)``, and the directions, ``(d, DIRECTIONS)``."""
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    scaled = (rows - middle) / spread
    names, of = np.unique(speakers, return_inverse=True)
    clips = np.bincount(of)
    means = np.zeros((len(names), rows.shape[1]))
    np.add.at(means, of, scaled)
    means /= clips[:, None]
    away = (scaled - means[of]) / np.sqrt(clips[of])[:, None]
    within = away.T @ away / len(names)
    within += ridge * np.trace(within) / len(within) * np.eye(len(within))
    for corpus in set(corpus_of(names)):
        mine = corpus_of(names) == corpus
        means[mine] -= means[mine].mean(axis=0)
    between = means.T @ means / len(names)
    half = np.linalg.inv(np.linalg.cholesky(within))
    _, vectors = np.linalg.eigh(half @ between @ half.T)
    directions = half.T @ vectors[:, ::-1][:, :DIRECTIONS]
    return middle, directions / spread[:, None]


def choose(rows: Rows, speakers: Names) -> None:
    """Print what does best on corpora that were left out."""
    for ridge in (0.1, 0.3, 1.0):
        talks = []
        for name in LEFT_OUT:
            mine = corpus_of(speakers) == name
            middle, directions = learned(rows[~mine], speakers[~mine], ridge)
            points, own = (rows[mine] - middle) @ directions, speakers[mine]
            for people, length, seed in itertools.product((1, 2, 3, 4), (5, 20, 60), range(10)):
                generator = np.random.default_rng(seed)
                who = generator.permutation(sorted(set(own)))[:people]
                said = [
                    int(generator.choice(np.flatnonzero(own == who[turn % people])))
                    for turn in range(length)
                ]
                talks.append((people, Tree(points[said]), own[said]))
        wrong = {
            people: np.mean([confused(t.labels(p), w) for p, t, w in talks if p == people])
            for people in (2, 3, 4)
        }
        print(f"ridge {ridge}: confusion " + ", ".join(f"{100 * v:.1f} %" for v in wrong.values()))
        for left, prior in itertools.product((0.75, 0.78, 0.8, 0.82, 0.85), (0, 100, 200)):
            found = [(people, count(t, left=left, prior=prior), t, w) for people, t, w in talks]
            right = [
                np.mean([n == p for p, n, _, _ in found if p == people]) for people in (1, 2, 3, 4)
            ]
            lost = np.mean([confused(t.labels(n), w) for _, n, t, w in found])
            shares = " ".join(f"{100 * share:4.0f}" for share in right)
            print(f"  left {left} prior {prior:3}: right {shares} %, confusion {100 * lost:.1f} %")


def confused(labels: npt.NDArray[np.intp], names: Names) -> float:
    """Share of points that are not in the group that stands for their speaker, at best."""
    _, of = np.unique(names, return_inverse=True)
    table = np.zeros((int(labels.max()) + 1, int(of.max()) + 1))
    np.add.at(table, (labels, of), 1)
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    return float(1 - best / len(names))


def main() -> None:
    """Learn and write, or choose."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--choose", action="store_true", help="try settings, and write nothing")
    options = parser.parse_args()
    rows, speakers = material(options.data, CORPORA)
    if options.choose:
        choose(rows, speakers)
        return
    middle, directions = learned(rows, speakers)
    arrays = {"middle": middle.astype(np.float32), "directions": directions.astype(np.float32)}
    np.savez(ASSET, allow_pickle=False, **arrays)
    size = ASSET.stat().st_size
    print(f"{len(rows)} windows of {len(set(speakers))} speakers; {size:,} bytes: {ASSET}")


if __name__ == "__main__":
    _main.run(main)
