"""Recognise the first network: two LSTMs that read a whole clip from both ends.

Like all graphs it is read from its scores back to its input; what decodes the scores is not part of
the network. Names of nodes mean nothing.

Source: `BiRNN` and `export` of the training code of 0.1.1.
"""

from __future__ import annotations

from dsconv.acoustic.dense import read_layers
from dsconv.acoustic.dynamic_rnn import LoopLstm, read_lengths, read_lstm
from dsconv.acoustic.loop import LoopMatcher
from dsconv.acoustic.matching import mismatch, tensor_words
from dsconv.acoustic.network import DenseLayer, Names, Network
from dsconv.acoustic.versions import complete_metadata
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import NO_RESULTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.speech.settings import COEFFICIENTS

_LAYOUT = f"float32 of shape [?, ?, (2 * context + 1) * {COEFFICIENTS}]"

# What follows the scores: the labels as the graph decodes them.
_DECODER = "CTCBeamSearchDecoder"
_FOLLOWING_OPS = (_DECODER, "Identity", "Pack", "SparseToDense")
_FRONT_END_OPS = ("AudioSpectrogram", "Mfcc")


def is_bidirectional(graph: Graph) -> bool:
    """Whether a graph runs its LSTMs in loops over the frames."""
    ops = {node.op for node in graph}
    return "LoopCond" in ops and "BlockLSTM" not in ops


def read_bidirectional(graph: Graph) -> Network:
    """The network of a graph that `is_bidirectional`. Its dense layers have no names yet.

    Raises ConversionError if it is another one, and says what differs and where.
    """
    return _BidirectionalReader(graph).network()


class _BidirectionalReader(LoopMatcher):
    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._check_structure()
        self.windows = self._find_windows()
        values = (self.windows.shape() or ())[-1]
        frames, rest = divmod(values, COEFFICIENTS)
        if rest or frames < 1 or frames % 2 == 0:
            raise self._other_windows(self.windows)
        self.context = (frames - 1) // 2

    def network(self) -> Network:
        """The whole network."""
        scores = self._find_scores()
        start, after = self._layers_after(scores)
        forward, backward = self._read_lstms(start)
        before = self._layers_before(forward.sequence)
        output = after.pop()
        metadata, early = complete_metadata(self.graph, output.units, softmax=False)
        return Network(
            names=Names(
                self.windows.name,
                forward.lengths.name if forward.lengths else None,
                probabilities=scores.name,
            ),
            batch=DYNAMIC,
            steps=DYNAMIC,
            context=self.context,
            features=COEFFICIENTS,
            before=tuple(before),
            lstm=forward.lstm,
            after=tuple(after),
            output=output,
            softmax=False,
            front_end=None,
            metadata=metadata,
            early=early,
            backward=backward.lstm,
        )

    def _check_structure(self) -> None:
        loops = sum(node.op == "LoopCond" for node in self.graph)
        if loops != 2:
            raise ConversionError(
                f"the network is not recognised: the graph has {loops} loops where one LSTM that "
                "reads forward and one that reads backward are expected."
            )
        for node in self.graph:
            if node.op in _FRONT_END_OPS:
                raise mismatch(node, f"({node.op}) makes features", "a graph that takes features")

    def _find_windows(self) -> Node:
        found = [
            node for node in self.graph if node.op == "Placeholder" and len(node.shape() or ()) == 3
        ]
        if len(found) != 1:
            raise ConversionError(
                f"the network is not recognised: the graph has {len(found)} inputs of three "
                "dimensions where one, [batch, steps, values], is expected."
            )
        (node,) = found
        dtype, shape = node.attribute("dtype", DataType), node.shape() or ()
        if dtype is not DataType.FLOAT or shape[:2] != (DYNAMIC, DYNAMIC):
            raise self._other_windows(node)
        return node

    def _other_windows(self, node: Node) -> ConversionError:
        words = tensor_words(node.attribute("dtype", DataType), node.shape())
        return mismatch(node, f"is {words}", _LAYOUT)

    def _find_scores(self) -> Node:
        """The node of the scores, which nothing follows but what decodes them."""
        reached = self.graph.downstream([self.windows]).values()
        ends = [
            node
            for node in reached
            if node.op not in NO_RESULTS and not self.graph.consumers[node.name]
        ]
        decoders = [node for node in reached if node.op == _DECODER]
        found = [self.graph.source(self.inputs(node, 2)[0]) for node in decoders] or ends
        if len(found) == 1:
            following = self.graph.downstream(found)
            known = all(node.op in _FOLLOWING_OPS for node in following.values())
            if known and all(node is found[0] or node.name in following for node in ends):
                return found[0]
        names = ", ".join(sorted(f"'{node.name}' ({node.op})" for node in ends))
        raise ConversionError(
            "the network is not recognised: its one output should be the logits, or the labels "
            f"decoded from them, but its outputs are {names or 'none'}."
        )

    def _layers_after(self, scores: Node) -> tuple[TensorName, list[DenseLayer]]:
        """The rows that the LSTMs give, and the layers from there to the scores."""
        shaped = self.made_by(TensorName.parse(scores.name), "Reshape")
        source, shape = self.inputs(shaped, 2)
        layers, start = read_layers(self, source)
        if not layers or layers[-1].relu or layers[-1].norm:
            raise mismatch(
                shaped,
                "does not follow a dense layer without an activation",
                "the one that gives the logits",
            )
        self._check_frames(shaped, shape, layers[-1].units)
        return start, layers

    def _read_lstms(self, rows: TensorName) -> tuple[LoopLstm, LoopLstm]:
        """The LSTMs that read forward and backward; what they give stands side by side."""
        flat = self.made_by(rows, "Reshape")
        source, shape = self.inputs(flat, 2)
        joined = self.made_by(source, "ConcatV2")
        forward_outputs, backward_outputs, axis = self.inputs(joined, 3)
        self.numbers(joined, axis, 2, "axis")
        forward = read_lstm(self.graph, forward_outputs, "lstm")
        reversed_outputs = self._reversed(backward_outputs, forward.lengths)
        backward = read_lstm(self.graph, reversed_outputs, "lstm_backward")
        user = self.graph.source(backward_outputs)
        if backward.lengths is not forward.lengths:
            found = f"'{backward.lengths.name}'" if backward.lengths else "the last step"
            raise mismatch(user, f"is valid up to {found}", "the same lengths")
        if backward.frame == forward.frame:
            raise mismatch(user, "is made by the loop that reads forward", "a loop of its own")
        self.check_same(user, self._reversed(backward.sequence, forward.lengths), forward.sequence)
        if forward.lstm.kernel.shape != backward.lstm.kernel.shape:
            raise mismatch(joined, "joins LSTMs of different shapes", "two of one shape")
        self.numbers(flat, shape, [-1, 2 * forward.lstm.cells], "shape")
        return forward, backward

    def _reversed(self, name: TensorName, lengths: Node | None) -> TensorName:
        """What a tensor [steps, batch, values] is, each clip reversed within its length, if any."""
        if lengths is None:
            node = self.made_by(name, "ReverseV2")
            source, axes = self.inputs(node, 2)
            self.numbers(node, axes, [0], "axes")
            return source
        node = self.made_by(name, "ReverseSequence")
        source, limits = self.inputs(node, 2)
        self.expect(node, seq_dim=0, batch_dim=1)
        found = read_lengths(self, limits)
        if found is not lengths:
            raise mismatch(node, f"takes '{found.name}'", f"'{lengths.name}'")
        return source

    def _layers_before(self, sequence: TensorName) -> list[DenseLayer]:
        """The dense layers from the windows to the LSTMs."""
        shaped = self.made_by(sequence, "Reshape")
        source, shape = self.inputs(shaped, 2)
        layers, start = read_layers(self, source)
        if not layers:
            raise mismatch(shaped, "has no dense layer before it", "one or more")
        self._check_frames(shaped, shape, layers[-1].units)
        flat = self.made_by(start, "Reshape")
        source, shape = self.inputs(flat, 2)
        self.numbers(flat, shape, [-1, (2 * self.context + 1) * COEFFICIENTS], "shape")
        transposed = self.made_by(source, "Transpose")
        source, order = self.inputs(transposed, 2)
        self.numbers(transposed, order, [1, 0, 2], "permutation")
        self.check_same(transposed, source, TensorName.parse(self.windows.name))
        return layers

    def _check_frames(self, user: Node, shape: TensorName, units: int) -> None:
        """A shape must be [any number of frames, the batch size of the windows, units]."""
        pack = self.made_by(shape, "Pack")
        self.expect(pack, axis=0)
        frames, batch, size = self.inputs(pack, 3)
        self.numbers(pack, frames, -1, "a number of frames")
        self.numbers(pack, size, units, "a dimension")
        self.check_dimension(user, batch, TensorName.parse(self.windows.name), 0)
