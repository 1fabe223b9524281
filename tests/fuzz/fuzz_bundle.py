"""Bundles: the zip, the card and the graph of a stranger, and all of them together."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import refusals

import bundles
from emotone.bundle import Bundle, archive, graph
from emotone.bundle.card import Card
from emotone.errors import BundleError

_KINDS = 4
_FOLDER = tempfile.TemporaryDirectory(prefix="emotone-fuzz-")
_PLACE = Path(_FOLDER.name) / "mine.emotone"


def seeds() -> list[bytes]:
    """The first byte says what the rest is: a zip, a card, a model, or a whole bundle."""
    path = bundles.write(_PLACE)
    whole = path.read_bytes()
    opened = Bundle.open(path)
    waveform = bundles.linear_model(np.ones((1, 2)), np.ones(2), kind="waveform")
    return [
        b"\0" + whole,
        b"\1" + opened.card.to_json(),
        b"\2" + opened.model,
        b"\2" + waveform,
        b"\2" + bundles.forest(),
        b"\3" + whole,
    ]


def one_input(data: bytes) -> None:
    """What is opened is what its card says, or it is refused as a bundle is."""
    kind, data = (data[0] % _KINDS, data[1:]) if data else (0, b"")
    if kind == 0:
        file = io.BytesIO(data)
        try:
            for member in archive.directory(file, len(data)):
                if member.size <= 200 * max(member.packed_size, 1):
                    assert len(archive.read(file, member)) == member.size
        except archive.ArchiveError:
            pass
    elif kind == 1:
        try:
            card = Card.from_json(data, source="fuzz")
        except BundleError:
            return
        assert Card.from_json(card.to_json(), source="fuzz") == card
    elif kind == 2:
        try:
            found = graph.inspect(data)
        except graph.GraphError:
            return
        assert found.nodes >= 0
    else:
        _PLACE.write_bytes(data)
        try:
            Bundle.open(_PLACE, max_bytes=2**20)
        except BundleError as error:
            refusals.check(error)
