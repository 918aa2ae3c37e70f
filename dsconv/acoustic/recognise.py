"""Recognise the acoustic network in a graph, by what feeds what.

The graph is read from its outputs back to its inputs. Every node on the way must be one that the
exporters write there, with the parameters that give it that meaning; names of nodes mean nothing.
So what is recognised computes what the graph computes, and what is not says where it differs.

Source: `create_inference_graph` and `create_model` of the training code, 0.2 to Coqui 1.4.
"""

from __future__ import annotations

from dataclasses import replace

from dsconv.acoustic.bidirectional import is_bidirectional, read_bidirectional
from dsconv.acoustic.dense import read_layers
from dsconv.acoustic.front_end import FrontEnd, find_front_end
from dsconv.acoustic.matching import Matcher, mismatch, shape_words
from dsconv.acoustic.network import DenseLayer, Lstm, Names, Network
from dsconv.acoustic.states import ASSIGN, VARIABLE, FoundLstm, StateReader
from dsconv.acoustic.versions import complete_metadata
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.frozen import why_not_frozen
from dsconv.formats.graphdef.graph import CONSTANTS, NO_RESULTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.steps import DYNAMIC, input_node


def recognise(graph: Graph) -> Network:
    """The network of a frozen graph.

    Raises ConversionError if it is another one, and says what differs and where.
    """
    if reason := why_not_frozen(graph):
        raise ConversionError(reason)
    found = read_bidirectional(graph) if is_bidirectional(graph) else _Reader(graph).network()
    network = _with_names(found)
    _check_sizes(network)
    return network


class _Reader(Matcher):
    """Reads one graph."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.windows = self._find_windows()
        self.batch, self.steps, frames, self.features = self.windows.shape() or ()
        # Clips and steps may be any number (-1), but not none.
        if min(self.features, frames) < 1 or 0 in (self.batch, self.steps) or frames % 2 == 0:
            raise mismatch(
                self.windows,
                f"has shape {shape_words(self.windows.shape())}",
                "[batch, steps, 2 * context + 1, features]",
            )
        self.context = (frames - 1) // 2

    def network(self) -> Network:
        """The whole network."""
        node = self._find_lstm()
        found = self._read_lstm(node)
        scores, states = self._find_outputs(found)
        before = self._layers_before(node)
        softmax, after, output = self._layers_after(scores, found)
        samples, features, front_end = self._front_end()
        metadata, early = complete_metadata(self.graph, output.units, softmax=softmax)
        return Network(
            names=Names(
                self.windows.name,
                found.lengths.name if found.lengths else None,
                probabilities=scores.name,
                samples=samples,
                features=features,
                **states,
            ),
            batch=self.batch,
            steps=self.steps,
            context=self.context,
            features=self.features,
            before=tuple(before),
            lstm=found.lstm,
            after=tuple(after),
            output=output,
            softmax=softmax,
            front_end=front_end,
            metadata=metadata,
            early=early,
        )

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

    def _read_lstm(self, node: Node) -> FoundLstm:
        """The LSTM with its parameters, inputs and masked output."""
        count, _, cell, hidden, kernel, _, _, _, bias = self.inputs(node, 9)
        if node.attributes.get("use_peephole"):
            raise mismatch(node, "has peephole weights", "an LSTM without them")
        clip = node.attribute("cell_clip", float)
        if clip > 0:
            raise mismatch(node, f"clips its cell at {clip:g} (cell_clip)", "no clip")
        matrix = self.weights(node, kernel, (-1, -1), "a kernel")
        columns = matrix.shape[1]
        lengths = self._lengths_of(node, count)
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
        masked = self._masked(node, lengths, lstm.cells) if lengths else node
        states = [self._state_before(name, lstm.cells) for name in (cell, hidden)]
        if (states[0] is None) != (states[1] is None):
            raise mismatch(node, "has only one initial state as an input", "both or none")
        return FoundLstm(node, lstm, lengths, masked, *states)

    def _lengths_of(self, lstm: Node, count: TensorName) -> Node | None:
        """The input of the lengths, whose longest is the LSTM's number of steps.

        None where it always runs all steps.
        """
        cast = self.made_by(count, "Cast")
        source = self.inputs(cast, 1)[0]
        if self.graph.source(source).op != "Max":
            self._check_frames(cast, source, lstm)
            return None
        longest = self.made_by(source, "Max")
        lengths, axes = self.inputs(longest, 2)
        self.numbers(longest, axes, [0], "axes")
        node = self.made_by(lengths, "Placeholder")
        self.check_tensor(node, DataType.INT32, (self.batch,))
        return node

    def _state_before(self, name: TensorName, cells: int) -> Node | None:
        """The input or the variable of a state; None for zeros."""
        node = self.made_by(name, "Placeholder", VARIABLE, "Fill", *CONSTANTS)
        if node.op not in ("Placeholder", VARIABLE):
            self.check_zeros(node)
            return None
        if node.shape() != (self.batch, cells):
            found, expected = shape_words(node.shape()), shape_words((self.batch, cells))
            raise mismatch(node, f"has shape {found}", expected)
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
        """The mask must be 1 where the frame's index is less than the length, else 0."""
        expanded = self.made_by(name, "ExpandDims")
        source, axis = self.inputs(expanded, 2)
        self.numbers(expanded, axis, -1, "axis")
        transposed = self.made_by(source, "Transpose")
        source, order = self.inputs(transposed, 2)
        self.numbers(transposed, order, [1, 0], "permutation")
        as_float = self.made_by(source, "Cast")
        self.expect(as_float, DstT=DataType.FLOAT)
        less = self.made_by(self.inputs(as_float, 1)[0], "Less")
        indices, limits = self.inputs(less, 2)
        self._check_indices(self.made_by(indices, "Range"))
        as_integers = self.made_by(limits, "Cast")
        self.expect(as_integers, DstT=DataType.INT32)
        column = self.made_by(self.inputs(as_integers, 1)[0], "ExpandDims")
        source, axis = self.inputs(column, 2)
        self.numbers(column, axis, -1, "axis")
        self.check_is(column, source, lengths)

    def _check_indices(self, node: Node) -> None:
        """The indices of the frames, from 0 to the input's number of steps."""
        start, limit, delta = self.inputs(node, 3)
        self.numbers(node, start, 0, "start")
        self.numbers(node, delta, 1, "delta")
        self._check_frames(node, limit, self._find_lstm())

    def _check_frames(self, user: Node, count: TensorName, lstm: Node) -> None:
        """A tensor must be the number of frames that the LSTM is given.

        With a batch of any size, exporters read it from a shape even where the steps are fixed.
        """
        if self.steps != DYNAMIC and self.graph.source(count).op != "StridedSlice":
            self.numbers(user, count, self.steps, "a number of steps")
            return
        self.check_dimension(user, count, self.inputs(lstm, 9)[1], 0)

    def _find_outputs(self, found: FoundLstm) -> tuple[Node, dict[str, str]]:
        """The scores, and the names of the states, as far as they are inputs and outputs."""
        reached = self.graph.downstream([self.windows])
        ends = [
            node
            for node in reached.values()
            if node.op not in (*NO_RESULTS, ASSIGN)
            and all(user.op in NO_RESULTS for user in self.graph.consumers[node.name])
        ]
        if found.previous_c is None or found.previous_h is None:
            return self._scores(ends, []), {}
        before = {"previous_c": found.previous_c, "previous_h": found.previous_h}
        reader = StateReader(self.graph, found, self.batch)
        if found.previous_c.op == found.previous_h.op == VARIABLE:
            scores = self._scores(ends, [])
            for variable in before.values():
                reader.check_variable(variable, scores, reached)
            return scores, {}
        after = {name: node for node in ends if (name := reader.state_of(node))}
        scores = self._scores(ends, list(after.values()))
        names = {key: node.name for key, node in before.items()}
        if set(after) != set(names.values()):
            raise self._other_outputs(ends)
        news = {key.replace("previous", "new"): after[name].name for key, name in names.items()}
        return scores, names | news

    def _scores(self, ends: list[Node], states: list[Node]) -> Node:
        """The one output that is no state."""
        scores = [node for node in ends if node not in states]
        if len(scores) != 1:
            raise self._other_outputs(ends)
        return scores[0]

    def _other_outputs(self, ends: list[Node]) -> ConversionError:
        names = ", ".join(sorted(f"'{node.name}' ({node.op})" for node in ends))
        return ConversionError(
            "the network is not recognised: its outputs should be the scores and the two states "
            f"after the last frame; they are {names}."
        )

    def _layers_before(self, lstm: Node) -> list[DenseLayer]:
        """The dense layers from the windows to the LSTM."""
        sequence = self.made_by(self.inputs(lstm, 9)[1], "Reshape")
        source, shape = self.inputs(sequence, 2)
        layers, start = read_layers(self, source)
        if not layers:
            raise mismatch(sequence, "has no dense layer before it", "one or more")
        self._check_reshape(sequence, shape, (self.batch, layers[-1].units))
        flat = self.made_by(start, "Reshape")
        source, shape = self.inputs(flat, 2)
        self._check_reshape(flat, shape, ((2 * self.context + 1) * self.features,))
        transposed = self.made_by(source, "Transpose")
        source, order = self.inputs(transposed, 2)
        self.numbers(transposed, order, [1, 0, 2, 3], "permutation")
        self.check_is(transposed, source, self.windows)
        return layers

    def _layers_after(
        self, scores: Node, found: FoundLstm
    ) -> tuple[bool, list[DenseLayer], DenseLayer]:
        """Whether there is a softmax, and the layers from the LSTM to the scores."""
        source, softmax = TensorName.parse(scores.name), False
        if self.graph.source(source).op == "Softmax":
            source, softmax = self.inputs(self.graph.source(source), 1)[0], True
        shaped = self.made_by(source, "Reshape")
        source, shape = self.inputs(shaped, 2)
        layers, start = read_layers(self, source)
        if not layers or layers[-1].relu:
            raise mismatch(
                shaped,
                "does not follow a dense layer without an activation",
                "the one that gives the logits",
            )
        self._check_reshape(shaped, shape, (self.batch, layers[-1].units))
        flat = self.made_by(start, "Reshape")
        source, shape = self.inputs(flat, 2)
        self._check_reshape(flat, shape, (found.lstm.cells,))
        self.check_is(flat, source, found.masked)
        if found.masked is found.node:
            self.made_by(source, "BlockLSTM", output=6)
        return softmax, layers[:-1], layers[-1]

    def _check_reshape(self, node: Node, name: TensorName, rest: tuple[int, ...]) -> None:
        """A shape must be any number of frames, or the input's, and then the rest."""
        found = self._shape_of(node, name)
        rows = self.steps if len(rest) > 1 else self.steps * self.batch
        if found not in ([-1, *rest], [rows, *rest]):
            raise mismatch(node, f"has shape {found}", str([-1, *rest]))

    def _shape_of(self, user: Node, name: TensorName) -> list[float]:
        """A shape that is constant, or packed of constants and the batch size."""
        if self.graph.source(name).op != "Pack":
            return list(self.constant(user, name, "a shape").numbers())
        pack = self.made_by(name, "Pack")
        self.expect(pack, axis=0)
        return [self._dimension(pack, each) for each in pack.data_inputs]

    def _dimension(self, pack: Node, name: TensorName) -> float:
        """One dimension: a number, or the batch size as a slice of the shape of the windows."""
        if self.graph.source(name).op in CONSTANTS:
            return self.number(pack, name, "a dimension")
        shape = self.sliced(self.made_by(name, "StridedSlice"), 0)
        source = self.graph.source(shape)
        if source.op == "Shape":
            self.check_is(source, self.inputs(source, 1)[0], self.windows)
        elif self.constant(source, shape, "a shape").numbers()[:1] != [self.batch]:
            raise mismatch(source, "is a shape of another batch", f"one of {self.batch}")
        return self.batch

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


def _with_names(network: Network) -> Network:
    """Dense layers by their index, as the exporters name them: LSTMs count as one of them."""
    before, after = (
        tuple(replace(layer, name=f"layer_{index}") for index, layer in enumerate(layers, first))
        for layers, first in (
            (network.before, 1),
            ((*network.after, network.output), len(network.before) + 2),
        )
    )
    return replace(network, before=before, after=after[:-1], output=after[-1])


def _check_sizes(network: Network) -> None:
    """Each layer must take what the one before it gives."""
    given, giver = network.window_values, "the input"
    layers = [
        *((layer.name, layer.weights.shape[0], layer.units) for layer in network.before),
        (network.lstm.name, network.lstm.inputs, _outputs(network)),
        *((layer.name, layer.weights.shape[0], layer.units) for layer in network.after),
        (network.output.name, network.output.weights.shape[0], network.output.units),
    ]
    for name, inputs, outputs in layers:
        if inputs != given:
            raise ConversionError(
                f"the network is not recognised: {name} takes {inputs} values per frame and "
                f"{giver} gives {given}."
            )
        given, giver = outputs, name


def _outputs(network: Network) -> int:
    """Numbers that the LSTMs give for a frame."""
    return network.lstm.cells * (2 if network.backward else 1)
