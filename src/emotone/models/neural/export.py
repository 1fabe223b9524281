"""A trained network as ONNX: waveform in, calibrated scores out."""

from __future__ import annotations

import io
import itertools
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from emotone.errors import MissingExtraError, TrainingError
from emotone.models.graph import IR_VERSION, OPSET
from emotone.models.neural.bodies import DescribedBody
from emotone.models.neural.foundation import FoundationBody
from emotone.models.neural.frontend import FrontEnd
from emotone.models.neural.functionals import DescribingFrontEnd
from emotone.models.neural.kernel import KernelHead
from emotone.models.neural.layers import Conv1dBlock, Conv2dBlock, Residual
from emotone.models.neural.network import Network
from emotone.models.neural.shortcut import offer_frames
from emotone.runtime import PADDED

if TYPE_CHECKING:
    import onnx

_LARGE = 4096
"""Numbers from which on a weight is worth a look at how it can be kept."""

_MAX_BYTES = 2**31 - 2**20
"""What ONNX, a Protocol Buffers message, can hold in one file."""


class _Scores(nn.Module):
    """The mean of the networks' calibrated logits, calibrated again."""

    def __init__(self, parts: Sequence[tuple[Network, float]], temperature: float) -> None:
        super().__init__()
        bodies = [network.body for network, _ in parts]
        self.bodies = nn.ModuleList(
            body.for_export() if isinstance(body, FoundationBody) else body for body in bodies
        )
        self.heads = nn.ModuleList(network.general for network, _ in parts)
        self.temperatures = [own for _, own in parts]
        self.temperature = temperature

    def forward(self, waveform: Tensor) -> Tensor:
        described: list[tuple[DescribingFrontEnd, Tensor]] = []
        logits = []
        for body, head, temperature in zip(self.bodies, self.heads, self.temperatures, strict=True):
            if isinstance(body, DescribedBody):
                embedding = body.encode(_described(body.front_end, waveform, described))
            else:
                embedding = body(waveform)
            logits.append(head(embedding) / temperature)
        mean = logits[0] if len(logits) == 1 else torch.stack(logits).mean(0)
        return cast(Tensor, (mean / self.temperature).softmax(1))


def _described(
    end: DescribingFrontEnd, waveform: Tensor, known: list[tuple[DescribingFrontEnd, Tensor]]
) -> Tensor:
    """Functionals of a waveform, those of an equal front end where they are known already."""
    for other, rows in known:
        if other.rate == end.rate and all(
            torch.equal(mine, theirs)
            for mine, theirs in zip(end.buffers(), other.buffers(), strict=True)
        ):
            return rows
    rows = end.functionals(waveform)
    known.append((end, rows))
    return rows


def to_onnx(parts: Sequence[tuple[Network, float]], temperature: float, rate: int) -> bytes:
    """Networks as one ONNX model: ``waveform`` float32 (n, samples) in, ``scores`` (n, k) out.

    Where the networks have one front end, the model takes ``frames`` in place of the waveform, see
    `offer_frames`. The same weights give the same bytes.

    Parameters
    ----------
    parts
        Each network, on the processor, and what the logits of its general head are divided by. They
        are put into evaluation mode.
    temperature
        Of the mean of the networks' logits.
    rate
        Of the waveforms in Hz.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    TrainingError
        If the networks are too large for the format.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("exporting a model", "train") from error
    size = sum(4 * p.numel() for network, _ in parts for p in network.parameters())
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
            _Scores(parts, temperature).eval(),
            (torch.linspace(-1, 1, 2 * rate).reshape(2, rate),),
            cast(Any, written),  # the stubs know of paths alone
            dynamo=False,
            opset_version=OPSET,
            input_names=["waveform"],
            output_names=["scores"],
            dynamic_axes={"waveform": {0: "n", 1: "samples"}, "scores": {0: "n"}},
        )
    model = onnx.load_from_string(written.getvalue())
    _merge_constants(model)
    model = _simplified(model)
    ends = [getattr(network.body, "front_end", None) for network, _ in parts]
    sizes = {end.size for end in ends if isinstance(end, FrontEnd)}
    if len(sizes) == 1 and offer_frames(model, sizes.pop()):
        modules = [module for network, _ in parts for module in network.body.modules()]
        if not any(isinstance(module, nn.RNNBase) for module in modules):
            # Columns of zeros are silent, and all else there is has masks for what is silent; the
            # way back of a recurrent layer would begin in them.
            onnx.helper.set_model_props(model, {PADDED: "ignored"})
    _halve(model)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "emotone", ""
    model.graph.name = "emotone"
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _merge_constants(model: onnx.ModelProto) -> None:
    """Keep equal constants once.

    The front ends of a hybrid's networks transform the same frames with the same matrix. Where it
    has one name, ONNX Runtime sees that and does it once.
    """
    from onnx import TensorProto

    graph = model.graph
    found, nodes = list(graph.initializer), []
    for node in graph.node:
        if node.op_type == "Constant" and [a.name for a in node.attribute] == ["value"]:
            tensor = TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            found.append(tensor)
        else:
            nodes.append(node)
    first: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    kept = []
    for tensor in found:
        content = TensorProto()
        content.CopyFrom(tensor)
        content.name = ""
        key = content.SerializeToString(deterministic=True)
        if key in first:
            renamed[tensor.name] = first[key]
        else:
            first[key] = tensor.name
            kept.append(tensor)
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def round_weights(network: Network) -> None:
    """Round large weights to what 16 bits hold, so that a bundle takes half the space.

    The relative error is 2**-11 at most: scores change in the fourth digit. A foundation encoder
    whose settings keep it in 32 bits is left alone, and so are weights that cancel each other out,
    see `KernelHead`.
    """
    if isinstance(network.body, FoundationBody) and not network.body.half_weights:
        return
    for conv, norm in _followed_by_norm(network.body):
        _absorb(conv, norm)
    exact = {id(m.nearness.weight) for m in network.modules() if isinstance(m, KernelHead)}
    with torch.no_grad():
        for values in network.parameters():
            if id(values) in exact:
                continue
            if values.numel() >= _LARGE and bool(
                (values.abs() < torch.finfo(torch.half).max).all()
            ):
                values.copy_(values.half().float())


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with what is constant worked out, by ONNX Runtime, of standard operators still.

    It would do this whenever it loads the model, which takes longer than a short answer.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
        path = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        simplified = onnx.load(path)
    used = {node.domain for node in simplified.graph.node}
    versions = [entry for entry in simplified.opset_import if entry.domain in used]
    del simplified.opset_import[:]
    simplified.opset_import.extend(versions)
    return simplified


_Conv = nn.Conv1d | nn.Conv2d
_Norm = nn.BatchNorm1d | nn.BatchNorm2d


def _followed_by_norm(body: nn.Module) -> Iterator[tuple[_Conv, _Norm]]:
    """Convolutions with the batch normalisation of what they give."""
    for module in body.modules():
        if isinstance(module, (Conv1dBlock, Conv2dBlock)):
            yield module.conv, module.norm
        elif isinstance(module, Residual):
            for first, second in itertools.pairwise(module.convs):
                if isinstance(first, nn.Conv1d) and isinstance(second, nn.BatchNorm1d):
                    yield first, second


def _absorb(conv: _Conv, norm: _Norm) -> None:
    """Scale a convolution as the normalisation after it does, which then only shifts.

    An export joins the two. Only then are its weights those that are rounded here.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        conv.weight *= factor.reshape(-1, *[1] * (conv.weight.ndim - 1))
        norm.running_mean *= factor
        norm.running_var.fill_(1)
        norm.weight.fill_(1)
    norm.eps = 0.0


def _halve(model: onnx.ModelProto) -> None:
    """Keep large weights in 16 bits where those hold the very same numbers.

    So they do after `round_weights`, and in a foundation encoder that was rounded to them before
    the training. ONNX Runtime turns them back when it loads the model.
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
