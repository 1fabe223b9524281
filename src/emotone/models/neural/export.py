"""A trained network as ONNX: waveform in, calibrated scores out."""

from __future__ import annotations

import io
import math
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from emotone.errors import MissingExtraError, TrainingError
from emotone.models.graph import IR_VERSION, OPSET
from emotone.models.neural.foundation import FoundationBody
from emotone.models.neural.network import Network

if TYPE_CHECKING:
    import onnx

_LARGE = 4096
"""Numbers from which on a weight is worth a look at how it can be kept."""

_MAX_BYTES = 2**31 - 2**20
"""What ONNX, a Protocol Buffers message, can hold in one file."""


class _Scores(nn.Module):
    def __init__(self, network: Network, temperature: float) -> None:
        super().__init__()
        body = network.body
        self.body = body.for_export() if isinstance(body, FoundationBody) else body
        self.general = network.general
        self.temperature = temperature

    def forward(self, waveform: Tensor) -> Tensor:
        return cast(Tensor, (self.general(self.body(waveform)) / self.temperature).softmax(1))


def to_onnx(network: Network, temperature: float, rate: int) -> bytes:
    """The network as ONNX: ``waveform`` float32 (n, samples) in, ``scores`` float32 (n, k) out.

    The same weights give the same bytes.

    Parameters
    ----------
    network
        On the processor; it is put into evaluation mode.
    temperature
        Divides the logits of the general head.
    rate
        Of the waveforms in Hz.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    TrainingError
        If the network is too large for the format.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("exporting a model", "train") from error
    size = sum(4 * p.numel() for p in network.parameters())
    if size > _MAX_BYTES:
        raise TrainingError(
            f"the network takes {size / 2**30:.1f} GiB, and an ONNX file holds 2",
            remedy="Train a smaller one; of a foundation encoder, fewer layers (layers=N).",
        )
    written = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's, and that another exporter is newer
        # That one (dynamo) fixes the batch size of recurrent layers.
        torch.onnx.export(
            _Scores(network, temperature).eval(),
            (torch.linspace(-1, 1, 2 * rate).reshape(2, rate),),
            cast(Any, written),  # the stubs know of paths alone
            dynamo=False,
            opset_version=OPSET,
            input_names=["waveform"],
            output_names=["scores"],
            dynamic_axes={"waveform": {0: "n", 1: "samples"}, "scores": {0: "n"}},
        )
    model = onnx.load_from_string(written.getvalue())
    _halve(model)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "emotone", ""
    model.graph.name = "emotone"
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _halve(model: onnx.ModelProto) -> None:
    """Keep large weights in 16 bits where those hold the very same numbers.

    So they do in a foundation encoder that was rounded to them before the training. ONNX Runtime
    turns them back when it loads the model.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or math.prod(tensor.dims) < _LARGE:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if np.array_equal(halves.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
            casts.append(
                helper.make_node(
                    "Cast", [tensor.name], [name], f"{name}.cast", to=TensorProto.FLOAT
                )
            )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
