"""What a million hours of sound take: cores, days, money and storage, by the rates measured.

    python benchmarks/scaling.py [--hours 1000000] [--cores 100,1000] [--price 0.04] [--json OUT]

It measures nothing: it reckons with the records that `batch.py` wrote. Cores are those of the
machine that was measured, kept busy to the end; a store that is slower than they are, or another
codec, changes the sum, and so does the price, which is an assumption of whoever gives it.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import _main
import _records
from emotone.errors import EmotoneError

HOURS = 1_000_000
CORES = (100, 1000)
PRICE = 0.04
"""Dollars for a core-hour: an assumption, in the range that clouds list for general machines."""

Record = dict[str, Any]

LEAST_RECORDINGS = 300
"""With fewer, the share of failures that they allow for is above one in a hundred: no news."""


def reckoned(records: list[Record], hours: float = HOURS, price: float = PRICE) -> list[Record]:
    """A record for clips and one for segments, where they are measured.

    The rate is that of the processor with all processes at work, see ``per_core_second``. Storage
    is that of the sound in the codec that was measured, and of the Parquet. Of recordings that fail
    it is the share that they allow for at most, see `failed_at_most`; of fewer than
    `LEAST_RECORDINGS` nothing is said.
    """
    found = []
    for task in ("clips", "segments"):
        measured = [r for r in records if r["benchmark"] == "batch-jobs" and r["task"] == task]
        if not measured:
            continue
        best = max(measured, key=lambda record: record["jobs"])
        measured_hours = best["audio_s"] / 3600
        core_hours = hours / best["per_core_second"]
        found.append(
            {
                "benchmark": "scaling",
                "task": task,
                "hours": hours,
                "per_core_second": best["per_core_second"],
                "core_hours": core_hours,
                "price": price,
                "dollars": core_hours * price,
                "recordings": best["recordings"] / measured_hours * hours,
                "sound_tb": best["read_bytes"] / measured_hours * hours / 1e12,
                "parquet_gb": best["written_bytes"] / measured_hours * hours / 1e9,
                "failed_at_most": failed_at_most(best["failed"], best["recordings"])
                if best["recordings"] >= LEAST_RECORDINGS
                else None,
                "read_mb_s_per_core": best["read_bytes"]
                / best["audio_s"]
                * best["per_core_second"]
                / 1e6,
                "machine": best["machine"],
                "commit": best["commit"],
                "load_before": best["load_before"],
            }
        )
    return found


def failed_at_most(failed: int, recordings: int) -> float:
    """The share of failures that these allow for, with 95 % confidence (Clopper, Pearson 1934)."""
    from scipy.stats import beta

    return 1.0 if failed == recordings else float(beta.ppf(0.95, failed + 1, recordings - failed))


def days(record: Record, cores: int) -> float:
    """How long so many cores take."""
    found: float = record["core_hours"] / cores / 24
    return found


def main() -> None:
    """Reckon, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--cores", default=",".join(map(str, CORES)), help="with commas")
    parser.add_argument("--price", type=float, default=PRICE, help="dollars for a core-hour")
    parser.add_argument("--measured", type=Path, default=_records.RESULTS / "batch.json")
    parser.add_argument("--json", type=Path, help="write the sums there")
    options = parser.parse_args()
    found = reckoned(_records.read(options.measured), options.hours, options.price)
    if not found:
        raise EmotoneError(
            "nothing is measured yet",
            source=options.measured,
            remedy="Run emotone benchmark batch.",
        )
    for record in found:
        lasts = ", ".join(
            f"{days(record, int(cores)):,.1f} days on {int(cores):,} cores"
            for cores in options.cores.split(",")
        )
        print(
            f"{options.hours:,.0f} h as {record['task']}: {record['core_hours']:,.0f} core-hours "
            f"({lasts}), ${record['dollars']:,.0f} at ${options.price:g}; "
            f"{record['sound_tb']:,.1f} TB of sound, {record['parquet_gb']:,.0f} GB of Parquet"
        )
    if options.json is not None:
        _records.put(options.json, json.dumps(found, indent=1) + "\n")


def rounded(value: float) -> str:
    """Two digits, which is all that such a sum is good for."""
    if value <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, digits)}f}"


if __name__ == "__main__":
    _main.run(main)
