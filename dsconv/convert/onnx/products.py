"""The parts of the network that hold its weights, in each precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from dsconv.acoustic.network import DenseLayer, Lstm
from dsconv.acoustic.weights import input_kernel, lstm_bias, recurrent_kernel, values
from dsconv.convert.onnx.builder import GraphBuilder
from dsconv.convert.onnx.file import Initializer
from dsconv.convert.options import Precision
from dsconv.graph.storage import Chunk
from dsconv.speech.features import FloatArray
from dsconv.toolkits import import_onnx

GATES = "iofc"
"""The order of the gates in ONNX."""


class Products(Protocol):
    """Builds the nodes that multiply with weights."""

    def dense(self, rows: str, layer: DenseLayer) -> str:
        """Rows [frames, inputs] times the weights, plus the bias."""

    def lstm(
        self, sequence: str, lstm: Lstm, lengths: str, states: Sequence[str]
    ) -> tuple[str, str, str]:
        """The hidden states [frames, 1, 1, cells], the last hidden and the last cell state.

        `sequence` is [frames, 1, inputs]; `lengths` is empty for all frames, `states` (h, c) are
        empty for zeros. Padded frames give zeros.
        """


def products_of(precision: Precision, builder: GraphBuilder) -> Products:
    """The builder of the weights' nodes in a precision."""
    kinds: dict[Precision, Callable[[GraphBuilder], Products]] = {
        "fp32": FloatProducts,
        "fp16": HalfProducts,
    }
    return kinds[precision](builder)


class FloatProducts:
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

    def lstm(
        self, sequence: str, lstm: Lstm, lengths: str, states: Sequence[str]
    ) -> tuple[str, str, str]:
        """An LSTM; its matrices are transposed a gate at a time."""
        cells = lstm.cells
        inputs = [
            sequence,
            self.matrix("lstm/W", (1, 4 * cells, lstm.inputs), lambda: _rows(lstm, input_kernel)),
            self.matrix("lstm/R", (1, 4 * cells, cells), lambda: _rows(lstm, recurrent_kernel)),
            self.builder.constant("lstm/B", two_biases(lstm)),
            lengths,
            *states,
        ]
        outputs = ("lstm/hidden", "lstm/last_h", "lstm/last_c")
        hidden, last_h, last_c = self.builder.nodes("LSTM", inputs, outputs, hidden_size=cells)
        return hidden, last_h, last_c

    def matrix(
        self, name: str, shape: tuple[int, ...], parts: Callable[[], Iterable[FloatArray]]
    ) -> str:
        """A float32 tensor; `parts` makes its values, one after the other."""
        return self.builder.weights(
            Initializer(name, np.dtype("<f4"), shape, parts_as("<f4", parts))
        )


class HalfProducts(FloatProducts):
    """Weights in float16, arithmetic in float32: half the file, and next to no loss."""

    def matrix(
        self, name: str, shape: tuple[int, ...], parts: Callable[[], Iterable[FloatArray]]
    ) -> str:
        """A float16 tensor and its Cast to float32."""
        half = self.builder.weights(
            Initializer(f"{name}/half", np.dtype("<f2"), shape, parts_as("<f2", parts))
        )
        return self.builder.node("Cast", [half], name, to=import_onnx().TensorProto.FLOAT)


def parts_as(
    dtype: str, parts: Callable[[], Iterable[FloatArray]]
) -> Callable[[], Iterator[Chunk]]:
    """The bytes of arrays in a type, made one array at a time."""
    return lambda: (np.ascontiguousarray(part, dtype).data.cast("B") for part in parts())


def two_biases(lstm: Lstm) -> FloatArray:
    """The bias as ONNX wants it: of the input, and another of the hidden state."""
    bias = lstm_bias(lstm, GATES)
    return np.concatenate([bias, np.zeros_like(bias)])[None]


def _rows(lstm: Lstm, kernel: Callable[[Lstm, str], FloatArray]) -> Iterator[FloatArray]:
    """The weights of each gate, a row for each cell."""
    return (kernel(lstm, gate).T for gate in GATES)
