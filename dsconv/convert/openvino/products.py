"""The weights of the network in each precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from dsconv.acoustic.weights import quantized
from dsconv.convert.openvino.builder import ModelBuilder
from dsconv.convert.options import Precision
from dsconv.speech.features import FloatArray


class Weights(Protocol):
    """Makes the constants that rows are multiplied with."""

    def __call__(self, builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
        """A float32 tensor [inputs, outputs] of a matrix."""


def float_weights(builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
    """The matrix as it is."""
    return builder.constant(name, matrix)


def half_weights(builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
    """The matrix in float16; the runtime computes in what it likes best."""
    half = builder.constant(f"{name}/half", matrix, np.float16)
    return builder.op("convert", name, half, "f32")


def integer_weights(builder: ModelBuilder, name: str, matrix: FloatArray) -> Any:
    """8-bit integers and a scale for each output, which the CPU plugin multiplies as they are."""
    found = quantized(matrix)
    integers = builder.constant(f"{name}/integers", found.values, np.int8)
    floats = builder.op("convert", f"{name}/floats", integers, "f32")
    scales = builder.constant(f"{name}/scales", found.scales[None])
    return builder.op("multiply", name, floats, scales)


WEIGHTS: dict[Precision, Callable[[ModelBuilder, str, FloatArray], Any]] = {
    "fp32": float_weights,
    "fp16": half_weights,
    "int8": integer_weights,
}
