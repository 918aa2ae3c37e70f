"""The LSTM layer of neural networks in numpy.

Source: the comments of LSTMParams and UniDirectionalLSTMLayerParams in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dsconv.formats.coreml.layers import (
    Activation,
    LstmParams,
    LstmWeights,
    NoFields,
    UniDirectionalLstm,
)
from dsconv.formats.coreml.network import LSTM_GATES
from dsconv.runtime.coreml.parameters import FloatArray, Parameters
from dsconv.runtime.ops import sigmoid

_MATRICES = (
    LstmWeights.INPUT_GATE_WEIGHT_MATRIX,
    LstmWeights.FORGET_GATE_WEIGHT_MATRIX,
    LstmWeights.BLOCK_INPUT_WEIGHT_MATRIX,
    LstmWeights.OUTPUT_GATE_WEIGHT_MATRIX,
)
_RECURSIONS = (
    LstmWeights.INPUT_GATE_RECURSION_MATRIX,
    LstmWeights.FORGET_GATE_RECURSION_MATRIX,
    LstmWeights.BLOCK_INPUT_RECURSION_MATRIX,
    LstmWeights.OUTPUT_GATE_RECURSION_MATRIX,
)
_BIASES = (
    LstmWeights.INPUT_GATE_BIAS_VECTOR,
    LstmWeights.FORGET_GATE_BIAS_VECTOR,
    LstmWeights.BLOCK_INPUT_BIAS_VECTOR,
    LstmWeights.OUTPUT_GATE_BIAS_VECTOR,
)

# The functions of the gates, of the block input and of the output.
_ACTIVATIONS = (Activation.SIGMOID, Activation.TANH, Activation.TANH)

# What the activations get is limited to this size, in either direction.
_CLIP = np.float32(50)


def uni_directional_lstm(
    parameters: Parameters, inputs: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """x [T, batch, inputs, 1, 1], h and c [1, batch, cells, 1, 1] to y, h and c.

    y has the outputs of all frames [T, batch, cells, 1, 1]; h and c are those after the last one.
    """
    params = _checked_params(parameters)
    limit = abs(params.number(LstmParams.CELL_CLIP_THRESHOLD))
    x, *states = inputs
    width = parameters.integer(UniDirectionalLstm.INPUT_VECTOR_SIZE)
    cells = parameters.integer(UniDirectionalLstm.OUTPUT_VECTOR_SIZE)
    if x.ndim != 5 or x.shape[2:] != (width, 1, 1):
        raise ValueError(f"{width} input channels do not fit")
    frames, batch = x.shape[:2]
    if not frames:
        raise parameters.unsupported("runs on no frame")
    h, c = (_state(state, (1, batch, cells, 1, 1)) for state in states)
    weights = parameters.nested(UniDirectionalLstm.WEIGHT_PARAMS, LstmWeights)
    projected = _project(weights, x.reshape(frames * batch, width), cells)
    by_frame = {gate: value.reshape(frames, batch, cells) for gate, value in projected.items()}
    recursions = {
        gate: weights.weights(field, (cells, cells))
        for gate, field in zip(LSTM_GATES, _RECURSIONS, strict=True)
    }
    y: FloatArray = np.empty((frames, batch, cells), np.float32)
    for frame in range(frames):
        sums = {gate: by_frame[gate][frame] + h @ recursions[gate].T for gate in LSTM_GATES}
        h, c = _step(sums, c, limit)
        y[frame] = h
    return tuple(value[..., None, None] for value in (y, h[None], c[None]))


def _checked_params(parameters: Parameters) -> Parameters:
    """The LSTMParams. Raises ConversionError for another LSTM than dsconv writes."""
    activations = parameters.all_nested(UniDirectionalLstm.ACTIVATIONS, Activation)
    if tuple(each.only() for each in activations) != _ACTIVATIONS:
        raise parameters.unsupported("has other activations than sigmoid, tanh and tanh")
    for activation, kind in zip(activations, _ACTIVATIONS, strict=True):
        activation.nested(kind, NoFields)
    params = parameters.nested(UniDirectionalLstm.PARAMS, LstmParams)
    for field in LstmParams:
        if field not in params:
            raise parameters.unsupported(f"has no {field.name.lower()}")
    return params


def _state(state: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """A state as [batch, cells]."""
    if state.shape != shape:
        raise ValueError(f"a state of shape {list(state.shape)} does not fit")
    return state.reshape(shape[1], shape[2])


def _project(weights: Parameters, rows: FloatArray, cells: int) -> dict[str, FloatArray]:
    """What the inputs [rows, inputs] add to each gate, with the biases."""
    result = {}
    for gate, matrix, bias in zip(LSTM_GATES, _MATRICES, _BIASES, strict=True):
        product = rows @ weights.weights(matrix, (cells, rows.shape[1])).T
        result[gate] = product + weights.weights(bias, (cells,))
    return result


def _step(
    sums: Mapping[str, FloatArray], c: FloatArray, limit: np.float32
) -> tuple[FloatArray, FloatArray]:
    """The next h and c [batch, cells], from what the gates get and the c before."""
    clipped = {gate: np.clip(value, -_CLIP, _CLIP) for gate, value in sums.items()}
    i, f, o = (sigmoid(clipped[gate]) for gate in ("inputGate", "forgetGate", "outputGate"))
    c = np.clip(c * f + i * np.tanh(clipped["blockInput"]), -limit, limit)
    return np.tanh(c) * o, c
