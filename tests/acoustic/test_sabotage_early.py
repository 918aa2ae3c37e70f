"""A graph of 0.2 to 0.5 that computes something else is refused, with the place.

Each table has what is wrong, the edit that makes it so, and what the refusal has to say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.acoustic.network import Network
from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError, DsconvError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.write import edited, new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from tests.acoustic.early import SIBLINGS, VERSIONS, Version, early, stateless
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
    takes,
    with_nodes,
)
from tests.acoustic.mutations import mutations
from tests.acoustic.test_sabotage import VALID_FRAMES, fewer_inputs, refusal, swapped
from tests.acoustic.whole_clip import evaluate_call

GATHER = f"{LSTM}/Gather"
SLICE = f"{LSTM}/strided_slice"
LAST = "the last step of the LSTM"


def scores_wait_for(*names: str) -> Edit:
    """The scores wait for these only; what nothing waits for is still there."""
    return lambda graph: with_nodes(
        graph, edited(graph["logits"], inputs=[graph["logits"].inputs[0], *names])
    )


def starts_with(value: float) -> Edit:
    """The states start with something else, be it stored or filled in."""

    def edit(graph: Graph) -> Graph:
        if "zeros/Const" in graph:
            return constant("zeros/Const", value)(graph)
        return constant("zeros", np.full((1, 32), value))(graph)

    return edit


def exchanged(first: str, second: str, number: int) -> Edit:
    """Two nodes exchange one of what they take."""

    def edit(graph: Graph) -> Graph:
        names = [graph[name].inputs[number] for name in (first, second)]
        pairs = zip((first, second), reversed(names), strict=True)
        nodes = []
        for name, taken in pairs:
            own = list(graph[name].inputs)
            own[number] = taken
            nodes.append(edited(graph[name], inputs=own))
        return with_nodes(graph, *nodes)

    return edit


STATES: dict[str, tuple[Edit, str]] = {
    "the states of each other": (
        exchanged("Assign_2", "Assign_3", 1),
        "'Assign_2' sets 'previous_state_c'; expected the state that it takes",
    ),
    "the variables of each other": (
        exchanged("Assign_2", "Assign_3", 0),
        "'Assign_3' sets 'previous_state_c'; expected the state that it takes",
    ),
    "one state for both": (
        lambda graph: with_nodes(
            graph,
            edited(graph["Assign_3"], inputs=["previous_state_h", graph["Assign_2"].inputs[1]]),
        ),
        "its outputs should be the scores",
    ),
    "the LSTM takes them the other way round": (
        lambda graph: inputs(f"{LSTM}/BlockLSTM", *swapped(graph[f"{LSTM}/BlockLSTM"], 2, 3))(
            graph
        ),
        "",
    ),
    "a state that is set to itself": (
        takes("Assign_2", 1, "previous_state_c/read"),
        "'previous_state_c' is set 0 times; expected once in a call",
    ),
    "a state that is not set": (
        lambda graph: with_nodes(
            scores_wait_for("^Assign_3")(graph),
            edited(graph["Assign_2"], inputs=["previous_state_c", "zeros"]),
        ),
        "its outputs should be the scores",
    ),
    "a state that is set twice": (
        lambda graph: with_nodes(
            graph,
            new_node(
                "again", "Assign", graph["Assign_2"].inputs, dict(graph["Assign_2"].attributes)
            ),
        ),
        "'previous_state_c' is set 2 times; expected once in a call",
    ),
    "scores that do not wait for the cell": (
        scores_wait_for("^Assign_3"),
        "'logits' does not depend on 'Assign_2'; expected a state that is kept",
    ),
    "scores that do not wait for the hidden state": (
        scores_wait_for("^Assign_2"),
        "'logits' does not depend on 'Assign_3'; expected a state that is kept",
    ),
    "scores that wait for the start": (
        scores_wait_for("^Assign", "^Assign_1"),
        "'logits' does not depend on 'Assign_2'; expected a state that is kept",
    ),
    "a first state of ones": (starts_with(1.0), "'zeros' ("),
    "a first state that is hardly zero": (
        starts_with(1e-30),
        "'zeros' (",
    ),
    "a first state that is computed": (
        after("zeros", "Tanh"),
        "'inserted' (Tanh) is an initial state; expected zeros",
    ),
    "a state that is changed before it is kept": (
        lambda graph: edits(
            added("changed", "Tanh", graph["Assign_2"].inputs[1]), takes("Assign_2", 1, "changed")
        )(graph),
        "'changed' has the op Tanh; expected Gather or GatherNd or StridedSlice",
    ),
    "a state that is changed after the variable": (
        after("previous_state_h/read", "Tanh"),
        "'inserted' has the op Tanh; expected Placeholder or VariableV2 or Fill or Const",
    ),
    "only one state in a variable": (
        edits(
            constant("none", np.zeros((1, 32)), np.float32),
            takes(f"{LSTM}/BlockLSTM", 3, "none"),
        ),
        f"'{LSTM}/BlockLSTM' has only one initial state as an input; expected both or none",
    ),
    "a variable of another batch": (
        attributes("previous_state_c", shape=(2, 32)),
        "'previous_state_c' has shape [2, 32]; expected [1, 32]",
    ),
    "a variable of another size": (
        attributes("previous_state_h", shape=(1, 31)),
        "'previous_state_h' has shape [1, 31]; expected [1, 32]",
    ),
    "an older kind of variable": (
        op("previous_state_c", "Variable"),
        "'previous_state_c' has the op Variable; expected Placeholder or VariableV2",
    ),
    "a state that is given too": (
        added("given", "Identity", "raw_logits"),
        "its outputs should be the scores",
    ),
    "an Assign that adds": (
        op("Assign_2", "AssignAdd"),
        "'previous_state_c' is set 0 times; expected once in a call",
    ),
    "an Assign without a value": (
        inputs("Assign_3", "previous_state_h"),
        "'previous_state_h' is set 0 times; expected once in a call",
    ),
    "peepholes": (
        attributes(f"{LSTM}/BlockLSTM", use_peephole=True),
        f"'{LSTM}/BlockLSTM' has peephole weights",
    ),
    "a clip of the cell": (
        attributes(f"{LSTM}/BlockLSTM", cell_clip=3.0),
        f"'{LSTM}/BlockLSTM' clips its cell at 3 (cell_clip)",
    ),
    "a kernel of double precision": (
        as_type(f"{LSTM}/kernel", "float64"),
        "has a kernel of float64; expected float32",
    ),
    "another batch in a shape": (
        lambda graph: constant("raw_logits/shape", [-1, 2, 29], np.int32)(graph),
        "'raw_logits' has shape [-1, 2, 29]; expected [-1, 1, 29]",
    ),
    "scores that are computed on": (
        after("raw_logits", "Tanh"),
        "'inserted' has the op Tanh; expected Reshape",
    ),
}

GATHERED: dict[str, tuple[Edit, str]] = {
    "a factor of two": (
        constant(f"{GATHER}/factor", 2),
        f"'{GATHER}/mul' (Mul) has a factor [2]; expected [1]",
    ),
    "no factor": (
        takes(f"{GATHER}/add", 0, "input_lengths"),
        f"'{GATHER}/add' (Add) takes no Mul; expected one",
    ),
    "other lengths": (
        edits(
            lambda graph: with_nodes(
                graph,
                new_node("others", "Placeholder", (), dict(graph["input_lengths"].attributes)),
            ),
            takes(f"{GATHER}/mul", 0, "others"),
        ),
        f"'{GATHER}/mul' takes 'others'; expected 'input_lengths'",
    ),
    "a fixed length": (
        takes(f"{GATHER}/mul", 0, f"{LSTM}/SequenceMask/Const"),
        f"'{GATHER}/mul' (Mul) takes no Placeholder; expected one",
    ),
    "clips from the second on": (
        constant(f"{LSTM}/range/start", 1),
        f"'{LSTM}/range' (Range) has ends [1]; expected [0]",
    ),
    "more clips": (
        constant(f"{LSTM}/range/limit", 2),
        f"'{LSTM}/range' (Range) has ends [2]; expected [1]",
    ),
    "rows of another size": (
        constant(f"{GATHER}/shape", [-1, 16]),
        f"'{GATHER}/rows' (Reshape) has shape [-1, 16]; expected [-1, 32]",
    ),
    "rows of something else": (
        takes(f"{GATHER}/rows", 0, f"{LSTM}/BlockLSTM:1"),
        f"'{LSTM}/BlockLSTM' has the op BlockLSTM; expected ConcatV2",
    ),
    "the other state's rows": (
        takes(f"{GATHER}/rows", 0, f"{LSTM}/concat_1"),
        "'Assign_2' sets 'previous_state_c'; expected the state that it takes",
    ),
    "rows that are no rows": (
        takes(GATHER, 0, f"{LSTM}/concat"),
        f"'{LSTM}/concat' has the op ConcatV2; expected Reshape",
    ),
    "indices of another kind": (
        takes(GATHER, 1, "input_lengths"),
        "'input_lengths' has the op Placeholder; expected Add or AddV2",
    ),
    "a difference": (
        op(f"{GATHER}/add", "Sub"),
        f"'{GATHER}/add' has the op Sub; expected Add or AddV2",
    ),
}

SLICED: dict[str, tuple[Edit, str]] = {
    "the first step": (
        edits(constant(f"{SLICE}/stack", [0]), constant(f"{SLICE}/stack_1", [1])),
        f"'{SLICE}' (StridedSlice) has ends [0]; expected [-1]",
    ),
    "the last step but one": (
        edits(constant(f"{SLICE}/stack", [-2]), constant(f"{SLICE}/stack_1", [-1])),
        f"'{SLICE}' (StridedSlice) has ends [-2]; expected [-1]",
    ),
    "to another end": (
        constant(f"{SLICE}/stack_1", [1]),
        f"'{SLICE}' (StridedSlice) has ends [1]; expected [0]",
    ),
    "backward": (
        constant(f"{SLICE}/stack_2", [-1]),
        f"'{SLICE}' (StridedSlice) has ends [-1]; expected [1]",
    ),
    "a list of one": (
        attributes(SLICE, shrink_axis_mask=0),
        f"'{SLICE}' (StridedSlice) has shrink_axis_mask 0; expected 1",
    ),
    "all from the first on": (
        attributes(SLICE, begin_mask=1),
        f"'{SLICE}' (StridedSlice) has begin_mask 1; expected 0",
    ),
    "all to the last": (
        attributes(SLICE, end_mask=1),
        f"'{SLICE}' (StridedSlice) has end_mask 1; expected 0",
    ),
    "a new axis": (
        attributes(SLICE, new_axis_mask=1),
        f"'{SLICE}' (StridedSlice) has new_axis_mask 1; expected 0",
    ),
    "an ellipsis": (
        attributes(SLICE, ellipsis_mask=1),
        f"'{SLICE}' (StridedSlice) has ellipsis_mask 1; expected 0",
    ),
    "the gates": (
        takes(SLICE, 0, f"{LSTM}/BlockLSTM"),
        f"'{SLICE}' takes '{LSTM}/BlockLSTM'; expected the steps of a state",
    ),
    "the hidden state for the cell": (
        takes(SLICE, 0, f"{LSTM}/BlockLSTM:6"),
        "'Assign_2' sets 'previous_state_c'; expected the state that it takes",
    ),
    "the steps of something else": (
        takes(SLICE, 0, "Reshape_2"),
        f"'{SLICE}' takes 'Reshape_2'; expected the steps of a state",
    ),
    "picked in another way": (
        edits(
            lambda graph: with_nodes(
                graph,
                new_constant("index", np.array([[15, 0]], np.int32)),
                new_node("picked", "GatherNd", [f"{LSTM}/BlockLSTM:1", "index"]),
            ),
            takes("Assign_2", 1, "picked"),
        ),
        f"'picked' has the op GatherNd; expected {LAST}",
    ),
    "fewer steps": (
        constant(f"{LSTM}/steps", 15),
        f"'{LSTM}/ToInt64' (Cast) has a number of steps [15]; expected [16]",
    ),
    "more steps": (
        constant(f"{LSTM}/steps", 17),
        f"'{LSTM}/ToInt64' (Cast) has a number of steps [17]; expected [16]",
    ),
    "layers that take the cells": (
        takes("Reshape_3", 0, f"{LSTM}/BlockLSTM:1"),
        f"'{LSTM}/BlockLSTM' gives its output 1; expected output 6 of BlockLSTM",
    ),
    "a mask that nobody asked for": (
        lambda graph: edits(
            added("masked", "Mul", f"{LSTM}/BlockLSTM:6", f"{LSTM}/BlockLSTM:1"),
            takes("Reshape_3", 0, "masked"),
        )(graph),
        f"'Reshape_3' takes 'masked'; expected '{LSTM}/BlockLSTM'",
    ),
}

STATELESS: dict[str, tuple[Edit, str]] = {
    "a first state of ones": (
        constant("first/Const", 1.0),
        "'first' (Fill) has a value [1.0]; expected [0]",
    ),
    "lengths of one clip": (
        attributes("input_lengths", shape=(1,)),
        "'input_lengths' is int32 of shape [1]; expected int32 of shape [?]",
    ),
    "scores of one clip": (
        constant("raw_logits/shape", [-1, 1, 29], np.int32),
        "'raw_logits' has shape [-1, 1, 29]; expected [-1, -1, 29]",
    ),
    "clips counted by steps": (
        edits(
            constant("strided_slice/stack", [1]),
            constant("strided_slice/stack_1", [2]),
        ),
        "'strided_slice' (StridedSlice) has ends [1]; expected [0]",
    ),
    "clips of something else": (
        takes("Shape", 0, "transpose"),
        "'Shape' takes 'transpose'; expected 'input_node'",
    ),
    "sizes side by side": (
        attributes("raw_logits/shape", axis=1),
        "'raw_logits/shape' (Pack) has axis 1; expected 0",
    ),
    "no batch at all": (
        attributes("input_node", shape=(0, -1, 19, 26)),
        "'input_node' has shape [0, ?, 19, 26]; expected",
    ),
    "a state that is given": (
        added("given", "Tanh", f"{LSTM}/BlockLSTM:1"),
        "its outputs should be the scores",
    ),
}


def check(edit: Edit, says: str, graph: Graph) -> None:
    """The edited graph is refused, and so said."""
    recognise(graph)
    with pytest.raises(ConversionError) as caught:
        recognise(edit(graph))
    assert says in str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", STATES)
def test_other_uses_of_the_states_are_refused(
    what: str, version: Version, small_graph: Graph
) -> None:
    """In every version."""
    check(*STATES[what], early(small_graph, version))


@pytest.mark.parametrize("what", GATHERED)
def test_other_rows_are_refused(what: str, small_graph: Graph) -> None:
    """0.2 picks the last step among the rows of all steps and clips."""
    check(*GATHERED[what], early(small_graph, "0.2"))


@pytest.mark.parametrize(("factor", "batch"), [(1, 2), (2, 1)])
def test_the_factor_of_the_rows_is_the_batch(factor: int, batch: int, small_graph: Graph) -> None:
    """Rows of two clips are two a step."""
    graph = early(small_graph if batch == 1 else batch_of_two(small_graph), "0.2")
    says = f"'{GATHER}/mul' (Mul) has a factor [{factor}]; expected [{batch}]"
    check(constant(f"{GATHER}/factor", factor), says, graph)


@pytest.mark.parametrize("what", SLICED)
def test_other_steps_are_refused(what: str, small_graph: Graph) -> None:
    """Exports without lengths keep the states after the last step, and run all."""
    check(*SLICED[what], early(small_graph, "0.4 without lengths"))


@pytest.mark.parametrize("version", ["0.2", "0.4", "0.5"])
@pytest.mark.parametrize("what", VALID_FRAMES)
def test_other_masks_are_refused(what: str, version: Version, small_graph: Graph) -> None:
    """As in later versions."""
    check(*VALID_FRAMES[what], early(small_graph, version))


@pytest.mark.parametrize("what", STATELESS)
def test_other_graphs_without_states_are_refused(what: str, small_graph: Graph) -> None:
    """The first states must be zeros, and the batch that of the windows."""
    check(*STATELESS[what], stateless(set_steps(small_graph, DYNAMIC)))


def test_the_constant_shape_must_have_the_batch_of_the_windows(small_graph: Graph) -> None:
    """0.5 takes the batch from such a constant; its steps stay as they were when they are set."""
    graph = early(small_graph, "0.5")
    says = "'Shape' is a shape of another batch; expected one of 1"
    check(constant("Shape", [2, 16, 19, 26]), says, graph)
    assert recognise(set_steps(graph, 32)).steps == 32


@pytest.mark.parametrize("version", SIBLINGS)
def test_every_op_that_is_put_between_is_refused(version: Version, small_graph: Graph) -> None:
    """A Tanh after any tensor that is used, but for weights of peepholes that are not used."""
    graph = early(small_graph, version)
    used = sorted({name for node in graph for name in node.inputs if not name.startswith("^")})
    assert len(used) > 60
    accepted = {name for name in used if refusal(after(name, "Tanh")(graph)) is None}
    # What a Fill for the unused peepholes or the front end is made of is not looked at.
    assert accepted <= UNREAD


def test_every_op_put_between_without_states_is_refused(small_graph: Graph) -> None:
    """The same for a graph of any batch."""
    graph = stateless(set_steps(small_graph, DYNAMIC))
    used = sorted({name for node in graph for name in node.inputs})
    accepted = {name for name in used if refusal(after(name, "Tanh")(graph)) is None}
    assert accepted <= UNREAD


UNREAD = {
    f"{LSTM}/zeros",
    f"{LSTM}/zeros/Const",
    f"{LSTM}/zeros/shape_as_tensor",
    "zeros/shape_as_tensor",
    "sizes",
    "cells",
    "strided_slice",
}
"""What only unused peepholes and the sizes of zeros are made of."""


@pytest.mark.parametrize("version", SIBLINGS)
def test_every_missing_input_is_refused(version: Version, small_graph: Graph) -> None:
    """No node may lack an input, nor the scores what they wait for."""
    graph = early(small_graph, version)
    edited_graphs = [(name, each) for name, each in fewer_inputs(graph) if name != "Mfcc"]
    assert len(edited_graphs) > 80
    accepted = {name for name, each in edited_graphs if refusal(each) is None}
    # What sets the states at the start is checked where it sets them.
    assert accepted <= {"Assign", "Assign_1", "initialize_state", f"{LSTM}/zeros", "zeros"}


SEED, SAMPLE = 20190322, 150


@pytest.mark.parametrize("steps", [4, DYNAMIC])
@pytest.mark.parametrize("version", SIBLINGS)
def test_any_single_edit_is_refused_or_read_right(
    version: Version, steps: int, small_graph: Graph
) -> None:
    """A sample of edits of any input, attribute, constant or op.

    What is still recognised computes what the edited graph computes, call after call; one that
    cannot be run has nothing to differ from.
    """
    graph = early(set_steps(batch_of_two(small_graph), steps), version)
    counts = sweep(graph, SAMPLE)
    assert counts["refused"] > SAMPLE / 2, counts
    assert counts["as in the graph"] > SAMPLE / 100, counts


def sweep(graph: Graph, sample: int) -> dict[str, int]:
    """Try so many edits of a graph; how many were refused, read right, or cannot be run."""
    random = np.random.default_rng(SEED)
    every = list(mutations(graph, random, tensors=2))
    counts = dict.fromkeys(("refused", "as in the graph", "no graph"), 0)
    for number in random.choice(len(every), min(sample, len(every)), replace=False):
        what, edit = every[number]
        changed = edit(graph)
        try:
            network = recognise(changed)
        except DsconvError:
            counts["refused"] += 1
            continue
        try:
            found = calls_of(changed, network)
        except (DsconvError, ValueError, IndexError, TypeError):
            counts["no graph"] += 1
            continue
        for actual, expected in zip(found, expected_of(network), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5, err_msg=what)
        counts["as in the graph"] += 1
    return counts


CALLS = np.random.default_rng(9).normal(size=(3, 2, 4, 19, 26)).astype(np.float32)
LENGTHS = ((4, 4), (1, 3), (4, 0))


def calls_of(graph: Graph, network: Network) -> list[Any]:
    """The scores of some calls of two clips, and the states after the last."""
    evaluator = Evaluator(graph)
    evaluator.run({}, ["initialize_state"])
    found = []
    for windows, lengths in zip(CALLS, LENGTHS, strict=True):
        fed: dict[str, Any] = {network.names.windows: windows}
        if network.names.lengths:
            fed[network.names.lengths] = np.array(lengths, np.int32)
        scores = network.names.probabilities
        found.append(evaluator.run(fed, [scores])[scores])
    names = ["previous_state_c", "previous_state_h"]
    return [*found, *evaluator.run({}, names).values()]


def expected_of(network: Network) -> list[Any]:
    """The same, as the network says."""
    cell, hidden = np.zeros((2, 2, network.lstm.cells))
    found: list[Any] = []
    for windows, lengths in zip(CALLS, LENGTHS, strict=True):
        valid = lengths if network.names.lengths else (4, 4)
        scores, cell, hidden = evaluate_call(network, windows, valid, cell, hidden)
        found.append(scores)
    return [*found, cell, hidden]
