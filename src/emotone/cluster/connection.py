"""The way to a Ray cluster: joined, or started for as long as it is needed."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotone.errors import EmotoneError, MissingExtraError, UsageError
from emotone.features.job import cores

_KNOCK_S = 5.0
"""How long a cluster may take to answer at all. Ray itself would wait for a minute or more."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the future default, else a warning about it
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What was joined or started.

    Attributes
    ----------
    address
        Where its head answers, ``HOST:PORT``.
    nodes
        Of Ray, mostly one for each machine or container.
    machines
        How many network addresses these have.
    cores
        Processor cores of all of them.
    started
        Whether it was started for this, and ends with it.
    """

    address: str
    nodes: int
    machines: int
    cores: int
    started: bool

    def __str__(self) -> str:
        if self.started:
            return f"a Ray cluster of this machine alone, {self.cores} cores"
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"the Ray cluster at {self.address}, {nodes}, {self.cores} cores"


@contextlib.contextmanager
def connect(address: str = "auto") -> Iterator[Cluster]:
    """Be connected to a Ray cluster inside of the block.

    Parameters
    ----------
    address
        ``"auto"`` for the one that the environment names (``RAY_ADDRESS``), else the one that this
        user or root began last on this machine (``ray start``), else one that is started, on this
        machine alone, and stopped at the end of the block. ``"local"`` for one that is started,
        whatever runs. Or ``HOST:PORT`` of the head of a cluster that this machine is a node of.

    Yields
    ------
    Cluster
        A program that is connected to Ray already stays so; its cluster is used, and left alone.

    Raises
    ------
    MissingExtraError
        If the extra ``cluster`` is not installed.
    UsageError
        If this is no address.
    EmotoneError
        If no cluster answers there, or it takes none of this kind: ``no_cluster``.

    Notes
    -----
    Ray tells nobody of its use, and logs errors alone. A cluster that is started wants a secret of
    whoever connects, which Ray keeps in the home folder of the user; whether one that is joined
    does is up to who started it.
    """
    for name, value in _QUIET.items():  # before Ray is imported, which looks at them
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("a Ray cluster", "cluster") from error
    if ray.is_initialized():
        yield _found(ray, started=False)
        return
    with _termination_kept():
        started = _join_or_start(ray, address)
        folder = _session(ray) if started else None
        try:
            yield _found(ray, started=started)
        finally:
            ray.shutdown()
            if folder is not None:  # logs of a cluster that is no more
                shutil.rmtree(folder, ignore_errors=True)


def _join_or_start(ray: Any, address: str) -> bool:
    """Whether one was started."""
    named = os.environ.get("RAY_ADDRESS", "")
    if address == "auto" and named == "local":
        address = named
    if address == "local" or (address == "auto" and named in ("", "auto")):
        noted = None if address == "local" else _noted(ray)
        if not noted or not _answers(*_parts(noted, noted)):
            _init(ray, "this machine", address="local", num_cpus=cores(), include_dashboard=False)
            return True
        _init(ray, noted, address=None)  # which Ray finds by itself, with the token that it wants
        return False
    if address == "auto":
        address = named
    host, port = _parts(address, "RAY_ADDRESS" if address == named else "--ray")
    if not _answers(host, port):
        raise EmotoneError(
            "no Ray cluster answers there",
            source=address,
            remedy="Start one by 'ray start --head', name the head of one that runs, or give auto.",
            code="no_cluster",
        )
    _init(ray, address, address=address)
    return False


def _noted(ray: Any) -> str | None:
    """What `ray start` wrote down on this machine, which outlives a cluster that crashed.

    Only a cluster of this user, or of root, is joined without being named: whoever runs a cluster
    can run code in all programs that are connected to it, and anybody may write where this lies.
    """
    path = Path(ray._private.utils.get_ray_address_file(None))
    try:
        with path.open(encoding="utf-8") as file:
            owner, noted = os.fstat(file.fileno()).st_uid, file.read().strip()
    except (OSError, ValueError):
        return None
    return noted if sys.platform == "win32" or owner in (0, os.getuid()) else None


def _init(ray: Any, where: str, **options: Any) -> None:
    try:
        ray.init(**options, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # a bare one, where it does not start in time
        with contextlib.suppress(Exception):
            ray.shutdown()
        if options["address"] == "local":
            _forget_started()
            raise EmotoneError(
                f"Ray does not start ({_line(error.__cause__ or error)})",
                source=where,
                remedy="Try it again when the machine has less to do; or do without --ray, which "
                "takes all cores of this machine too.",
                code="no_cluster",
            ) from error
        raise EmotoneError(
            f"the Ray cluster does not take this program ({_line(error.__cause__ or error)})",
            source=where,
            remedy="Run it on a node of the cluster, with the same Python and Ray, and with "
            "RAY_AUTH_MODE=token where the cluster wants a token.",
            code="no_cluster",
        ) from error


def _forget_started() -> None:
    """Take away the logs of clusters that this process tried to start."""
    import tempfile

    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray")
    for session in folder.glob(f"session_*_{os.getpid()}"):
        shutil.rmtree(session, ignore_errors=True)


def _parts(address: str, source: str) -> tuple[str, int]:
    """Host and port of an address."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not host or not port.isdecimal() or int(port) > 65535:
        kind = "an address of the Ray client" if address.startswith("ray://") else "none of Ray's"
        raise UsageError(
            f"the address {address!r} is {kind}",
            source=source,
            remedy="Give auto, local, or HOST:PORT of the cluster's head, which 'ray start' names; "
            "and run emotone on a node of the cluster, by 'ray job submit' for one.",
        )
    return host.strip("[]"), int(port)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_KNOCK_S).close()
    except OSError:
        return False
    return True


def _found(ray: Any, *, started: bool) -> Cluster:
    alive = [node for node in ray.nodes() if node["Alive"]]
    return Cluster(
        address=ray.get_runtime_context().gcs_address,
        nodes=len(alive),
        machines=len({node["NodeManagerAddress"] for node in alive}),
        cores=int(sum(node["Resources"].get("CPU", 0) for node in alive)),
        started=started,
    )


def _line(error: BaseException) -> str:
    """The first sentence of what Ray says, which is often a page."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:300].rstrip(".")


def _session(ray: Any) -> Path:
    return Path(ray._private.worker._global_node.get_session_dir_path())


@contextlib.contextmanager
def _termination_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself while it is connected, and does not give it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
