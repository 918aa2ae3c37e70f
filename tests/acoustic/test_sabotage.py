"""A graph that computes something else is refused, with the place and what was expected there.

Each table has what is wrong, the edit that makes it so, and what the refusal has to say.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError, DsconvError, ModelError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.write import edited, new_node
from tests.acoustic.edits import (
    Edit,
    added,
    after,
    as_type,
    attributes,
    batch_of_two,
    constant,
    edits,
    inputs,
    op,
    remade,
    removed,
    takes,
    with_nodes,
)

MASK = f"{LSTM}/SequenceMask"
SLICE = f"{LSTM}/strided_slice"
"""What a graph of any number of frames has in the place of the constant limit of its mask."""


def variable(name: str) -> Edit:
    """A weight whose value is in a checkpoint."""
    kind = {"dtype": DataType.FLOAT, "shape": (32,)}
    return lambda graph: with_nodes(graph, new_node(name, "VariableV2", (), kind))


INPUTS = {
    "not frozen": (variable("layer_2/weights"), "not frozen: 1 of its weights are variables"),
    "windows of three dimensions": (
        attributes("input_node", shape=(1, 16, 494)),
        "no input of the form [batch, steps, context, features]",
    ),
    "any number of features": (
        attributes("input_node", shape=(1, 16, 19, -1)),
        "'input_node' has shape [1, 16, 19, ?]; expected [batch, steps, 2 * context + 1, features]",
    ),
    "even context": (
        attributes("input_node", shape=(1, 16, 18, 26)),
        "'input_node' has shape [1, 16, 18, 26]; "
        "expected [batch, steps, 2 * context + 1, features]",
    ),
    "any context": (
        attributes("input_node", shape=(1, 16, -1, 26)),
        "'input_node' has shape [1, 16, ?, 26]; expected [batch, steps, 2 * context + 1, features]",
    ),
    "any batch": (
        attributes("input_node", shape=(-1, 16, 19, 26)),
        "'input_lengths' is int32 of shape [1]; expected int32 of shape [?]",
    ),
    "lengths of another batch": (
        attributes("input_lengths", shape=(2,)),
        "'input_lengths' is int32 of shape [2]; expected int32 of shape [1]",
    ),
    "lengths of any batch": (
        attributes("input_lengths", shape=(-1,)),
        "'input_lengths' is int32 of shape [?]; expected int32 of shape [1]",
    ),
    "lengths of another type": (
        attributes("input_lengths", dtype=DataType.INT64),
        "'input_lengths' is int64 of shape [1]; expected int32 of shape [1]",
    ),
    "frozen lengths": (
        constant("input_lengths", [16], np.int32),
        "'input_lengths' has the op Const; expected Placeholder",
    ),
    "a state of another batch": (
        attributes("previous_state_c", shape=(2, 32)),
        "'previous_state_c' has shape [2, 32]; expected [1, 32]",
    ),
    "a state of another size": (
        attributes("previous_state_h", shape=(1, 31)),
        "'previous_state_h' has shape [1, 31]; expected [1, 32]",
    ),
    "a frozen state": (
        constant("previous_state_c", np.zeros((1, 32)), np.float32),
        f"'{LSTM}/BlockLSTM' has only one initial state as an input; expected both or none",
    ),
    "a state that is computed": (
        after("previous_state_h", "Tanh"),
        "'inserted' has the op Tanh; expected Placeholder or VariableV2 or Fill or Const",
    ),
    "another batch than the shapes say": (
        edits(batch_of_two, constant("Reshape_2/shape", [-1, 1, 32])),
        "'Reshape_2' has shape [-1, 1, 32]; expected [-1, 2, 32]",
    ),
    "scores of another batch": (
        edits(batch_of_two, constant("raw_logits/shape", [-1, 1, 29])),
        "'raw_logits' has shape [-1, 1, 29]; expected [-1, 2, 29]",
    ),
    "states of another batch": (
        edits(batch_of_two, constant(f"{LSTM}/range/limit", 1)),
        f"'{LSTM}/range' (Range) has ends [1]; expected [2]",
    ),
}

BEFORE = {
    "another order of the windows": (
        constant("transpose/perm", [0, 1, 2, 3]),
        "'transpose' (Transpose) has permutation [0, 1, 2, 3]; expected [1, 0, 2, 3]",
    ),
    "other windows": (
        edits(
            lambda graph: with_nodes(graph, remade(graph, graph["input_node"], name="other")),
            added("unused", "Transpose", "input_node", "transpose/perm"),
            takes(f"{LSTM}/BlockLSTM", 5, "unused"),
            takes("transpose", 0, "other"),
        ),
        "'transpose' takes 'other'; expected 'input_node'",
    ),
    "rows of another size": (
        constant("Reshape_1/shape", [-1, 247]),
        "'Reshape_1' has shape [-1, 247]; expected [-1, 494]",
    ),
    "another number of rows": (
        constant("Reshape_1/shape", [8, 494]),
        "'Reshape_1' has shape [8, 494]; expected [-1, 494]",
    ),
    "a computed shape": (
        takes("Reshape_1", 1, f"{LSTM}/Max"),
        f"'Reshape_1' takes a shape from '{LSTM}/Max' (Max); expected a constant",
    ),
    "no rows": (
        takes("MatMul", 0, "transpose"),
        "'transpose' has the op Transpose; expected Reshape",
    ),
    "an op after the windows": (
        after("input_node", "Tanh"),
        "no input of the form [batch, steps, context, features]",
    ),
    "an op after the rows": (
        after("Reshape_1", "Tanh"),
        "'inserted' has the op Tanh; expected Reshape",
    ),
    "an op before the LSTM": (
        after("Reshape_2", "Tanh"),
        "'inserted' has the op Tanh; expected Reshape",
    ),
    "layers in a ring": (takes("MatMul", 0, "Minimum_2"), "no input of the form"),
    "a layer that takes itself": (
        takes("MatMul_3", 0, "Minimum_3"),
        "they are 'new_state_c' (Identity), 'new_state_h' (Identity)",
    ),
    "no layer before the LSTM": (
        takes("Reshape_2", 0, "Reshape_1"),
        "'Reshape_2' has no dense layer before it; expected one or more",
    ),
    "weights for more inputs": (
        constant("layer_2/weights", np.zeros((33, 32))),
        "layer_2 takes 33 values per frame and layer_1 gives 32",
    ),
    "weights for other windows": (
        constant("layer_1/weights", np.zeros((500, 32))),
        "layer_1 takes 500 values per frame and the input gives 494",
    ),
    "scores of another layer": (
        constant("layer_6/weights", np.zeros((31, 29))),
        "layer_6 takes 31 values per frame and layer_5 gives 32",
    ),
}


def swapped(node: Node, first: int, second: int) -> list[str]:
    """The inputs of a node, two of them exchanged."""
    found = list(node.inputs)
    found[first], found[second] = found[second], found[first]
    return found


CELL = {
    "no LSTM": (op(f"{LSTM}/BlockLSTM", "BlockLSTMV2"), "has 0 BlockLSTM nodes where one"),
    "two LSTMs": (
        lambda g: added("second", "BlockLSTM", *g[f"{LSTM}/BlockLSTM"].inputs)(g),
        "has 2 BlockLSTM nodes where one",
    ),
    "peepholes": (
        attributes(f"{LSTM}/BlockLSTM", use_peephole=True),
        f"'{LSTM}/BlockLSTM' has peephole weights; expected an LSTM without them",
    ),
    "a clip of the cell": (
        attributes(f"{LSTM}/BlockLSTM", cell_clip=3.0),
        f"'{LSTM}/BlockLSTM' clips its cell at 3 (cell_clip); expected no clip",
    ),
    "inputs of another LSTM": (
        lambda g: inputs(f"{LSTM}/BlockLSTM", *g[f"{LSTM}/BlockLSTM"].inputs[:5])(g),
        f"'{LSTM}/BlockLSTM' has 5 inputs; expected 9",
    ),
    "a computed kernel": (
        after(f"{LSTM}/kernel", "Tanh"),
        f"'{LSTM}/BlockLSTM' takes a kernel from 'inserted' (Tanh); expected a constant",
    ),
    "a kernel of double precision": (
        as_type(f"{LSTM}/kernel", "float64"),
        f"'{LSTM}/BlockLSTM' has a kernel of float64; expected float32",
    ),
    "a bias for three gates": (
        constant(f"{LSTM}/bias", np.zeros(96)),
        f"'{LSTM}/BlockLSTM' has a bias of shape [96]; expected shape [128]",
    ),
    "a kernel for no whole gates": (
        edits(
            constant(f"{LSTM}/kernel", np.zeros((64, 130))),
            constant(f"{LSTM}/bias", np.zeros(130)),
        ),
        "has a kernel of shape [64, 130]; expected [inputs + cells, 4 * cells]",
    ),
    "a kernel without inputs": (
        constant(f"{LSTM}/kernel", np.zeros((32, 128))),
        "has a kernel of shape [32, 128]; expected [inputs + cells, 4 * cells]",
    ),
    "a kernel for more inputs": (
        constant(f"{LSTM}/kernel", np.zeros((65, 128))),
        "lstm takes 33 values per frame and layer_3 gives 32",
    ),
    "a sequence of another size": (
        constant("Reshape_2/shape", [-1, 1, 16]),
        "'Reshape_2' has shape [-1, 1, 16]; expected [-1, 1, 32]",
    ),
    "a sequence of other rows": (
        constant("Reshape_2/shape", [15, 1, 32]),
        "'Reshape_2' has shape [15, 1, 32]; expected [-1, 1, 32]",
    ),
    "steps that are told": (
        constant(f"{LSTM}/Cast", 16, np.int64),
        f"'{LSTM}/Cast' has the op Const; expected Cast",
    ),
    "the shortest length": (
        op(f"{LSTM}/Max", "Min"),
        f"'{LSTM}/Cast' takes a number of steps from '{LSTM}/Max' (Min); expected a constant",
    ),
    "the longest over another dimension": (
        constant(f"{LSTM}/Const", [1]),
        f"'{LSTM}/Max' (Max) has axes [1]; expected [0]",
    ),
    "steps from something else": (
        takes(f"{LSTM}/Max", 0, f"{MASK}/Const"),
        f"'{MASK}/Const' has the op Const; expected Placeholder",
    ),
    "only the LSTM's states swapped": (
        lambda g: inputs(f"{LSTM}/BlockLSTM", *swapped(g[f"{LSTM}/BlockLSTM"], 2, 3))(g),
        f"'{LSTM}/concat' takes '{LSTM}/BlockLSTM'; expected '{LSTM}/mul'",
    ),
    "one state for both": (
        takes(f"{LSTM}/BlockLSTM", 3, "previous_state_c"),
        f"'{LSTM}/ExpandDims_2' takes 'previous_state_h'; expected a state before the first frame",
    ),
}

VALID_FRAMES = {
    "no mask": (
        op(f"{LSTM}/mul", "AddV2"),
        f"'{LSTM}/BlockLSTM' is multiplied 0 times; expected one mask of its output",
    ),
    "two masks": (
        added("again", "Mul", f"{LSTM}/BlockLSTM:6", f"{LSTM}/Tile"),
        f"'{LSTM}/BlockLSTM' is multiplied 2 times; expected one mask of its output",
    ),
    "a mask of another output": (
        takes(f"{LSTM}/mul", 0, f"{LSTM}/BlockLSTM:1"),
        f"'{LSTM}/BlockLSTM' gives its output 1; expected output 6 of BlockLSTM",
    ),
    "a mask that is not repeated": (
        takes(f"{LSTM}/mul", 1, f"{LSTM}/ExpandDims"),
        f"'{LSTM}/mul' (Mul) takes no Tile; expected one",
    ),
    "a mask of a mask": (
        after(f"{LSTM}/Tile", "Relu"),
        f"'{LSTM}/mul' (Mul) takes no Tile; expected one",
    ),
    "repeated for other units": (
        constant(f"{LSTM}/Tile/multiples", [1, 1, 31]),
        f"'{LSTM}/Tile' (Tile) has multiples [1, 1, 31]; expected [1, 1, 32]",
    ),
    "repeated for other frames": (
        constant(f"{LSTM}/Tile/multiples", [2, 1, 32]),
        f"'{LSTM}/Tile' (Tile) has multiples [2, 1, 32]; expected [1, 1, 32]",
    ),
    "the mask's units in front": (
        constant(f"{LSTM}/ExpandDims/dim", [0]),
        f"'{LSTM}/ExpandDims' (ExpandDims) has axis [0]; expected [-1]",
    ),
    "no units of the mask": (
        takes(f"{LSTM}/Tile", 0, f"{LSTM}/transpose"),
        f"'{LSTM}/transpose' has the op Transpose; expected ExpandDims",
    ),
    "a mask by clip": (
        constant(f"{LSTM}/transpose/perm", [0, 1]),
        f"'{LSTM}/transpose' (Transpose) has permutation [0, 1]; expected [1, 0]",
    ),
    "a mask that is not transposed": (
        takes(f"{LSTM}/ExpandDims", 0, f"{MASK}/Cast_1"),
        f"'{MASK}/Cast_1' has the op Cast; expected Transpose",
    ),
    "a mask of another type": (
        attributes(f"{MASK}/Cast_1", DstT=DataType.DOUBLE),
        f"'{MASK}/Cast_1' (Cast) has DstT <DataType.DOUBLE: 2>; expected <DataType.FLOAT: 1>",
    ),
    "one frame more": (
        op(f"{MASK}/Less", "LessEqual"),
        f"'{MASK}/Less' has the op LessEqual; expected Less",
    ),
    "the frames after": (
        inputs(f"{MASK}/Less", f"{MASK}/Cast", f"{MASK}/Range"),
        f"'{MASK}/Cast' has the op Cast; expected Range",
    ),
    "frames from 1 on": (
        constant(f"{MASK}/Const_1", 1),
        f"'{MASK}/Range' (Range) has start [1]; expected [0]",
    ),
    "every second frame": (
        constant(f"{MASK}/Const_2", 2),
        f"'{MASK}/Range' (Range) has delta [2]; expected [1]",
    ),
    "a mask of 15 frames": (
        constant(f"{MASK}/Const", 15),
        f"'{MASK}/Range' (Range) has a number of steps [15]; expected [16]",
    ),
    "a mask of as many frames as the lengths say": (
        takes(f"{MASK}/Range", 1, f"{LSTM}/Max"),
        f"'{MASK}/Range' takes a number of steps from '{LSTM}/Max' (Max); expected a constant",
    ),
    "limits of another type": (
        attributes(f"{MASK}/Cast", DstT=DataType.INT8),
        f"'{MASK}/Cast' (Cast) has DstT <DataType.INT8: 6>; expected <DataType.INT32: 3>",
    ),
    "limits in a row": (
        constant(f"{MASK}/ExpandDims/dim", 0),
        f"'{MASK}/ExpandDims' (ExpandDims) has axis [0]; expected [-1]",
    ),
    "other lengths for the mask": (
        takes(f"{MASK}/ExpandDims", 0, f"{LSTM}/Const"),
        f"'{MASK}/ExpandDims' takes '{LSTM}/Const'; expected 'input_lengths'",
    ),
}

ANY_FRAMES = {
    "the batch for the steps": (
        constant(f"{SLICE}/stack", [1]),
        f"'{SLICE}' (StridedSlice) has ends [1]; expected [0]",
    ),
    "all sizes": (
        constant(f"{SLICE}/stack_1", [3]),
        f"'{SLICE}' (StridedSlice) has ends [3]; expected [1]",
    ),
    "every second size": (
        constant(f"{SLICE}/stack_2", [2]),
        f"'{SLICE}' (StridedSlice) has ends [2]; expected [1]",
    ),
    "a size that is a list": (
        attributes(SLICE, shrink_axis_mask=0),
        f"'{SLICE}' (StridedSlice) has shrink_axis_mask 0; expected 1",
    ),
    "an open begin": (
        attributes(SLICE, begin_mask=1),
        f"'{SLICE}' (StridedSlice) has begin_mask 1; expected 0",
    ),
    "an open end": (
        attributes(SLICE, end_mask=1),
        f"'{SLICE}' (StridedSlice) has end_mask 1; expected 0",
    ),
    "the shape of something else": (
        takes(f"{LSTM}/Shape", 0, "Reshape_1"),
        f"'{MASK}/Range' takes a dimension of 'Reshape_1'; expected one of 'Reshape_2'",
    ),
    "no shape": (
        takes(SLICE, 0, "input_lengths"),
        "'input_lengths' has the op Placeholder; expected Shape",
    ),
    "a fixed number of frames": (
        constant(SLICE, 16, np.int32),
        f"'{SLICE}' has the op Const; expected StridedSlice",
    ),
    "a size without its ends": (
        inputs(SLICE, f"{LSTM}/Shape", f"{SLICE}/stack"),
        f"'{SLICE}' has 2 inputs; expected 4",
    ),
}

OUTPUTS = {
    "another output": (
        added("loudest", "Tanh", "Minimum_1"),
        "the two states after the last frame; they are 'logits' (Softmax), 'loudest' (Tanh), "
        "'new_state_c' (Identity), 'new_state_h' (Identity)",
    ),
    "a state that is not given": (
        removed("new_state_h", f"{LSTM}/GatherNd_1", f"{LSTM}/concat_1"),
        "they are 'logits' (Softmax), 'new_state_c' (Identity)",
    ),
    "one state twice": (
        takes("new_state_h", 0, f"{LSTM}/GatherNd"),
        "its outputs should be the scores and the two states after the last frame",
    ),
    "a state that is picked in another way": (
        op(f"{LSTM}/GatherNd", "Gather"),
        f"'{LSTM}/concat' has the op ConcatV2; expected Reshape",
    ),
    "a state that is computed on": (
        after(f"{LSTM}/GatherNd", "Tanh"),
        "its outputs should be the scores and the two states after the last frame",
    ),
    "picked by clip": (
        attributes(f"{LSTM}/stack", axis=0),
        f"'{LSTM}/stack' (Pack) has axis 0; expected 1",
    ),
    "picked the other way round": (
        inputs(f"{LSTM}/stack_1", f"{LSTM}/range_1", "input_lengths"),
        f"'{LSTM}/stack_1' takes '{LSTM}/range_1'; expected 'input_lengths'",
    ),
    "picked at the longest": (
        takes(f"{LSTM}/stack", 0, f"{LSTM}/Max"),
        f"'{LSTM}/stack' takes '{LSTM}/Max'; expected 'input_lengths'",
    ),
    "picked from the second clip on": (
        constant(f"{LSTM}/range_1/start", 1),
        f"'{LSTM}/range_1' (Range) has ends [1]; expected [0]",
    ),
    "picked by other indices": (
        takes(f"{LSTM}/GatherNd", 1, f"{LSTM}/ExpandDims_1/dim"),
        f"'{LSTM}/ExpandDims_1/dim' has the op Const; expected Pack",
    ),
    "states side by side": (
        constant(f"{LSTM}/concat/axis", 1),
        f"'{LSTM}/concat' (ConcatV2) has axis [1]; expected [0]",
    ),
    "only the states after": (
        takes(f"{LSTM}/GatherNd", 0, f"{LSTM}/BlockLSTM:1"),
        f"'{LSTM}/BlockLSTM' has the op BlockLSTM; expected ConcatV2",
    ),
    "a history of three": (
        inputs(
            f"{LSTM}/concat",
            f"{LSTM}/ExpandDims_1",
            *[f"{LSTM}/BlockLSTM:1"] * 2,
            f"{LSTM}/concat/axis",
        ),
        f"'{LSTM}/concat' has 4 inputs; expected 3",
    ),
    "the first state as another dimension": (
        constant(f"{LSTM}/ExpandDims_1/dim", [1]),
        f"'{LSTM}/ExpandDims_1' (ExpandDims) has axis [1]; expected [0]",
    ),
    "another first state": (
        takes(f"{LSTM}/ExpandDims_2", 0, f"{LSTM}/zeros"),
        f"'{LSTM}/ExpandDims_2' takes '{LSTM}/zeros'; expected a state before the first frame",
    ),
    "the hidden states for the cell": (
        takes(f"{LSTM}/concat", 1, f"{LSTM}/BlockLSTM:6"),
        f"'{LSTM}/BlockLSTM' gives its output 6; expected output 1 of BlockLSTM",
    ),
    "the masked hidden states for the cell": (
        takes(f"{LSTM}/concat", 1, f"{LSTM}/mul"),
        f"'{LSTM}/concat' takes '{LSTM}/mul'; expected '{LSTM}/BlockLSTM'",
    ),
    "the cells for the hidden state": (
        takes(f"{LSTM}/concat_1", 1, f"{LSTM}/BlockLSTM:1"),
        f"'{LSTM}/concat_1' takes '{LSTM}/BlockLSTM'; expected '{LSTM}/mul'",
    ),
    "only the first states swapped": (
        edits(
            takes(f"{LSTM}/ExpandDims_1", 0, "previous_state_h"),
            takes(f"{LSTM}/ExpandDims_2", 0, "previous_state_c"),
        ),
        f"'{LSTM}/concat' takes '{LSTM}/BlockLSTM'; expected '{LSTM}/mul'",
    ),
    "logarithms": (op("logits", "LogSoftmax"), "'logits' has the op LogSoftmax; expected Reshape"),
    "scores that are computed on": (
        after("raw_logits", "Tanh"),
        "'inserted' has the op Tanh; expected Reshape",
    ),
    "probabilities that are computed on": (
        added("sharper", "Tanh", "logits"),
        "'sharper' has the op Tanh; expected Reshape",
    ),
    "probabilities by frame": (
        edits(
            takes("logits", 0, "BiasAdd_4"),
            removed("raw_logits"),
        ),
        "'BiasAdd_4' has the op BiasAdd; expected Reshape",
    ),
    "probabilities in another order": (
        edits(
            constant("order", [1, 0, 2], np.int32),
            added("turned", "Transpose", "raw_logits", "order"),
            takes("logits", 0, "turned"),
        ),
        "'turned' has the op Transpose; expected Reshape",
    ),
    "scores that are clipped": (
        takes("raw_logits", 0, "Minimum_3"),
        "'raw_logits' does not follow a dense layer without an activation; expected "
        "the one that gives the logits",
    ),
    "scores without weights": (
        takes("raw_logits", 0, "Reshape_3"),
        "'raw_logits' does not follow a dense layer without an activation; expected "
        "the one that gives the logits",
    ),
    "scores of other classes": (
        constant("raw_logits/shape", [-1, 29, 1]),
        "'raw_logits' has shape [-1, 29, 1]; expected [-1, 1, 29]",
    ),
    "rows of half a frame": (
        constant("Reshape_3/shape", [-1, 16]),
        "'Reshape_3' has shape [-1, 16]; expected [-1, 32]",
    ),
    "layers that skip the mask": (
        takes("Reshape_3", 0, f"{LSTM}/BlockLSTM:6"),
        f"'Reshape_3' takes '{LSTM}/BlockLSTM'; expected '{LSTM}/mul'",
    ),
    "layers that take the cells": (
        takes("Reshape_3", 0, f"{LSTM}/BlockLSTM:1"),
        f"'Reshape_3' takes '{LSTM}/BlockLSTM'; expected '{LSTM}/mul'",
    ),
    "layers that skip the LSTM": (
        takes("Reshape_3", 0, "Reshape_2"),
        "'Reshape_3' takes 'Reshape_2'",
    ),
}

FRONT_END = {
    "features used twice": (
        added("again", "Reshape", "Mfcc", "Reshape/shape"),
        "'Mfcc' is used by ['Reshape', 'again']; expected one Reshape",
    ),
    "features changed": (
        after("Mfcc", "Tanh"),
        "'Mfcc' is used by ['inserted']; expected one Reshape",
    ),
    "features changed at the end": (
        op("mfccs", "Tanh"),
        "'Reshape' is used by ['mfccs']; expected one Identity",
    ),
    "features of another shape": (
        constant("Reshape/shape", [-1, 13]),
        "'Reshape' (Reshape) has shape [-1, 13]; expected [-1, 26]",
    ),
    "samples of several channels": (
        constant("ExpandDims/dim", 0),
        "'ExpandDims' (ExpandDims) has axis [0]; expected [-1]",
    ),
    "samples changed": (
        after("ExpandDims", "Tanh"),
        "'inserted' has the op Tanh; expected ExpandDims",
    ),
    "samples that do not go in": (
        takes("ExpandDims", 0, f"{LSTM}/zeros"),
        f"'{LSTM}/zeros' has the op Const; expected Placeholder",
    ),
}

STATIC = INPUTS | BEFORE | CELL | VALID_FRAMES | OUTPUTS | FRONT_END


@pytest.mark.parametrize("what", STATIC)
def test_what_computes_something_else_is_refused(what: str, small_graph: Graph) -> None:
    """Each single difference is named, and what was expected instead."""
    edit, says = STATIC[what]
    with pytest.raises(ConversionError) as caught:
        recognise(edit(small_graph))
    assert says in str(caught.value)


@pytest.mark.parametrize("what", ANY_FRAMES)
def test_a_length_from_elsewhere_is_refused(what: str, small_graph: Graph) -> None:
    """In a graph of any number of frames the mask must be as long as the LSTM's input."""
    edit, says = ANY_FRAMES[what]
    with pytest.raises(ConversionError) as caught:
        recognise(edit(set_steps(small_graph, DYNAMIC)))
    assert says in str(caught.value)


@pytest.mark.parametrize("names", [("layer_1/bias/read",), ("mfccs", "new_state_c")], ids=len)
def test_identities_in_a_ring_come_to_an_end(names: tuple[str, ...], small_graph: Graph) -> None:
    """Identity nodes that take each other are damage, which is told with one of their names."""
    ring = small_graph
    for name, source in zip(names, (*names[1:], names[0]), strict=True):
        ring = with_nodes(ring, edited(ring[name], inputs=[source]))
    ring = with_nodes(ring, edited(ring["BiasAdd"], inputs=["MatMul", names[0]]))
    with pytest.raises(ModelError, match=f"'{names[0]}' takes its own output"):
        recognise(ring)


def test_every_op_that_is_put_between_is_refused(small_graph: Graph) -> None:
    """A Tanh after any tensor that is used, but for weights of peepholes that are not used."""
    used = sorted({name for node in small_graph for name in node.inputs} - FRONT_END_ENTRIES)
    assert len(used) > 90
    accepted = [name for name in used if refusal(after(name, "Tanh")(small_graph)) is None]
    assert accepted == [f"{LSTM}/zeros"]


# Nodes by which a front end is told: changed after them, it is taken for none at all.
FRONT_END_ENTRIES = {"AudioSpectrogram", "Mfcc/sample_rate"}


@pytest.mark.parametrize("entry", sorted(FRONT_END_ENTRIES))
def test_an_unknown_front_end_is_refused(entry: str, small_graph: Graph) -> None:
    """Features that are made in another way must not be taken for the usual ones."""
    assert refusal(after(entry, "Tanh")(small_graph))


def fewer_inputs(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """Each node without each of its inputs."""
    for node in graph:
        for number in range(len(node.inputs)):
            kept = [*node.inputs[:number], *node.inputs[number + 1 :]]
            yield node.name, with_nodes(graph, edited(node, inputs=kept))


def test_every_missing_input_is_refused(small_graph: Graph) -> None:
    """No node may lack an input; only outputs that are cut off are no outputs any more."""
    edits = [(name, graph) for name, graph in fewer_inputs(small_graph) if name != "Mfcc"]
    assert len(edits) > 100
    accepted = [name for name, graph in edits if refusal(graph) is None]
    assert accepted == ["logits", "new_state_c", "new_state_h"]


@pytest.mark.parametrize("tensors", [["AudioSpectrogram"], ["AudioSpectrogram", "Mfcc"] * 2])
def test_an_mfcc_with_other_inputs_is_refused(tensors: list[str], small_graph: Graph) -> None:
    """A damaged front end is an error of dsconv's own too."""
    assert refusal(inputs("Mfcc", *tensors)(small_graph))


def test_an_mfcc_without_a_rate_is_refused(small_graph: Graph) -> None:
    """A constant without elements is damage."""
    assert refusal(constant("Mfcc/sample_rate", [])(small_graph))


def refusal(graph: Graph) -> DsconvError | None:
    """The error for a graph, None if it is recognised."""
    try:
        recognise(graph)
    except DsconvError as error:
        return error
    return None
