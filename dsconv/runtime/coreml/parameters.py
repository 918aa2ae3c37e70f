"""The parameters of a neural network layer by the names of their fields, and its weights.

A layer whose parameters hold a field that is not computed is refused, never run without it.

Source: the comments in ``NeuralNetwork.proto`` of coremltools.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Generic, TypeAlias, TypeVar

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
    read_weights,
)
from dsconv.formats.protobuf.message import Message
from dsconv.formats.protobuf.schema import TypedMessage

FloatArray: TypeAlias = NDArray[np.float32]

_BITS = 8


M = TypeVar("M", bound=TypedMessage)
N = TypeVar("N", bound=TypedMessage)


class Parameters(Generic[M]):
    """The message of a layer's parameters. Weights are kept once they are read.

    Raises ConversionError for a field that is there and not in `fields`, or not in the schema.
    """

    def __init__(self, layer: Layer, message: M, fields: Collection[str]) -> None:
        self.layer = layer
        self.message = message
        self._weights: dict[str, FloatArray] = {}
        unknown = [name for name in message.present if name not in fields]
        unknown += [f"field {number}" for number in message.undeclared]
        if unknown:
            raise self.unsupported(f"sets {', '.join(unknown)}")

    def unsupported(self, what: str) -> ConversionError:
        """The error for a layer that is not computed."""
        return unsupported(self.layer, what)

    def nested(self, message: N, fields: Collection[str] | None = None) -> Parameters[N]:
        """A message inside this one, with all fields of its schema, or only these."""
        return Parameters(self.layer, message, message.fields if fields is None else fields)

    def weights(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """Weights of this shape, by the name of their field. Errors name the layer."""
        if name not in self._weights:
            try:
                self._weights[name] = load_weights(getattr(self.message, name), shape)
            except (ConversionError, ModelError) as error:
                raise type(error)(f"layer '{self.layer.name}', {name}: {error}") from error
        return self._weights[name]


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
