"""What a service is told when it starts: where it keeps things, and how much it takes."""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emotone.bundle.registry import data_folder
from emotone.errors import UsageError

MIB = 1024**2
GIB = 1024**3


def default_folder() -> Path:
    """Where a service keeps things: ``EMOTONE_SERVER``, else ``emotone/server`` among the data."""
    chosen = os.environ.get("EMOTONE_SERVER")
    return Path(chosen).expanduser() if chosen else data_folder() / "server"


@dataclass(frozen=True)
class ServerSettings:
    """How a service runs.

    Attributes
    ----------
    folder
        Where uploads, kept audio and, by default, the database are. One service at a time uses it.
    database
        Address of the database, such as ``postgresql://user@host/name``; the file ``emotone.db``
        in the folder when None.
    host, port
        Where it listens. On another host than loopback it demands a key, or `insecure`.
    insecure
        Whether anyone who reaches it may use it without a key.
    names
        Names that requests may be sent to besides ``localhost``, `host` and addresses, such as that
        of a proxy before it. A request to any other name is refused.
    requests_per_minute
        Requests of a key that has no limit of its own; more are refused with 429.
    requests_each, requests_all
        Requests that are answered at the same time, of one owner and of all; more are refused with
        429. Who watches an analysis has one open all the while.
    log_details
        Whether the log has names, paths and addresses of clients too.
    models
        Further models by the name that requests choose them by: paths of bundles. ``default`` is
        the one that ships with the package unless another is given under that name.
    max_clip_bytes, max_clip_s
        The largest and longest clip that is answered at once.
    max_upload_bytes, max_recording_s
        The largest and longest recording that is analysed.
    clip_workers
        Processes that decode and hear clips.
    clips_waiting
        Clips that may wait for them; more are refused with 503.
    clip_memory_bytes, clip_time_s
        What one clip may take: memory of its process, and seconds.
    jobs_at_once
        Recordings that are analysed at the same time, each in a process of its own.
    job_threads
        Cores that one analysis uses; those of the machine shared out among `jobs_at_once` when
        None.
    job_memory_bytes
        What one analysis may take.
    job_stall_s
        Seconds without progress after which an analysis is given up.
    job_time_s
        Seconds after which an analysis is given up whatever its progress.
    checkpoint_s
        Seconds between one note on the disk of how far an analysis is and the next: what is lost at
        most when the service is killed.
    job_attempts
        How often an analysis may crash its process before it is given up.
    jobs_waiting
        Recordings of one owner that may wait to be analysed; more are refused with 429.
    results_days
        Days after which an analysis is deleted with all that belongs to it; never when None.
    live_each, live_all
        Live sessions that one key, and all together, may have at once.
    live_threads
        Cores that hear live sessions; all of the machine, but four at most, when None.
    sweep_s
        Seconds between one look for what has expired and the next.
    shutdown_s
        Seconds that running analyses have to finish when the service is asked to stop. Those that
        do not are parked, and go on when it starts again.
    """

    folder: Path = field(default_factory=default_folder)
    database: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    insecure: bool = False
    names: tuple[str, ...] = ()
    requests_per_minute: int = 1200
    requests_each: int = 100
    requests_all: int = 1000
    log_details: bool = False
    models: Mapping[str, Path] = field(default_factory=dict)
    max_clip_bytes: int = 64 * MIB
    max_clip_s: float = 300.0
    max_upload_bytes: int = 4 * GIB
    max_recording_s: float = 24 * 3600.0
    clip_workers: int = 2
    clips_waiting: int = 256
    clip_memory_bytes: int = 1 * GIB
    clip_time_s: float = 20.0
    jobs_at_once: int = 1
    job_threads: int | None = None
    job_memory_bytes: int = 3 * GIB
    job_stall_s: float = 300.0
    job_time_s: float = 12 * 3600.0
    checkpoint_s: float = 5.0
    job_attempts: int = 3
    jobs_waiting: int = 1000
    results_days: float | None = None
    live_each: int = 128
    live_all: int = 256
    live_threads: int | None = None
    sweep_s: float = 60.0
    shutdown_s: float = 4.0

    def __post_init__(self) -> None:
        for name in (
            "requests_per_minute",
            "live_each",
            "live_all",
            "requests_each",
            "requests_all",
            "max_clip_bytes",
            "max_clip_s",
            "max_upload_bytes",
            "max_recording_s",
            "clip_workers",
            "clip_memory_bytes",
            "clip_time_s",
            "jobs_at_once",
            "job_memory_bytes",
            "job_stall_s",
            "job_time_s",
            "checkpoint_s",
            "job_attempts",
            "jobs_waiting",
            "clips_waiting",
            "sweep_s",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} is {value}", remedy="Give a number above 0.")
        for name in ("job_threads", "live_threads", "results_days"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} is {value}", remedy="Give a number above 0, or none.")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"the port is {self.port}", remedy="Give one from 0 to 65535.")
        if not (math.isfinite(self.shutdown_s) and self.shutdown_s >= 0):
            raise UsageError(f"shutdown_s is {self.shutdown_s}", remedy="Give 0 or more.")

    @property
    def loopback(self) -> bool:
        """Whether nothing but this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def everywhere(self) -> bool:
        """Whether it listens on every address of this machine."""
        return self.host in ("0.0.0.0", "::")

    @property
    def database_url(self) -> str:
        """The database's address as SQLAlchemy takes it."""
        if self.database is None:
            return f"sqlite:///{(self.folder / 'emotone.db').absolute()}"
        scheme, mark, rest = self.database.partition("://")
        if scheme in ("postgres", "postgresql") and mark:
            return f"postgresql+psycopg://{rest}"
        return self.database
