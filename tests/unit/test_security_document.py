"""What docs/security.md says is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra server")

from emotone.cli.app import run
from emotone.server.metrics import Metrics
from emotone.server.security import connections
from emotone.server.security.bodies import Patience
from emotone.server.settings import GIB, MIB, ServerSettings

REPO = Path(__file__).resolve().parents[2]
TEXT = (REPO / "docs" / "security.md").read_text(encoding="utf-8")


def limit(what: str) -> str:
    """The second cell of the row of that name."""
    [row] = [line for line in TEXT.splitlines() if line.startswith(f"| {what} |")]
    return row.split("|")[2].strip()


def test_the_limits_are_the_defaults():
    settings, patience = ServerSettings(), Patience()
    clip = f"{settings.max_clip_bytes // MIB} MiB, {settings.max_clip_s:.0f} s"
    assert limit("a clip") == clip
    recording = f"{settings.max_upload_bytes // GIB} GiB, {settings.max_recording_s / 3600:.0f} h"
    assert limit("a recording") == recording
    assert limit("a body") == (
        f"{patience.idle_s:.0f} s without a byte; after {patience.grace_s:.0f} s of waiting "
        f"{patience.bytes_per_s / 1024:.0f} KiB/s on average"
    )
    headers = f"{connections.HEADERS_BYTES // 1024} KiB; {connections.HEADERS_S:.0f} s"
    assert limit("headers") == headers
    assert limit("an answer that is not read") == f"{connections.READ_S:.0f} s"
    assert limit("connections").startswith(f"{connections.MOST_CONNECTIONS:,}, ")
    assert limit("requests of a key").startswith(f"{settings.requests_per_minute:,} a minute")
    each, most = settings.requests_each, settings.requests_all
    assert limit("open requests").startswith(f"{each} of an owner, {most:,} in all")
    assert limit("recordings that wait") == f"{settings.jobs_waiting:,} of an owner"
    assert limit("clips that wait") == f"{settings.clips_waiting}"
    live = f"{settings.live_each} of a key, {settings.live_all} in all"
    assert limit("live sessions").startswith(live)
    memory = (settings.clip_memory_bytes // GIB, settings.job_memory_bytes // GIB)
    assert "({} GiB for a clip,\n{} GiB for a recording)".format(*memory) in TEXT


def test_the_figures_are_those_of_metrics():
    told = set(re.findall(r"^\| `(emotone_\w+)` \|", TEXT, re.MULTILINE))
    text = Metrics(states=dict).exposition().decode()
    there = set(re.findall(r"^# TYPE (emotone_\w+)", text, re.MULTILINE))
    assert told == there - {"emotone_info"}


def test_every_command_is_one(capsys: pytest.CaptureFixture[str]):
    lines = re.findall(r"^\$ emotone (.+)$", TEXT, re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        assert run([*shlex.split(line), "--help"]) == 0, capsys.readouterr().err


def test_links_and_files_are_there():
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", TEXT):
        assert (REPO / "docs" / target).is_file(), target
    for name in re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)`", TEXT):
        assert list((REPO / "tests").rglob(name)), name
