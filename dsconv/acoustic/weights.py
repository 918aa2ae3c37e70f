"""The weights of a network as arrays, in the orders and precisions that targets need.

What has the order of the graph is a view on the mapped file; what has another is made a gate or a
matrix at a time, so that a conversion never holds a second copy of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import Lstm
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.speech.features import FloatArray


def values(tensor: Tensor) -> FloatArray:
    """The values of a float32 tensor; a read-only view where the graph holds raw bytes."""
    return np.asarray(tensor.array(), np.float32)


def gate_columns(lstm: Lstm, gate: str) -> slice:
    """The columns of a gate in the kernel and in the bias."""
    start = lstm.gates.index(gate) * lstm.cells
    return slice(start, start + lstm.cells)


def lstm_bias(lstm: Lstm, order: str) -> FloatArray:
    """The bias [4 * cells] with the forget bias added, the gates in another order: ``iofc``."""
    bias = values(lstm.bias)
    by_gate = {gate: bias[gate_columns(lstm, gate)] for gate in order}
    by_gate["f"] = by_gate["f"] + np.float32(lstm.forget_bias)
    return np.concatenate([by_gate[gate] for gate in order])


def input_kernel(lstm: Lstm, gate: str | None = None) -> FloatArray:
    """The weights [inputs, cells] from the input to a gate, or [inputs, 4 * cells]; a view."""
    columns = gate_columns(lstm, gate) if gate else slice(None)
    return values(lstm.kernel)[: lstm.inputs, columns]


def recurrent_kernel(lstm: Lstm, gate: str | None = None) -> FloatArray:
    """The weights [cells, cells] from the hidden state to a gate, or [cells, 4 * cells]; a view."""
    columns = gate_columns(lstm, gate) if gate else slice(None)
    return values(lstm.kernel)[lstm.inputs :, columns]


def to_float16(weights: FloatArray) -> NDArray[np.float16]:
    """Weights in float16. Raises ConversionError if one is too large for that."""
    largest = float(_largest(weights))
    if largest > float(np.finfo(np.float16).max):
        raise ConversionError(
            f"a weight of {largest:g} is too large for float16; pass --precision fp32."
        )
    return weights.astype(np.float16)


@dataclass(frozen=True)
class Quantized:
    """8-bit weights: ``values * scales`` are the weights. A scale for each output, or one."""

    values: NDArray[np.int8]
    scales: FloatArray


def quantize(weights: FloatArray) -> Quantized:
    """Weights [inputs, outputs] as integers from -127 to 127, symmetric for each output.

    An output whose weights are all zero has the scale 1.
    """
    largest = _largest(weights, axis=0)
    some = largest > _TINY
    scales = np.where(some, largest / np.float32(127), np.float32(1)).astype(np.float32)
    integers = np.empty(weights.shape, np.int8)
    for rows in _blocks(len(weights)):
        integers[rows] = np.rint(weights[rows] / scales)
    return Quantized(integers, scales)


def quantize_with_one_scale(weights: FloatArray) -> Quantized:
    """Weights of any shape as integers from -127 to 127 with one scale, as TensorFlow Lite's.

    Values, and so bytes, are those of its quantizer: scaled up first, and halves away from zero.

    Source: ``SymmetricQuantizeFloats`` in TensorFlow Lite's ``portable_tensor_utils.cc``.
    """
    largest = np.float32(_largest(weights))
    if largest <= _TINY:
        return Quantized(np.zeros(weights.shape, np.int8), np.ones(1, np.float32))
    factor = np.float32(127) / largest
    integers = np.empty(weights.shape, np.int8)
    for rows in _blocks(len(weights)):
        scaled = weights[rows] * factor
        integers[rows] = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return Quantized(integers, np.array([largest / np.float32(127)]))


def _largest(weights: FloatArray, axis: int | None = None) -> FloatArray:
    """The largest absolute weight, of all or along an axis.

    Raises ConversionError if one is infinite or NaN.
    """
    largest = np.asarray(np.abs(weights).max(axis=axis, initial=np.float32(0)))
    if not np.isfinite(largest).all():
        raise ConversionError(
            "a weight is infinite or not a number (NaN), so it has no smaller precision; the graph "
            "is damaged."
        )
    return largest


# Below this 127 divided by a weight is infinite; such weights are nothing.
_TINY = np.float32(1e-35)


def _blocks(rows: int, size: int = 512) -> Iterator[slice]:
    """Some rows at a time: what is computed on the way stays small."""
    for start in range(0, rows, size):
        yield slice(start, start + size)
