"""A bundle: the model and its card, together, checked."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import emotone
from emotone.bundle import graph, storage
from emotone.bundle.card import Card, FileRecord
from emotone.errors import BundleError


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model and its card, read into memory and checked.

    Attributes
    ----------
    path
        Where it was read from.
    card
        What it says about itself.
    model
        The content of ``model.onnx``, exactly the bytes that were checked.
    frames
        The content of ``frames.onnx``, the same; None where there is none.
    """

    path: Path
    card: Card
    model: bytes = dataclasses.field(repr=False)
    frames: bytes | None = dataclasses.field(repr=False, default=None)

    @property
    def files(self) -> dict[str, bytes]:
        """All of its files, the card as it is written."""
        return contents(self.card, self.model, self.frames)

    @classmethod
    def open(cls, path: str | Path, *, max_bytes: int = storage.DEFAULT_MAX_BYTES) -> Bundle:
        """Read a bundle, and refuse it unless everything about it is right.

        Checked in this order, before anything is loaded: the container and its bounds, the card's
        format and fields, the size and SHA-256 of the models, and that they keep within their
        own files and the operators of the ONNX standard.

        A bundle runs no code of its own, yet what a stranger's model computes, and what it costs in
        time and memory, is up to the stranger. The checksum guards against damage, not against a
        forger who writes a new card.

        Parameters
        ----------
        path
            A folder, or a ``.emotone`` zip file.
        max_bytes
            The most that the model may hold.

        Raises
        ------
        BundleError
            If it is missing, damaged, tampered with, oversized, made by a newer emotone, or holds
            anything that does not belong there. The message says which, and what to do.

        Examples
        --------
        >>> Bundle.open("mine.emotone").card.model      # doctest: +SKIP
        'mine@1.0'
        """
        path = Path(path)
        files = storage.read_files(path, max_bytes=max_bytes)
        card = Card.from_json(files[storage.CARD], source=path)
        check_sums(card, files, source=path)
        check_graph(files, source=path)
        return cls(path, card, files[storage.MODEL], files.get(storage.FRAMES))


def contents(card: Card, model: bytes, frames: bytes | None) -> dict[str, bytes]:
    """The files of a bundle, by name, in their order."""
    files = {storage.CARD: card.to_json(), storage.MODEL: model}
    return files if frames is None else {**files, storage.FRAMES: frames}


def write(path: str | Path, model: bytes, card: Card, *, frames: bytes | None = None) -> Card:
    """Write a bundle, whole or not at all.

    Equal models and cards give equal files, byte for byte.

    Parameters
    ----------
    path
        A name ending in ``.emotone`` makes a zip file, any other a folder. A bundle that is there
        is replaced, and stays until the new one is complete.
    model
        The content of ``model.onnx``: one input, ``features`` or ``waveform`` as the card says,
        and one output ``scores``, float32 of shape ``(n, emotions)``, each row summing to 1.
    card
        What to say about it; its `files` and `emotone_version` are filled in.
    frames
        The content of ``frames.onnx``: a model that describes single frames for a model that can
        take these in place of the waveform, see `emotone.models.neural.shortcut.frames_model`.

    Returns
    -------
    Card
        The card as written.

    Raises
    ------
    BundleError
        If the card is not one that `Bundle.open` would accept, the model is not a self-contained
        ONNX file, or the place cannot be written.
    """
    path = Path(path)
    records = {
        name: FileRecord(hashlib.sha256(data).hexdigest(), len(data))
        for name, data in contents(card, model, frames).items()
        if name != storage.CARD
    }
    card = dataclasses.replace(card, files=records, emotone_version=emotone.__version__)
    files = contents(card, model, frames)
    Card.from_json(files[storage.CARD], source=path)
    check_graph(files, source=path)
    largest = max(record.bytes for record in records.values())
    if largest > storage.DEFAULT_MAX_BYTES or len(files[storage.CARD]) > storage.MAX_CARD_BYTES:
        raise BundleError(
            f"the model takes {largest / 2**20:.0f} MiB, more than the "
            f"{storage.DEFAULT_MAX_BYTES / 2**20:.0f} MiB of a bundle",
            source=path,
            remedy="Train a smaller one: fewer or shallower trees, fewer features, fewer layers.",
            code="oversized_bundle",
        )
    storage.write_files(path, files)
    return card


def check_sums(card: Card, files: Mapping[str, bytes], *, source: object) -> None:
    """Refuse models that are not those the card describes, by size and SHA-256."""
    for name in [name for name in files if name != storage.CARD]:
        record = card.files.get(name)
        if record is None:
            raise BundleError(
                f"card.json does not list {name}", source=source, remedy=storage.REMEDY
            )
        if record.bytes != len(files[name]):
            raise BundleError(
                f"{name} has {len(files[name])} bytes where the card says {record.bytes}: "
                "cut short or changed",
                source=source,
                remedy=storage.REMEDY,
            )
        if hashlib.sha256(files[name]).hexdigest() != record.sha256:
            raise BundleError(
                f"the checksum of {name} is not the one in the card: damaged or tampered with",
                source=source,
                remedy=storage.REMEDY,
            )
    missing = sorted(set(card.files) - set(files))
    if missing:
        raise BundleError(
            f"card.json lists {missing[0][:80]}, which is not there",
            source=source,
            remedy=storage.REMEDY,
        )


def check_graph(files: Mapping[str, bytes], *, source: object) -> dict[str, graph.GraphSummary]:
    """Refuse models that reach outside of their own file; say what each is made of, by name."""
    found = {}
    for name in [name for name in files if name != storage.CARD]:
        try:
            found[name] = graph.inspect(files[name])
        except graph.GraphError as error:
            cause = str(error) if name == storage.MODEL else f"{name}: {error}"
            raise BundleError(cause, source=source, remedy=storage.REMEDY) from error
    return found
