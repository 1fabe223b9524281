"""Bundles that mean harm, each whole in all but the one thing that is wrong with it."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import bundles

CARD, MODEL, FRAMES = "card.json", "model.onnx", "frames.onnx"
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: Sequence[tuple[str, Any]] = (),
    tensors: Sequence[onnx.TensorProto] = (),
    **options: Any,
) -> bytes:
    """ONNX from `features` (n, 13) to `scores` (n, 4), whatever lies between."""
    made = helper.make_graph(
        list(nodes),
        "hostile",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 13])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights]
        + list(tensors),
    )
    options.setdefault("opset_imports", OPSETS)
    return bytes(helper.make_model(made, ir_version=9, **options).SerializeToString())


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node, its inputs and outputs parted by blanks, named like its first output."""
    first = outputs.split()[0]
    return helper.make_node(operator, inputs.split(), outputs.split(), name=first, **attributes)


LINEAR = [node("Gemm", "features w b", "logits"), node("Softmax", "logits", "scores", axis=1)]
WEIGHTS = [("w", np.ones((13, 4), np.float32)), ("b", np.zeros(4, np.float32))]


def files(onnx_bytes: bytes, **card: Any) -> dict[str, bytes]:
    """The files of a bundle whose card tells their true size and hash, but for what is given."""
    made = bundles.card().to_dict()
    record = {"sha256": hashlib.sha256(onnx_bytes).hexdigest(), "bytes": len(onnx_bytes)}
    made |= {"files": {MODEL: record}, "emotone_version": "0.1.0"} | card
    return {CARD: json.dumps(made).encode(), MODEL: onnx_bytes}


def zipped(content: Sequence[tuple[str | zipfile.ZipInfo, bytes]], how: int = 0) -> bytes:
    """A zip of these members, in this order, twice where they stand twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in content:
            archive.writestr(name, data, how)
    return out.getvalue()


def bundle(onnx_bytes: bytes, **card: Any) -> bytes:
    """A zip with that model."""
    return zipped(list(files(onnx_bytes, **card).items()))


# -- graphs


def _loop(operator: str = "Loop") -> bytes:
    body = helper.make_graph(
        [node("Identity", "condition", "on"), node("Identity", "x", "y")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    endless = node(operator, "most yes features", "looped", body=body)
    weights = [*WEIGHTS, ("most", np.int64(2**62)), ("yes", np.bool_(True))]
    return model([endless, *LINEAR], weights)


def _hidden_loop() -> bytes:
    """A Loop in a branch that is never taken."""
    inner = onnx.load_from_string(_loop()).graph
    branch = helper.make_node("If", ["yes"], ["z"], then_branch=inner, else_branch=inner)
    return model([branch, *LINEAR], [*WEIGHTS, ("yes", np.bool_(True))])


def _function() -> bytes:
    made = helper.make_function(
        "ai.onnx.ml", "Scaler", ["x"], ["y"], [node("Identity", "x", "y")], OPSETS[:1]
    )
    called = helper.make_node("Scaler", ["features"], ["f"], domain="ai.onnx.ml")
    return model([called, *LINEAR], WEIGHTS, functions=[made])


def _external() -> bytes:
    tensor = numpy_helper.from_array(np.ones((13, 4), np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return model(LINEAR, WEIGHTS[1:], [tensor])


def _huge_tensor(*, packed: bool) -> bytes:
    """A weight of a few bytes that declares 10^12 numbers, by dimensions packed or one by one."""
    dimensions = [10**4, 10**4, 10**4]
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, raw_data=bytes(16))
    if packed:
        tensor.dims.extend(dimensions)
        return model(LINEAR, WEIGHTS[1:], [tensor])
    tags = b"".join(b"\x08" + _varint(each) for each in dimensions)
    plain = model(LINEAR, WEIGHTS[1:], [tensor])
    return _into_first_tensor(plain, tensor.SerializeToString(), tags)


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def _into_first_tensor(plain: bytes, tensor: bytes, more: bytes) -> bytes:
    """The model with more bytes in one tensor of its graph, the lengths around it put right."""
    graph = onnx.load_from_string(plain).graph.SerializeToString()
    old = b"\x2a" + _varint(len(tensor)) + tensor
    assert graph.count(old) == 1
    wider = tensor + more
    graph = graph.replace(old, b"\x2a" + _varint(len(wider)) + wider)
    rest = onnx.load_from_string(plain)
    rest.ClearField("graph")
    return bytes(rest.SerializeToString()) + b"\x3a" + _varint(len(graph)) + graph


def _sparse() -> bytes:
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "w_places")
    made = onnx.load_from_string(model(LINEAR, WEIGHTS[1:]))
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**6, 10**6]))
    return bytes(made.SerializeToString())


def shape_bomb() -> bytes:
    """32 GB of zeros out of a few bytes, added up."""
    return model(
        [
            node("Shape", "features", "shape"),
            node("Mul", "shape many", "size"),
            node("ConstantOfShape", "size", "zeros"),
            node("ReduceSum", "zeros", "zero", keepdims=0),
            node("Add", "features zero", "same"),
            node("Gemm", "same w b", "logits"),
            LINEAR[1],
        ],
        [*WEIGHTS, ("many", np.array([10**8, 8], np.int64))],
    )


def _constant_bomb() -> bytes:
    """The same out of a constant, which ONNX Runtime would compute while it loads."""
    return model(
        [
            node("ConstantOfShape", "size", "zeros"),
            node("ReduceSum", "zeros", "zero", keepdims=0),
            node("Add", "features zero", "same"),
            node("Gemm", "same w b", "logits"),
            LINEAR[1],
        ],
        [*WEIGHTS, ("size", np.array([10**9, 8], np.int64))],
    )


def _doubling() -> bytes:
    """Forty times twice as long as before."""
    names = ["features", *(f"twice{k}" for k in range(40))]
    doubled = [node("Concat", f"{a} {a}", b, axis=0) for a, b in pairwise(names)]
    return model(
        [
            *doubled,
            node("ReduceSum", f"{names[-1]}", "sum", keepdims=0),
            node("Add", "features sum", "same"),
            node("Gemm", "same w b", "logits"),
            LINEAR[1],
        ],
        WEIGHTS,
    )


def slow(steps: int = 5_000) -> bytes:
    """Products of matrices, one after the other, that take minutes and little memory."""
    names = [f"m{k}" for k in range(steps)]
    size = 1024
    return model(
        [
            # Of the input, so that it is not computed once for all while it loads.
            node("ReduceSum", "features", "one", keepdims=0),
            node("Expand", "one size", names[0]),
            *(node("MatMul", f"{a} {a}", b) for a, b in pairwise(names)),
            node("ReduceMin", names[-1], "last", keepdims=0),
            node("Add", "features last", "same"),
            node("Gemm", "same w b", "logits"),
            LINEAR[1],
        ],
        [*WEIGHTS, ("size", np.array([size, size], np.int64))],
    )


def _answers(*after: onnx.NodeProto, **weights: Any) -> bytes:
    """A model whose scores are made of its logits in some other way."""
    return model([LINEAR[0], *after], [*WEIGHTS, *weights.items()])


_NAN = np.float32("nan")

GRAPHS: dict[str, tuple[Callable[[], bytes], str]] = {
    "endless loop": (_loop, r"operator 'Loop' \(node 'looped'\), which repeats a part"),
    "scan": (lambda: _loop("Scan"), "'Scan'.*may never end"),
    "hidden loop": (_hidden_loop, "'Loop'"),
    "function": (_function, "functions of its own"),
    "random": (
        lambda: model([node("RandomUniformLike", "features", "r"), *LINEAR], WEIGHTS),
        "draws at random",
    ),
    "texts": (
        lambda: model([node("StringNormalizer", "features", "r"), *LINEAR], WEIGHTS),
        "'StringNormalizer'.*none of those",
    ),
    "unknown operator": (
        lambda: model([node("Mine", "features", "r"), *LINEAR], WEIGHTS),
        "'Mine'",
    ),
    "domain of a plug-in": (
        lambda: model([node("Mine", "features", "r", domain="com.microsoft"), *LINEAR], WEIGHTS),
        "domain 'com.microsoft'",
    ),
    "weights elsewhere": (_external, "outside of its own file"),
    "huge weights": (lambda: _huge_tensor(packed=True), r"declares weights of 1e\+12 numbers"),
    "huge weights, unpacked": (
        lambda: _huge_tensor(packed=False),
        r"declares weights of 1e\+12 numbers",
    ),
    "sparse weights": (_sparse, "sparse weights"),
    "too many nodes": (
        lambda: model([node("Neg", "features", f"n{k}") for k in range(10_001)] + LINEAR, WEIGHTS),
        "more than 10,000 nodes",
    ),
    "no graph": (lambda: b"\x08\x09", "holds no graph"),
    "no ONNX": (lambda: b"\x80\x04\x95pickle" * 10, "well-formed|damaged"),
}
"""What is refused before it is loaded, and by which words."""

RUNS: dict[str, tuple[Callable[[], bytes], str]] = {
    "shape bomb": (shape_bomb, "fails to compute: it takes more memory"),
    "constant bomb": (_constant_bomb, "takes more memory than models may have"),
    "doubling": (_doubling, "fails to compute: it takes more memory"),
    "scores that are no numbers": (
        lambda: _answers(node("Mul", "logits nan", "scores"), nan=_NAN),
        "finite score per emotion",
    ),
    "scores that are no probabilities": (
        lambda: _answers(node("Identity", "logits", "scores")),
        "not probabilities",
    ),
    "another number of emotions": (
        lambda: _answers(node("Concat", "logits logits", "scores", axis=1)),
        "finite score per emotion",
    ),
    "one row for all": (
        lambda: _answers(node("ReduceMean", "logits", "scores", axes=[0])),
        "finite score per emotion",
    ),
    "another input": (
        lambda: model(LINEAR, WEIGHTS).replace(b"features", b"featurez"),
        "one float32 input 'features'",
    ),
    "another output": (
        lambda: model(LINEAR, WEIGHTS).replace(b"scores", b"scorez"),
        "output 'scores'",
    ),
    "missing weights": (lambda: model(LINEAR, WEIGHTS[1:]), "does not load"),
    "an old operator": (
        lambda: model([node("Upsample", "features", "r"), *LINEAR], WEIGHTS),
        "does not load",
    ),
    "an endless tree": (lambda: bundles.forest(((1, 2), (0, 2), (0, 0))), "does not load"),
    "a tree out of range": (lambda: bundles.forest(((7, 9), (0, 0), (0, 0))), "does not load"),
}
"""What is found out when it runs, in bounded time and memory, and by which words."""


# -- containers and cards


def _good() -> bytes:
    return model(LINEAR, WEIGHTS)


def _with(name: str | zipfile.ZipInfo, data: bytes = b"x") -> bytes:
    return zipped([*files(_good()).items(), (name, data)])


def _symlink() -> bytes:
    link = zipfile.ZipInfo(MODEL)
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped([(CARD, files(_good())[CARD]), (link, b"/etc/passwd")])


def _bomb() -> bytes:
    zeros = bytes(50 * 2**20)
    made = files(zeros)
    return zipped([(CARD, made[CARD]), (MODEL, zeros)], zipfile.ZIP_DEFLATED)


def _edited(change: Callable[[dict[str, Any]], object], onnx_bytes: bytes | None = None) -> bytes:
    made = files(onnx_bytes or _good())
    card = json.loads(made[CARD])
    change(card)
    return zipped([(CARD, json.dumps(card).encode()), (MODEL, made[MODEL])])


def _text(text: bytes) -> bytes:
    return zipped([(CARD, text), (MODEL, _good())])


CONTAINERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a path that leads out": (lambda: _with("../../evil.py"), "does not belong"),
    "an absolute path": (lambda: _with("/etc/cron.d/evil"), "does not belong"),
    "a path of Windows": (lambda: _with("..\\evil.dll"), "does not belong"),
    "code beside it": (lambda: _with("sitecustomize.py"), "does not belong"),
    "a pickle beside it": (lambda: _with("model.pkl"), "does not belong"),
    "a symbolic link": (_symlink, "bytes where the card says"),
    "the same name twice": (lambda: _with(MODEL, _good()), "same file twice"),
    "the card twice": (lambda: _with(CARD, b"{}"), "same file twice"),
    "a decompression bomb": (_bomb, "decompression bomb"),
    "no card": (lambda: zipped([(MODEL, _good())]), "card.json is missing"),
    "no model": (lambda: zipped([(CARD, files(_good())[CARD])]), "model.onnx is missing"),
    "no zip": (lambda: b"\x80\x04\x95" * 400, "plain zip archive"),
    "empty": (lambda: b"", "plain zip archive"),
    "another hash": (
        lambda: _edited(lambda card: card["files"][MODEL].update(sha256="0" * 64)),
        "checksum",
    ),
    "another size": (
        lambda: _edited(lambda card: card["files"][MODEL].update(bytes=5)),
        "bytes where the card says 5",
    ),
    "a file that is not there": (
        lambda: _edited(lambda card: card["files"].update({FRAMES: card["files"][MODEL]})),
        "which is not there",
    ),
    "one emotion": (lambda: _edited(lambda card: card.update(emotions=["happy"])), "2 to 256"),
    "an emotion twice": (
        lambda: _edited(lambda card: card.update(emotions=["happy"] * 4)),
        "distinct names in",
    ),
    "an emotion that steers the terminal": (
        lambda: _edited(lambda card: card.update(emotions=["a", "b", "c", "\x1b]0;evil\x07"])),
        "printable",
    ),
    "a version that steers the terminal": (
        lambda: _edited(lambda card: card.update(emotone_version="\x1b[2J")),
        "printable",
    ),
    "a huge number": (
        lambda: _edited(lambda card: card["calibration"].update(temperature=10**400)),
        "temperature must be",
    ),
    "numbers that are none": (
        lambda: _text(b'{"format_version": NaN}'),
        "not valid JSON",
    ),
    "nested without end": (lambda: _text(b"[" * 100_000), "not valid JSON"),
    "not UTF-8": (lambda: _text(b"\xff\xfe{}"), "not valid JSON"),
    "a million emotions": (
        lambda: _edited(lambda card: card.update(emotions=[f"e{k}" for k in range(10**5)])),
        "2 to 256",
    ),
    "an unknown feature set": (
        lambda: _edited(lambda card: card.update(feature_set="__import__('os')")),
        "needs what this emotone does not have",
    ),
    "an unknown preparation": (
        lambda: _edited(lambda card: card["preparation"].update(run="rm -rf /")),
        "needs what this emotone does not have",
    ),
}
"""What is wrong with the zip or the card, and the words by which it is refused."""


def write(path: Path, data: bytes) -> Path:
    """Bytes as a file."""
    path.write_bytes(data)
    return path
