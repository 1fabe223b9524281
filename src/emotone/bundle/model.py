"""A bundle: the model and its card, together, checked."""

from __future__ import annotations

import dataclasses
import hashlib
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
    """

    path: Path
    card: Card
    model: bytes = dataclasses.field(repr=False)

    @classmethod
    def open(cls, path: str | Path, *, max_bytes: int = storage.DEFAULT_MAX_BYTES) -> Bundle:
        """Read a bundle, and refuse it unless everything about it is right.

        Checked in this order, before anything is loaded: the container and its bounds, the card's
        format and fields, the size and SHA-256 of the model, and that the model keeps within its
        own file and the operators of the ONNX standard.

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
        model = files[storage.MODEL]
        check_sums(card, model, source=path)
        check_graph(model, source=path)
        return cls(path, card, model)


def write(path: str | Path, model: bytes, card: Card) -> Card:
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
    record = FileRecord(hashlib.sha256(model).hexdigest(), len(model))
    card = dataclasses.replace(
        card, files={storage.MODEL: record}, emotone_version=emotone.__version__
    )
    data = card.to_json()
    Card.from_json(data, source=path)
    check_graph(model, source=path)
    if len(model) > storage.DEFAULT_MAX_BYTES or len(data) > storage.MAX_CARD_BYTES:
        raise BundleError(
            f"the model takes {len(model) / 2**20:.0f} MiB, more than the "
            f"{storage.DEFAULT_MAX_BYTES / 2**20:.0f} MiB of a bundle",
            source=path,
            remedy="Train a smaller one: fewer or shallower trees, fewer features, fewer layers.",
            code="oversized_bundle",
        )
    storage.write_files(path, {storage.CARD: data, storage.MODEL: model})
    return card


def check_sums(card: Card, model: bytes, *, source: object) -> None:
    """Refuse a model that is not the one its card describes, by size and SHA-256."""
    if set(card.files) != {storage.MODEL}:
        raise BundleError(
            f"card.json must list {storage.MODEL} and no other file",
            source=source,
            remedy=storage.REMEDY,
        )
    record = card.files[storage.MODEL]
    if record.bytes != len(model):
        raise BundleError(
            f"{storage.MODEL} has {len(model)} bytes where the card says {record.bytes}: "
            "cut short or changed",
            source=source,
            remedy=storage.REMEDY,
        )
    if hashlib.sha256(model).hexdigest() != record.sha256:
        raise BundleError(
            f"the checksum of {storage.MODEL} is not the one in the card: damaged or tampered with",
            source=source,
            remedy=storage.REMEDY,
        )


def check_graph(model: bytes, *, source: object) -> graph.GraphSummary:
    """Refuse a model that reaches outside of its own file; say what it is made of."""
    try:
        return graph.inspect(model)
    except graph.GraphError as error:
        raise BundleError(str(error), source=source, remedy=storage.REMEDY) from error
