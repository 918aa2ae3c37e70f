"""The network as an ONNX graph, with one LSTM node for all frames."""

from __future__ import annotations

import numpy as np

from dsconv.acoustic.names import LENGTHS
from dsconv.acoustic.network import DenseLayer, LayerNorm, Network
from dsconv.acoustic.weights import values
from dsconv.convert.form import Form
from dsconv.convert.onnx.builder import GraphBuilder, Size
from dsconv.convert.onnx.front_end import add_front_end
from dsconv.convert.onnx.layers import Layers, layers_of

FRAMES = "frames"
"""The name of the dynamic dimension of the frames."""


def add_network(builder: GraphBuilder, form: Form) -> None:
    """All of the model in a form."""
    _NetworkBuilder(builder, form).add()


class _NetworkBuilder:
    def __init__(self, builder: GraphBuilder, form: Form) -> None:
        self.builder = builder
        self.form = form
        self.network: Network = form.network
        self.frames: Size = FRAMES if form.dynamic else form.steps
        self.layers: Layers = layers_of(form.precision, builder, self.frames)

    def add(self) -> None:
        """From the inputs to the outputs."""
        network, builder = self.network, self.builder
        if not self.form.front_end:
            self.inputs()
        rows = add_front_end(builder, network) if self.form.front_end else self.windows()
        first, *others = network.before
        rows = self.activated(self.layers.dense_of_features(rows, first), first)
        for layer in others:
            rows = self.dense(rows, layer)
        rows = self.lstm(rows)
        for layer in network.after:
            rows = self.dense(rows, layer)
        scores = self.dense(rows, network.output)
        shape = builder.constant("scores/shape", [-1, 1, network.classes], np.int64)
        name = network.names.probabilities
        if network.softmax:
            scores = builder.node("Reshape", [scores, shape], "scores")
            builder.result("Softmax", [scores], name, axis=-1)
        else:
            builder.result("Reshape", [scores, shape], name)
        builder.output(name, [self.frames, 1, network.classes])
        if not self.form.whole_clip:
            for state in (network.names.new_c, network.names.new_h):
                builder.output(state, [1, network.lstm.cells])

    def inputs(self) -> None:
        """The inputs, in the graph's order."""
        network, names = self.network, self.network.names
        self.builder.input(names.windows, [1, self.frames, *self.form.window_shape])
        if self.form.lengths == "input":
            self.builder.input(names.lengths or LENGTHS, [1], np.int32)
        if self.form.whole_clip:
            return
        for name in (names.previous_c, names.previous_h):
            self.builder.input(name, [1, network.lstm.cells])

    def windows(self) -> str:
        """The windows as rows [frames, values]; there is one clip in the batch."""
        network = self.network
        shape = self.builder.constant("windows/shape", [-1, network.window_values], np.int64)
        return self.builder.node("Reshape", [network.names.windows, shape], "windows")

    def dense(self, rows: str, layer: DenseLayer) -> str:
        """A dense layer with its activation and normalization."""
        return self.activated(self.layers.dense(rows, layer), layer)

    def activated(self, rows: str, layer: DenseLayer) -> str:
        """What follows the bias of a layer."""
        if layer.clip is not None:
            limits = [
                self.builder.constant(f"{layer.name}/{end}", limit)
                for end, limit in (("lowest", 0.0), ("highest", layer.clip))
            ]
            rows = self.builder.node("Clip", [rows, *limits], f"{layer.name}/clipped")
        elif layer.relu:
            rows = self.builder.node("Relu", [rows], f"{layer.name}/relu")
        return self.normalized(rows, layer.name, layer.norm) if layer.norm else rows

    def normalized(self, rows: str, name: str, norm: LayerNorm) -> str:
        """Layer normalization over the units."""
        scale = self.builder.constant(f"{name}/norm/scale", values(norm.scale))
        offset = self.builder.constant(f"{name}/norm/offset", values(norm.offset))
        return self.builder.node(
            "LayerNormalization",
            [rows, scale, offset],
            f"{name}/normalized",
            axis=-1,
            epsilon=norm.epsilon,
        )

    def lstm(self, rows: str) -> str:
        """The LSTM over all frames, in one direction or both; its states are inputs and outputs.

        A model of whole clips has no states.
        """
        builder, lstms = self.builder, self.form.lstms
        self.axis = builder.constant("lstm/axis", [0], np.int64)
        shape = builder.constant("lstm/sequence/shape", [-1, 1, lstms[0].inputs], np.int64)
        sequence = builder.node("Reshape", [rows, shape], "lstm/sequence")
        states = [] if self.form.whole_clip else [self.state("h"), self.state("c")]
        counts = self.valid_frames() if self.form.lengths == "input" else None
        found = self.layers.lstm(sequence, lstms, counts[0] if counts else "", states)
        hidden, *after = found if counts is None else self.where_any(counts[1], *found, *states)
        if states:
            for kind, name in zip("hc", after, strict=True):
                self.new_state(kind, name)
        cells = sum(lstm.cells for lstm in lstms)
        shape = builder.constant("lstm/rows/shape", [-1, cells], np.int64)
        return builder.node("Reshape", [hidden, shape], "lstm/rows")

    def state(self, kind: str) -> str:
        """A state before the first frame, as the LSTM takes it: [1, 1, cells]."""
        name = getattr(self.network.names, f"previous_{kind}")
        return self.builder.node("Unsqueeze", [name, self.axis], f"lstm/previous_{kind}")

    def new_state(self, kind: str, source: str) -> None:
        """A state after the last valid frame."""
        name = getattr(self.network.names, f"new_{kind}")
        self.builder.result("Squeeze", [source, self.axis], name)

    def valid_frames(self) -> tuple[str, str]:
        """The number of frames that the LSTM runs, which must be 1 or more, and if any is valid."""
        builder = self.builder
        lengths = self.network.names.lengths or LENGTHS
        one = builder.constant("lengths/one", [1], np.int32)
        at_least_one = builder.node("Max", [lengths, one], "lengths/at_least_one")
        return at_least_one, builder.node("GreaterOrEqual", [lengths, one], "lengths/any")

    def where_any(
        self, any_valid: str, hidden: str, h: str, c: str, previous_h: str, previous_c: str
    ) -> list[str]:
        """The LSTM's outputs if any frame is valid, else zeros and the states as they were."""
        zero = self.builder.constant("lstm/zero", 0.0)
        pairs = {"hidden": (hidden, zero), "last_h": (h, previous_h), "last_c": (c, previous_c)}
        return [
            self.builder.node("Where", [any_valid, found, other], f"lstm/valid_{name}")
            for name, (found, other) in pairs.items()
        ]
