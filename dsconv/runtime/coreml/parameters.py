"""The parameters of a neural network layer by the names of their fields, and its weights.

A layer whose parameters hold a field that the schema does not name is refused, never run without
it.

Source: the comments in ``NeuralNetwork.proto`` of coremltools.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.network import (
    FLOAT16,
    FLOAT32,
    INT8,
    Layer,
    Quantization,
    WeightParams,
    read_floats,
    read_weights,
)
from dsconv.formats.protobuf.message import Message

FloatArray: TypeAlias = NDArray[np.float32]

_BITS = 8


class Parameters:
    """The fields of a message of a layer. Weights are kept once they are read.

    Raises ConversionError for a field that `schema` does not name.
    """

    def __init__(self, layer: Layer, message: Message, schema: type[IntEnum]) -> None:
        self.layer = layer
        self._message = message
        self._schema = schema
        self._weights: dict[int, FloatArray] = {}
        self._nested: dict[int, tuple[Parameters, ...]] = {}
        unknown = sorted(set(message.numbers) - set(schema))
        if unknown:
            raise self.unsupported(f"has field {', '.join(map(str, unknown))}")

    def unsupported(self, what: str) -> ConversionError:
        """The error for a layer that is not computed."""
        return unsupported(self.layer, what)

    def __contains__(self, field: IntEnum) -> bool:
        return field in self._message

    def integer(self, field: IntEnum) -> int:
        """A number or the number of an enumeration, 0 if it is not there."""
        return self._message.integer(field)

    def integers(self, field: IntEnum) -> tuple[int, ...]:
        """A repeated number."""
        return tuple(self._message.integers(field))

    def flag(self, field: IntEnum) -> bool:
        """A truth value."""
        return bool(self.integer(field))

    def number(self, field: IntEnum) -> np.float32:
        """A float, 0 if it is not there."""
        values = read_floats(self._message, field)
        return np.float32(values[-1] if values else 0.0)

    def nested(self, field: IntEnum, schema: type[IntEnum]) -> Parameters:
        """A message inside the parameters; an empty one if it is not there."""
        found = self.all_nested(field, schema)
        return found[-1] if found else Parameters(self.layer, self._message.message(field), schema)

    def all_nested(self, field: IntEnum, schema: type[IntEnum]) -> tuple[Parameters, ...]:
        """A repeated message inside the parameters."""
        if field not in self._nested:
            found = self._message.messages(field)
            self._nested[field] = tuple(Parameters(self.layer, each, schema) for each in found)
        return self._nested[field]

    def only(self) -> int | None:
        """The one field that is there; None if there are more or none."""
        numbers = self._message.numbers
        return numbers[0] if len(numbers) == 1 else None

    def weights(self, field: IntEnum, shape: tuple[int, ...]) -> FloatArray:
        """Weights of this shape. Errors name the layer."""
        if field not in self._weights:
            try:
                self._weights[field] = load_weights(self._message.message(field), shape)
            except (ConversionError, ModelError) as error:
                name = field.name.lower()
                raise type(error)(f"layer '{self.layer.name}', {name}: {error}") from error
        return self._weights[field]


def unsupported(layer: Layer, what: str) -> ConversionError:
    """The error for a layer of a known kind in a form that is not computed."""
    return ConversionError(
        f"the layer '{layer.name}' ({layer.kind}) {what}, which dsconv does not evaluate; "
        "run the model on macOS."
    )


def load_weights(message: Message, shape: tuple[int, ...]) -> FloatArray:
    """The values of a WeightParams as float32 of this shape, in row-major order.

    float32 values stay in the mapped file where they are aligned, others are converted. Output
    channels, if they have quantization scales of their own, are the first dimension. Raises
    ModelError if the sizes do not fit, ConversionError for a form that dsconv does not write.
    """
    weights = read_weights(message)
    _check_size(weights, shape)
    data = _joined(weights)
    if weights.form == FLOAT32:
        values = np.frombuffer(data, "<f4").astype(np.float32, copy=False)
    elif weights.form == FLOAT16:
        values = np.frombuffer(data, "<f2").astype(np.float32)
    else:
        values = _dequantized(data, weights, shape)
    # Arrays that are not aligned, as in most files, would be copied at each use.
    result = np.require(values.reshape(shape), requirements="A")
    result.setflags(write=False)
    return result


def _check_size(weights: WeightParams, shape: tuple[int, ...]) -> None:
    """Raise ModelError unless the values fill the shape."""
    size = (math.prod(shape) * weights.bits + 7) // 8
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
    data: bytes | memoryview, weights: WeightParams, shape: tuple[int, ...]
) -> FloatArray:
    """What 8-bit numbers stand for: number * scale + bias."""
    quantization = weights.quantization
    if weights.form == INT8 or quantization is None or not _is_linear(quantization):
        raise ConversionError(
            f"weights of {weights.bits} bits ({weights.form}) are quantized in a way that dsconv "
            "neither writes nor evaluates; convert the graph with dsconv."
        )
    channels = shape[0] if shape else 1
    rows = np.frombuffer(data, np.uint8).reshape(channels, -1)
    scale = _per_channel(quantization.scales, channels)
    bias = _per_channel(quantization.biases or (0.0,), channels)
    # In double precision, so that the result is rounded once.
    return (rows * scale + bias).astype(np.float32)


def _is_linear(quantization: Quantization) -> bool:
    return quantization.bits == _BITS and bool(quantization.scales)


def _per_channel(values: tuple[float, ...], channels: int) -> NDArray[np.float64]:
    """A column of one value, or of one for each channel."""
    if len(values) not in (1, channels):
        raise ModelError(
            f"weights of {channels} channels have {len(values)} scales or biases; "
            "copy the model again."
        )
    return np.array(values, np.float64)[:, None]
