"""What an ONNX file would do, found out without loading it.

A model from a stranger must not reach beyond its own file. ONNX has two ways to: weights kept
"externally" in any path the file names, and operators of a domain that some plug-in library
supplies. `inspect` walks the Protocol Buffers encoding of the file and refuses both before ONNX
Runtime sees a byte. It needs neither the `onnx` package nor Protocol Buffers, only the field
numbers of the messages it goes through (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

The walk is bounded: each message lies within its parent, nesting is limited, and long numeric
lists (the trees of a forest) are skipped at the speed of `re`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ALLOWED_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""The operator sets of the ONNX standard itself."""

MAX_DEPTH: Final = 32
"""Messages within messages; a graph in an attribute of a node (If, Loop, Scan) adds three."""


class GraphError(ValueError):
    """An ONNX file that is damaged or reaches for what it may not; the message says which."""


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """What `inspect` found.

    Attributes
    ----------
    operators
        The distinct operators in use, with their domain in front where it has one, sorted.
    nodes
        How many nodes the graph has, those of inner graphs included.
    """

    operators: tuple[str, ...]
    nodes: int


# Which fields of which message hold a message worth going into.
_INTO: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
    "opset": {},
}
# The texts to look at: the domain of an operator set, a node's type and domain.
_TEXT: Final[dict[str, frozenset[int]]] = {
    "opset": frozenset({1}),
    "node": frozenset({4, 7}),
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14

# An attribute may hold millions of numbers, each with its own tag: the floats (field 7, 4 bytes
# each), the ints (field 8) and the strings (field 9) of a tree ensemble, the last of two values.
# `re` keeps a note per repetition, so a run is taken in stretches of bounded memory.
_RUN = re.compile(
    rb"(?:\x3d.{4}){1,4096}"
    rb"|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]){1,4096}"
    rb"|(?:\x4a\x0aBRANCH_LEQ|\x4a\x04LEAF){1,4096}",
    re.DOTALL,
)
_RUN_TAGS = frozenset({0x3D, 0x40, 0x4A})


def inspect(model: bytes) -> GraphSummary:
    """Walk an ONNX file and refuse what reaches outside of it.

    Parameters
    ----------
    model
        The content of the file.

    Raises
    ------
    GraphError
        If the file is not well-formed, keeps weights outside of itself, or uses operators that
        are not of the ONNX standard.
    """
    if model[4:8] == b"ORTM":  # ONNX Runtime's own form, which this walk does not read
        raise GraphError("the model is not a well-formed ONNX file")
    walk = _Walk(model)
    walk.message("model", 0, len(model), 0)
    if not walk.has_graph:
        raise GraphError("the model holds no graph")
    return GraphSummary(tuple(sorted(walk.operators)), walk.nodes)


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.operators: set[str] = set()
        self.nodes = 0
        self.has_graph = False

    def message(self, kind: str, start: int, end: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise GraphError("the model is nested too deeply")
        if kind == "graph":
            self.has_graph = True
        data, into, text = self.data, _INTO[kind], _TEXT.get(kind, frozenset())
        texts: dict[int, str] = {}
        position = start
        while position < end:
            if kind == "attribute" and data[position] in _RUN_TAGS:
                run = _RUN.match(data, position, end)
                if run is not None:
                    position = run.end()
                    continue
            tag, position = self.varint(position, end)
            if tag > 0xFFFFFFFF:  # other readers would drop the upper bits and see another field
                raise GraphError("the model is not a well-formed ONNX file")
            number, wire = tag >> 3, tag & 7
            if wire == 0:
                value, position = self.varint(position, end)
                if kind == "tensor" and number == _DATA_LOCATION and value != 0:
                    raise GraphError("the model keeps weights outside of its own file")
            elif wire == 2:
                length, position = self.varint(position, end)
                if length > end - position:
                    raise GraphError("the model is cut short or damaged")
                if kind == "tensor" and number == _EXTERNAL_DATA:
                    raise GraphError("the model keeps weights outside of its own file")
                if number in into:
                    self.message(into[number], position, position + length, depth + 1)
                elif number in text:
                    texts[number] = data[position : position + length].decode(errors="replace")
                position += length
            elif wire in (1, 5):
                position += 8 if wire == 1 else 4
            else:
                raise GraphError("the model is not a well-formed ONNX file")
        if position != end:
            raise GraphError("the model is cut short or damaged")
        self.found(kind, texts)

    def found(self, kind: str, texts: dict[int, str]) -> None:
        domain = texts.get(1 if kind == "opset" else 7, "")
        if kind in ("opset", "node") and domain not in ALLOWED_DOMAINS:
            raise GraphError(f"the model uses operators of the domain {domain[:80]!r}")
        if kind == "node":
            self.nodes += 1
            operator = texts.get(4, "")
            self.operators.add(f"{domain}.{operator}" if domain == "ai.onnx.ml" else operator)

    def varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while position < end and shift < 70:
            byte = self.data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
        raise GraphError("the model is cut short or damaged")
