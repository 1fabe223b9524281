"""What a batch comes to: by day, speaker and channel, and how far it drifts."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import batches
import bundles
from emotone.batch import drift, run, tables
from emotone.batch.drift import Drift, Period, by_chance, periods, psi
from emotone.batch.summary import summarize
from emotone.cli.app import run as command
from emotone.errors import UsageError


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    for day, speaker, count in (("2026-11-20", "ann", 4), ("2026-11-21", "<bob>", 6)):
        for number in range(count):
            batches.clip(folder / "in" / f"speaker={speaker}" / day / f"{number}.wav", number)
    (folder / "in" / "speaker=ann" / "2026-11-20" / "bad.wav").write_text("no audio")
    model = bundles.write(folder / "toy.emotone")
    run.run(run.prepare([folder / "in"], folder / "out", run.task(str(model))), jobs=1)
    return folder / "out"


def test_groups(out: Path) -> None:
    found = summarize(str(out), low=1.0)
    assert [(g.name, g.recordings, g.failed) for g in found.groups] == [
        ("2026-11-20", 5, 1),
        ("2026-11-21", 6, 0),
    ]
    rows = [row for row in batches.rows(out) if row["emotion"]]
    for group in found.groups:
        mine = [r["emotion"] for r in rows if f"{r['recorded']:%Y-%m-%d}" == group.name]
        assert group.shares == {n: mine.count(n) / len(mine) for n in found.emotions}
        assert group.low == 1
        assert group.speech_s == pytest.approx(0.4 * len(mine))
    assert found.complete
    assert [g.name for g in summarize(str(out), by="speaker").groups] == ["<bob>", "ann"]
    assert [g.name for g in summarize(str(out), by="channel").groups] == ["unknown"]
    assert [g.recordings for g in summarize(str(out), by="all").groups] == [11]


def test_drift(out: Path) -> None:
    found = summarize(str(out), compare=periods("2026-11-21"))
    assert {each.what for each in found.drift} == {"emotions", "confidence", *found.emotions}
    assert [each.psi for each in found.drift] == sorted((d.psi for d in found.drift), reverse=True)
    same = Period(None, date(2026, 12, 1))
    assert all(d.psi == 0 for d in summarize(str(out), compare=(same, same)).drift)
    with pytest.raises(UsageError, match="nothing was heard until 2020-12-31"):
        summarize(str(out), compare=periods("2021-01-01"))


def test_the_index_is_the_formula() -> None:
    assert psi([1, 1], [1, 1]) == 0
    assert psi([900_000, 100_000], [500_000, 500_000]) == pytest.approx(0.8789, abs=1e-4)
    assert psi([10, 0], [0, 10]) > 1  # no bin is empty


def test_chance_is_no_drift() -> None:
    chance = np.random.default_rng(0)
    share = np.full(10, 0.1)
    for size, share_above in ((50, 0.98), (150, 0.6), (300, 0.1)):  # the last two as the docs say
        drawn = [
            Drift("x", psi(*chance.multinomial(size, share, 2)), by_chance(10, size, size))
            for _ in range(400)
        ]
        above = sum(each.psi >= 0.1 for each in drawn) / len(drawn)
        assert above == pytest.approx(share_above, abs=0.06)  # of custom's "shifting"
        assert sum(each.verdict not in ("stable", "too few to say") for each in drawn) <= 12
    # What is really another distribution is told all the same, if there are some hundreds.
    other = chance.multinomial(300, np.arange(1, 11) / 55)
    large = Drift("x", psi(chance.multinomial(300, share), other), by_chance(10, 300, 300))
    assert large.verdict == "shifted"


@pytest.mark.parametrize("sizes", [(150, 150), (150, 3000), (1000, 1000)])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.6, 0.3, 0.1), (0.125,) * 8])
def test_emotions_that_never_occur_do_not_count(
    shares: tuple[float, ...], sizes: tuple[int, int]
) -> None:
    chance = np.random.default_rng(0)
    all_of_them = np.append(shares, np.zeros(8 - len(shares)))
    drawn = [
        drift.between("emotions", [chance.multinomial(size, all_of_them) for size in sizes], sizes)
        for _ in range(2000)
    ]
    above = sum(each.psi > each.chance for each in drawn) / len(drawn)
    assert above == pytest.approx(0.01, abs=0.005)
    simulated = np.quantile([each.psi for each in drawn], 0.99)
    assert np.median([each.chance for each in drawn]) == pytest.approx(simulated, rel=0.15)


def test_segments_count_by_their_time() -> None:
    import duckdb

    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE rows AS SELECT i / 100.0 AS score, CASE WHEN i < 50 THEN 3 ELSE 1 END AS "
            "seconds FROM range(100) each(i)"
        )
        edges = drift._deciles(database, "score", "true", "seconds")
        # Of 200 seconds 150 are below 0.5: 20 seconds are about 6.7 answers there, then 20.
        assert edges == pytest.approx([0.06, 0.13, 0.19, 0.26, 0.33, 0.39, 0.46, 0.59, 0.79])
        assert drift._deciles(database, "score", "true", None)[4] == pytest.approx(0.495)


@pytest.mark.parametrize("low", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_bound_that_is_none(out: Path, low: float) -> None:
    with pytest.raises(UsageError, match="a confidence of"):
        summarize(str(out), low=low)


def test_what_is_not_complete_says_so(out: Path) -> None:
    found = dataclasses.replace(summarize(str(out)), complete=False)
    page, lines = tables.html_text(found), tables.csv_text(found).splitlines()
    assert tables.INCOMPLETE in page
    assert str(out) in page
    assert all(line.endswith(f",no,{out}") for line in lines[1:])
    assert tables.INCOMPLETE not in tables.html_text(summarize(str(out)))


def test_two_periods() -> None:
    before, after = periods("2026-10-01..2026-10-31,2026-11-01..2026-11-30")
    assert (str(before), str(after)) == ("2026-10-01 to 2026-10-31", "2026-11-01 to 2026-11-30")
    for wrong in ("yesterday", "2026-13-01", "2026-10-01..2026-10-31", "a..b,c..d", ""):
        with pytest.raises(UsageError, match="two periods"):
            periods(wrong)


def test_as_csv_and_page(out: Path, tmp_path: Path) -> None:
    found = summarize(str(out), by="speaker")
    lines = list(csv.DictReader(io.StringIO(tables.csv_text(found))))
    assert [line["speaker"] for line in lines] == ["<bob>", "ann"]
    assert float(lines[0]["low"]) == pytest.approx(found.groups[0].low or 0, abs=1e-4)
    tables.write(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "&lt;bob&gt;" in page
    assert "<bob>" not in page
    with pytest.raises(UsageError, match=r"\.csv or \.html"):
        tables.check(tmp_path / "page.pdf")


def test_the_command(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*words: Any) -> str:
        assert command(["batch", "summarize", str(out), *map(str, words)]) == 0
        return capsys.readouterr().out

    assert "2026-11-20" in printed()
    told = printed("--drift", "2026-11-21").splitlines()
    assert tables.compared(summarize(str(out), compare=periods("2026-11-21"))) in told
    assert json.loads(printed("--json"))["groups"][0]["recordings"] == 5
    assert printed("--csv").startswith("day,recordings,failed,speech_s,")
    lines = printed("--csv", "--drift", "2026-11-21").splitlines()
    assert lines[0] == "what,psi,by_chance,verdict,before,after,complete,batch"
    assert lines[1].endswith(f",4,6,yes,{out}")
    printed("-o", tmp_path / "x.csv", "-o", tmp_path / "x.html")
    assert (tmp_path / "x.csv").exists()
    assert (tmp_path / "x.html").exists()
    assert command(["batch", "summarize", str(tmp_path)]) == 2
    assert command(["batch", "summarize", str(out), "--by", "moon"]) == 2


def test_the_command_hears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = bundles.write(tmp_path / "toy.emotone")
    batches.clips(tmp_path / "in", 3)
    words = [str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(model)]
    assert command(["batch", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recordings"], told["done"], told["failed"]) == (3, 3, 0)
    assert command(["batch", *words]) == 2
    assert "--resume" in capsys.readouterr().err
    (tmp_path / "in" / "bad.wav").write_text("no audio")
    other = [words[0], str(tmp_path / "other"), *words[2:]]
    assert command(["batch", "run", *other, "--jobs", "1"]) == 1
    assert "1 of 4 recordings could not be heard (1 unreadable_audio)" in capsys.readouterr().err
    assert command(["batch", str(tmp_path / "in")]) == 2
    assert command(["batch", *other, "--channels", "left"]) == 2
    assert command(["batch", *other, "--channels", "split"]) == 2
