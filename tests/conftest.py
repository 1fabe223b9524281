"""Where the tests find real recordings, and what happens where there are none."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from databases import PostgreSQL

REPO = Path(__file__).resolve().parent.parent

# Nobody's own configuration decides what a test sees.
os.environ["EMOTONE_CONFIG"] = ""

# librosa keeps what numba compiles beside its own source. Workers that fill that cache at once can
# leave code for other types there, and then librosa crashes Python, in every later run as well.
# So each process of pytest has a cache of its own, named before anything imports numba.
_NUMBA_CACHE = tempfile.TemporaryDirectory(prefix="emotone-numba-", ignore_cleanup_errors=True)
os.environ["NUMBA_CACHE_DIR"] = _NUMBA_CACHE.name


# What runs in the background of a script ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def corpora_folder() -> Path | None:
    """The folder of the nine corpora: ``EMOTONE_CORPORA``, else ``../shared/data``."""
    folder = Path(os.environ.get("EMOTONE_CORPORA", REPO.parent / "shared" / "data"))
    return folder if (folder / "ravdess").is_dir() else None


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora; the test skips, saying so, where it is absent."""
    folder = corpora_folder()
    if folder is None:
        pytest.skip(
            "no corpora here: set EMOTONE_CORPORA to the folder that holds ravdess/, emodb/, …"
        )
    return folder


@pytest.fixture(scope="session")
def corpora_if_any() -> Path | None:
    """The same for a test that can do with a stand-in: None where it is absent."""
    return corpora_folder()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for all tests; the test skips where its programs are not installed."""
    from databases import running

    with running() as server:
        yield server


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Under CI with the corpora there, a skipped test is a failed one: nothing hides."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and corpora_folder() is not None:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped under CI although the corpora are there"
