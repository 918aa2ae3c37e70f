"""The LSTM layer of neural networks in numpy.

Source: the comments of LSTMParams and UniDirectionalLSTMLayerParams in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dsconv.formats.coreml.network import LSTM_GATES
from dsconv.formats.coreml.network_schema import (
    LSTMParams,
    LSTMWeightParams,
    UniDirectionalLSTMLayerParams,
)
from dsconv.formats.protobuf.schema import TypedMessage
from dsconv.runtime.coreml.parameters import FloatArray, Parameters
from dsconv.runtime.ops import sigmoid

# Those of the gates, of the block input and of the output.
_ACTIVATIONS = ("sigmoid", "tanh", "tanh")
_PARAMS = ("sequenceOutput", "hasBiasVectors", "cellClipThreshold")
_WEIGHTS = [
    f"{gate}{kind}"
    for gate in LSTM_GATES
    for kind in ("WeightMatrix", "RecursionMatrix", "BiasVector")
]

# What the activations get is limited to this size, in either direction.
_CLIP = np.float32(50)


def uni_directional_lstm(
    parameters: Parameters[UniDirectionalLSTMLayerParams], inputs: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """x [T, batch, inputs, 1, 1], h and c [1, batch, cells, 1, 1] to y, h and c.

    y has the outputs of all frames [T, batch, cells, 1, 1]; h and c are those after the last one.
    """
    message = parameters.message
    limit = abs(_checked_params(parameters).cellClipThreshold)
    x, *states = inputs
    width, cells = message.inputVectorSize, message.outputVectorSize
    if x.ndim != 5 or x.shape[2:] != (width, 1, 1):
        raise ValueError(f"{width} input channels do not fit")
    frames, batch = x.shape[:2]
    if not frames:
        raise parameters.unsupported("runs on no frame")
    h, c = (_state(state, (1, batch, cells, 1, 1)) for state in states)
    weights = parameters.nested(message.weightParams, _WEIGHTS)
    projected = _project(weights, x.reshape(frames * batch, width), cells)
    by_frame = {gate: value.reshape(frames, batch, cells) for gate, value in projected.items()}
    recursions = {
        gate: weights.weights(f"{gate}RecursionMatrix", (cells, cells)) for gate in LSTM_GATES
    }
    y: FloatArray = np.empty((frames, batch, cells), np.float32)
    for frame in range(frames):
        sums = {gate: by_frame[gate][frame] + h @ recursions[gate].T for gate in LSTM_GATES}
        h, c = _step(sums, c, limit)
        y[frame] = h
    return tuple(value[..., None, None] for value in (y, h[None], c[None]))


def _checked_params(parameters: Parameters[UniDirectionalLSTMLayerParams]) -> LSTMParams:
    """The LSTMParams. Raises ConversionError for another LSTM than dsconv writes."""
    activations = parameters.message.activations
    kinds = [tuple(each.present) for each in activations]
    if kinds != [(kind,) for kind in _ACTIVATIONS]:
        raise parameters.unsupported("has other activations than sigmoid, tanh and tanh")
    for activation, kind in zip(activations, _ACTIVATIONS, strict=True):
        # Core ML takes a field inside for another function.
        parameters.nested(activation)
        parameters.nested(TypedMessage(getattr(activation, kind)))
    params = parameters.nested(parameters.message.params, _PARAMS).message
    for name in _PARAMS:
        if not params.has(name):
            raise parameters.unsupported(f"does not set {name}")
    return params


def _state(state: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """A state as [batch, cells]."""
    if state.shape != shape:
        raise ValueError(f"a state of shape {list(state.shape)} does not fit")
    return state.reshape(shape[1], shape[2])


def _project(
    weights: Parameters[LSTMWeightParams], rows: FloatArray, cells: int
) -> dict[str, FloatArray]:
    """What the inputs [rows, inputs] add to each gate, with the biases."""
    result = {}
    for gate in LSTM_GATES:
        product = rows @ weights.weights(f"{gate}WeightMatrix", (cells, rows.shape[1])).T
        result[gate] = product + weights.weights(f"{gate}BiasVector", (cells,))
    return result


def _step(
    sums: Mapping[str, FloatArray], c: FloatArray, limit: float
) -> tuple[FloatArray, FloatArray]:
    """The next h and c [batch, cells], from what the gates get and the c before."""
    clipped = {gate: np.clip(value, -_CLIP, _CLIP) for gate, value in sums.items()}
    i, f, o = (sigmoid(clipped[gate]) for gate in ("inputGate", "forgetGate", "outputGate"))
    c = np.clip(c * f + i * np.tanh(clipped["blockInput"]), -limit, limit)
    return np.tanh(c) * o, c
