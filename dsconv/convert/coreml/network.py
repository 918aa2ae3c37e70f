"""The acoustic network as a MIL program: dense layers around one fused LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.acoustic.names import LENGTHS, SAMPLES
from dsconv.acoustic.network import DenseLayer, LayerNorm
from dsconv.acoustic.weights import values
from dsconv.convert.coreml.builder import ProgramBuilder
from dsconv.convert.coreml.form import CoreMlForm
from dsconv.convert.coreml.front_end import add_front_end, samples_shape
from dsconv.convert.coreml.lstm import LstmBuilder
from dsconv.convert.coreml.options import MOST_STEPS


def add_network(builder: ProgramBuilder, form: CoreMlForm) -> None:
    """All of the model in a form."""
    network = _NetworkBuilder(builder, form)
    network.declare()
    with builder:
        network.add()


class _NetworkBuilder:
    def __init__(self, builder: ProgramBuilder, form: CoreMlForm) -> None:
        self.builder = builder
        self.form = form
        self.network = form.network
        self.lengths = self.network.names.lengths or LENGTHS

    def declare(self) -> None:
        """The inputs, in the order of the graph."""
        builder, form, names = self.builder, self.form, self.network.names
        if form.front_end:
            most = form.core_ml.max_steps or MOST_STEPS
            shape = samples_shape(builder, self.network, most)
            builder.input(names.samples or SAMPLES, shape)
            return
        builder.input(names.windows, self.windows_shape())
        if form.whole_clip:
            return
        if form.lengths == "input":
            builder.input(self.lengths, (1,), "int32")
        for name in (names.previous_c, names.previous_h):
            declare = builder.state if form.states == "internal" else builder.input
            declare(name, (1, self.network.lstm.cells))

    def windows_shape(self) -> Any:
        """The shape of the windows, with all numbers of frames that a call may have."""
        ct, form = self.builder.coremltools, self.form
        window = form.window_shape
        if form.core_ml.step_choices:
            shapes = [(1, steps, *window) for steps in form.core_ml.step_choices]
            return ct.EnumeratedShapes(shapes=shapes, default=shapes[0])
        if not form.dynamic:
            return (1, form.steps, *window)
        most = form.core_ml.max_steps or MOST_STEPS
        usual = min(self.network.steps, most) if self.network.steps > 0 else min(16, most)
        return (1, ct.RangeDim(1, most, default=usual), *window)

    def add(self) -> None:
        """From the inputs to the outputs."""
        network = self.network
        first, *others = network.before
        if self.form.front_end:
            rows = add_front_end(self.builder, network, first)
        else:
            rows = self.first_layer(first)
        rows = self.activated(self.builder.computed(first.name, rows), first)
        for layer in others:
            rows = self.dense(rows, layer)
        rows, states = self.lstm(rows)
        for layer in network.after:
            rows = self.dense(rows, layer)
        rows = self.dense(rows, network.output)
        scores = self.builder.reshape("scores", rows, [-1, 1, network.classes])
        if network.softmax:
            scores = self.builder.op("softmax", "probabilities", x=scores, axis=-1)
        self.builder.output(network.names.probabilities, scores)
        for name, state in states.items():
            self.builder.output(name, state)

    def first_layer(self, layer: DenseLayer) -> Any:
        """The first products with their bias [frames, units], of the input of the windows.

        They are computed in float32 whatever the rest is: features reach 250, and the steps of
        float16 there are errors that all the rest would hear.
        """
        builder, name = self.builder, f"{layer.name}_product"
        source = builder.value(self.network.names.windows)
        rows = self.builder.reshape("windows", source, [-1, self.network.window_values])
        weights = builder.wide(f"{name}_weights", values(layer.weights).T)
        bias = builder.wide(f"{name}_bias", values(layer.bias))
        return builder.op("linear", name, x=rows, weight=weights, bias=bias)

    def dense(self, rows: Any, layer: DenseLayer) -> Any:
        """A dense layer with its activation and normalization."""
        builder = self.builder
        weights = builder.constant(values(layer.weights).T)
        bias = builder.constant(values(layer.bias))
        name = f"{layer.name}_product"
        rows = builder.op("linear", name, x=rows, weight=weights, bias=bias)
        return self.activated(rows, layer)

    def activated(self, rows: Any, layer: DenseLayer) -> Any:
        """What follows the product and the bias."""
        builder, name = self.builder, layer.name
        if layer.clip is not None:
            limits = {"alpha": builder.number(0), "beta": builder.number(layer.clip)}
            rows = builder.op("clip", f"{name}_clipped", x=rows, **limits)
        elif layer.relu:
            rows = builder.op("relu", f"{name}_relu", x=rows)
        return self.normalized(rows, name, layer.norm) if layer.norm else rows

    def normalized(self, rows: Any, name: str, norm: LayerNorm) -> Any:
        """Layer normalization over the units.

        It is computed in float32 whatever the rest is: the exporters' epsilon, 1e-12, is nothing in
        float16, whose least normal number would hide what hardly varies.
        """
        builder = self.builder
        scale, offset = (np.asarray(values(part), np.float32) for part in (norm.scale, norm.offset))
        epsilon = np.float32(norm.epsilon)
        if self.form.core_ml.format == "mlprogram":
            rows = builder.single(f"{name}_activated", rows)
            given = {"gamma": scale, "beta": offset, "epsilon": epsilon}
            rows = builder.op("layer_norm", f"{name}_normalized", x=rows, axes=[-1], **given)
            return builder.computed(f"{name}_normalized", rows)
        # The layer for it does not say where the epsilon goes. A single row of as many values as a
        # vector has would be taken for one of its shape, which it is not.
        scale, offset = scale.reshape(1, -1), offset.reshape(1, -1)
        mean = builder.op("reduce_mean", f"{name}_mean", x=rows, axes=[-1], keep_dims=True)
        centred = builder.op("sub", f"{name}_centred", x=rows, y=mean)
        squares = builder.op("mul", f"{name}_squares", x=centred, y=centred)
        variance = builder.op(
            "reduce_mean", f"{name}_variance", x=squares, axes=[-1], keep_dims=True
        )
        root = builder.op("rsqrt", f"{name}_factor", x=variance, epsilon=epsilon)
        unit = builder.op("mul", f"{name}_unit", x=centred, y=root)
        scaled = builder.op("mul", f"{name}_scaled", x=unit, y=scale)
        return builder.op("add", f"{name}_normalized", x=scaled, y=offset)

    def lstm(self, rows: Any) -> tuple[Any, dict[str, Any]]:
        """The LSTM's hidden states, and the states after the last valid frame that are outputs."""
        names, form, builder = self.network.names, self.form, self.builder
        if form.whole_clip:
            return self.whole_clip(rows), {}
        lstm = LstmBuilder(builder, self.network.lstm, form)
        lengths = builder.value(self.lengths) if form.lengths == "input" else None
        read = self.read if form.states == "internal" else self.given
        before = [read(name) for name in (names.previous_h, names.previous_c)]
        rows, hidden, cell = lstm.add(rows, lengths, *before)
        if form.states == "io":
            return rows, {names.new_c: cell, names.new_h: hidden}
        # In the other order the toolkit fails to find the states that it updates.
        self.keep(names.previous_h, hidden)
        self.keep(names.previous_c, cell)
        return rows, {}

    def whole_clip(self, rows: Any) -> Any:
        """The hidden states from fresh states: of one direction, or of both side by side."""
        builder, found = self.builder, []
        for lstm in self.form.lstms:
            backward = lstm is self.network.backward
            zeros = builder.constant(np.zeros((1, lstm.cells)))
            direction = LstmBuilder(builder, lstm, self.form, backward=backward)
            found.append(direction.add(rows, None, zeros, zeros)[0])
        return found[0] if len(found) == 1 else builder.op("concat", "both", values=found, axis=1)

    def given(self, name: str) -> Any:
        """A state that comes in, in the type that the program computes in."""
        return self.builder.computed(name, self.builder.value(name))

    def read(self, name: str) -> Any:
        """A state, which is float16, in the type that the program computes in."""
        builder = self.builder
        kept = builder.op("read_state", f"{name}_kept", input=builder.value(name))
        if builder.half:
            return kept
        return builder.op("cast", f"{name}_read", x=kept, dtype="fp32")

    def keep(self, name: str, value: Any) -> None:
        """Keep a state for the next call."""
        builder = self.builder
        if not builder.half:
            value = builder.op("cast", f"{name}_new", x=value, dtype="fp16")
        state = builder.value(name)
        builder.op("coreml_update_state", f"{name}_updated", state=state, value=value)
