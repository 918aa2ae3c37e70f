"""The network as OpenVINO ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.acoustic.names import LENGTHS
from dsconv.acoustic.network import DenseLayer, LayerNorm
from dsconv.acoustic.weights import values
from dsconv.convert.form import Form
from dsconv.convert.openvino.builder import ModelBuilder
from dsconv.convert.openvino.front_end import add_front_end
from dsconv.convert.openvino.lstm import LstmBuilder
from dsconv.convert.openvino.weights import (
    WEIGHTS,
    MakeWeights,
    matmul,
    weights_of_features,
)


def add_network(builder: ModelBuilder, form: Form) -> None:
    """All of the model in a form."""
    _NetworkBuilder(builder, form).add()
    if form.precision == "int8":
        builder.quantize_at_run(form.network.lstm.cells)


class _NetworkBuilder:
    def __init__(self, builder: ModelBuilder, form: Form) -> None:
        self.builder = builder
        self.form = form
        self.network = form.network
        self.weights = WEIGHTS[form.precision]

    def add(self) -> None:
        """From the inputs to the outputs."""
        network = self.network
        rows = add_front_end(self.builder, network) if self.form.front_end else self.windows()
        first, *others = network.before
        rows = self.dense(rows, first, weights_of_features(self.form.precision))
        for layer in others:
            rows = self.dense(rows, layer, self.weights)
        rows, states = self.lstm(rows)
        for layer in network.after:
            rows = self.dense(rows, layer, self.weights)
        rows = self.dense(rows, network.output, self.weights)
        scores = self.reshape("scores", rows, [-1, 1, network.classes])
        if network.softmax:
            scores = self.builder.op("softmax", "probabilities", scores, 2)
        self.builder.output(network.names.probabilities, scores)
        for name, state in states.items():
            self.builder.output(name, state)

    def windows(self) -> Any:
        """The input of the windows as rows [frames, values]; there is one clip in the batch."""
        network = self.network
        shape = (1, self.form.steps, *self.form.window_shape)
        source = self.builder.input(network.names.windows, shape)
        return self.reshape("windows", source, [-1, network.window_values])

    def dense(self, rows: Any, layer: DenseLayer, weights: MakeWeights) -> Any:
        """A dense layer with its activation and normalization."""
        builder, name = self.builder, layer.name
        matrix = weights(builder, f"{name}/weights", values(layer.weights))
        rows = matmul(builder, f"{name}/product", rows, matrix)
        bias = builder.constant(f"{name}/bias", values(layer.bias)[None])
        rows = builder.op("add", f"{name}/biased", rows, bias)
        if layer.clip is not None:
            rows = builder.op("clamp", f"{name}/clipped", rows, 0.0, layer.clip)
        elif layer.relu:
            rows = builder.op("relu", f"{name}/relu", rows)
        return self.normalized(rows, name, layer.norm) if layer.norm else rows

    def normalized(self, rows: Any, name: str, norm: LayerNorm) -> Any:
        """Layer normalization over the units."""
        builder = self.builder
        axis = builder.constant(f"{name}/units", [1], np.int64)
        unit = builder.op(
            "mvn", f"{name}/unit_variance", rows, axis, True, norm.epsilon, "inside_sqrt"
        )
        scale = builder.constant(f"{name}/norm/scale", values(norm.scale)[None])
        offset = builder.constant(f"{name}/norm/offset", values(norm.offset)[None])
        scaled = builder.op("multiply", f"{name}/scaled", unit, scale)
        return builder.op("add", f"{name}/normalized", scaled, offset)

    def lstm(self, rows: Any) -> tuple[Any, dict[str, Any]]:
        """The LSTM's hidden states, and the states after the last valid frame that are outputs."""
        names, form, builder = self.network.names, self.form, self.builder
        lengths = None
        if form.lengths == "input":
            lengths = builder.input(names.lengths or LENGTHS, [1], np.int32)
        if form.whole_clip:
            return self.whole_clip(rows), {}
        shape = (1, self.network.lstm.cells)
        lstm = LstmBuilder(builder, self.network.lstm, self.weights, form.steps)
        if form.states == "internal":
            (cell, cell_variable), (hidden, hidden_variable) = (
                builder.state(name, shape) for name in (names.previous_c, names.previous_h)
            )
            rows, new_hidden, new_cell = lstm.add(rows, lengths, hidden, cell)
            builder.keep(names.new_c, new_cell, cell_variable)
            builder.keep(names.new_h, new_hidden, hidden_variable)
            return rows, {}
        cell, hidden = (builder.input(name, shape) for name in (names.previous_c, names.previous_h))
        rows, new_hidden, new_cell = lstm.add(rows, lengths, hidden, cell)
        return rows, {names.new_c: new_cell, names.new_h: new_hidden}

    def whole_clip(self, rows: Any) -> Any:
        """The hidden states from fresh states: of one direction, or of both side by side."""
        builder, found = self.builder, []
        for lstm in self.form.lstms:
            backward = lstm is self.network.backward
            direction = LstmBuilder(builder, lstm, self.weights, self.form.steps, backward=backward)
            zeros = np.zeros((1, lstm.cells))
            cell, hidden = (
                builder.constant(f"{direction.name}/first_{kind}", zeros) for kind in "ch"
            )
            found.append(direction.add(rows, None, hidden, cell)[0])
        return found[0] if len(found) == 1 else builder.op("concat", "lstm/both", found, 1)

    def reshape(self, name: str, source: Any, sizes: list[int]) -> Any:
        """Other sizes; one may be -1."""
        shape = self.builder.constant(f"{name}/shape", sizes, np.int64)
        return self.builder.op("reshape", name, source, shape, False)
