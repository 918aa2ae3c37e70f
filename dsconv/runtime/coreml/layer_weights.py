"""The weights of neural network layers as numpy arrays.

Source: the comments of WeightParams in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.network import (
    FLOAT16,
    FLOAT32,
    INT8,
    Quantization,
    WeightParams,
    read_weights,
)
from dsconv.formats.protobuf.message import Message

FloatArray = NDArray[np.float32]


def load_weights(message: Message, shape: tuple[int, ...]) -> FloatArray:
    """The values of a WeightParams as float32 of this shape, in row-major order.

    float32 values stay in the mapped file where they are aligned, others are converted. Output
    channels, if they have quantization scales of their own, are the first dimension. Raises
    ModelError if the sizes do not fit, ConversionError for a form that is not known.
    """
    weights = read_weights(message)
    count = math.prod(shape)
    _check_size(weights, count, shape)
    if weights.form == INT8:
        raise ConversionError(
            "weights are int8 for dynamic quantization (int8DynamicQuantize), which dsconv does "
            "not evaluate; quantize the weights alone."
        )
    data = _joined(weights)
    if weights.form == FLOAT32:
        values = np.frombuffer(data, "<f4").astype(np.float32, copy=False)
    elif weights.form == FLOAT16:
        values = np.frombuffer(data, "<f2").astype(np.float32)
    else:
        assert weights.quantization is not None
        numbers = unpack_numbers(data, weights.quantization.bits, count)
        values = _dequantized(numbers, weights.quantization, shape)
    # Arrays that are not aligned, as in most files, would be copied at each use.
    result = np.require(values.reshape(shape), requirements="A")
    result.setflags(write=False)
    return result


def unpack_numbers(data: bytes | memoryview, bits: int, count: int) -> NDArray[np.uint8]:
    """`count` numbers of 1 to 8 bits that follow each other without gaps, first bit highest."""
    raw = np.frombuffer(data, np.uint8)
    if bits == 8:
        return raw[:count]
    single = np.unpackbits(raw, count=count * bits).reshape(count, bits)
    return np.packbits(single, axis=1)[:, 0] >> np.uint8(8 - bits)


def _check_size(weights: WeightParams, count: int, shape: tuple[int, ...]) -> None:
    """Raise ModelError unless the values fill the shape."""
    size = (count * weights.bits + 7) // 8
    if min(shape, default=0) < 0 or weights.form is None or weights.nbytes != size:
        raise ModelError(
            f"weights take {weights.nbytes:,} bytes where their shape {list(shape)} needs "
            f"{size:,}; copy the model again."
        )


def _joined(weights: WeightParams) -> bytes | memoryview:
    if len(weights.spans) == 1:
        return weights.spans[0].view
    return b"".join(span.view for span in weights.spans)


def _dequantized(
    numbers: NDArray[np.uint8], quantization: Quantization, shape: tuple[int, ...]
) -> FloatArray:
    """What the numbers stand for."""
    if not quantization.scales:
        table = np.array(quantization.table, np.float32)
        if len(table) != 1 << quantization.bits:
            raise ModelError(
                f"a lookup table has {len(table)} entries where {quantization.bits} bits need "
                f"{1 << quantization.bits}; copy the model again."
            )
        return table[numbers]
    channels = shape[0] if shape else 1
    rows = numbers.reshape(channels, -1)
    scale = _per_channel(quantization.scales, channels)
    bias = _per_channel(quantization.biases or (0.0,), channels)
    # In double precision, so that the result is rounded once.
    return (rows * scale + bias).astype(np.float32)


def _per_channel(values: tuple[float, ...], channels: int) -> NDArray[np.float64]:
    """A column of one value, or of one for each channel."""
    if len(values) not in (1, channels):
        raise ModelError(
            f"weights of {channels} channels have {len(values)} scales or biases; "
            "copy the model again."
        )
    return np.array(values, np.float64)[:, None]
