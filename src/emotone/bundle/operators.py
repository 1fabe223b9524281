"""The operators that the graph of a bundle may use, and why others are refused.

The list is of those of the ONNX standard that compute numbers from numbers, once and always the
same. Left out is what repeats a part of the graph (`Loop`, `Scan`, `SequenceMap`: a few bytes that
run for ever), what draws at random, what handles texts, pictures or lists of tensors, and what only
training needs.
"""

from __future__ import annotations

from typing import Final

_PLAIN = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization
BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu Clip
Compress Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DFT
DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand
EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
GlobalMaxPool Greater GreaterOrEqual GroupNormalization HammingWindow HannWindow HardSigmoid
HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization
LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool
Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad
Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
Relu Reshape Resize ReverseSequence RotaryEmbedding Round STFT Scatter ScatterElements ScatterND
Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt
Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample
Where Xor
"""
_CLASSICAL = """
ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LinearClassifier LinearRegressor
Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier
TreeEnsembleRegressor
"""

CLASSICAL_DOMAIN: Final = "ai.onnx.ml"

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "": frozenset(_PLAIN.split()),
    "ai.onnx": frozenset(_PLAIN.split()),
    CLASSICAL_DOMAIN: frozenset(_CLASSICAL.split()),
}
"""The operators by the domain of their set."""

_REPEATS = "repeats a part of the graph, and may never end"
_DRAWS = "draws at random, so that no answer could be had twice"

_REASONS: Final = {
    **dict.fromkeys(("Loop", "Scan", "SequenceMap"), _REPEATS),
    **dict.fromkeys(
        ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
         "RandomUniformLike"),
        _DRAWS,
    ),
}  # fmt: skip


def reason(operator: str) -> str:
    """Why an operator that is not `ALLOWED` is refused, as a clause that follows its name."""
    return _REASONS.get(operator, "is none of those that a model of emotone needs")
