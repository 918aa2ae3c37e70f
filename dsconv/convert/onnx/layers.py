"""The layers of the network, which hold its weights, in each precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import DenseLayer, Lstm
from dsconv.acoustic.weights import (
    input_kernel,
    lstm_bias,
    quantize,
    recurrent_kernel,
    to_float16,
    values,
)
from dsconv.convert.onnx.builder import MICROSOFT, GraphBuilder, Size
from dsconv.convert.onnx.file import Initializer
from dsconv.convert.options import Precision
from dsconv.formats.storage import Chunk
from dsconv.formats.toolkits import import_onnx
from dsconv.speech.features import FloatArray

GATES = "iofc"
"""The order of the gates in ONNX."""


class Layers(Protocol):
    """Builds the layers of the network, which hold its weights."""

    def dense(self, rows: str, layer: DenseLayer) -> str:
        """Rows [frames, inputs] times the weights, plus the bias."""

    def dense_of_features(self, rows: str, layer: DenseLayer) -> str:
        """The same for rows of features, which reach from -250 (silence) to 10."""

    def lstm(
        self, sequence: str, lstms: Sequence[Lstm], lengths: str, states: Sequence[str]
    ) -> tuple[str, str, str]:
        """The hidden states [frames, directions, 1, cells], the last hidden and last cell states.

        `sequence` is [frames, 1, inputs]; the second of two `lstms` reads it backward. `lengths` is
        empty for all frames, `states` (h, c) are empty for zeros. Padded frames give zeros.
        """


def layers_of(precision: Precision, builder: GraphBuilder, frames: Size) -> Layers:
    """The builder of the layers in a precision, for so many frames a call."""
    if precision == "int8":
        return IntegerLayers(builder, frames)
    return HalfLayers(builder) if precision == "fp16" else FloatLayers(builder)


class FloatLayers:
    """Weights and arithmetic in float32."""

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder

    def dense(self, rows: str, layer: DenseLayer) -> str:
        """A Gemm, whose weights have the order of the graph."""
        weights = self.matrix(
            f"{layer.name}/weights", layer.weights.shape, lambda: [values(layer.weights)]
        )
        bias = self.builder.constant(f"{layer.name}/bias", values(layer.bias))
        return self.builder.node("Gemm", [rows, weights, bias], f"{layer.name}/biased")

    def dense_of_features(self, rows: str, layer: DenseLayer) -> str:
        """Like any other."""
        return self.dense(rows, layer)

    def lstm(
        self, sequence: str, lstms: Sequence[Lstm], lengths: str, states: Sequence[str]
    ) -> tuple[str, str, str]:
        """An LSTM; its matrices are transposed a gate at a time."""
        rows, inputs, cells = 4 * lstms[0].cells, lstms[0].inputs, lstms[0].cells
        shape = (len(lstms), rows)
        given = [
            sequence,
            self.matrix("lstm/W", (*shape, inputs), lambda: _rows(lstms, input_kernel)),
            self.matrix("lstm/R", (*shape, cells), lambda: _rows(lstms, recurrent_kernel)),
            self.builder.constant("lstm/B", two_biases(lstms)),
            lengths,
            *states,
        ]
        outputs = ("lstm/hidden", "lstm/last_h", "lstm/last_c")
        hidden, last_h, last_c = self.builder.nodes("LSTM", given, outputs, **attributes(lstms))
        return hidden, last_h, last_c

    def matrix(
        self, name: str, shape: tuple[int, ...], parts: Callable[[], Iterable[FloatArray]]
    ) -> str:
        """A float32 tensor; `parts` makes its values, one after the other."""
        return self.stored(name, "<f4", shape, parts)

    def stored(
        self,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        parts: Callable[[], Iterable[NDArray[np.generic]]],
    ) -> str:
        """A tensor of a type, made one array at a time when it is written."""

        def chunks() -> Iterator[Chunk]:
            for part in parts():
                yield np.ascontiguousarray(part, dtype).data.cast("B")

        inside = self.builder.inside(name)
        return self.builder.weights(Initializer(inside, np.dtype(dtype), shape, chunks))


class HalfLayers(FloatLayers):
    """Weights in float16, arithmetic in float32: half the file, and next to no loss."""

    def matrix(
        self, name: str, shape: tuple[int, ...], parts: Callable[[], Iterable[FloatArray]]
    ) -> str:
        """A float16 tensor and its Cast to float32."""
        half = self.stored(f"{name}/half", "<f2", shape, lambda: map(to_float16, parts()))
        return self.builder.node("Cast", [half], name, to=import_onnx().TensorProto.FLOAT)


class IntegerLayers:
    """8-bit integers, a scale for each output; what they are multiplied with is quantized at run.

    ONNX Runtime has no other form that multiplies integers in an LSTM, and it fuses the nodes of a
    dense layer into one. Features would lose too much: a single silent frame sets the scale of all.
    """

    def __init__(self, builder: GraphBuilder, frames: Size) -> None:
        self.builder = builder
        self.frames = frames

    def dense(self, rows: str, layer: DenseLayer) -> str:
        """A product of integers, scaled back to float32, and the bias."""
        builder, name = self.builder, layer.name
        weights = quantize(values(layer.weights))
        integers, scale, zero = builder.nodes(
            "DynamicQuantizeLinear",
            [rows],
            [f"{name}/quantized", f"{name}/scale", f"{name}/zero"],
        )
        matrix = builder.constant(f"{name}/weights", weights.values, np.int8)
        scales = builder.constant(f"{name}/weights/scales", weights.scales)
        bias = builder.constant(f"{name}/bias", values(layer.bias))
        sums = builder.node("MatMulInteger", [integers, matrix, zero], f"{name}/sums")
        floats = builder.node("Cast", [sums], f"{name}/floats", to=import_onnx().TensorProto.FLOAT)
        factors = builder.node("Mul", [scale, scales], f"{name}/factors")
        scaled = builder.node("Mul", [floats, factors], f"{name}/product")
        return builder.node("Add", [scaled, bias], f"{name}/biased")

    def dense_of_features(self, rows: str, layer: DenseLayer) -> str:
        """Weights in float16: a fortieth of the model."""
        return HalfLayers(self.builder).dense(rows, layer)

    def lstm(
        self, sequence: str, lstms: Sequence[Lstm], lengths: str, states: Sequence[str]
    ) -> tuple[str, str, str]:
        """ONNX Runtime's own LSTM of integers; its matrices are not transposed."""
        builder, cells = self.builder, lstms[0].cells
        kernels = {"W": input_kernel, "R": recurrent_kernel}
        matrices, quantization = [], []
        for name, kernel in kernels.items():
            gates = [[quantize(kernel(lstm, gate)) for gate in GATES] for lstm in lstms]
            integers = np.stack([np.concatenate([g.values for g in of], axis=1) for of in gates])
            scales = np.stack([np.concatenate([g.scales for g in of]) for of in gates])
            matrices.append(builder.constant(f"lstm/{name}", integers, np.int8))
            zeros = np.zeros(scales.shape)
            quantization.append(builder.constant(f"lstm/{name}/scales", scales))
            quantization.append(builder.constant(f"lstm/{name}/zeros", zeros, np.int8))
        bias = builder.constant("lstm/B", two_biases(lstms))
        first = [*states, ""] if states else ["", "", ""]
        inputs = [sequence, *matrices, bias, lengths, *first, *quantization]
        outputs = ("lstm/hidden", "lstm/last_h", "lstm/last_c")
        # The checker knows no shapes of other domains' ops.
        builder.describe(outputs[0], [self.frames, len(lstms), 1, cells])
        for state in outputs[1:]:
            builder.describe(state, [len(lstms), 1, cells])
        hidden, last_h, last_c = builder.nodes(
            "DynamicQuantizeLSTM", inputs, outputs, domain=MICROSOFT, **attributes(lstms)
        )
        return hidden, last_h, last_c


def attributes(lstms: Sequence[Lstm]) -> dict[str, Any]:
    """What an LSTM node says of its size and directions."""
    size = {"hidden_size": lstms[0].cells}
    return size if len(lstms) == 1 else {**size, "direction": "bidirectional"}


def two_biases(lstms: Sequence[Lstm]) -> FloatArray:
    """The biases as ONNX takes them: of the input, and another of the hidden state."""
    biases = np.stack([lstm_bias(lstm, GATES) for lstm in lstms])
    return np.concatenate([biases, np.zeros_like(biases)], axis=1)


def _rows(lstms: Sequence[Lstm], kernel: Callable[[Lstm, str], FloatArray]) -> Iterator[FloatArray]:
    """The weights of each gate of each LSTM, a row for each cell."""
    return (kernel(lstm, gate).T for lstm in lstms for gate in GATES)
