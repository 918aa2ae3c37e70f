"""The network as TFLite ops, with the inputs and outputs of the original exporter."""

from __future__ import annotations

import numpy as np

from dsconv.acoustic.names import LENGTHS
from dsconv.acoustic.network import DenseLayer, LayerNorm
from dsconv.acoustic.weights import values
from dsconv.convert.tflite.builder import ModelBuilder, SubgraphBuilder
from dsconv.convert.tflite.form import TfliteForm
from dsconv.convert.tflite.front_end import add_clip_front_end, add_window_front_end
from dsconv.convert.tflite.lstm import LoopedLstm, States, UnrolledLstm
from dsconv.convert.tflite.metadata import add_metadata
from dsconv.convert.tflite.weights import WEIGHTS, feature_factors, product
from dsconv.speech.features import FloatArray


def add_network(model: ModelBuilder, form: TfliteForm) -> None:
    """All of the model in a form."""
    _NetworkBuilder(model, form).add()


class _NetworkBuilder:
    def __init__(self, model: ModelBuilder, form: TfliteForm) -> None:
        self.graph: SubgraphBuilder = model.subgraph("main")
        self.form = form
        self.network = form.network
        self.unrolled = form.lstm == "unrolled"
        self.weights = WEIGHTS[form.precision]
        lstm = UnrolledLstm if self.unrolled else LoopedLstm
        self.lstm = lstm(self.graph, self.network.lstm, self.weights, form.steps)

    def add(self) -> None:
        """From the inputs to the outputs, in the exporter's order."""
        if self.form.whole_clip:
            self.add_for_clips()
            return
        network, graph, names = self.network, self.graph, self.network.names
        windows = self.windows()
        cells = [1, network.lstm.cells]
        states = States(
            graph.tensor(names.previous_c, cells), graph.tensor(names.previous_h, cells)
        )
        inputs = [windows, states.cell, states.hidden]
        features = []
        if network.front_end is not None:
            samples, feature = add_window_front_end(graph, network)
            inputs.append(samples)
            features.append(feature)
        lengths = None
        if self.form.lengths == "input":
            lengths = graph.tensor(names.lengths or LENGTHS, [1], "int32")
            inputs.append(lengths)
        scores, after = self.scores(self.rows(windows), states, lengths)
        metadata = add_metadata(graph, network.metadata)
        graph.interface(inputs, [scores, after.cell, after.hidden, *features, *metadata])

    def add_for_clips(self) -> None:
        """From the samples or the windows of a clip to the scores."""
        graph, network = self.graph, self.network
        if self.form.front_end:
            clip, rows = add_clip_front_end(graph, network)
        else:
            clip = self.windows()
            rows = self.rows(clip)
        zeros = np.zeros((1, network.lstm.cells))
        states = States(*(graph.constant(f"lstm/first_{kind}", zeros) for kind in "ch"))
        scores, _ = self.scores(rows, states, None)
        graph.interface([clip], [scores, *add_metadata(graph, network.metadata)])

    def windows(self) -> int:
        """The input of the windows; there is one clip in the batch."""
        shape = [1, self.form.steps, *self.form.window_shape]
        return self.graph.tensor(self.network.names.windows, shape)

    def rows(self, windows: int) -> int:
        """The windows as rows [frames, values]."""
        return self.graph.reshape(windows, "windows", [-1, self.network.window_values])

    def scores(self, rows: int, states: States, lengths: int | None) -> tuple[int, States]:
        """From rows of windows to the scores [frames, classes], and the states after them."""
        network, graph, names = self.network, self.graph, self.network.names
        first, *others = network.before
        rows = self.dense_of_features(rows, first)
        for layer in others:
            rows = self.dense(rows, layer)
        hidden, after = self.lstm.add(rows, states, lengths, (names.new_c, names.new_h))
        rows = self.both(rows, hidden, states) if network.backward is not None else hidden
        for layer in network.after:
            rows = self.dense(rows, layer)
        name, shape = names.probabilities, [self.form.steps, network.classes]
        if not network.softmax:
            return self.dense(rows, network.output, name), after
        rows = self.dense(rows, network.output)
        return graph.op("SOFTMAX", [rows], name, shape, beta=1.0), after

    def both(self, rows: int, hidden: int, states: States) -> int:
        """The hidden states [frames, cells] and those of the LSTM that reads backward, joined."""
        graph, steps, backward = self.graph, self.form.steps, self.network.backward
        assert backward is not None
        last_first = graph.reversed(rows, "backward/inputs", [steps, backward.inputs])
        lstm = LoopedLstm(graph, backward, self.weights, steps, "backward")
        found, _ = lstm.add(last_first, states, None)
        found = graph.reversed(found, "backward/outputs", [steps, backward.cells])
        shape = [steps, self.network.lstm.cells + backward.cells]
        return graph.op("CONCATENATION", [hidden, found], "lstm/both", shape, axis=1)

    def dense_of_features(self, rows: int, layer: DenseLayer) -> int:
        """The layer that takes the features.

        The runtime quantizes each row with one scale, that of its largest number: the first
        feature, a loudness. Where its weights are small, they take over some of its size.
        """
        matrix = values(layer.weights)
        if self.form.precision != "int8" or self.unrolled:
            return self.dense(rows, layer)
        factors = feature_factors(matrix, self.network.features)
        even = self.graph.op(
            "MUL",
            [rows, self.graph.constant("windows/factors", factors[None])],
            "windows/even",
            [self.form.steps, len(factors)],
        )
        return self.dense(even, layer, matrix=matrix / factors[:, None])

    def dense(
        self,
        rows: int,
        layer: DenseLayer,
        name: str | None = None,
        matrix: FloatArray | None = None,
    ) -> int:
        """A dense layer with its activation and normalization; `matrix` replaces its weights."""
        graph, shape = self.graph, [self.form.steps, layer.units]
        name = name or f"{layer.name}/output"
        matrix = values(layer.weights) if matrix is None else matrix
        weights = self.weights(graph, f"{layer.name}/weights", matrix)
        bias = graph.constant(f"{layer.name}/bias", values(layer.bias))
        rows = product(graph, rows, weights, bias, name, shape, relu=layer.relu)
        if layer.clip is not None:
            limit = graph.constant(f"{layer.name}/highest", layer.clip)
            rows = graph.op("MINIMUM", [rows, limit], f"{layer.name}/clipped", shape)
        return self.normalized(rows, layer.name, layer.norm, shape) if layer.norm else rows

    def normalized(self, rows: int, name: str, norm: LayerNorm, shape: list[int]) -> int:
        """Layer normalization over the units, as the graph computes it."""
        graph, column, units = self.graph, [shape[0], 1], self.graph.integers([1])
        mean = graph.op("MEAN", [rows, units], f"{name}/mean", column, keep_dims=True)
        squares = graph.op("SQUARED_DIFFERENCE", [rows, mean], f"{name}/squares", shape)
        variance = graph.op("MEAN", [squares, units], f"{name}/variance", column, keep_dims=True)
        epsilon = graph.constant(f"{name}/epsilon", norm.epsilon)
        positive = graph.op("ADD", [variance, epsilon], f"{name}/positive", column)
        root = graph.op("RSQRT", [positive], f"{name}/root", column)
        scale = graph.constant(f"{name}/scale", values(norm.scale)[None])
        factor = graph.op("MUL", [root, scale], f"{name}/factor", shape)
        scaled = graph.op("MUL", [rows, factor], f"{name}/scaled", shape)
        shift = graph.op("MUL", [mean, factor], f"{name}/shift", shape)
        offset = graph.constant(f"{name}/offset", values(norm.offset)[None])
        rest = graph.op("SUB", [offset, shift], f"{name}/rest", shape)
        return graph.op("ADD", [scaled, rest], f"{name}/normalized", shape)
