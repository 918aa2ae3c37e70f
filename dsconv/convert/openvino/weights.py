"""The weights of the network in each precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dsconv.acoustic.weights import quantize, to_float16
from dsconv.convert.openvino.builder import ModelBuilder
from dsconv.convert.options import Precision
from dsconv.speech.features import FloatArray

MakeWeights: TypeAlias = Callable[[ModelBuilder, str, FloatArray], Any]
"""Makes a float32 tensor [outputs, inputs] of a matrix [inputs, outputs].

So transposed, the plugin packs the weights of unrolled steps once, in whatever type it computes;
otherwise it takes three times the memory where it computes in bfloat16.
"""


def matmul(builder: ModelBuilder, name: str, rows: Any, weights: Any) -> Any:
    """Rows [n, inputs] times weights [outputs, inputs]."""
    return builder.op("matmul", name, rows, weights, False, True)


def float_weights(builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
    """The matrix as it is."""
    return builder.constant(name, matrix.T)


def half_weights(builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
    """The matrix in float16; the runtime computes in what it likes best."""
    half = builder.constant(f"{name}/half", to_float16(matrix.T), np.float16)
    return builder.op("convert", name, half, "f32")


def integer_weights(builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
    """8-bit integers and a scale for each output, which the CPU plugin multiplies as they are."""
    found = quantize(matrix)
    integers = builder.constant(f"{name}/integers", found.values.T, np.int8)
    floats = builder.op("convert", f"{name}/floats", integers, "f32")
    scales = builder.constant(f"{name}/scales", found.scales[:, None])
    return builder.op("multiply", name, floats, scales)


def weights_of_features(precision: Precision) -> MakeWeights:
    """For the layer that takes the features: a fortieth of the model, and the most sensitive."""
    return half_weights if precision == "int8" else WEIGHTS[precision]


WEIGHTS: dict[Precision, MakeWeights] = {
    "fp32": float_weights,
    "fp16": half_weights,
    "int8": integer_weights,
}
