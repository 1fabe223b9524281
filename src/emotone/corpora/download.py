"""Getting a corpus from its public address: terms first, then fetched, checked and unpacked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotone.corpora.archives import ArchiveLimits, sweep, unpack
from emotone.corpora.catalogue import info
from emotone.corpora.fetching import Fetched, Patience, digests, fetch
from emotone.corpora.reader import CorpusInfo, Download
from emotone.errors import CorpusError

_USELESS = {"wrong_checksum", "bad_archive", "unsafe_archive"}
"""Errors of an archive that would come again."""

Progress = Callable[[str, int, int | None], None]
"""Called with ``"download"`` and bytes, or ``"unpack"`` and files: done, and in all if known."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """One archive of a corpus that is now unpacked.

    Attributes
    ----------
    folder
        Where its files are.
    files
        How many were unpacked; 0 if it was there already.
    sha256
        Of the archive, in hex; None if it was there already.
    trust
        What its content was checked against: ``"published checksum"``, ``"first download"`` (the
        checksum kept from the first time), ``"nothing published"`` (this is the first time, and
        the checksum is kept from now on, or the server packs the archive anew each time and only
        the archive's own checksums count) or ``"already there"``.
    """

    folder: Path
    files: int
    sha256: str | None
    trust: str


def terms(name: str) -> str:
    """The terms of a corpus, for a person to read before anything is fetched.

    Raises
    ------
    CorpusError
        If no corpus has that name.
    """
    about = info(name)
    lines = [
        about.title,
        f"Terms: {about.licence}",
        f"Homepage, with the full terms: {about.homepage}",
        f"Cite: {about.citation}",
    ]
    lines += [f"{item.url}: {item.warning}" for item in about.downloads if item.warning]
    return "\n".join(lines)


def download(
    name: str,
    target: str | os.PathLike[str],
    *,
    accept_licence: bool = False,
    parts: Sequence[str] | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
    limits: ArchiveLimits | None = None,
) -> list[Downloaded]:
    """Download a corpus into a folder, where `emotone.corpora.load` reads it.

    Each archive is unpacked into a folder of its own in ``target`` and then deleted; its SHA-256
    stays beside it (``ARCHIVE.sha256``). Where the distributor publishes an MD5 it must agree.
    Where none is published the first download is trusted, and a later one must be the same. A run
    that was interrupted goes on where it stopped; a part that is there already is left alone.

    Parameters
    ----------
    name
        Of the corpus.
    target
        A folder; made if need be.
    accept_licence
        Whether the person has read `terms` and accepts them.
    parts
        Which parts (``["speech", "song"]`` for RAVDESS); what is not optional if None.
    progress
        Called as things go on.
    patience
        Timeouts and retries.
    limits
        Bounds on what an archive unpacks to.

    Raises
    ------
    CorpusError
        If the terms are not accepted (code ``licence_not_accepted``; the message holds them), the
        corpus has no direct address (``no_download``; the message says how to get it), or it
        cannot be fetched, checked or unpacked.
    """
    about = info(name)
    if not about.downloads:
        raise CorpusError(
            "has no public direct address",
            source=about.title,
            remedy=about.instructions,
            code="no_download",
        )
    chosen = _chosen(about, parts)
    if not accept_licence:
        raise CorpusError(
            "its terms have to be accepted first",
            source=about.name,
            remedy=f"They are:\n\n{terms(name)}\n\n"
            "Accept them with --accept-licence, or accept_licence=True.",
            code="licence_not_accepted",
        )
    folder = Path(target).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(
            f"cannot be made a folder ({error.strerror})",
            source=folder,
            remedy="Choose another place.",
        ) from None
    return [_one(item, folder, progress, patience, limits) for item in chosen]


def _chosen(about: CorpusInfo, parts: Sequence[str] | None) -> list[Download]:
    if parts is None:
        return [item for item in about.downloads if not item.optional]
    known = [item.part for item in about.downloads]
    for part in parts:
        if part not in known:
            raise CorpusError(
                f"has no part {part!r}",
                source=about.name,
                remedy=f"Its parts: {', '.join(known)}.",
            )
    return [item for item in about.downloads if item.part in parts]


def _one(
    item: Download,
    target: Path,
    progress: Progress | None,
    patience: Patience | None,
    limits: ArchiveLimits | None,
) -> Downloaded:
    folder = target / Path(item.filename).stem
    archive = target / item.filename
    sweep(target)
    if folder.is_dir():
        if first := _sum(_note(archive)):  # the end was all that was missing
            _finished(archive, first)
        return Downloaded(folder, 0, None, "already there")
    got = _kept(item, archive)
    if got is None:
        got = fetch(
            item.url,
            archive,
            md5=item.md5,
            progress=None if progress is None else lambda done, of: progress("download", done, of),
            patience=patience,
        )
        with contextlib.suppress(OSError):  # on a full disk; it is fetched again then
            _write_sum(_note(archive), got.sha256, archive)
    try:
        trust = _trust(item, got)
        files = unpack(
            archive,
            folder,
            inside=item.inside,
            limits=limits,
            progress=None if progress is None else lambda done: progress("unpack", done, None),
        )
    except CorpusError as error:
        if error.code in _USELESS:
            archive.unlink(missing_ok=True)
            _note(archive).unlink(missing_ok=True)
        raise
    _finished(archive, got.sha256)
    return Downloaded(folder, files, got.sha256, trust)


def _kept(item: Download, archive: Path) -> Fetched | None:
    """What an earlier run fetched and did not come to unpack, if it is whole."""
    if not archive.is_file():
        return None
    try:
        got = digests(archive)
    except OSError:
        return None
    if item.md5 is not None:
        return got if got.md5 == item.md5 else None
    return got if got.sha256 in (_sum(_note(archive)), _sum(_record(archive))) else None


def _finished(archive: Path, sha256: str) -> None:
    """What was in it is there: keep its checksum alone."""
    archive.unlink(missing_ok=True)
    _write_sum(_record(archive), sha256, archive)
    _note(archive).unlink(missing_ok=True)


def _record(archive: Path) -> Path:
    return archive.with_name(archive.name + ".sha256")


def _note(archive: Path) -> Path:
    """Beside an archive that was fetched whole, until it is unpacked: its checksum."""
    return archive.with_name(archive.name + ".fetched")


def _write_sum(path: Path, sha256: str, archive: Path) -> None:
    path.write_text(f"{sha256}  {archive.name}\n", encoding="utf-8")


def _sum(path: Path) -> str | None:
    """The checksum in a file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").split(" ")[0].strip() or None
    except OSError:
        return None


def _trust(item: Download, got: Fetched) -> str:
    """What the bytes agree with; raises if they differ from those of the first download."""
    if item.md5 is not None:
        return "published checksum"
    record = _record(got.path)
    first = _sum(record)
    if item.generated or first is None:
        return "nothing published"
    if first != got.sha256:
        raise CorpusError(
            f"is not the file that was first downloaded (SHA-256 {got.sha256}, first {first})",
            source=item.url,
            remedy=f"If the distributor has changed it, delete {record} and download again.",
            code="wrong_checksum",
        )
    return "first download"
