"""Brings the generated parts of docs/ up to date with benchmarks/results/.

    python benchmarks/documents.py [--check]

Every figure in them stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` and is written
anew from the records; the prose is not touched. What has not been measured says so in its row. Only
records of the model's own family count: those of another model are not its figures. With
``--check`` nothing is written, and the exit status is 1 where something is stale.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import _leaks
import _main
import _records
import emobox
import scaling
import soak
from _conditions import CLEAN, CONDITIONS
from _markdown import Record, percent, read_results, replaced, table
from default_model import BUNDLE, COMMAND, CORPORA
from emotone import plots
from emotone.bundle import Bundle
from emotone.corpora import registry
from emotone.emotions import CANONICAL
from emotone.selective import TARGET_ACCURACY, CoverageCurve

DOCS = _records.BENCHMARKS.parent / "docs"
FAMILY, MEMBER = "hybrid", "ridge"
NOT_YET = "not measured yet"

SPEAKER_INDEPENDENT = ("ravdess", "casia", "emovo")
"""Corpora of EmoBox whose test speakers are new in every fold."""

SHARED = tuple(name for name in emobox.CORPORA if name not in SPEAKER_INDEPENDENT)
"""Those whose test speakers are in train too."""

NEW = "new speakers"
"""What the records call these three together."""

INFO = {info.name: info for info in registry()}
LANGUAGES = {
    "en": "English",
    "de": "German",
    "ur": "Urdu",
    "am": "Amharic",
    "tr": "Turkish",
    "zh": "Mandarin Chinese",
    "it": "Italian",
    "pl": "Polish",
}
CLIP_COUNTS = (1, 5, 20)
ADAPTATIONS = {"any": "any, unlabelled", "neutral": "neutral"}


# -- records and cells


@functools.cache
def shipped() -> Bundle:
    """The bundle in the package."""
    return Bundle.open(BUNDLE)


def measured(records: Iterable[Record], benchmark: str) -> list[Record]:
    """The records of one benchmark that are of the model's family.

    The family is the field ``family``. A record without one says it in the name of its model, or
    has the name of the bundle in the package.
    """
    card = shipped().card
    names = [card.model] if card.training.get("family") == FAMILY else []
    return [
        record
        for record in records
        if record["benchmark"] == benchmark
        and (
            FAMILY in str(record.get("family", record.get("model", "")))
            or record.get("model") in names
        )
    ]


def source(found: Sequence[Record], command: str) -> str:
    """Where the figures come from, or would."""
    if not found:
        return f"`{command}` measures this; it has not been run for this model yet."
    parts = [f"Measured by `{command}`"]
    for key, before in (("machine", "on"), ("commit", "at commit"), ("seed", "seed")):
        values = sorted({str(record[key]) for record in found if key in record})
        if values:
            parts.append(f"{before} {', '.join(values)}")
    return f"{' '.join(parts[:2])}{''.join(f', {part}' for part in parts[2:])}."


def interval(record: Record, key: str = "ci95") -> str:
    """``51.8 to 60.7``, or nothing where there is none."""
    ends = record.get(key)
    return f"{percent(ends[0])} to {percent(ends[1])}" if ends else ""


def missing(width: int) -> list[str]:
    """Cells that say that there is no figure yet."""
    return [NOT_YET, *[""] * (width - 1)]


def corpus_named(record: Record | str) -> str:
    """A corpus, or what the record is of in place of one."""
    name = record if isinstance(record, str) else record["corpus"]
    others = {
        "all": "**all test clips**",
        NEW: f"**new speakers** ({', '.join(SPEAKER_INDEPENDENT)})",
        "mean": "**mean of the corpora**",
    }
    return others.get(name, name)


# -- the model card


def identity(records: list[Record]) -> str:
    """The bundle that is in the package."""
    card = shipped().card
    family = card.training.get("family")
    parameters = card.training.get("parameters")
    heard = f"the feature set `{card.feature_set}`"
    if card.input.rate is not None:
        heard = f"a mono waveform at {card.input.rate:,} Hz"
    rows = [
        ["name and version", f"`{card.model}`"],
        ["family", f"`{family}`"],
        *([["parameters", f"{parameters:,}"]] if isinstance(parameters, int) else []),
        ["prepared by", _listed(card.preparation)],
        ["takes", heard],
        ["answers", ", ".join(card.emotions)],
        ["calibration", _listed(card.calibration)],
        ["trained on", f"{card.training.get('clips', 0):,} clips"],
        ["bundle", f"{BUNDLE.stat().st_size / 1e6:.2f} MB"],
        *(
            [f"`{name}`", f"{record.bytes / 1e6:.2f} MB, SHA-256 `{record.sha256}`"]
            for name, record in card.files.items()
        ),
        ["made", f"{(card.created or 'unknown')[:10]}, by emotone {card.emotone_version}"],
    ]
    text = table(["the bundle in the package", ""], rows, numbers=False)
    if family == FAMILY:
        return text
    return (
        f"**The bundle in the package is not yet of the family `{FAMILY}`** that this card "
        f"describes. It is the one below, and its figures are in the README.\n\n{text}"
    )


def _listed(settings: Mapping[str, object]) -> str:
    """``rate 16000, trim db 40.0``: what is set."""
    return ", ".join(
        f"{key.replace('_', ' ')} {value}"
        for key, value in settings.items()
        if value is not None and not isinstance(value, Mapping)
    )


def emobox_figures(records: list[Record]) -> str:
    """The official folds, beside published rows."""
    means = {
        record["corpus"]: record
        for record in measured(records, "emobox")
        if record["fold"] == "mean" and record.get("trained_on") != "the corpus"
    }
    rows = []
    for name in emobox.CORPORA:
        encoder, best = emobox.best(emobox.PUBLISHED, name)
        published = [f"{best:.2f}", encoder, f"{emobox.best(emobox.OPENSMILE, name)[1]:.1f}"]
        record = means.get(name)
        protocol = "new speakers" if name in SPEAKER_INDEPENDENT else "speakers shared"
        ours = missing(3)
        if record:
            free = record.get("ua_unrestricted")
            ours = [percent(record["ua"]), interval(record), percent(free) if free else ""]
            if emobox.at_least_the_best(record["ua"], name):
                ours[0] = f"**{ours[0]}**"
        rows.append([name, protocol, *ours, *published])
    head = ["UA in %", "protocol", "this model", "95 % interval", "not told the corpus"]
    head += ["best published", "encoder", "openSMILE + SVM"]
    command = f"emotone benchmark emobox --family {FAMILY}"
    return (
        "**Bold** is a figure that neither the best published one nor openSMILE's exceeds.\n\n"
        f"{table(head, rows)}\n\n{source(list(means.values()), command)}"
    )


def unheard(records: list[Record]) -> str:
    """All eight emotions to choose from, on clips that were not heard, by corpus."""
    found = _by_corpus(records)
    rows = []
    for name in (NEW, *SPEAKER_INDEPENDENT, *(c for c in CORPORA if c in SHARED), "all"):
        record = found.get(name)
        figures = _figures(record) if record else missing(6)
        protocol = {"all": "", **dict.fromkeys(SHARED, "speakers shared")}.get(name, NEW)
        rows.append([corpus_named(name), protocol, *figures])
    head = ["in %", "protocol", "UA", "95 % interval", "WA", "ECE", "speakers", "clips"]
    return f"{table(head, rows)}\n\n{source(list(found.values()), COMMAND)}"


def _by_corpus(records: Iterable[Record]) -> dict[str, Record]:
    found = measured(records, "default-model")
    return {record["corpus"]: record for record in found if "group" not in record}


def _figures(record: Record) -> list[str]:
    return [
        f"**{percent(record['ua'])}**",
        interval(record),
        percent(record["wa"]),
        percent(record["ece"]),
        str(record["speakers"] or ""),
        f"{record['clips']:,}",
    ]


def grouped(records: Iterable[Record], kind: str) -> dict[tuple[str, str], Record]:
    """Records of one kind of group, by corpus and value; ``gender=female`` has both in one."""
    found = {}
    for record in measured(records, "default-model"):
        name, _, value = str(record.get("group", "")).partition("=")
        if name == kind:
            found[record["corpus"], value] = record
    return found


def languages(records: list[Record]) -> str:
    """By language: new speakers, speakers that are shared, and the language never heard."""
    new, shared = grouped(records, "language"), _by_corpus(records)
    never, family = left_out(records)
    rows = []
    for code, name in LANGUAGES.items():
        own = [corpus for corpus in CORPORA if INFO[corpus].language == code]
        row = [f"{name} ({', '.join(own)})"]
        if any(corpus in SPEAKER_INDEPENDENT for corpus in own):
            row += _ua(new.get(("all", code)))
        else:
            row += ["no test", ""]
        others = [corpus for corpus in own if corpus in SHARED]
        row += _ua(shared.get(others[0])) if others else ["no test", ""]
        if len(own) == 1:
            unknown = never.get(own[0])
            row += _ua(unknown, bold=family == FAMILY)
            row.append(percent(unknown["chance"]) if unknown else "")
        else:
            row += ["no test", "", ""]
        rows.append(row)
    head = ["UA in %", "new speakers", "95 % interval", "speakers shared", "95 % interval"]
    alone = "" if family == FAMILY else f", `{family}` alone"
    head += [f"language never heard{alone}", "95 % interval", "chance"]
    parts = [table(head, rows)]
    if alone:
        parts.append(
            f"**The columns of languages never heard are not of this model**, but of `{family}` "
            "alone, one of its three members, which heard no clip of the language; the three "
            "together have not been measured so."
        )
    parts.append(source([*new.values(), *shared.values()], COMMAND))
    if never:
        said = source(list(never.values()), f"emotone benchmark cross-corpus --family {family}")
        parts.append(f"Languages never heard: m{said[1:]}")
    return "\n\n".join(parts)


def _ua(record: Record | None, *, bold: bool = True) -> list[str]:
    if record is None:
        return missing(2)
    value = percent(record["ua"])
    return [f"**{value}**" if bold else value, interval(record)]


def left_out(records: Iterable[Record]) -> tuple[dict[str, Record], str]:
    """What was measured on corpora never heard, and by which family.

    The model's own where it is measured on all of them, else by one of its members; with neither,
    what there is of its own.
    """
    records = list(records)
    own = {record["corpus"]: record for record in measured(records, "cross-corpus")}
    if "mean" not in own:
        member = {
            record["corpus"]: record
            for record in records
            if record["benchmark"] == "cross-corpus" and record["family"] == MEMBER
        }
        if member:
            return member, MEMBER
    return own, FAMILY


def genders(records: list[Record]) -> str:
    """The new speakers, by gender."""
    found = grouped(records, "gender")
    rows = []
    for name in ("all", *CORPORA):
        pair = [found.get((name, gender)) for gender in ("female", "male")]
        if name != "all" and not any(pair):
            continue
        cells: list[str] = []
        for record in pair:
            cells += [percent(record["ua"]), interval(record)] if record else [NOT_YET, ""]
        female, male = pair
        apart = 100 * (female["ua"] - male["ua"]) if female and male else None
        clips = " / ".join(f"{record['clips']:,}" if record else "0" for record in pair)
        rows.append(
            [
                corpus_named(NEW if name == "all" else name),
                *cells,
                "" if apart is None else f"{apart:+.1f}",
                clips if any(pair) else "",
            ]
        )
    head = ["UA in %", "women", "95 % interval", "men", "95 % interval", "apart", "clips"]
    return f"{table(head, rows)}\n\n{source(list(found.values()), COMMAND)}"


def coverage(records: list[Record]) -> str:
    """How often the model is right if it answers only where it is sure."""
    found = measured(records, "coverage")
    rows = []
    for share in range(10, 0, -1) if found else ():
        curve = CoverageCurve.from_dict(found[0])
        point = next(point for point in curve.points if point.coverage > share / 10 - 0.005)
        rows.append(
            [
                percent(point.coverage),
                f"{point.confidence:.2f}",
                f"**{percent(point.accuracy)}**",
            ]
        )
    head = ["clips answered, %", "confidence from", "of these right, %"]
    text = table(head, rows or [missing(3)])
    card = shipped().card
    stated = card.calibration.get("uncertain_below")
    if stated and card.training.get("family") == FAMILY:
        text += (
            f"\n\nThe confidence that the model states, and `--uncertain` takes: "
            f"{stated['confidence']:.2f}, at which it answers {percent(stated['coverage'])} % of "
            f"{stated['clips']:,} clips and {percent(stated['accuracy'])} % of these rightly."
        )
    return f"{text}\n\n{source(found, COMMAND)}"


def coverage_picture(records: list[Record]) -> bytes | None:
    """The curve that the table of coverage is read off."""
    found = measured(records, "coverage")
    if not found:
        return None
    curve = CoverageCurve.from_dict(found[0])
    figure = plots.coverage(curve, target=TARGET_ACCURACY, title="Answers to new speakers")
    return plots.render(figure, "svg")


def robustness(records: list[Record]) -> str:
    """UA under every condition, and what is lost."""
    found = measured(records, "robustness")
    runs = dict.fromkeys((r["model"], r["fold"]) for r in found)
    parts = [_robustness_of([r for r in found if (r["model"], r["fold"]) == run]) for run in runs]
    return "\n\n".join(
        [
            *(parts or [_robustness_of([])]),
            source(found, "emotone benchmark robustness --model BUNDLE [--clips N]"),
        ]
    )


def _robustness_of(found: list[Record]) -> str:
    head = ["UA in %", "mean of the corpora", "lost", "95 % interval", "lost most on"]
    rows = []
    for condition in CONDITIONS:
        of_it = [record for record in found if record["condition"] == condition.name]
        mean = next((record for record in of_it if record["corpus"] == "mean"), None)
        if mean is None:
            rows.append([condition.description, *missing(4)])
            continue
        lost = ["", "", ""]
        corpora = [record for record in of_it if record["corpus"] != "mean"]
        if condition is not CLEAN:
            worst = max(corpora, key=lambda record: record["drop"], default=None)
            lost = [
                f"**{percent(mean['drop'])}**",
                interval(mean, "drop_ci95"),
                f"{worst['corpus']} ({percent(worst['drop'])})" if worst else "",
            ]
        rows.append([condition.description, percent(mean["ua"]), *lost])
    text = table(head, rows)
    if not found:
        return text
    above = f"Fold {found[0]['fold']} of every corpus, `{found[0]['model']}`."
    seen = found[0].get("seen")
    if seen:
        above += f" **Not on new clips:** {seen}."
    return f"{above}\n\n{text}"


def cross_corpus(records: list[Record]) -> str:
    """A corpus never heard, each in turn; by one member of the model where it is not measured."""
    found, family = left_out(records)
    above = (
        "No model learned from the corpus that it is tested on; the parameters of the recipe were "
        "chosen on clips of all.\n\n"
    )
    if family != FAMILY:
        above += (
            f"By `{family}` alone, one of the model's three members, whose nine trainings take "
            f"minutes. `--family {FAMILY}` measures the three together, in some hours.\n\n"
        )
    rows = []
    for name in (*CORPORA, "mean"):
        record = found.get(name)
        if record is None:
            rows.append([corpus_named(name), *missing(5)])
            continue
        rows.append(
            [
                corpus_named(name),
                f"**{percent(record['ua'])}**",
                interval(record),
                percent(record["chance"]),
                percent(record["wa"]),
                str(len(record["emotions"])) if "emotions" in record else "",
            ]
        )
    head = ["left out, in %", "UA", "95 % interval", "chance", "WA", "emotions"]
    command = f"emotone benchmark cross-corpus --family {family}"
    return f"{above}{table(head, rows)}\n\n{source(list(found.values()), command)}"


def adaptation(records: list[Record]) -> str:
    """What a few clips of the same speaker add, beside the plain figure."""
    found = {
        (record["corpus"], record["adapted_to"], record["adapted_clips"]): record
        for record in records
        if record["benchmark"] == "adaptation" and record.get("family", FAMILY) == FAMILY
    }
    rows = []
    for name in SPEAKER_INDEPENDENT:
        for kind, words in ADAPTATIONS.items():
            cells = []
            for clips in CLIP_COUNTS:
                record = found.get((name, kind, clips))
                cells.append(
                    f"{percent(record['plain_ua'])} → **{percent(record['ua'])}**"
                    if record
                    else NOT_YET
                )
            rows.append([name, words, *cells])
    counts = [f"{clips} clip{'s' if clips > 1 else ''}" for clips in CLIP_COUNTS]
    head = ["UA in %, plain → adapted", "clips of the speaker", *counts]
    command = "emotone benchmark adaptation --predictions CSV"
    return f"{table(head, rows)}\n\n{source(list(found.values()), command)}"


def speed(records: list[Record]) -> str:
    """Loading, one answer, a whole process; and size."""
    warm = measured(records, "latency")
    rows = [
        [
            record.get("variant", "as in the package"),
            f"{record['clip_s']:.1f} s",
            f"**{record['answer_ms']:.1f} ms**",
            f"{record['load_ms']:.0f} ms",
            f"{record['bytes'] / 1e6:.1f} MB",
        ]
        for record in warm
    ]
    head = ["one core, warm", "clip", "one answer", "loading", "size"]
    parts = [
        table(head, rows or [["as in the package", "", *missing(3)]]),
        source(warm, "emotone benchmark speed-answer") + of_earlier(warm),
    ]
    cold = [r for r in measured(records, "speed-predict") if r["way"].startswith("emotone")]
    rows = [
        [
            record["way"],
            f"{record['clip_s']:.1f} s",
            f"**{record['wall_s']:.2f} s**",
            f"{record['cpu_s']:.2f} s",
            f"{record['peak_mib']:.0f} MiB",
        ]
        for record in cold
    ]
    head = ["whole process, cold", "clip", "wall", "CPU", "peak memory"]
    parts += [
        table(head, rows or [["emotone predict", "", *missing(3)]]),
        source(cold, "emotone benchmark speed-predict"),
    ]
    ratios = [r for r in records if r["benchmark"] == "speed" and "measure" in r]
    parts += ["Beside its peers, where it is slower, too:", ratio_table(ratios), of_ratios(ratios)]
    return "\n\n".join(parts)


def of_earlier(found: Sequence[Record]) -> str:
    """Which of the figures of its family are of a version before the one in the package."""
    now = shipped().card.model
    name = now.partition("@")[0]
    others = {str(record.get("model")) for record in found} - {now}
    earlier = sorted(model for model in others if model.partition("@")[0] == name)
    return f" The package had {', '.join(earlier)} then." if earlier else ""


def ratio_table(found: Sequence[Record]) -> str:
    """Every pair of `tasks.py speed`, the slowest of ours last."""
    rows = [
        [
            record["measure"],
            record["peer"],
            f"{record['emotone_ms']:.1f} ms",
            f"{record['peer_ms']:.1f} ms",
            f"{record['ratio']:.2f} ×",
        ]
        for record in sorted(found, key=lambda record: -float(record["ratio"]))
    ]
    head = ["measure", "peer", "emotone", "peer's time", "times as fast"]
    return table(head, rows or [["", "", *missing(3)]])


def of_ratios(found: Sequence[Record]) -> str:
    """Where they come from, and whether they are of the model in the package."""
    earlier = found and not measured(found, "speed")
    note = " At that commit the package may have had an earlier model." if earlier else ""
    return source(found, "emotone benchmark speed") + note


def development(records: list[Record]) -> str:
    """The recipes that were tried, each as a row."""
    found = [record for record in records if record["benchmark"] == "development"]
    head = ["tried", *SPEAKER_INDEPENDENT, "own, mean", "general, mean", "open, mean"]
    rows = []
    for about in dict.fromkeys((r["note"], r["family"], r["commit"]) for r in found):
        own = [r for r in found if (r["note"], r["family"], r["commit"]) == about]
        note, family, _ = about
        cells = [percent(r["ua_own"]) for n in SPEAKER_INDEPENDENT for r in own if r["corpus"] == n]
        means = [statistics.mean(r[f"ua_{way}"] for r in own) for way in ("own", "general", "open")]
        name = f"`{family}`{f', {note}' if note else ''}"
        rows.append([name, *cells, *(percent(mean) for mean in means)])
    said = source(found, "emotone benchmark development")
    return f"{table(head, rows or [missing(len(head))])}\n\n{said}"


def weights_licences(records: list[Record]) -> str:
    """The terms that the weights inherit, corpora of the same terms together."""
    terms: dict[str, list[str]] = {}
    for name in CORPORA:
        terms.setdefault(INFO[name].licence, []).append(name)
    rows = [[licence, ", ".join(names)] for licence, names in terms.items()]
    return table(["terms", "corpora"], rows, numbers=False)


# -- the timeline


def speakers(records: list[Record]) -> str:
    """Who speaks when, told rightly and wrongly; the model has no part in it."""
    found = [record for record in records if record["benchmark"] == "speakers"]
    rows = []
    for record in found:
        known = record["asked"] == "known"
        number = f"{percent(record['right_number'])} ({record['found']:.1f})"
        rows.append(
            [
                record["corpus"],
                f"{record['snr_db']:.0f} dB",
                str(record["speakers"]),
                f"`{record['speakers']}`" if known else "`auto`",
                f"**{percent(record['der'])}**",
                percent(record["miss"]),
                percent(record["false_alarm"]),
                percent(record["confusion"]),
                f"**{percent(record['wrong_given_speech'])}**",
                percent(record["wrong_one_speaker"]) if known else "",
                percent(record["wrong_pitch"]) if known else "",
                "" if known else number,
            ]
        )
    head = [
        "in %",
        "SNR",
        "speakers",
        "`--speakers`",
        "DER",
        "missed",
        "false alarm",
        "wrong speaker",
    ]
    head += ["wrong, given the speech", "all as one", "by pitch alone", "right number (found)"]
    text = table(head, rows or [missing(len(head))])
    said = [_given(found, people) for people in (2, 3, 4)]
    singles = [r["right_number"] for r in found if r["speakers"] == 1 and r["asked"] == "auto"]
    if singles:
        said.append(
            f"`auto` takes a single speaker for several in {percent(1 - max(singles))} to "
            f"{percent(1 - min(singles))} % of the conversations."
        )
    parts = [text, " ".join(filter(None, said)), source(found, "emotone benchmark speakers")]
    return "\n\n".join(filter(None, parts))


def _given(found: list[Record], people: int) -> str:
    """What share of speech goes to the wrong of so many speakers, in a sentence."""
    wrong = [
        record["wrong_given_speech"]
        for record in found
        if record["speakers"] == people and record["asked"] == "known"
    ]
    if not wrong:
        return ""
    shares = " to ".join(dict.fromkeys((percent(min(wrong)), percent(max(wrong)))))
    return f"Of {people} speakers, {shares} % of the speech goes to the wrong one."


def conversations(records: list[Record]) -> str:
    """How well timelines of joined conversations follow them."""
    found = [record for record in records if record["benchmark"] == "timeline"]
    rows = [
        [
            record["corpus"],
            f"**{percent(record['ua'])}**",
            percent(record["ua_of_clips"]),
            percent(record["miss"]),
            percent(record["false_alarm"]),
            f"{record['boundary_error_s']:.2f} s",
            percent(record["changes_within_1_s"]),
            f"{record['false_changes_per_minute']:.1f}",
        ]
        for record in found
    ]
    head = ["in %", "UA over time", "UA of the clips alone", "speech missed", "false alarm"]
    head += ["from a change to a boundary, median", "changes found within 1 s"]
    head += ["boundaries too many, per minute"]
    text = table(head, rows or [missing(len(head))])
    return f"{text}\n\n{source(found, 'emotone benchmark timeline --model BUNDLE')}"


def length(records: list[Record]) -> str:
    """Speed and memory over hours."""
    found = [record for record in records if record["benchmark"] == "length"]
    rows = [
        [
            f"{record['hours']:g} h",
            percent(record["speech_share"]),
            f"{record['wall_s']:.0f} s",
            f"**{record['times_real_time']:.0f} ×**",
            f"{record['peak_mib']:.0f} MiB",
            str(record["jobs"]),
        ]
        for record in found
    ]
    head = ["recording", "speech in %", "took", "real time", "memory at most", "cores"]
    text = table(head, rows or [missing(len(head))])
    return f"{text}\n\n{source(found, 'emotone benchmark length')}"


def live(records: list[Record]) -> str:
    """Streams that a core carries, and how soon their events come."""
    found = [record for record in records if record["benchmark"] == "live"]
    ways = {"together": "`feed_together`", "plain": "each by itself, from its waveform"}
    rows = [
        [
            str(record["streams"]),
            ways[record["way"]],
            f"**{record['carried']:.0f}**",
            *(f"{record['latency_ms'][key]:,.0f} ms" for key in ("median", "p99", "max")),
            f"{record['latency_in_step_ms']['p99']:,.0f} ms",
        ]
        for record in found
    ]
    head = [
        "streams at once",
        "fed",
        "streams a core carries",
        "latency, median",
        "99 %",
        "longest",
        "99 %, in step",
    ]
    text = table(head, rows or [missing(len(head))])
    return f"{text}\n\n{source(found, 'emotone benchmark live')}"


def service(records: list[Record]) -> str:
    """How soon a service answers live sessions and clips."""
    found = [record for record in records if record["benchmark"] == "service"]
    rows = []
    for record in found:
        if record["part"] == "live":
            what, wrong = f"{record['sessions']} live sessions", record["sessions_wrong"]
            left_out = f"{percent(record['skipped'])} %"
            answered = f"{record['sessions'] - wrong} of {record['sessions']}"
        else:
            what = f"{record['clips']:,} clips by {record['clients']} clients"
            left_out = "–"
            answered = f"{record['answered']:,} of {record['clips']:,}"
        latency = record["latency_ms"]
        rows.append(
            [
                what,
                *(f"{latency[key]:,.0f} ms" for key in ("p50", "p95", "p99")),
                left_out,
                answered,
            ]
        )
    head = ["load", "latency, median", "95 %", "99 %", "windows left out", "all in order"]
    text = table(head, rows or [missing(len(head))])
    return f"{text}\n\n{source(found, 'emotone benchmark service')}"


# -- the data statement


def _facts(records: list[Record]) -> list[Record]:
    found = {record["corpus"]: record for record in records if record["benchmark"] == "corpora"}
    return [found[name] for name in CORPORA if name in found]


def holdings(records: list[Record]) -> str:
    """Language, clips, hours and speakers of every corpus."""
    rows = []
    facts = _facts(records)
    for record in facts:
        unsure = record["gender_unknown"] + record["gender_contradictory"]
        rows.append(
            [
                record["corpus"],
                LANGUAGES[record["language"]],
                f"{record['clips']:,}",
                f"{record['trained_on']:,}",
                f"{record['total_s'] / 60:.0f}",
                str(record["speakers"]),
                str(record["female"]),
                str(record["male"]),
                str(unsure or ""),
                f"{record['fewest_clips']} to {record['most_clips']}",
            ]
        )
    sums = [sum(record[key] for record in facts) for key in ("clips", "trained_on")]
    minutes = sum(record["total_s"] for record in facts) / 60
    people = [sum(record[key] for record in facts) for key in ("speakers", "female", "male")]
    unsure = sum(r["gender_unknown"] + r["gender_contradictory"] for r in facts)
    rows.append(
        [
            "**all**",
            f"{len({record['language'] for record in facts})} languages",
            *(f"{value:,}" for value in sums),
            f"{minutes:.0f}",
            *map(str, people),
            str(unsure),
            "",
        ]
    )
    head = ["corpus", "language", "clips", "trained on", "minutes", "speakers", "women", "men"]
    head += ["unknown or contradictory", "clips per speaker"]
    return f"{table(head, rows)}\n\nCounted by `emotone benchmark corpora-facts`."


def labels(records: list[Record]) -> str:
    """Clips by emotion, and how far the speaker gives it away."""
    head = [
        "clips",
        *CANONICAL,
        "boredom (not used)",
        "told by the speaker",
    ]
    rows = []
    facts = _facts(records)
    for record in facts:
        counts = [record["emotions"].get(name, 0) for name in (*CANONICAL, "boredom")]
        rows.append(
            [
                record["corpus"],
                *(f"{count:,}" if count else "" for count in counts),
                f"{100 * record['told_by_speaker']:.0f} %",
            ]
        )
    sums = [sum(r["emotions"].get(name, 0) for r in facts) for name in (*CANONICAL, "boredom")]
    rows.append(["**all**", *(f"{count:,}" for count in sums), ""])
    return f"{table(head, rows)}\n\nCounted by `emotone benchmark corpora-facts`."


def coding(records: list[Record]) -> str:
    """Lengths and coding of the copies that the model was trained on."""
    rows = [
        [
            record["corpus"],
            f"{record['median_s']:.2f} s",
            f"{record['min_s']:.2f} to {record['max_s']:.2f} s",
            ", ".join(record["containers"]),
            ", ".join(f"{rate:,}" for rate in record["rates"]),
            f"{record['kbit_s']:.0f}",
            str(len(record["identical_files"]) or ""),
        ]
        for record in _facts(records)
    ]
    head = ["corpus", "median length", "shortest to longest", "coding", "Hz", "kbit/s"]
    head += ["groups of identical files"]
    return f"{table(head, rows)}\n\nMeasured by `emotone benchmark corpora-facts`."


def terms(records: list[Record]) -> str:
    """Licence and citation of every corpus, as its reader states them."""
    rows = [
        [name, INFO[name].licence, INFO[name].citation, f"<{INFO[name].homepage}>"]
        for name in CORPORA
    ]
    head = ["corpus", "terms", "citation", "from"]
    return table(head, rows, numbers=False)


Section = Callable[[list[Record]], str]


def batch(records: list[Record]) -> str:
    """Throughput beside the usual ways, and of how much memory."""
    found = [record for record in records if record["benchmark"] == "batch"]
    rows = [
        [
            record["model"],
            f"{record['times_real_time']:,.0f} ×",
            f"{record['per_core_second']:,.0f} ×",
            f"**{record['ratio']:.1f} ×**",
            f"**{record['cpu_ratio']:.1f} ×**",
        ]
        for record in found
    ]
    head = ["way", "real time", "real time, per core", "emotone is faster by", "on the processor"]
    text = table(head, rows or [missing(len(head))])
    for record in found:
        if record["memory_mib"] is not None:
            text += (
                f"\n\n{record['clips']:,} clips, {record['audio_s'] / 3600:.1f} h of sound. All "
                f"processes of emotone together held {record['memory_mib']:,} MiB at most. Before, "
                f"the load by others was {record['load_before']:.1f} on {record['cores']} cores: "
                "where that is well above 0, go by the columns of the processor."
            )
    return f"{text}\n\n{source(found, 'emotone benchmark batch')}"


def soak_figures(records: list[Record]) -> str:
    """Whether a service that is in use for long stays as it is."""
    found = [record for record in records if record["benchmark"] == "soak"]
    whole = [record for record in found if record["part"] == "whole"]
    return f"{soak.section(found)}\n\n{source(whole, 'emotone benchmark soak')}"


def leakage(records: list[Record]) -> str:
    """One corpus and two models, tested with fewer and fewer leaks."""
    found = [record for record in records if record["benchmark"] == "leakage"]
    if not found:
        return source(found, "emotone benchmark leakage")
    parts = [_leaks.ladder(found), _leaks.story(found), source(found, "emotone benchmark leakage")]
    return "\n\n".join(parts)


def tutorial(records: list[Record]) -> str:
    """What the tutorial's trainings come to."""
    found = [record for record in records if record["benchmark"] == "leakage"]
    return f"{_leaks.tutorial(found)}\n\n{source(found, 'emotone benchmark leakage')}"


def batch_jobs(records: list[Record]) -> str:
    """How the rate grows with the processes."""
    found = [record for record in records if record["benchmark"] == "batch-jobs"]
    alone = {record["task"]: record for record in found if record["jobs"] == 1}
    rows = []
    for record in found:
        first = alone[record["task"]]
        rows.append(
            [
                f"{record['task']}, {record['jobs']}",
                f"{record['times_real_time']:,.0f} ×",
                f"{record['times_real_time'] / first['times_real_time']:.2f}",
                f"{record['per_core_second']:,.0f} ×",
                f"{record['memory_mib']:,} MiB",
                f"{record['load_before']:.1f}",
            ]
        )
    head = ["processes", "real time", "as one", "real time, per core-second", "memory at most"]
    text = table([*head, "load by others"], rows or [missing(len(head) + 1)])
    return f"{text}\n\n{source(found, 'emotone benchmark batch')}"


def batch_memory(records: list[Record]) -> str:
    """What many files take."""
    found = [record for record in records if record["benchmark"] == "batch-memory"]
    rows = [
        [f"{record['files']:,}", f"{record['memory_mib']:,} MiB", f"{record['seconds']:,.0f} s"]
        for record in found
    ]
    head = ["files", "memory at most, all processes", "took"]
    text = table(head, rows or [missing(len(head))])
    return f"{text}\n\n{source(found, 'emotone benchmark batch-memory')}"


def million_hours(records: list[Record]) -> str:
    """Cores, days, money and storage of very much sound."""
    found = scaling.reckoned(records)
    rows = [
        [
            record["task"],
            f"{scaling.rounded(record['core_hours'])}",
            *(f"{scaling.rounded(scaling.days(record, cores))}" for cores in scaling.CORES),
            f"${scaling.rounded(record['dollars'])}",
            f"{scaling.rounded(record['sound_tb'])} TB",
            f"{scaling.rounded(record['parquet_gb'])} GB",
            "too few heard to say"
            if record["failed_at_most"] is None
            else f"{percent(record['failed_at_most'])} %",
        ]
        for record in found
    ]
    head = ["as", "core-hours", *(f"days on {cores:,} cores" for cores in scaling.CORES)]
    head += [f"at ${scaling.PRICE} a core-hour", "sound read", "Parquet", "failures, at most"]
    text = table(head, rows or [missing(len(head))])
    if not found:
        return text
    reads = ", ".join(
        f"{scaling.rounded(record['read_mb_s_per_core'])} MB/s ({record['task']})"
        for record in found
    )
    return (
        f"{text}\n\nEach core reads {reads} meanwhile. The price is an assumption. Of failures it "
        "is what the measured recordings, of corpora, allow to say with 95 % confidence. Reckoned "
        f"by `emotone benchmark scaling` from rates on {found[0]['machine']}, under a load by "
        f"others of {found[0]['load_before']:.1f}."
    )


DOCUMENTS: dict[str, dict[str, Section]] = {
    "model-card.md": {
        "identity": identity,
        "emobox": emobox_figures,
        "unheard": unheard,
        "languages": languages,
        "genders": genders,
        "coverage": coverage,
        "robustness": robustness,
        "cross-corpus": cross_corpus,
        "adaptation": adaptation,
        "speed": speed,
        "licences": weights_licences,
    },
    "experiments.md": {"development": development},
    "timeline.md": {"conversations": conversations, "length": length, "speakers": speakers},
    "live.md": {"live": live},
    "realtime.md": {"service": service},
    "service.md": {"soak": soak_figures},
    "explanation/splits.md": {"leakage": leakage},
    "explanation/uncertainty.md": {"coverage": coverage},
    "tutorial/index.md": {"tutorial": tutorial},
    "scaling.md": {
        "batch": batch,
        "jobs": batch_jobs,
        "memory": batch_memory,
        "million": million_hours,
    },
    "data-statement.md": {
        "holdings": holdings,
        "labels": labels,
        "coding": coding,
        "terms": terms,
    },
}
"""The sections of each document that are written from records."""


PICTURES: dict[str, Callable[[list[Record]], bytes | None]] = {
    "images/coverage.svg": coverage_picture,
}
"""The pictures in the documents that are drawn from records. Their bytes are those of the pinned
matplotlib."""


def written(name: str, text: str, records: list[Record]) -> str:
    """A document with its sections as these records have them."""
    for marker, write in DOCUMENTS[name].items():
        text = replaced(text, marker, write(records), name)
    return text


def main() -> None:
    """Write the documents, or check them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say whether they are up to date")
    options = parser.parse_args()
    records = read_results()
    stale: list[Path] = []
    for name in DOCUMENTS:
        path = DOCS / name
        before = path.read_text(encoding="utf-8")
        after = written(name, before, records)
        if after != before:
            stale.append(path)
            if not options.check:
                path.write_text(after, encoding="utf-8")
                print(f"written: {path}")
    for name, draw in PICTURES.items():
        path, drawn = DOCS / name, draw(records)
        if drawn is not None and (not path.exists() or path.read_bytes() != drawn):
            stale.append(path)
            if not options.check:
                path.write_bytes(drawn)
                print(f"written: {path}")
    if stale and options.check:
        names = ", ".join(path.name for path in stale)
        raise SystemExit(f"{names}: out of date; run python benchmarks/documents.py")


if __name__ == "__main__":
    _main.run(main)
