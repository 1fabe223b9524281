"""What an ONNX file would do, found out without loading it.

A model from a stranger must not reach beyond its own file. ONNX has two ways to: weights kept
"externally" in any path the file names, and operators of a domain that some plug-in library
supplies. Nor must a few bytes of it become endless work: by an operator that repeats a part of the
graph, by functions that call each other, or by a tensor that declares more numbers than it holds.
`inspect` walks the Protocol Buffers encoding of the file and refuses all of that before ONNX
Runtime sees a byte. It needs neither the `onnx` package nor Protocol Buffers, only the field
numbers of the messages it goes through (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

What is left runs each node once at most. Tensors that grow from one node to the next are not seen
here; `emotone.runtime` bounds their memory and the time of a run.

The walk is bounded: each message lies within its parent, nesting is limited, and long numeric
lists (the trees of a forest) are skipped at the speed of `re`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from emotone.bundle.operators import ALLOWED, CLASSICAL_DOMAIN, reason

MAX_DEPTH: Final = 32
"""Messages within messages; a graph in an attribute of a node (If) adds three."""

MAX_NODES: Final = 10_000
"""Several times those of a large speech encoder. ONNX Runtime takes seconds to load as many."""


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
    weights
        How many numbers it holds.
    """

    operators: tuple[str, ...]
    nodes: int
    weights: int


# Which fields of which message hold a message worth going into.
_INTO: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {},
    "opset": {},
}
# And which hold what no bundle has.
_OTHERS = "functions of its own, which could call each other without end"
_STEPS = "steps of a training"
_SPARSE = "sparse weights, which unfold to any size"
_REFUSED: Final[dict[str, dict[int, str]]] = {
    "model": {20: _STEPS, 25: _OTHERS},
    "graph": {15: _SPARSE},
    "attribute": {22: _SPARSE, 23: _SPARSE},
}
# The texts to look at: the domain of an operator set, a node's name, type and domain.
_TEXT: Final[dict[str, frozenset[int]]] = {
    "opset": frozenset({1}),
    "node": frozenset({3, 4, 7}),
}
_DIMENSIONS, _EXTERNAL_DATA, _DATA_LOCATION = 1, 13, 14
_NUMBERS_PER_BYTE = 2
"""Numbers of four bits, the smallest that there are."""

_MOST_NUMBERS = 2**64
"""Counted no further: a product of thousands of dimensions would itself be work."""

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
        If the file is not well-formed, keeps weights outside of itself, declares more of them than
        it holds, or uses operators that are not `emotone.bundle.operators.ALLOWED`.
    """
    if model[4:8] == b"ORTM":  # ONNX Runtime's own form, which this walk does not read
        raise GraphError("the model is not a well-formed ONNX file")
    walk = _Walk(model)
    walk.message("model", 0, len(model), 0)
    if not walk.has_graph:
        raise GraphError("the model holds no graph")
    return GraphSummary(tuple(sorted(walk.operators)), walk.nodes, walk.weights)


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.operators: set[str] = set()
        self.nodes = self.weights = 0
        self.has_graph = False

    def message(self, kind: str, start: int, end: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise GraphError("the model is nested too deeply")
        if kind == "graph":
            self.has_graph = True
        data, into, text = self.data, _INTO[kind], _TEXT.get(kind, frozenset())
        refused = _REFUSED.get(kind, {})
        texts: dict[int, str] = {}
        numbers = 1
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
                if kind == "tensor" and number == _DIMENSIONS:
                    numbers = min(numbers * value, _MOST_NUMBERS)
            elif wire == 2:
                length, position = self.varint(position, end)
                if length > end - position:
                    raise GraphError("the model is cut short or damaged")
                if number in refused:
                    raise GraphError(f"the model holds {refused[number]}")
                if kind == "tensor" and number == _DIMENSIONS:
                    at, last = position, position + length
                    while at < last:
                        value, at = self.varint(at, last)
                        numbers = min(numbers * value, _MOST_NUMBERS)
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
        if kind == "tensor":
            self.tensor(numbers, end - start)
        elif kind in ("opset", "node"):
            self.domain(texts.get(1 if kind == "opset" else 7, ""))
        if kind == "node":
            self.node(texts.get(4, ""), texts.get(7, ""), texts.get(3, ""))

    def tensor(self, numbers: int, length: int) -> None:
        # A dimension below zero is a number beyond 2**63 here.
        if numbers > _NUMBERS_PER_BYTE * length:
            raise GraphError(
                f"the model declares weights of {numbers:.4g} numbers and holds {length:,} bytes "
                "of them"
            )
        self.weights += numbers

    def domain(self, domain: str) -> None:
        if domain not in ALLOWED:
            raise GraphError(f"the model uses operators of the domain {domain[:80]!r}")

    def node(self, operator: str, domain: str, name: str) -> None:
        if operator not in ALLOWED[domain]:
            which = f" (node {name[:80]!r})" if name else ""
            raise GraphError(
                f"the model uses the operator {operator[:80]!r}{which}, which {reason(operator)}"
            )
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise GraphError(f"the model has more than {MAX_NODES:,} nodes")
        self.operators.add(f"{domain}.{operator}" if domain == CLASSICAL_DOMAIN else operator)

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
