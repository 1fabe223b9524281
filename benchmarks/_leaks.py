"""What the pages on splits show of `leakage.py`'s records."""

from __future__ import annotations

from _markdown import Record, percent, table

WAYS = {
    "copies": "copies of the test clips in training",
    "random": "random split: the test speakers in training",
    "speakers": "**unseen speakers**",
    "speakers, copies": "unseen speakers, copies in the training part alone",
}
"""What the records call a way of testing, and what the pages do; the most leaks first."""

MODELS = {"mlp-300": "perceptron on 180 means", "svm-linear": "SVM on 5,370 numbers"}
_BAR = 20


def ladder(records: list[Record]) -> str:
    """Accuracy of each model in each way, of the best seed and on the mean, with what is lost."""
    rows = []
    for model, name in MODELS.items():
        own = {record["way"]: record for record in records if record["model"] == model}
        if set(own) < set(WAYS):
            continue  # not all of it measured yet
        rows.append([f"*{name}*", "", "", ""])
        for way, words in WAYS.items():
            record = own[way]
            mean = record["wa"]
            rows.append([words, percent(record["best"]), f"**{percent(mean)}**", _bar(mean)])
    seeds = max(record["seeds"] for record in records)
    return table(["accuracy in %", f"best of {seeds}", "mean", ""], rows, numbers=False)


def story(records: list[Record]) -> str:
    """How many points each leak is worth, in a sentence for each model."""
    sentences = []
    for model, name in MODELS.items():
        own = {r["way"]: r["wa"] for r in records if r["model"] == model}
        best = {r["way"]: r["best"] for r in records if r["model"] == model}
        if set(own) >= set(WAYS):
            sentences.append(
                f"The {name}: sharing the speakers is worth "
                f"{_points(own['random'] - own['speakers'])}, copies on top of that "
                f"{_points(own['copies'] - own['random'])}, and choosing the seed "
                f"{_points(best['copies'] - own['copies'])} more. From the first figure to the "
                f"honest one, {_points(best['copies'] - own['speakers'])} vanish."
            )
    return " ".join(sentences)


def tutorial(records: list[Record]) -> str:
    """Two models, at random and by speaker: what the tutorial's trainings come to."""
    rows = []
    for model, name in MODELS.items():
        for way in ("random", "speakers"):
            found = [r for r in records if (r["model"], r["way"]) == (model, way)]
            rows += [[name, WAYS[way], f"**{percent(r['wa'])}**"] for r in found]
    return table(["", "split", "accuracy in %"], rows, numbers=False)


def _bar(share: float) -> str:
    return "█" * round(_BAR * share) + "░" * (_BAR - round(_BAR * share))


def _points(share: float) -> str:
    value = f"{100 * share:.1f}"
    return f"{value} point{'' if value == '1.0' else 's'}"
