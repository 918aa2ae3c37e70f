"""The weights of the network in each precision, as [outputs, inputs]: so TFLite multiplies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from dsconv.acoustic.weights import quantize_with_one_scale, to_float16
from dsconv.convert.options import Precision
from dsconv.convert.tflite.builder import SubgraphBuilder
from dsconv.speech.features import FloatArray

MakeWeights: TypeAlias = Callable[[SubgraphBuilder, str, FloatArray], int]
"""Makes a tensor [outputs, inputs] of a matrix [inputs, outputs]."""

# The original converter leaves smaller tensors as they are.
_FEW_ELEMENTS = 1024
_SMALLEST_FACTOR = 1 / 8
# Products of float32 with 8-bit integers came with the third version.
_HYBRID = 3


def float_weights(graph: SubgraphBuilder, name: str, matrix: FloatArray) -> int:
    """The matrix as it is."""
    return graph.constant(name, matrix.T)


def half_weights(graph: SubgraphBuilder, name: str, matrix: FloatArray) -> int:
    """The matrix in float16, which the runtime turns into float32 once."""
    half = graph.constant(f"{name}/half", to_float16(matrix.T), np.float16)
    return graph.op("DEQUANTIZE", [half], name, matrix.T.shape, version=_HYBRID)


def integer_weights(graph: SubgraphBuilder, name: str, matrix: FloatArray) -> int:
    """8-bit integers with one scale; what they are multiplied with is quantized at run."""
    if matrix.size < _FEW_ELEMENTS:
        return float_weights(graph, name, matrix)
    return graph.quantized(name, quantize_with_one_scale(matrix.T))


WEIGHTS: dict[Precision, MakeWeights] = {
    "fp32": float_weights,
    "fp16": half_weights,
    "int8": integer_weights,
}


def feature_factors(matrix: FloatArray, features: int) -> FloatArray:
    """What to multiply each number of a window with [inputs], its weights being divided by it.

    The same for a feature in all frames of the window: as small as leaves its weights no larger
    than the others are already, and no smaller than an eighth.
    """
    largest = np.abs(matrix).max(axis=1).reshape(-1, features).max(axis=0)
    # The tiny number keeps weights that are all zero from being divided by zero.
    factors = np.clip(largest / max(largest.max(), np.float32(1e-30)), _SMALLEST_FACTOR, 1)
    return np.tile(factors.astype(np.float32), len(matrix) // features)


def product(
    graph: SubgraphBuilder,
    rows: int,
    weights: int,
    bias: int,
    name: str,
    shape: list[int],
    *,
    relu: bool = False,
) -> int:
    """Rows [n, inputs] times weights [outputs, inputs], plus the bias unless that is -1."""
    return graph.op(
        "FULLY_CONNECTED",
        [rows, weights, bias],
        name,
        shape,
        version=_HYBRID if graph.is_quantized(weights) else 1,
        fused_activation_function=int(relu),
    )
