"""Recognise the acoustic network in a graph, by what feeds what.

The graph is read from its outputs back to its inputs. Every node on the way must be one that the
exporters write there, with the parameters that give it that meaning; names of nodes mean nothing.
So what is recognised computes what the graph computes, and what is not says where it differs.

Source: `create_inference_graph` and `create_model` of the training code, 0.6 to Coqui 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.acoustic.dense import read_layers
from dsconv.acoustic.matching import Matcher, mismatch
from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.network import DenseLayer, Lstm, Names, Network
from dsconv.acoustic.parts import FrontEnd, find_front_end
from dsconv.errors import ConversionError
from dsconv.graph.dtypes import DataType
from dsconv.graph.frozen import why_not_frozen
from dsconv.graph.graph import Graph
from dsconv.graph.node import Node, TensorName
from dsconv.graph.steps import DYNAMIC, input_node

# Nodes that follow the outputs and compute nothing.
_NO_RESULT_OPS = ("Assert", "NoOp")


def recognise(graph: Graph) -> Network:
    """The network of a frozen graph.

    Raises ConversionError if it is another one, and says what differs and where.
    """
    if reason := why_not_frozen(graph):
        raise ConversionError(reason)
    return _Reader(graph).network()


@dataclass(frozen=True)
class _Cell:
    """The LSTM as it stands in the graph. `masked` is its output, padding set to zero."""

    node: Node
    lstm: Lstm
    lengths: Node
    masked: Node
    previous_c: Node
    previous_h: Node


class _Reader(Matcher):
    """Reads one graph."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.windows = self._find_windows()
        self.batch, self.steps, frames, self.features = self.windows.shape() or ()
        sizes = (self.features, frames, self.batch, self.steps * self.steps)
        if min(sizes) < 1 or frames % 2 == 0:
            raise mismatch(
                self.windows,
                f"has shape {list(self.windows.shape() or ())}",
                "[batch, steps, 2 * context + 1, features]",
            )
        self.context = (frames - 1) // 2

    def network(self) -> Network:
        """The whole network."""
        node = self._find_lstm()
        cell = self._read_cell(node)
        scores, after_states = self._find_outputs(cell)
        before = self._layers_before(node)
        softmax, after, output = self._layers_after(scores, cell)
        samples, features, front_end = self._front_end()
        network = Network(
            names=Names(
                self.windows.name,
                cell.lengths.name,
                cell.previous_c.name,
                cell.previous_h.name,
                scores.name,
                *after_states,
                samples,
                features,
            ),
            batch=self.batch,
            steps=self.steps,
            context=self.context,
            features=self.features,
            before=_named(before, 1),
            lstm=cell.lstm,
            after=_named(after, len(before) + 2),
            output=_named([output], len(before) + len(after) + 2)[0],
            softmax=softmax,
            front_end=front_end,
            metadata=read_metadata(self.graph),
        )
        _check_sizes(network)
        return network

    def _find_windows(self) -> Node:
        node = input_node(self.graph)
        if node is None:
            raise ConversionError(
                "the network is not recognised: the graph has no input of the form "
                "[batch, steps, context, features]."
            )
        return node

    def _find_lstm(self) -> Node:
        lstms = [node for node in self.graph if node.op == "BlockLSTM"]
        if len(lstms) != 1:
            raise ConversionError(
                f"the network is not recognised: the graph has {len(lstms)} BlockLSTM nodes where "
                "one is expected."
            )
        return lstms[0]

    def _read_cell(self, node: Node) -> _Cell:
        """The LSTM with its parameters, inputs and masked output."""
        count, _, cell, hidden, kernel, _, _, _, bias = self.inputs(node, 9)
        if node.attributes.get("use_peephole"):
            raise mismatch(node, "has peephole weights", "an LSTM without them")
        clip = node.attribute("cell_clip", float)
        if clip > 0:
            raise mismatch(node, f"clips its cell at {clip:g} (cell_clip)", "no clip")
        matrix = self.weights(node, kernel, (-1, -1), "a kernel")
        columns = matrix.shape[1]
        lengths = self._longest_of(count)
        lstm = Lstm(
            "lstm",
            matrix,
            self.weights(node, bias, (columns,), "a bias"),
            node.attribute("forget_bias", float),
        )
        if columns % 4 or min(lstm.cells, lstm.inputs) < 1:
            raise mismatch(
                node, f"has a kernel of shape {list(matrix.shape)}", "[inputs + cells, 4 * cells]"
            )
        return _Cell(
            node,
            lstm,
            lengths,
            self._masked(node, lengths, lstm.cells),
            self._state_input(cell, lstm.cells),
            self._state_input(hidden, lstm.cells),
        )

    def _longest_of(self, name: TensorName) -> Node:
        """The input of the lengths, whose longest is the LSTM's number of steps."""
        cast = self.made_by(name, "Cast")
        longest = self.made_by(self.inputs(cast, 1)[0], "Max")
        lengths, axes = self.inputs(longest, 2)
        self.numbers(longest, axes, [0], "axes")
        node = self.made_by(lengths, "Placeholder")
        if node.shape() != (self.batch,) or node.attribute("dtype", DataType) is not DataType.INT32:
            raise mismatch(node, f"has shape {node.shape()}", f"an int32 of [{self.batch}]")
        return node

    def _state_input(self, name: TensorName, cells: int) -> Node:
        node = self.made_by(name, "Placeholder")
        if node.shape() != (self.batch, cells):
            raise mismatch(node, f"has shape {node.shape()}", f"[{self.batch}, {cells}]")
        return node

    def _masked(self, lstm: Node, lengths: Node, cells: int) -> Node:
        """The product of the LSTM's hidden states and the mask of the valid frames."""
        users = [user for user in self.graph.consumers[lstm.name] if user.op == "Mul"]
        if len(users) != 1:
            raise mismatch(lstm, f"is multiplied {len(users)} times", "one mask of its output")
        tile, hidden = self.one_of(users[0], "Tile")
        self.made_by(hidden, "BlockLSTM", output=6)
        tiled = self.made_by(tile, "Tile")
        mask, multiples = self.inputs(tiled, 2)
        self.numbers(tiled, multiples, [1, 1, cells], "multiples")
        self._check_mask(mask, lengths)
        return users[0]

    def _check_mask(self, name: TensorName, lengths: Node) -> None:
        """The mask must be 1 where the frame's number is less than the length, else 0."""
        expanded = self.made_by(name, "ExpandDims")
        source, axis = self.inputs(expanded, 2)
        self.numbers(expanded, axis, -1, "axis")
        transposed = self.made_by(source, "Transpose")
        source, order = self.inputs(transposed, 2)
        self.numbers(transposed, order, [1, 0], "permutation")
        as_float = self.made_by(source, "Cast")
        self.expect(as_float, DstT=DataType.FLOAT)
        less = self.made_by(self.inputs(as_float, 1)[0], "Less")
        numbers, limits = self.inputs(less, 2)
        self._check_numbers(self.made_by(numbers, "Range"))
        as_integers = self.made_by(limits, "Cast")
        self.expect(as_integers, DstT=DataType.INT32)
        column = self.made_by(self.inputs(as_integers, 1)[0], "ExpandDims")
        source, axis = self.inputs(column, 2)
        self.numbers(column, axis, -1, "axis")
        self._check_is(column, source, lengths)

    def _check_numbers(self, node: Node) -> None:
        """The numbers of the frames, from 0 to the input's number of steps."""
        start, limit, delta = self.inputs(node, 3)
        self.numbers(node, start, 0, "start")
        self.numbers(node, delta, 1, "delta")
        if self.steps != DYNAMIC:
            self.numbers(node, limit, self.steps, "limit")
            return
        piece = self.made_by(limit, "StridedSlice")
        shape, *ends = self.inputs(piece, 4)
        for end, wanted in zip(ends, (0, 1, 1), strict=True):
            self.numbers(piece, end, [wanted], "ends")
        self.expect(piece, shrink_axis_mask=1, begin_mask=0, end_mask=0)
        sized = self.made_by(shape, "Shape")
        self._check_is(sized, self.inputs(sized, 1)[0], self._input_of(self._find_lstm()))

    def _input_of(self, lstm: Node) -> Node:
        return self.graph.source(self.inputs(lstm, 9)[1])

    def _check_is(self, user: Node, name: TensorName, wanted: Node) -> None:
        found = self.graph.source(name)
        if found is not wanted:
            raise mismatch(user, f"takes '{found.name}'", f"'{wanted.name}'")

    def _find_outputs(self, cell: _Cell) -> tuple[Node, tuple[str, str]]:
        """The scores, and the names of the states after the cell and the hidden state."""
        reached = self.graph.downstream([self.windows])
        ends = [
            node
            for node in reached.values()
            if node.op not in _NO_RESULT_OPS
            and all(user.op in _NO_RESULT_OPS for user in self.graph.consumers[node.name])
        ]
        states = {name: node for node in ends if (name := self._state_of(node, cell, cell.lengths))}
        scores = [node for node in ends if node not in states.values()]
        if len(scores) != 1 or len(states) != 2:
            names = ", ".join(sorted(f"'{node.name}' ({node.op})" for node in ends))
            raise ConversionError(
                "the network is not recognised: its outputs should be the scores and the two "
                f"states after the last frame; they are {names}."
            )
        after = (states[cell.previous_c.name].name, states[cell.previous_h.name].name)
        return scores[0], after

    def _state_of(self, output: Node, cell: _Cell, lengths: Node) -> str | None:
        """The name of the state whose value after the last valid frame an output gives."""
        gather = self.graph.source(output.name)
        if gather.op != "GatherNd":
            return None
        source, picked = self.inputs(gather, 2)
        self._check_picks_last(self.made_by(picked, "Pack"), lengths)
        history = self.made_by(source, "ConcatV2")
        first, steps, axis = self.inputs(history, 3)
        self.numbers(history, axis, 0, "axis")
        expanded = self.made_by(first, "ExpandDims")
        previous, axis = self.inputs(expanded, 2)
        self.numbers(expanded, axis, [0], "axis")
        state = self.graph.source(previous)
        if state is cell.previous_c:
            self._check_is(history, steps, cell.node)
            self.made_by(steps, "BlockLSTM", output=1)
        elif state is cell.previous_h:
            self._check_is(history, steps, cell.masked)
        else:
            raise mismatch(expanded, f"takes '{state.name}'", "a state before the first frame")
        return state.name

    def _check_picks_last(self, pack: Node, lengths: Node) -> None:
        """The indices [length, number in the batch]."""
        self.expect(pack, axis=1)
        count, numbers = self.inputs(pack, 2)
        self._check_is(pack, count, lengths)
        in_batch = self.made_by(numbers, "Range")
        for name, wanted in zip(self.inputs(in_batch, 3), (0, self.batch, 1), strict=True):
            self.numbers(in_batch, name, wanted, "ends")

    def _layers_before(self, lstm: Node) -> list[DenseLayer]:
        """The dense layers from the windows to the LSTM."""
        sequence = self.made_by(self.inputs(lstm, 9)[1], "Reshape")
        source, shape = self.inputs(sequence, 2)
        layers, start = read_layers(self, source)
        if not layers:
            raise mismatch(sequence, "takes no dense layer", "one or more")
        self._check_reshape(sequence, shape, (self.batch, layers[-1].units))
        flat = self.made_by(start, "Reshape")
        source, shape = self.inputs(flat, 2)
        self._check_reshape(flat, shape, ((2 * self.context + 1) * self.features,))
        transposed = self.made_by(source, "Transpose")
        source, order = self.inputs(transposed, 2)
        self.numbers(transposed, order, [1, 0, 2, 3], "permutation")
        self._check_is(transposed, source, self.windows)
        return layers

    def _layers_after(self, scores: Node, cell: _Cell) -> tuple[bool, list[DenseLayer], DenseLayer]:
        """Whether there is a softmax, and the layers from the LSTM to the scores."""
        source, softmax = TensorName.parse(scores.name), False
        if self.graph.source(source).op == "Softmax":
            source, softmax = self.inputs(self.graph.source(source), 1)[0], True
        shaped = self.made_by(source, "Reshape")
        source, shape = self.inputs(shaped, 2)
        layers, start = read_layers(self, source)
        if not layers or layers[-1].relu:
            raise mismatch(shaped, "takes no plain dense layer", "one that gives the scores")
        self._check_reshape(shaped, shape, (self.batch, layers[-1].units))
        flat = self.made_by(start, "Reshape")
        source, shape = self.inputs(flat, 2)
        self._check_reshape(flat, shape, (cell.lstm.cells,))
        self._check_is(flat, source, cell.masked)
        return softmax, layers[:-1], layers[-1]

    def _check_reshape(self, node: Node, name: TensorName, sizes: tuple[int, ...]) -> None:
        """A shape must be any number of frames, or the input's, and then these sizes."""
        values = self.constant(node, name, "a shape").numbers()
        rows = self.steps if len(sizes) > 1 else self.steps * self.batch
        if values not in ([-1, *sizes], [rows, *sizes]):
            raise mismatch(node, f"has shape {values}", str([-1, *sizes]))

    def _front_end(self) -> tuple[str | None, str | None, FrontEnd | None]:
        """The input and the output of the front end, and its nodes; None without one."""
        front_end = find_front_end(self.graph)
        if front_end is None:
            for node in self.graph:
                if node.op in ("AudioSpectrogram", "Mfcc"):
                    raise mismatch(node, "is part of another front end", "one that dsconv knows")
            return None, None, None
        expanded = self.made_by(self.inputs(front_end.spectrogram, 1)[0], "ExpandDims")
        source, axis = self.inputs(expanded, 2)
        self.numbers(expanded, axis, -1, "axis")
        samples = self.made_by(source, "Placeholder")
        shaped = self._only_user(front_end.mfcc, "Reshape")
        coefficients = front_end.mfcc.attribute("dct_coefficient_count", int)
        self.numbers(shaped, self.inputs(shaped, 2)[1], [-1, coefficients], "shape")
        return samples.name, self._only_user(shaped, "Identity").name, front_end

    def _only_user(self, node: Node, op: str) -> Node:
        users = self.graph.consumers[node.name]
        if len(users) != 1 or users[0].op != op:
            raise mismatch(node, f"is used by {[user.name for user in users]}", f"one {op}")
        return users[0]


def _named(layers: list[DenseLayer], first: int) -> tuple[DenseLayer, ...]:
    """Layers by their place in the network, as the exporters number them: the LSTM is the 4th."""
    return tuple(
        DenseLayer(f"layer_{number}", layer.weights, layer.bias, layer.relu, layer.clip, layer.norm)
        for number, layer in enumerate(layers, first)
    )


def _check_sizes(network: Network) -> None:
    """Each part must take what the part before it gives."""
    size, name = network.window_values, "the input"
    parts = [
        *((layer.name, layer.weights.shape[0], layer.units) for layer in network.before),
        (network.lstm.name, network.lstm.inputs, network.lstm.cells),
        *((layer.name, layer.weights.shape[0], layer.units) for layer in network.after),
        (network.output.name, network.output.weights.shape[0], network.output.units),
    ]
    for part, inputs, outputs in parts:
        if inputs != size:
            raise ConversionError(
                f"the network is not recognised: {part} takes {inputs} numbers a frame and {name} "
                f"gives {size}."
            )
        size, name = outputs, part
