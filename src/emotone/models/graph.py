"""Writing an ONNX graph by hand: the few operators that classical models need.

The models are written node by node because that is exact (the scaling runs in double precision,
support vector machines give the same decision values as libsvm), byte-equal from one run to the
next, and independent of the versions of scikit-learn a converter happens to know.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import MissingExtraError, TrainingError

OPSET = 17
ML_OPSET = 3
IR_VERSION = 9
"""Versions of the ONNX operators and file form, old enough for every ONNX Runtime from 1.16 on."""

MAX_MODEL_BYTES = 1_000_000_000
"""Half of what protobuf can hold in one message."""


class Graph:
    """An ONNX graph under construction, from ``features`` (n, d) to ``scores`` (n, k).

    Examples
    --------
    >>> graph = Graph()
    >>> doubled = graph.add("Mul", "features", graph.constant(np.float32(2)))
    """

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError("exporting a model", "train") from error
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names = 0

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}_{self._names}"

    def constant(self, array: npt.ArrayLike) -> str:
        """Store an array in the model and give its name; its type is kept as it is."""
        name = self._name("constant")
        values = np.ascontiguousarray(array)
        self._constants.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def floats(self, array: npt.ArrayLike) -> str:
        """Store an array as float32."""
        return self.constant(np.asarray(array, dtype=np.float32))

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append an operator with one output and give the output's name."""
        return self.add_many(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def add_many(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Append an operator with several outputs."""
        names = [self._name(operator.lower()) for _ in range(outputs)]
        self._nodes.append(
            self._onnx.helper.make_node(
                operator, list(inputs), names, name=names[0], domain=domain, **attributes
            )
        )
        return names

    def to_double(self, x: str) -> str:
        """The values in float64."""
        return self.add("Cast", x, to=self._onnx.TensorProto.DOUBLE)

    def to_float(self, x: str) -> str:
        """The values in float32."""
        return self.add("Cast", x, to=self._onnx.TensorProto.FLOAT)

    def affine(self, x: str, weights: npt.ArrayLike, bias: npt.ArrayLike) -> str:
        """``x @ weights + bias`` in float32; weights (d, m), bias (m,)."""
        return self.add("Gemm", x, self.floats(weights), self.floats(bias))

    def softmax(self, logits: str, temperature: float) -> str:
        """Probabilities along the last axis, of logits divided by the temperature."""
        return self.add("Softmax", self.add("Div", logits, self.floats(temperature)), axis=1)

    def squared_distances(self, x: str, points: npt.NDArray[np.float32]) -> str:
        """Squared Euclidean distances in float64, shape (n, m), to points (m, d).

        In double precision, because ``|x|^2 - 2 x.p + |p|^2`` cancels when x is near p.
        """
        wide = self.to_double(x)
        squares = self.add("ReduceSumSquare", wide, axes=[1], keepdims=1)
        lengths = np.einsum("md,md->m", points.astype(np.float64), points.astype(np.float64))
        # Stored transposed, in float32: half the size, and widening loses nothing.
        stored = self.to_double(self.constant(points.T.astype(np.float32)))
        products = self.add("Mul", self.add("MatMul", wide, stored), self.constant(np.float64(-2)))
        total = self.add("Add", self.add("Add", products, self.constant(lengths)), squares)
        return self.add("Max", total, self.constant(np.float64(0)))

    def to_bytes(self, scores: str, dimension: int, classes: int) -> bytes:
        """The finished model, checked, as the bytes of ``model.onnx``.

        Raises
        ------
        TrainingError
            If the model is too large to write.
        """
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        self._nodes.append(helper.make_node("Identity", [scores], ["scores"], name="scores"))
        graph = helper.make_graph(
            self._nodes,
            "emotone",
            [helper.make_tensor_value_info("features", kinds.FLOAT, ["n", dimension])],
            [helper.make_tensor_value_info("scores", kinds.FLOAT, ["n", classes])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid("ai.onnx.ml", ML_OPSET),
            ],
            ir_version=IR_VERSION,
            producer_name="emotone",
        )
        if model.ByteSize() > MAX_MODEL_BYTES:
            raise TrainingError(
                f"the model would take {model.ByteSize() / 1e6:.0f} MB",
                remedy="Take fewer or shallower trees, or another family.",
            )
        self._onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
