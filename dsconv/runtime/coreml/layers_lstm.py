"""The LSTM layer of neural networks in numpy.

Source: the comments of LSTMParams and UniDirectionalLSTMLayerParams in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dsconv.formats.coreml.network import LSTM_GATES
from dsconv.runtime.coreml.layer_kind import LayerKind
from dsconv.runtime.coreml.layer_parameters import Parameters
from dsconv.runtime.coreml.layer_weights import FloatArray
from dsconv.runtime.coreml.layers_elementwise import ACTIVATION_FIELDS, sigmoid

_FIELDS = {
    "inputVectorSize": 1,
    "outputVectorSize": 2,
    "activations": 10,
    "params": 15,
    "weightParams": 20,
    "reverseInput": 100,
}
_PARAMS = {
    "sequenceOutput": 10,
    "hasBiasVectors": 20,
    "forgetBias": 30,
    "hasPeepholeVectors": 40,
    "coupledInputAndForgetGate": 50,
    "cellClipThreshold": 60,
}
_WEIGHTS = {
    **{f"{gate}WeightMatrix": 1 + place for place, gate in enumerate(LSTM_GATES)},
    **{f"{gate}RecursionMatrix": 20 + place for place, gate in enumerate(LSTM_GATES)},
    **{f"{gate}BiasVector": 40 + place for place, gate in enumerate(LSTM_GATES)},
    "inputGatePeepholeVector": 60,
    "forgetGatePeepholeVector": 61,
    "outputGatePeepholeVector": 62,
}

# What the activations get is limited to this size, in either direction.
_CLIP = np.float32(50)
_DEFAULT_CELL_CLIP = 50.0

Function = Callable[[FloatArray], FloatArray]

# Others take parameters that this layer does not pass on.
_FUNCTIONS: dict[str, Function] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "ReLU": lambda value: np.maximum(value, 0),
}


class _Cell:
    """The weights of a layer; what it computes at a step."""

    def __init__(self, parameters: Parameters) -> None:
        self.inputs = parameters.integer("inputVectorSize")
        self.cells = parameters.integer("outputVectorSize")
        self._params = parameters.nested("params", _PARAMS)
        self._weights = parameters.nested("weightParams", _WEIGHTS)
        self._gate, self._block, self._output = _activations(parameters)
        self._coupled = self._params.flag("coupledInputAndForgetGate")
        self._limit = abs(self._params.number("cellClipThreshold", _DEFAULT_CELL_CLIP))
        self.sequence_output = self._params.flag("sequenceOutput")

    def project(self, rows: FloatArray) -> dict[str, FloatArray]:
        """What the inputs [rows, inputs] add to each gate, with the biases."""
        result = {}
        for gate in self._used_gates:
            matrix = self._weights.weights(f"{gate}WeightMatrix", (self.cells, self.inputs))
            result[gate] = rows @ matrix.T
            if self._params.flag("hasBiasVectors"):
                result[gate] += self._weights.weights(f"{gate}BiasVector", (self.cells,))
            if gate == "forgetGate" and self._params.flag("forgetBias"):
                result[gate] += np.float32(1)
        return result

    def step(
        self, projected: dict[str, FloatArray], h: FloatArray, c: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The next h and c, of shape [batch, cells] as those before."""
        sums = {
            gate: value + h @ self._weights.weights(f"{gate}RecursionMatrix", (self.cells,) * 2).T
            for gate, value in projected.items()
        }
        i = self._opened(sums, "inputGate", c)
        z = self._block(np.clip(sums["blockInput"], -_CLIP, _CLIP))
        f = 1 - i if self._coupled else self._opened(sums, "forgetGate", c)
        c = np.clip(c * f + i * z, -self._limit, self._limit)
        o = self._opened(sums, "outputGate", c)
        return self._output(c) * o, c

    @property
    def _used_gates(self) -> tuple[str, ...]:
        return tuple(gate for gate in LSTM_GATES if not (self._coupled and gate == "forgetGate"))

    def _opened(self, sums: dict[str, FloatArray], gate: str, c: FloatArray) -> FloatArray:
        """A gate, which sees the cells if there are peepholes."""
        value = sums[gate]
        if self._params.flag("hasPeepholeVectors"):
            value = value + self._weights.weights(f"{gate}PeepholeVector", (self.cells,)) * c
        return self._gate(np.clip(value, -_CLIP, _CLIP))


def _activations(parameters: Parameters) -> list[Function]:
    """The functions of the gates, of the block input and of the output."""
    found = parameters.all_nested("activations", ACTIVATION_FIELDS)
    names = [activation.only("a nonlinearity") for activation in found]
    if len(names) != 3 or set(names) - set(_FUNCTIONS):
        raise parameters.unsupported(f"with activations {', '.join(names) or 'left out'}")
    for activation, name in zip(found, names, strict=True):
        activation.nested(name, {})
    return [_FUNCTIONS[name] for name in names]


def uni_directional_lstm(
    parameters: Parameters, inputs: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """x [T, batch, inputs, 1, 1], h and c [1, batch, cells, 1, 1] to y and, if asked for, h and c.

    y has the outputs of all steps [T, batch, cells, 1, 1], or only of the last one.
    """
    cell = parameters.prepared(_Cell)
    if len(inputs) == 2 or len(parameters.layer.outputs) == 2:
        # Which of the two states it is, the format does not say.
        raise parameters.unsupported("with only one state")
    x, *states = inputs
    if x.ndim != 5 or x.shape[2:] != (cell.inputs, 1, 1):
        raise ValueError(f"{cell.inputs} input channels do not fit")
    frames, batch = x.shape[:2]
    if not frames:
        raise parameters.unsupported("of no step")
    h, c = (_state(states, place, (1, batch, cell.cells, 1, 1)) for place in (0, 1))
    projected = cell.project(x.reshape(frames * batch, cell.inputs))
    by_step = {gate: value.reshape(frames, batch, -1) for gate, value in projected.items()}
    order = range(frames)
    y: FloatArray = np.empty((frames, batch, cell.cells), np.float32)
    for step in reversed(order) if parameters.flag("reverseInput") else order:
        h, c = cell.step({gate: value[step] for gate, value in by_step.items()}, h, c)
        y[step] = h
    if not cell.sequence_output:
        y = h[None]
    outputs = (y, h[None], c[None])
    return tuple(value[..., None, None] for value in outputs[: len(parameters.layer.outputs)])


def _state(states: Sequence[FloatArray], place: int, shape: tuple[int, ...]) -> FloatArray:
    """A state as [batch, cells]; zeros if it does not come in."""
    if len(states) <= place:
        return np.zeros((shape[1], shape[2]), np.float32)
    if states[place].shape != shape:
        raise ValueError(f"a state of shape {list(states[place].shape)} does not fit")
    return states[place].reshape(shape[1], shape[2])


LSTMS: dict[str, LayerKind] = {
    "uniDirectionalLSTM": LayerKind(uni_directional_lstm, _FIELDS, inputs=(1, 3), outputs=(1, 3)),
}
