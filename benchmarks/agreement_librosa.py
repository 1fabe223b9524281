"""Whether the tutorials' features agree with librosa on every clip of a folder.

    python benchmarks/agreement_librosa.py DIR [--set tutorial-193] [--sample 500] [--json FILE]

A difference is relative to the group's largest magnitude in the clip (groups: MFCC, chroma, mel,
contrast, tonnetz); the clips above 1e-3 are listed. The worst single values are shown as well, each
relative to itself: an MFCC or a tonal centroid whose mean passes through zero may stand out there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import _main
import _records
import librosa_way
from emotone import audio, features
from emotone.errors import EmotoneError

LIMIT = 1e-3


def main() -> int:
    """Compare, print a table, write JSON; exit 1 when a clip is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--set", choices=librosa_way.RECIPES, default="tutorial-193")
    parser.add_argument("--sample", type=int, help="compare this many clips, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the result to this file")
    options = parser.parse_args()

    clips = audio.find_audio(options.folder)
    if options.sample is not None and options.sample < len(clips):
        clips = sorted(random.Random(options.seed).sample(clips, options.sample))
    worst: dict[str, tuple[float, str]] = {}
    worst_value: dict[str, float] = {}
    above: list[dict[str, object]] = []
    refused: list[str] = []
    compared = 0
    start = time.monotonic()
    warnings.simplefilter("ignore")
    for done, clip in enumerate(clips, start=1):
        try:
            ours = features.extract(clip, options.set)
        except EmotoneError as error:
            refused.append(str(error))
            continue
        theirs = librosa_way.RECIPES[options.set](clip)
        compared += 1
        found = librosa_way.differences(ours, theirs)
        for group, value in found.items():
            worst[group] = max(worst.get(group, (0.0, "")), (value, str(clip)))
            part = librosa_way.GROUPS[group]
            single = np.abs(ours[part] / np.where(theirs[part] == 0, np.nan, theirs[part]) - 1)
            worst_value[group] = max(worst_value.get(group, 0.0), float(np.nanmax(single)))
        if not max(found.values()) <= LIMIT:
            above.append({"file": str(clip), **found})
        if done % 100 == 0:
            rate = done / (time.monotonic() - start)
            print(f"{done}/{len(clips)} clips, {rate:.1f}/s", file=sys.stderr)

    print(f"{options.set}: {compared} clips compared with librosa, {len(refused)} refused")
    print(f"{'group':10}{'worst in clip':>15}{'worst value':>13}   clip")
    for group, (value, file) in worst.items():
        print(f"{group:10}{value:15.1e}{worst_value[group]:13.1e}   {file}")
    print(f"above {LIMIT:g}: {len(above)} clips")
    for row in above:
        print(" ", row)
    for message in refused:
        print("  refused:", message)
    if options.json:
        result = {
            "benchmark": "agreement",
            "features": options.set,
            "clips": compared,
            "refused": len(refused),
            "limit": LIMIT,
            "worst": {group: value for group, (value, _) in worst.items()},
            "worst_value": worst_value,
            "above": above,
        }
        _records.put(options.json, json.dumps(result, indent=1) + "\n")
    return 1 if above else 0


if __name__ == "__main__":
    _main.run(main)
