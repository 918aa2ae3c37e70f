"""What is read back of each layer, put together to a network as the graph has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import GATES, DenseLayer, Lstm, Network
from dsconv.acoustic.stored import (
    StoredLayer,
    StoredLstm,
    StoredMatrix,
    StoredNetwork,
    StoredNorm,
    gates_moved,
)
from dsconv.errors import ConversionError
from dsconv.speech.features import FloatArray

Array = NDArray[Any]


class MissingConstantError(ConversionError):
    """A file has no such constant, so it is not one whose weights can be read back."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the file has no constant '{name}', so its weights are not read back.")


def named(constants: Mapping[str, Array], *names: str) -> Array:
    """The first of some constants that is there. Raises MissingConstantError."""
    for name in names:
        if name in constants:
            return constants[name]
    raise MissingConstantError(names[0])


def put_together(
    network: Network,
    dense: Callable[[DenseLayer], StoredLayer],
    lstm: Callable[[Lstm, str], StoredLstm],
    factors: FloatArray | None = None,
) -> StoredNetwork:
    """The network of what a file holds of each layer; an LSTM is ``lstm`` or ``backward``.

    Raises ConversionError if a layer has other sizes than the network's, so that what was found is
    not that layer.
    """
    found = StoredNetwork(
        before=tuple(map(dense, network.before)),
        lstm=lstm(network.lstm, "lstm"),
        after=tuple(map(dense, network.after)),
        output=dense(network.output),
        softmax=network.softmax,
        backward=lstm(network.backward, "backward") if network.backward else None,
        factors=factors,
    )
    for layer, given in zip(found.layers, network.layers, strict=True):
        _check_sizes(layer.name, layer.weights, layer.bias, given.weights.shape)
    lstms = [each for each in (network.lstm, network.backward) if each]
    for part, expected in zip(found.lstms, lstms, strict=True):
        columns = 4 * expected.cells
        _check_sizes(part.name, part.inputs, part.bias, (expected.inputs, columns))
        _check_sizes(part.name, part.recurrent, part.bias, (expected.cells, columns))
    return found


def _check_sizes(name: str, matrix: StoredMatrix, bias: Array, sizes: tuple[int, ...]) -> None:
    if matrix.numbers.shape != sizes or bias.shape != sizes[1:]:
        raise ConversionError(
            f"{name} is not where dsconv puts it in a file, so the weights are not read back."
        )


def named_layer(
    constants: Mapping[str, Array],
    name: str,
    weights: StoredMatrix,
    limits: tuple[bool, float | None],
    epsilon: float | None,
) -> StoredLayer:
    """A layer whose constants dsconv has named; `epsilon` is that of its normalization, if any.

    `limits` say whether its numbers are cut at zero, and where else. Raises MissingConstantError.
    """
    norm = None
    if epsilon is not None:
        scale, offset = (named(constants, f"{name}/norm/{part}") for part in ("scale", "offset"))
        norm = StoredNorm(scale.reshape(-1), offset.reshape(-1), epsilon)
    relu, clip = limits
    bias = named(constants, f"{name}/bias").reshape(-1)
    return StoredLayer(name, weights, bias, relu=relu, clip=clip, norm=norm)


def in_graph_order(columns: Array, order: str) -> Array:
    """Columns [..., 4 * cells] of gates in an order such as ``iofc``, in the order of `GATES`."""
    return gates_moved(columns, [order.index(gate) for gate in GATES])


def matrix_in_graph_order(matrix: StoredMatrix, order: str) -> StoredMatrix:
    """A matrix with its gates, and their scales, in the order of `GATES`."""
    return matrix.with_gates([order.index(gate) for gate in GATES])


def without_drive(matrix: StoredMatrix) -> StoredMatrix:
    """Without the last input, which closes the cell in frames that are not valid."""
    beside = np.abs(matrix.floats[-1])
    return StoredMatrix(
        matrix.numbers[:-1], matrix.scales, matrix.palette, half=matrix.half, beside=beside
    )
