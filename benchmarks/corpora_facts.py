"""What the nine corpora hold: clips, lengths, speakers, emotions, coding; for the data statement.

    python benchmarks/corpora_facts.py [--data CORPORA] [--json OUT]

Read from the files as they are in the folder, which need not be as their distributors coded them.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import _joint
import _main
import _records
from emotone import corpora
from emotone.corpora import Corpus
from emotone.corpora.checks import check
from emotone.emotions import CANONICAL


def speakers(corpus: Corpus) -> dict[str, Any]:
    """Speakers by gender, and how far the speaker alone gives the emotion away.

    ``told_by_speaker`` is the share of the clips that a reader of the names would get right who
    answers, for every speaker, the emotion that this speaker has most of.
    """
    genders: dict[str | None, set[str | None]] = defaultdict(set)
    tallies: dict[str | None, Counter[str]] = defaultdict(Counter)
    for utterance in corpus.utterances:
        genders[utterance.speaker].add(utterance.gender)
        tallies[utterance.speaker][utterance.emotion] += 1
    of_one = Counter(next(iter(found)) for found in genders.values() if len(found) == 1)
    right = sum(max(tally.values()) for tally in tallies.values())
    return {
        "speakers": len(genders),
        "female": of_one["female"],
        "male": of_one["male"],
        "gender_unknown": of_one[None],
        "gender_contradictory": sum(len(found) > 1 for found in genders.values()),
        "fewest_clips": min(tally.total() for tally in tallies.values()),
        "most_clips": max(tally.total() for tally in tallies.values()),
        "told_by_speaker": round(right / len(corpus), 6),
    }


def facts(corpus: Corpus) -> dict[str, Any]:
    """All that is written down of a corpus."""
    report = check(corpus)
    if report.durations is None:
        raise SystemExit(f"no clip of {corpus.name} can be read")
    bits = 8 * sum(path.stat().st_size for path in corpus.paths)
    return {
        "benchmark": "corpora",
        "corpus": corpus.name,
        "language": corpus.languages[0],
        "clips": len(corpus),
        "trained_on": sum(utterance.emotion in CANONICAL for utterance in corpus.utterances),
        **report.durations.to_dict(),
        "containers": report.containers,
        "rates": list(report.rates),
        "kbit_s": round(bits / report.durations.total_s / 1000, 1),
        **speakers(corpus),
        "clips_by_gender": report.genders,
        "emotions": corpus.counts,
        "identical_files": [[path.name for path in group] for group in report.duplicates],
        "unreadable": len(report.unreadable),
    }


def main() -> None:
    """Look through the corpora, print, and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=_records.corpora_folder())
    parser.add_argument("--json", type=Path, default=_records.RESULTS / "corpora.json")
    options = parser.parse_args()
    records = []
    for name in _joint.present(options.data):
        record = facts(corpora.load(f"{name}={options.data / name}"))
        records.append(record)
        print(
            f"{name:8} {record['clips']:6,} clips  {record['total_s'] / 3600:5.2f} h  "
            f"{record['speakers']:3} speakers  {record['kbit_s']:5.1f} kbit/s  "
            f"{100 * record['told_by_speaker']:3.0f} % told by the speaker"
        )
    _records.write(options.json, records)
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    _main.run(main)
