"""The network of DeepSpeech 0.1 is recognised; what computes something else is refused.

All on the original export. Each table has what is wrong, the edit that makes it so, and what the
refusal has to say.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from dsconv.acoustic.network import GATES, Names
from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError, DsconvError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.write import edited, new_node
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.early_features import early_features
from dsconv.speech.framing import whitened_windows
from dsconv.speech.settings import WHOLE_CLIP
from dsconv.speech.wav import read_wav
from tests.acoustic.edits import (
    Edit,
    added,
    after,
    as_type,
    attributes,
    constant,
    edits,
    inputs,
    op,
    renamed,
    takes,
    with_nodes,
)
from tests.acoustic.mutations import mutations, valued
from tests.acoustic.whole_clip import DoubleArray, evaluate
from tests.reference import run_graph

FORWARD, BACKWARD = "bidirectional_rnn/fw", "bidirectional_rnn/bw"
RNN = f"{FORWARD}/fw"
LOOP = f"{RNN}/while"
CELL = f"{LOOP}/fw/basic_lstm_cell"
BACKWARD_RNN = f"{BACKWARD}/bw"
BACKWARD_LOOP = f"{BACKWARD_RNN}/while"
BACKWARD_CELL = f"{BACKWARD_LOOP}/bw/basic_lstm_cell"
STATE = f"{RNN}/DropoutWrapperZeroState/BasicLSTMCellZeroState"

TOLERANCE = 1e-4
"""The largest difference of a raw score; those of the clip are from -27 to 17."""

Cases: TypeAlias = dict[str, tuple[Edit, str]]


@pytest.fixture
def graph(models: Path) -> Graph:
    """The graph of the original export of 0.1.1."""
    return open_graph(models / "deepspeech-0.1.1-static.pb")


@pytest.fixture
def endless(models: Path) -> Graph:
    """That of the export without lengths."""
    return open_graph(models / "more/deepspeech-0.1.1-nosl.pb")


def difference(
    tensorflow: Any, graph: Graph, windows: Any, lengths: list[int]
) -> tuple[float, DoubleArray]:
    """How far the recognised network's scores are from the graph's own, and the former."""
    network = recognise(graph)
    if network.names.lengths is None:
        lengths = [windows.shape[1]] * len(windows)
    feeds = {"input_node": windows, "input_lengths": lengths}
    (expected,) = run_graph(tensorflow, graph, feeds, [network.names.probabilities])
    found = evaluate(network, windows, lengths)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max()), found


def noise(*shape: int) -> Any:
    """Windows like whitened ones."""
    return np.random.default_rng(1).normal(size=(*shape, 494)).astype(np.float32)


@pytest.mark.models
def test_network_of_the_original_export(graph: Graph) -> None:
    """Sizes, parameters and names are those that the model was trained with."""
    network = recognise(graph)
    assert network.names == Names("input_node", "input_lengths", probabilities="logits")
    assert (network.batch, network.steps, network.context, network.features) == (-1, -1, 9, 26)
    shapes = {layer.name: layer.weights.shape for layer in network.layers}
    assert shapes == {
        "layer_1": (494, 100),
        "layer_2": (100, 100),
        "layer_3": (100, 200),
        "layer_5": (200, 100),
        "layer_6": (100, 29),
    }
    hidden = [*network.before, *network.after]
    assert [(layer.relu, layer.clip, layer.norm) for layer in hidden] == [(True, 20, None)] * 4
    assert (network.output.relu, network.output.clip, network.output.norm) == (False, None, None)
    assert (network.softmax, network.front_end) == (False, None)


@pytest.mark.models
def test_lstms_of_the_original_export(graph: Graph) -> None:
    """Each LSTM has the weights of its own direction."""
    network = recognise(graph)
    assert network.backward is not None
    for lstm, scope in ((network.lstm, FORWARD), (network.backward, BACKWARD)):
        assert (lstm.inputs, lstm.cells, lstm.forget_bias, lstm.gates) == (200, 100, 1, GATES)
        for tensor, part in ((lstm.kernel, "kernel"), (lstm.bias, "bias")):
            value = graph.tensor(graph[f"{scope}/basic_lstm_cell/{part}"])
            np.testing.assert_array_equal(tensor.array(), value.array())


@pytest.mark.models
def test_what_the_version_took_for_granted(graph: Graph) -> None:
    """The graph says nothing of how features are made, nor of labels."""
    network = recognise(graph)
    assert network.early is WHOLE_CLIP
    metadata = network.metadata
    settings = (metadata.sample_rate, metadata.feature_win_len, metadata.feature_win_step)
    assert settings == (16000, 25, 20)
    assert metadata.alphabet == Alphabet.english()


@pytest.mark.models
def test_names_mean_nothing(graph: Graph) -> None:
    """A graph whose nodes are called otherwise is the same network, with its own names."""
    names = {node.name: f"n{number}" for number, node in enumerate(graph)}
    network = recognise(renamed(rebuildable(graph), names))
    expected = Names(names["input_node"], names["input_lengths"], probabilities=names["logits"])
    assert network.names == expected
    assert network.lstm.cells == 100


@pytest.mark.models
def test_decoder_is_not_needed(graph: Graph) -> None:
    """A graph that ends with its scores is the same network."""
    assert recognise(extract(graph, ["logits"])).names == recognise(graph).names


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("length", [146, 90, 1, 0])
def test_scores_of_speech_are_those_of_the_graph(
    models: Path, graph: Graph, tensorflow: Any, length: int
) -> None:
    """On the clip it was trained on; after a shorter length all frames have the same scores."""
    samples = read_wav(models / "LDC93S1_pcms16le_1_16000.wav", 16000)
    rows = whitened_windows(early_features(samples, WHOLE_CLIP), 9)
    assert len(rows) == 146
    off, scores = difference(tensorflow, graph, rows[None], [length])
    assert off < TOLERANCE
    assert np.abs(np.diff(scores[length:], axis=0)).max(initial=0) == 0
    assert length < 2 or np.abs(np.diff(scores[:length], axis=0)).max() > 1


@pytest.mark.models
@pytest.mark.tensorflow
def test_scores_of_a_batch_are_those_of_the_graph(graph: Graph, tensorflow: Any) -> None:
    """Clips of several lengths at once, none of which fills the batch's steps."""
    off, scores = difference(tensorflow, graph, noise(4, 12), [11, 5, 1, 0])
    assert scores.shape == (12, 4, 29)
    assert off < TOLERANCE


def together(*changes: tuple[str, int, str]) -> Edit:
    """Some nodes take other tensors, all at once: (node, number of the input, tensor)."""

    def edit(graph: Graph) -> Graph:
        taken = {name: list(graph[name].inputs) for name, _, _ in changes}
        for name, number, tensor in changes:
            taken[name][number] = tensor
        changed = [edited(graph[name], inputs=tensors) for name, tensors in taken.items()]
        return extract(with_nodes(graph, *changed), ["output_node"])

    return edit


def swapped(*pairs: tuple[str, str]) -> Edit:
    """The nodes of each pair take each other's first input."""
    return lambda graph: together(
        *((name, 0, graph[other].inputs[0]) for pair in pairs for name, other in (pair, pair[::-1]))
    )(graph)


def rebuildable(graph: Graph) -> Graph:
    """The graph without the attributes that `renamed` cannot copy, and what is asserted."""
    changed = [
        new_node(
            node.name,
            node.op,
            [name for name in node.inputs if not name.endswith("/Assert")],
            {key: value for key, value in node.attributes.items() if value is not None},
        )
        for node in graph
        if node.op == "TensorArrayV3" or node.name.endswith("/CheckSeqLen")
    ]
    return extract(with_nodes(graph, *changed), ["output_node"])


KERNELS, BIASES = (
    (f"{FORWARD}/basic_lstm_cell/{part}/read", f"{BACKWARD}/basic_lstm_cell/{part}/read")
    for part in ("kernel", "bias")
)

READ: dict[str, Edit] = {
    "other forget biases": edits(
        valued(f"{CELL}/add/y", 0.25), valued(f"{BACKWARD_CELL}/add/y", -2)
    ),
    "a bias turned round": lambda graph: constant(
        f"{BACKWARD}/basic_lstm_cell/bias",
        graph.tensor(graph[f"{BACKWARD}/basic_lstm_cell/bias"]).array()[::-1].copy(),
    )(graph),
    "kernels exchanged": swapped(KERNELS),
    "kernels and biases exchanged": swapped(KERNELS, BIASES),
    "input and output gate exchanged": swapped((f"{CELL}/Sigmoid_1", f"{CELL}/Sigmoid_2")),
    "candidate and forget gate exchanged": swapped((f"{CELL}/Tanh", f"{CELL}/add")),
    "another clip": constant("Minimum/y", 0.5),
    "factors turned round": lambda graph: inputs(
        f"{CELL}/mul", *reversed(graph[f"{CELL}/mul"].inputs)
    )(graph),
}


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("what", READ)
def test_other_parameters_are_read(what: str, graph: Graph, tensorflow: Any) -> None:
    """What may differ from model to model comes out as the graph computes it."""
    off, _ = difference(tensorflow, READ[what](graph), noise(2, 6), [6, 4])
    assert off < TOLERANCE


@pytest.mark.models
def test_each_direction_has_its_own_parameters(graph: Graph) -> None:
    """A forget bias and an order of gates belong to one LSTM."""
    network = recognise(READ["other forget biases"](graph))
    assert network.backward is not None
    assert (network.lstm.forget_bias, network.backward.forget_bias) == (0.25, -2)
    network = recognise(READ["input and output gate exchanged"](graph))
    assert network.backward is not None
    assert (network.lstm.gates, network.backward.gates) == (("o", "c", "f", "i"), GATES)


SHAPE = "; expected float32 of shape [?, ?, (2 * context + 1) * 26]"

AROUND: Cases = {
    "one loop": (
        lambda graph: extract(graph, [f"{RNN}/TensorArrayStack/TensorArrayGatherV3"]),
        "the graph has 1 loops where one LSTM that reads forward and one that reads backward",
    ),
    "a front end": (
        added("mfcc", "Mfcc"),
        "'mfcc' (Mfcc) makes features; expected a graph that takes features",
    ),
    "two inputs": (
        lambda graph: with_nodes(
            graph, new_node("other", "Placeholder", (), {"shape": (-1, -1, 494)})
        ),
        "the graph has 2 inputs of three dimensions where one, [batch, steps, values]",
    ),
    "one clip": (
        attributes("input_node", shape=(1, -1, 494)),
        f"'input_node' is float32 of shape [1, ?, 494]{SHAPE}",
    ),
    "a number of steps": (
        attributes("input_node", shape=(-1, 16, 494)),
        f"'input_node' is float32 of shape [?, 16, 494]{SHAPE}",
    ),
    "an even number of frames": (
        attributes("input_node", shape=(-1, -1, 520)),
        f"'input_node' is float32 of shape [?, ?, 520]{SHAPE}",
    ),
    "parts of frames": (
        attributes("input_node", shape=(-1, -1, 495)),
        f"'input_node' is float32 of shape [?, ?, 495]{SHAPE}",
    ),
    "any number of values": (
        attributes("input_node", shape=(-1, -1, -1)),
        f"'input_node' is float32 of shape [?, ?, ?]{SHAPE}",
    ),
    "less context than the weights": (
        edits(attributes("input_node", shape=(-1, -1, 442)), constant("Reshape/shape", [-1, 442])),
        "layer_1 takes 494 values per frame and the input gives 442",
    ),
    "windows of another type": (
        attributes("input_node", dtype=DataType.DOUBLE),
        f"'input_node' is float64 of shape [?, ?, 494]{SHAPE}",
    ),
    "lengths of one clip": (
        attributes("input_lengths", shape=(1,)),
        "'input_lengths' is int32 of shape [1]; expected int32 of shape [?]",
    ),
    "another order": (
        constant("transpose/perm", [0, 1, 2]),
        "'transpose' (Transpose) has permutation [0, 1, 2]; expected [1, 0, 2]",
    ),
    "other rows": (
        constant("Reshape/shape", [-1, 247]),
        "'Reshape' (Reshape) has shape [-1, 247]; expected [-1, 494]",
    ),
    "no layers before": (
        takes("Reshape_1", 0, "Reshape"),
        "'Reshape_1' has no dense layer before it; expected one or more",
    ),
    "a dropout": (
        edits(
            constant("keep", 0.5, np.float32),
            added("dropped", "Mul", "Minimum_1", "keep"),
            takes("MatMul_2", 0, "dropped"),
        ),
        "'dropped' has the op Mul; expected Reshape",
    ),
    "another activation": (
        op("Relu_1", "Relu6"),
        "'Minimum_1' (Minimum) takes no Relu; expected one",
    ),
    "an op between layers": (
        after("Minimum_1", "Tanh"),
        "'inserted' has the op Tanh; expected Reshape",
    ),
    "weights of double precision": (
        as_type("h2", "float64"),
        "'MatMul_1' has weights of float64; expected float32",
    ),
    "steps of another size": (
        constant("Reshape_1/shape/2", 100),
        "'Reshape_1/shape' (Pack) has a dimension [100]; expected [200]",
    ),
    "clips told by number": (
        takes("Reshape_1/shape", 1, "Reshape_1/shape/2"),
        "'Reshape_1/shape/2' has the op Const; expected StridedSlice",
    ),
    "the steps for the clips": (
        edits(constant("strided_slice/stack", [1]), constant("strided_slice/stack_1", [2])),
        "'strided_slice' (StridedSlice) has ends [1]; expected [0]",
    ),
    "clips side by side": (
        constant("concat/axis", 1),
        "'concat' (ConcatV2) has axis [1]; expected [2]",
    ),
    "directions exchanged": (
        lambda graph: inputs("concat", *graph["concat"].inputs[1::-1], "concat/axis")(graph),
        "'ReverseSequence' has the op ReverseSequence; expected TensorArrayGatherV3",
    ),
    "one direction twice": (
        takes("concat", 1, f"{RNN}/TensorArrayStack/TensorArrayGatherV3"),
        "the graph has 1 loops",
    ),
    "rows of one direction": (
        constant("Reshape_2/shape", [-1, 100]),
        "'Reshape_2' (Reshape) has shape [-1, 100]; expected [-1, 200]",
    ),
    "scores that are clipped": (
        takes("logits", 0, "Minimum_3"),
        "'logits' does not follow a dense layer without an activation; expected "
        "the one that gives the logits",
    ),
    "probabilities": (
        after("logits", "Softmax"),
        "'inserted' has the op Softmax; expected Reshape",
    ),
    "another output": (
        added("loudest", "Tanh", "Minimum_1"),
        "its one output should be the logits, or the labels decoded from them, but its outputs "
        "are 'loudest' (Tanh), 'output_node' (Pack).",
    ),
    "scores that are used on": (
        added("loudest", "Tanh", "logits"),
        "its outputs are 'loudest' (Tanh), 'output_node' (Pack).",
    ),
}


def other_lengths(graph: Graph) -> Graph:
    """The graph with a second input of lengths, which nothing takes yet."""
    kind = {"shape": (-1,), "dtype": DataType.INT32}
    return with_nodes(graph, new_node("others", "Placeholder", (), kind))


DIRECTIONS: Cases = {
    "no reverse before": (
        lambda graph: together(
            *(
                (node.name, list(node.inputs).index(f"{BACKWARD}/ReverseSequence"), "Reshape_1")
                for node in graph.consumers[f"{BACKWARD}/ReverseSequence"]
            )
        )(graph),
        "'Reshape_1' has the op Reshape; expected ReverseSequence",
    ),
    "no reverse after": (
        takes("concat", 1, f"{BACKWARD_RNN}/TensorArrayStack/TensorArrayGatherV3"),
        "TensorArrayGatherV3; expected ReverseSequence",
    ),
    "batches reversed": (
        attributes("ReverseSequence", seq_dim=1, batch_dim=0),
        "'ReverseSequence' (ReverseSequence) has seq_dim 1; expected 0",
    ),
    "reversed by another dimension": (
        attributes(f"{BACKWARD}/ReverseSequence", batch_dim=2),
        f"'{BACKWARD}/ReverseSequence' (ReverseSequence) has batch_dim 2; expected 1",
    ),
    "reversed with constant lengths": (
        edits(constant("sixteen", [16], np.int64), takes("ReverseSequence", 1, "sixteen")),
        "'sixteen' has the op Const; expected Cast or Placeholder",
    ),
    "other lengths backward": (
        edits(
            other_lengths,
            takes(f"{BACKWARD}/ToInt32", 0, "others"),
            attributes(f"{BACKWARD}/ToInt32", SrcT=DataType.INT32),
        ),
        "'ReverseSequence' is valid up to 'others'; expected the same lengths",
    ),
    "lengths of few bits": (
        attributes(f"{FORWARD}/ToInt32", DstT=DataType.INT8),
        f"'{FORWARD}/ToInt32' converts another type (DstT); expected int32 or int64",
    ),
    "lengths in a ring": (
        lambda graph: with_nodes(graph, edited(graph["ToInt64"], inputs=[f"{FORWARD}/ToInt32"])),
        "takes its own output; expected another tensor",
    ),
    "lengths changed": (
        after("ToInt64", "Neg"),
        "'inserted' has the op Neg; expected Cast or Placeholder",
    ),
    "the forward outputs reversed for backward": (
        takes("ReverseSequence", 0, f"{RNN}/TensorArrayStack/TensorArrayGatherV3"),
        "the graph has 1 loops",
    ),
}

STEP: Cases = {
    "an op in between": (
        after(f"{CELL}/Tanh", "Tanh"),
        f"'{CELL}/Tanh' (Tanh) makes a gate; expected one Split for all four",
    ),
    "the cell clipped": (
        after(f"{CELL}/add_1", "Relu"),
        "'inserted' has the op Relu; expected Add or AddV2",
    ),
    "another activation of a gate": (
        op(f"{CELL}/Sigmoid_2", "Tanh"),
        f"'{CELL}/Sigmoid_2' has the op Tanh; expected Sigmoid",
    ),
    "another activation of the candidate": (
        op(f"{CELL}/Tanh", "Relu"),
        f"'{CELL}/add_1' adds 0 new values; expected one new value and the old one",
    ),
    "another activation of the cell": (
        op(f"{CELL}/Tanh_1", "Relu"),
        f"'{CELL}/mul_2' (Mul) takes no Tanh; expected one",
    ),
    "a difference": (
        op(f"{CELL}/add_1", "Sub"),
        f"'{CELL}/add_1' has the op Sub; expected Add or AddV2",
    ),
    "a gate twice": (
        takes(f"{CELL}/Sigmoid_1", 0, f"{CELL}/split:3"),
        f"'{CELL}/split' gives its outputs [1, 2, 3]; expected four different ones",
    ),
    "no forget bias": (
        takes(f"{CELL}/Sigmoid", 0, f"{CELL}/split:2"),
        f"'{CELL}/split' has the op Split; expected Add or AddV2",
    ),
    "a forget bias for each cell": (
        constant(f"{CELL}/add/y", np.ones(100)),
        f"'{CELL}/add' has a forget bias of shape [100]; expected one number",
    ),
    "h before x": (
        lambda graph: inputs(
            f"{CELL}/concat", *graph[f"{CELL}/concat"].inputs[1::-1], f"{CELL}/concat/axis"
        )(graph),
        f"'{LOOP}/TensorArrayReadV3' has the op TensorArrayReadV3; expected Switch",
    ),
    "x and h of all clips": (
        constant(f"{CELL}/concat/axis", 0),
        f"'{CELL}/concat' (ConcatV2) has axis [0]; expected [1]",
    ),
    "split by clips": (
        constant(f"{CELL}/split/split_dim", 0),
        f"'{CELL}/split' (Split) has a dimension [0]; expected [1]",
    ),
    "a transposed kernel": (
        attributes(f"{CELL}/MatMul", transpose_b=True),
        f"'{CELL}/MatMul' (MatMul) has transpose_b True; expected False",
    ),
    "a bias along the rows": (
        attributes(f"{CELL}/BiasAdd", data_format=b"NCHW"),
        f"'{CELL}/BiasAdd' adds along another dimension (data_format); expected the last",
    ),
    "a computed kernel": (
        after(f"{FORWARD}/basic_lstm_cell/kernel/read", "Tanh"),
        f"'{CELL}/split' takes a kernel from 'inserted' (Tanh); expected a constant",
    ),
    "a kernel of another size": (
        constant(f"{FORWARD}/basic_lstm_cell/kernel", np.zeros((301, 400))),
        "joins LSTMs of different shapes; expected two of one shape",
    ),
    "the cell for the hidden state": (
        takes(f"{CELL}/concat", 1, f"{LOOP}/Identity_2"),
        f"'{LOOP}/Select_1' takes '{CELL}/add_1'; expected '{CELL}/mul_2'",
    ),
    "states exchanged at the end of a round": (
        swapped((f"{LOOP}/NextIteration_2", f"{LOOP}/NextIteration_3")),
        f"'{LOOP}/Select_2' takes '{LOOP}/Switch_3'; expected '{LOOP}/Switch_2'",
    ),
    "states exchanged in a round": (
        together(
            (f"{CELL}/concat", 1, f"{LOOP}/Identity_2"),
            (f"{CELL}/mul", 0, f"{LOOP}/Identity_3"),
        ),
        f"'{LOOP}/Select_2' takes '{CELL}/mul_2'; expected '{CELL}/add_1'",
    ),
    "the cell put out": (
        takes(f"{LOOP}/Select", 2, f"{CELL}/add_1"),
        f"'{CELL}/add_1' has the op Add; expected Mul",
    ),
}

ROUNDS: Cases = {
    "a first state of ones": (
        constant(f"{STATE}/zeros/Const", 1),
        f"'{STATE}/zeros' (Fill) has a value [1.0]; expected [0]",
    ),
    "ones after the clip": (
        constant(f"{RNN}/zeros/Const", 1),
        f"'{RNN}/zeros' (Fill) has a value [1.0]; expected [0]",
    ),
    "a first state of another size": (
        constant(f"{STATE}/Const_2", [50]),
        f"'{STATE}/concat_1' (ConcatV2) has a dimension [50]; expected [100]",
    ),
    "the frame after the end": (
        op(f"{LOOP}/GreaterEqual", "Greater"),
        f"'{LOOP}/GreaterEqual' has the op Greater; expected GreaterEqual",
    ),
    "a state after the end": (
        op(f"{LOOP}/GreaterEqual_2", "Greater"),
        f"'{LOOP}/GreaterEqual_2' has the op Greater; expected GreaterEqual",
    ),
    "a choice by unit": (
        op(f"{LOOP}/Select_1", "SelectV2"),
        f"'{LOOP}/Select_1' has the op SelectV2; expected Select",
    ),
    "a choice turned round": (
        lambda graph: inputs(
            f"{LOOP}/Select",
            *[graph[f"{LOOP}/Select"].inputs[number] for number in (0, 2, 1)],
        )(graph),
        f"'{LOOP}/Select/Enter' has the op Enter; expected Mul",
    ),
    "no state kept": (
        takes(f"{LOOP}/NextIteration_3", 0, f"{CELL}/mul_2"),
        f"'{CELL}/mul_2' has the op Mul; expected Select",
    ),
    "the second frame first": (
        constant(f"{RNN}/time", 1),
        f"'{LOOP}/Merge' (Merge) has a first index [1]; expected [0]",
    ),
    "every second frame": (
        constant(f"{LOOP}/add/y", 2),
        f"'{LOOP}/add' (Add) has an increment [2]; expected [1]",
    ),
    "one frame more": (
        op(f"{LOOP}/Less", "LessEqual"),
        f"'{LOOP}/Less' has the op LessEqual; expected Less",
    ),
    "as many frames as clips": (
        edits(
            constant(f"{RNN}/strided_slice_1/stack", [1]),
            constant(f"{RNN}/strided_slice_1/stack_1", [2]),
        ),
        f"'{RNN}/strided_slice_1' (StridedSlice) has ends [1]; expected [0]",
    ),
    "as many frames as values": (
        attributes(f"{RNN}/strided_slice_1", ellipsis_mask=1),
        f"'{RNN}/strided_slice_1' (StridedSlice) has ellipsis_mask 1; expected 0",
    ),
    "the size of something else": (
        takes(f"{RNN}/Shape_2", 0, "Reshape"),
        "takes a dimension of 'Reshape'; expected one of 'Reshape_1'",
    ),
    "frames in another order": (
        constant(f"{RNN}/TensorArrayUnstack/range/start", 1),
        f"'{RNN}/TensorArrayUnstack/range' (Range) has start [1]; expected [0]",
    ),
    "outputs in another order": (
        constant(f"{RNN}/TensorArrayStack/range/delta", 2),
        f"'{RNN}/TensorArrayStack/range' (Range) has delta [2]; expected [1]",
    ),
    "always the same frame": (
        edits(
            constant(f"{LOOP}/first", 0, np.int32),
            takes(f"{LOOP}/TensorArrayReadV3", 1, f"{LOOP}/first"),
        ),
        f"'{LOOP}/first' has the op Const; expected Switch",
    ),
    "the backward LSTM's frames": (
        edits(
            takes(f"{LOOP}/TensorArrayReadV3/Enter", 0, f"{BACKWARD_RNN}/TensorArray_1"),
            takes(
                f"{LOOP}/TensorArrayReadV3/Enter_1",
                0,
                f"{BACKWARD_RNN}/TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3",
            ),
        ),
        f"takes a dimension of 'Reshape_1'; expected one of '{BACKWARD}/ReverseSequence'",
    ),
    "what is written read again": (
        takes(f"{LOOP}/TensorArrayReadV3/Enter", 0, f"{RNN}/TensorArray"),
        f"'{LOOP}/TensorArrayReadV3' takes '{RNN}/TensorArray'; expected '{RNN}/TensorArray_1'",
    ),
    "an array that grows": (
        attributes(f"{RNN}/TensorArray", dynamic_size=True),
        f"'{RNN}/TensorArray' (TensorArrayV3) has dynamic_size True; expected False",
    ),
    "a value of one round": (
        attributes(f"{CELL}/MatMul/Enter", is_constant=False),
        f"'{CELL}/MatMul/Enter' (Enter) has is_constant False; expected True",
    ),
    "a state that stays": (
        attributes(f"{LOOP}/Enter_2", is_constant=True),
        f"'{LOOP}/Enter_2' (Enter) has is_constant True; expected False",
    ),
    "a value of another loop": (
        attributes(f"{CELL}/MatMul/Enter", frame_name=b"other"),
        f"'{CELL}/MatMul/Enter' enters the loop b'other'; expected",
    ),
    "two loops in one": (
        lambda graph: with_nodes(
            graph,
            *(
                edited(node, attributes={"frame_name": b"one"})
                for node in graph
                if node.op == "Enter"
            ),
        ),
        "is made by the loop that reads forward; expected a loop of its own",
    ),
    "no parallel rounds": (
        attributes(f"{LOOP}/Enter", parallel_iterations=0),
        f"'{LOOP}/Enter' runs no iterations (parallel_iterations); expected one or more",
    ),
}

PARTS: Cases = {
    "a state that goes on with another loop": (
        takes(f"{LOOP}/Switch_2", 1, f"{BACKWARD_LOOP}/LoopCond"),
        f"'{LOOP}/Switch_2' goes on with '{BACKWARD_LOOP}/LoopCond'; expected '{LOOP}/LoopCond'",
    ),
    "kernels without inputs": (
        edits(
            constant(f"{FORWARD}/basic_lstm_cell/kernel", np.zeros((100, 400))),
            constant(f"{BACKWARD}/basic_lstm_cell/kernel", np.zeros((100, 400))),
        ),
        f"'{CELL}/split' has a kernel of shape [100, 400]; expected [inputs + cells, 4 * cells]",
    ),
    "five gates": (
        attributes(f"{CELL}/split", num_split=5),
        f"'{CELL}/split' (Split) has num_split 5; expected 4",
    ),
    "written to another array": (
        takes(f"{LOOP}/TensorArrayWrite/TensorArrayWriteV3/Enter", 0, f"{RNN}/TensorArray_1"),
        f"'{LOOP}/TensorArrayWrite/TensorArrayWriteV3' takes '{RNN}/TensorArray_1'"
        f"; expected '{RNN}/TensorArray'",
    ),
    "written after something else": (
        takes(f"{LOOP}/TensorArrayWrite/TensorArrayWriteV3", 3, f"{LOOP}/Identity_2"),
        f"'{LOOP}/TensorArrayWrite/TensorArrayWriteV3' takes '{LOOP}/Switch_2'"
        f"; expected '{LOOP}/Switch_1'",
    ),
    "lengths compared with a state": (
        takes(f"{LOOP}/GreaterEqual", 0, f"{LOOP}/Identity_3"),
        f"'{LOOP}/GreaterEqual' takes '{LOOP}/Switch_3'; expected '{LOOP}/Switch'",
    ),
    "a first state of other dimensions": (
        constant(f"{STATE}/concat/axis", 1),
        f"'{STATE}/concat' (ConcatV2) has axis [1]; expected [0]",
    ),
    "a batch size in a column": (
        constant(f"{STATE}/ExpandDims/dim", 1),
        f"'{STATE}/ExpandDims' (ExpandDims) has axis [1]; expected [0]",
    ),
    "a first state for each step": (
        takes(f"{STATE}/ExpandDims", 0, f"{RNN}/strided_slice_1"),
        f"'{RNN}/strided_slice_1' (StridedSlice) has ends [0]; expected [1]",
    ),
    "frames in an array that grows": (
        attributes(f"{RNN}/TensorArray_1", dynamic_size=True),
        f"'{RNN}/TensorArray_1' (TensorArrayV3) has dynamic_size True; expected False",
    ),
    "as many frames read as clips": (
        takes(f"{RNN}/TensorArrayUnstack/range", 1, f"{RNN}/strided_slice"),
        f"'{RNN}/strided_slice' (StridedSlice) has ends [1]; expected [0]",
    ),
    "room for as many frames as clips": (
        takes(f"{RNN}/TensorArray", 0, f"{RNN}/strided_slice"),
        f"'{RNN}/strided_slice' (StridedSlice) has ends [1]; expected [0]",
    ),
    "frames put in after something else": (
        takes(
            f"{RNN}/TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3",
            3,
            f"{RNN}/TensorArray:1",
        ),
        f"/TensorArrayScatterV3' takes '{RNN}/TensorArray:1'; expected '{RNN}/TensorArray_1:1'",
    ),
    "another number raised": (
        takes(f"{LOOP}/add", 0, f"{LOOP}/Identity_2"),
        f"'{LOOP}/add' takes '{LOOP}/Switch_2'; expected '{LOOP}/Switch'",
    ),
    "another number compared": (
        takes(f"{LOOP}/Less", 0, f"{LOOP}/Merge_2"),
        f"'{LOOP}/Less' compares '{LOOP}/Merge_2'; expected '{LOOP}/Merge'",
    ),
    "as many rounds as clips": (
        takes(f"{LOOP}/Less/Enter", 0, f"{RNN}/strided_slice"),
        f"'{RNN}/strided_slice' (StridedSlice) has ends [1]; expected [0]",
    ),
    "outputs of another size": (
        attributes(f"{RNN}/TensorArrayStack/TensorArrayGatherV3", element_shape=(-1, 99)),
        "(TensorArrayGatherV3) has element_shape (-1, 99); expected (-1, 100)",
    ),
    "as many outputs as inputs": (
        takes(f"{RNN}/TensorArrayStack/TensorArraySizeV3", 0, f"{RNN}/TensorArray_1"),
        f"'{RNN}/TensorArrayStack/TensorArraySizeV3' takes '{RNN}/TensorArray_1'"
        f"; expected '{RNN}/TensorArray'",
    ),
    "scores of other classes": (
        constant("logits/shape/2", 30),
        "'logits/shape' (Pack) has a dimension [30]; expected [29]",
    ),
    "reversed with other lengths": (
        edits(
            other_lengths,
            takes("ReverseSequence", 1, "others"),
        ),
        "'ReverseSequence' takes 'others'; expected 'input_lengths'",
    ),
    "windows changed": (
        edits(added("inserted", "Tanh", "input_node"), takes("transpose", 0, "inserted")),
        "'transpose' takes 'inserted'; expected 'input_node'",
    ),
    "a shape in a column": (
        attributes("Reshape_1/shape", axis=1),
        "'Reshape_1/shape' (Pack) has axis 1; expected 0",
    ),
    "scores of one frame": (
        constant("logits/shape/0", 1),
        "'logits/shape' (Pack) has a number of frames [1]; expected [-1]",
    ),
}

REFUSED = AROUND | DIRECTIONS | STEP | ROUNDS | PARTS


@pytest.mark.models
@pytest.mark.parametrize("what", REFUSED)
def test_what_computes_something_else_is_refused(what: str, graph: Graph) -> None:
    """Each single difference is named, and what was expected instead."""
    edit, says = REFUSED[what]
    with pytest.raises(ConversionError) as caught:
        recognise(edit(graph))
    assert says in str(caught.value)


LAST_CELL = f"{LOOP}/NextIteration_2"
WITHOUT_LENGTHS: Cases = {
    "the input reversed along another dimension": (
        constant(f"{BACKWARD}/ReverseV2/axis", [1]),
        f"'{BACKWARD}/ReverseV2' (ReverseV2) has axes [1]; expected [0]",
    ),
    "the output reversed along another dimension": (
        constant("ReverseV2/axis", [2]),
        "'ReverseV2' (ReverseV2) has axes [2]; expected [0]",
    ),
    "two dimensions reversed": (
        constant("ReverseV2/axis", [0, 1]),
        "'ReverseV2' (ReverseV2) has axes [0, 1]; expected [0]",
    ),
    "the output not reversed": (
        takes("concat", 1, f"{BACKWARD_RNN}/TensorArrayStack/TensorArrayGatherV3"),
        "TensorArrayGatherV3' has the op TensorArrayGatherV3; expected ReverseV2",
    ),
    "reversed within lengths": (
        lambda graph: with_nodes(
            graph,
            new_node(
                "ReverseV2",
                "ReverseSequence",
                [graph["ReverseV2"].inputs[0], "input_lengths"],
                {
                    "T": DataType.FLOAT,
                    "Tlen": DataType.INT32,
                    "seq_dim": 0,
                    "batch_dim": 1,
                },
            ),
        ),
        "'ReverseV2' has the op ReverseSequence; expected ReverseV2",
    ),
    "a cell state that is chosen": (
        edits(
            added("changed", "Select", f"{CELL}/Sigmoid", f"{CELL}/add_1", f"{CELL}/add_1"),
            takes(LAST_CELL, 0, "changed"),
        ),
        f"'{LOOP}/Merge_2' takes 'changed'; expected '{CELL}/add_1'",
    ),
    "a hidden state that is the cell's": (
        takes(f"{LOOP}/NextIteration_3", 0, f"{CELL}/add_1"),
        f"'{LOOP}/Merge_3' takes '{CELL}/add_1'; expected '{CELL}/mul_2'",
    ),
    "an output that is the cell's": (
        takes(f"{LOOP}/TensorArrayWrite/TensorArrayWriteV3", 2, f"{CELL}/add_1"),
        f"'{CELL}/add_1' has the op Add; expected Mul",
    ),
    "an output that is chosen by nothing": (
        edits(
            added("changed", "Select", f"{CELL}/Sigmoid", f"{CELL}/mul_2", f"{CELL}/mul_2"),
            takes(f"{LOOP}/TensorArrayWrite/TensorArrayWriteV3", 2, "changed"),
        ),
        f"'{CELL}/Sigmoid' has the op Sigmoid; expected GreaterEqual",
    ),
}


@pytest.mark.models
def test_an_export_without_lengths_is_the_same_network(endless: Graph, graph: Graph) -> None:
    """But for what its input of lengths, which only the decoder takes, is for."""
    network, other = recognise(endless), recognise(graph)
    assert network.names == replace(other.names, lengths=None)
    assert "input_lengths" in endless
    assert [(layer.name, layer.relu, layer.clip) for layer in network.layers] == [
        (layer.name, layer.relu, layer.clip) for layer in other.layers
    ]
    assert network.backward is not None
    for lstm, scope in ((network.lstm, FORWARD), (network.backward, BACKWARD)):
        value = endless.tensor(endless[f"{scope}/basic_lstm_cell/kernel"])
        np.testing.assert_array_equal(lstm.kernel.array(), value.array())
        assert (lstm.forget_bias, lstm.gates) == (1, GATES)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize(("clips", "frames"), [(1, 146), (3, 12), (1, 1)])
def test_scores_without_lengths_are_those_of_the_graph(
    clips: int, frames: int, endless: Graph, tensorflow: Any
) -> None:
    """All frames of all clips count, whatever is fed as their lengths."""
    off, scores = difference(tensorflow, endless, noise(clips, frames), [0] * clips)
    assert scores.shape == (frames, clips, 29)
    assert off < TOLERANCE


@pytest.mark.models
@pytest.mark.parametrize("what", WITHOUT_LENGTHS)
def test_other_loops_without_lengths_are_refused(what: str, endless: Graph) -> None:
    """Each single difference is named."""
    edit, says = WITHOUT_LENGTHS[what]
    with pytest.raises(ConversionError) as caught:
        recognise(edit(endless))
    assert says in str(caught.value)


SEED, SAMPLE = 20180125, 200


@pytest.mark.models
@pytest.mark.tensorflow
def test_any_single_edit_is_refused_or_read_right(graph: Graph, tensorflow: Any) -> None:
    """A sample of edits of any input, attribute, constant or op, drawn anew for each seed.

    A graph that TensorFlow refuses too, for one that does not fit its types, has no scores to
    differ from.
    """
    sweep(graph, tensorflow)


@pytest.mark.models
@pytest.mark.tensorflow
def test_any_single_edit_without_lengths_is_refused_or_read_right(
    endless: Graph, tensorflow: Any
) -> None:
    """The same of the other export."""
    sweep(endless, tensorflow)


def sweep(graph: Graph, tensorflow: Any) -> None:
    """Try a sample of the edits of a graph."""
    random = np.random.default_rng(SEED)
    every = list(mutations(graph, random, tensors=2))
    windows, lengths = noise(3, 6), [6, 3, 0]
    counts = dict.fromkeys(("refused", "as in TensorFlow", "no graph"), 0)
    for number in random.choice(len(every), SAMPLE, replace=False):
        what, edit = every[number]
        changed = edit(graph)
        try:
            recognise(changed)
        except DsconvError:
            counts["refused"] += 1
            continue
        try:
            off, _ = difference(tensorflow, changed, windows, lengths)
        except (ValueError, tensorflow.errors.OpError):
            counts["no graph"] += 1
            continue
        assert off < TOLERANCE, what
        counts["as in TensorFlow"] += 1
    assert counts["refused"] > SAMPLE / 2, counts
    assert counts["as in TensorFlow"] > SAMPLE / 100, counts
