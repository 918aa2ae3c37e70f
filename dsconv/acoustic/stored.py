"""The weights of a network as a file stores them: in float32, float16, or as integers with scales.

`stored` gives those of a graph. `dsconv.acoustic.read_back` reads them from converted files, always
in the graph's own order, so that both can be compared number by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import GATES, DenseLayer, LayerNorm, Lstm, Network
from dsconv.acoustic.weights import input_kernel, lstm_bias, recurrent_kernel, values
from dsconv.speech.features import FloatArray


def gates_moved(columns: NDArray[Any], order: Sequence[int]) -> NDArray[Any]:
    """Columns [..., 4 * cells] of gates, with the gates of these indices one after the other."""
    if list(order) == [0, 1, 2, 3]:
        return columns
    blocks = np.split(columns, 4, axis=-1)
    return np.concatenate([blocks[index] for index in order], axis=-1)


@dataclass(frozen=True)
class StoredMatrix:
    """Weights [inputs, outputs]: ``numbers * scales``.

    `numbers` are float32, float16 or int8; `scales` is None for floats, else one scale, or one for
    each output. `palette` are the values that each weight is one of, where there is a palette.
    With `half` the runtime takes them as float16. `beside` is the largest number that shares its
    scale, of each output or of all, where it is no part of this matrix.
    """

    numbers: NDArray[Any]
    scales: FloatArray | None = None
    palette: NDArray[Any] | None = None
    half: bool = False
    beside: FloatArray | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the weights are integers, so that runtimes may round what they multiply."""
        return self.scales is not None

    def rows(self, rows: slice) -> StoredMatrix:
        """Some of the inputs, or some numbers of a bias; a view."""
        scales = self.scales
        if self.numbers.ndim == 1 and scales is not None and scales.size > 1:
            scales = scales[rows]
        return replace(self, numbers=self.numbers[rows], scales=scales)

    def with_gates(self, order: Sequence[int]) -> StoredMatrix:
        """The columns of an LSTM's matrix, with their scales, with the gates of these indices."""

        def moved(each: FloatArray | None) -> FloatArray | None:
            one = each is None or each.size == 1
            return each if one else gates_moved(np.ravel(each), order)  # type: ignore[arg-type]

        numbers = gates_moved(self.numbers, order)
        return replace(self, numbers=numbers, scales=moved(self.scales), beside=moved(self.beside))

    @cached_property
    def floats(self) -> FloatArray:
        """The weights in float32, made once; a view where they are stored so."""
        numbers = np.asarray(self.numbers, np.float32)
        if self.scales is None:
            return numbers
        weights = numbers * self.scales
        return weights.astype(np.float16).astype(np.float32) if self.half else weights


@dataclass(frozen=True)
class StoredNorm:
    """Layer normalization; `scale` and `offset` are [units]."""

    scale: NDArray[Any]
    offset: NDArray[Any]
    epsilon: float


@dataclass(frozen=True)
class StoredLayer:
    """A dense layer; `bias` is [units]. `clip` is None without one.

    `bias_steps` [units] are those of a bias that is stored as integers.
    """

    name: str
    weights: StoredMatrix
    bias: NDArray[Any]
    relu: bool = False
    clip: float | None = None
    norm: StoredNorm | None = None
    bias_steps: FloatArray | None = None


@dataclass(frozen=True)
class StoredLstm:
    """An LSTM; the columns of its matrices are the gates in the order of `GATES`.

    `inputs` are [inputs, 4 * cells], `recurrent` [cells, 4 * cells]; `bias` [4 * cells] has the
    forget bias in it, and `bias_steps` where it is stored as integers. `joint` tells that one
    matrix holds both, so that a runtime rounds the input and the hidden state together.
    """

    name: str
    inputs: StoredMatrix
    recurrent: StoredMatrix
    bias: NDArray[Any]
    joint: bool = False
    bias_steps: FloatArray | None = None

    @property
    def cells(self) -> int:
        """The size of the states."""
        return len(self.recurrent.numbers)


@dataclass(frozen=True)
class StoredNetwork:
    """All layers of a network, as in `Network`.

    `factors` [window values] is what the features are multiplied with before the first layer, whose
    weights are divided by it; None where they are taken as they are.
    """

    before: tuple[StoredLayer, ...]
    lstm: StoredLstm
    after: tuple[StoredLayer, ...]
    output: StoredLayer
    softmax: bool
    backward: StoredLstm | None = None
    factors: FloatArray | None = None

    @property
    def layers(self) -> tuple[StoredLayer, ...]:
        """All dense layers, in order."""
        return (*self.before, *self.after, self.output)

    @property
    def lstms(self) -> tuple[StoredLstm, ...]:
        """The LSTM that reads forward, then the one that reads backward, if any."""
        return (self.lstm,) if self.backward is None else (self.lstm, self.backward)


def stored(network: Network) -> StoredNetwork:
    """The weights of a graph: views on the mapped file, but for the order of the gates."""
    return StoredNetwork(
        before=tuple(map(_layer, network.before)),
        lstm=_lstm(network.lstm),
        after=tuple(map(_layer, network.after)),
        output=_layer(network.output),
        softmax=network.softmax,
        backward=_lstm(network.backward) if network.backward else None,
    )


def _layer(layer: DenseLayer) -> StoredLayer:
    weights = StoredMatrix(values(layer.weights))
    norm = _norm(layer.norm) if layer.norm else None
    return StoredLayer(layer.name, weights, values(layer.bias), layer.relu, layer.clip, norm)


def _norm(norm: LayerNorm) -> StoredNorm:
    return StoredNorm(values(norm.scale), values(norm.offset), norm.epsilon)


def _lstm(lstm: Lstm) -> StoredLstm:
    def ordered(kernel: FloatArray) -> StoredMatrix:
        if lstm.gates == GATES:
            return StoredMatrix(kernel)
        parts = np.split(kernel, 4, axis=1)
        return StoredMatrix(np.concatenate([parts[lstm.gates.index(g)] for g in GATES], axis=1))

    bias = lstm_bias(lstm, "".join(GATES))
    return StoredLstm(lstm.name, ordered(input_kernel(lstm)), ordered(recurrent_kernel(lstm)), bias)
