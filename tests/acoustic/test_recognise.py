"""The network of every exporter since 0.6 is recognised, whatever its nodes are called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.network import DenseLayer, Names, Network
from dsconv.acoustic.recognise import recognise
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.graphdef.write import new_node
from tests.acoustic.edits import (
    Edit,
    after,
    attributes,
    batch_of_two,
    constant,
    edits,
    inputs,
    op,
    removed,
    renamed,
    takes,
    with_nodes,
)
from tests.formats.graphdef.test_edit import network_feeds
from tests.reference import run_graph


@dataclass(frozen=True)
class Export:
    """What is particular about an original export; all have 100 cells."""

    steps: int = 16
    classes: int = 29
    rate: int = 16000
    version: int = 6
    epsilon: float | None = None


EXPORTS = {
    "coqui-1.4.0-static.pb": Export(),
    "deepspeech-0.6.1-static.pb": Export(version=5),
    "deepspeech-0.9.3-8k-static.pb": Export(rate=8000),
    "deepspeech-0.9.3-bytes-static.pb": Export(classes=256),
    "deepspeech-0.9.3-dynamic.pb": Export(steps=DYNAMIC),
    "deepspeech-0.9.3-ln-static.pb": Export(epsilon=1e-12),
    "deepspeech-0.9.3-static.pb": Export(),
}

NAMES = Names(
    "input_node",
    "input_lengths",
    "previous_state_c",
    "previous_state_h",
    "logits",
    "new_state_c",
    "new_state_h",
    "input_samples",
    "mfccs",
)
INTERFACE = [name for name in astuple(NAMES) if name]
STATES = ("new_state_c", "new_state_h")


def described(network: Network, *, names: bool = True) -> list[Any]:
    """All that a network says, as plain values."""
    parts = [network.batch, network.steps, network.context, network.features, network.softmax]
    dense = [
        (layer.name, layer.relu, layer.clip, layer.norm and layer.norm.epsilon)
        for layer in network.layers
    ]
    lstm = network.lstm
    front_end = network.front_end and [
        {key: str(value) for key, value in node.attributes.items()}
        for node in (network.front_end.spectrogram, network.front_end.mfcc)
    ]
    weights = [(tensor.shape, tensor.array().tobytes()) for tensor in tensors(network)]
    own = [dense, lstm.name, lstm.forget_bias, lstm.gates, front_end, network.metadata, weights]
    return [*parts, *own, len(network.before), *([network.names] if names else [])]


def tensors(network: Network) -> list[Tensor]:
    """All weights of a network."""
    found = [network.lstm.kernel, network.lstm.bias]
    for layer in network.layers:
        found += [layer.weights, layer.bias]
        if layer.norm:
            found += [layer.norm.scale, layer.norm.offset]
    return found


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_parameters_of_the_originals(name: str, models: Path) -> None:
    """Sizes, steps, names and metadata are those that the exporter was told."""
    export, graph = EXPORTS[name], open_graph(models / name)
    network = recognise(graph)
    assert network.names == NAMES
    assert (network.batch, network.steps, network.context) == (1, export.steps, 9)
    assert (network.features, network.window_values) == (26, 494)
    assert (network.classes, network.softmax) == (export.classes, True)
    assert network.front_end is not None
    assert network.front_end.sample_rate == network.metadata.sample_rate == export.rate
    assert (network.front_end.spectrogram.op, network.front_end.mfcc.op) == (
        "AudioSpectrogram",
        "Mfcc",
    )
    assert network.metadata == read_metadata(graph)
    assert network.metadata.version == export.version


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_layers_of_the_originals(name: str, models: Path) -> None:
    """Four clipped layers, normalized in the export that says so, an LSTM, plain scores."""
    export = EXPORTS[name]
    network = recognise(open_graph(models / name))
    sizes = [494, 100, 100, 100, 100, export.classes]
    assert [layer.name for layer in network.before] == ["layer_1", "layer_2", "layer_3"]
    assert [layer.name for layer in network.after] == ["layer_5"]
    for layer, rows, units in zip(network.layers, sizes, sizes[1:], strict=False):
        assert (layer.weights.shape, layer.bias.shape) == ((rows, units), (units,))
        last = layer is network.output
        assert (layer.relu, layer.clip) == ((False, None) if last else (True, 20.0))
        epsilon = None if last else export.epsilon
        assert (layer.norm and layer.norm.epsilon) == (epsilon and pytest.approx(epsilon))
        if layer.norm:
            assert layer.norm.scale.shape == layer.norm.offset.shape == (units,)
    assert network.output.name == "layer_6"
    lstm = network.lstm
    assert (lstm.kernel.shape, lstm.bias.shape) == ((200, 400), (400,))
    assert (lstm.cells, lstm.inputs, lstm.forget_bias) == (100, 100, 0.0)
    assert lstm.gates == ("i", "c", "f", "o")


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_weights_of_the_originals(name: str, models: Path) -> None:
    """Each weight is the constant that the exporters gave that name, bit for bit."""
    graph = open_graph(models / name)
    network = recognise(graph)
    for layer in network.layers:
        assert_same(layer.weights, graph, f"{layer.name}/weights")
        assert_same(layer.bias, graph, f"{layer.name}/bias")
        if layer.norm:
            assert_same(layer.norm.scale, graph, f"{layer.name}/LayerNorm/gamma")
            assert_same(layer.norm.offset, graph, f"{layer.name}/LayerNorm/beta")
    scope = next(node for node in graph if node.op == "BlockLSTM").name.rpartition("/")[0]
    assert_same(network.lstm.kernel, graph, f"{scope}/kernel")
    assert_same(network.lstm.bias, graph, f"{scope}/bias")


def assert_same(tensor: Tensor, graph: Graph, name: str) -> None:
    expected = graph.constant(name)
    assert expected is not None
    np.testing.assert_array_equal(tensor.array(), expected.array())


@pytest.mark.models
def test_a_graph_that_is_not_frozen_is_refused(models: Path) -> None:
    """Its weights are elsewhere."""
    with pytest.raises(ConversionError, match="not frozen: 7 of its weights are variables"):
        recognise(open_graph(models / "not-frozen-0.1.1.pb"))


def numbered(graph: Graph, *, interface: bool) -> Graph:
    """The graph with its nodes called n0, n1 and so on, but for the metadata."""
    kept = () if interface else INTERFACE
    return renamed(
        graph,
        {
            node.name: f"n{number}"
            for number, node in enumerate(graph)
            if not node.name.startswith("metadata_") and node.name not in kept
        },
    )


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_names_of_original_nodes_mean_nothing(name: str, models: Path) -> None:
    """With all nodes but the interface renamed, the same network comes out."""
    graph = open_graph(models / name)
    changed = numbered(graph, interface=False)
    assert not any(node.name.startswith(("layer_", "cudnn_lstm")) for node in changed)
    assert described(recognise(changed)) == described(recognise(graph))


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_names_and_order_mean_nothing(steps: int, small_graph: Graph) -> None:
    """The interface too may have any names, which are given back; nodes may stand in any order."""
    graph = set_steps(small_graph, steps)
    expected = described(recognise(graph))
    assert described(recognise(graph.replacing(reversed(graph.nodes)))) == expected
    assert described(recognise(numbered(graph, interface=False))) == expected
    names = {name: f"my/{name}" for name in INTERFACE}
    network = recognise(renamed(graph, names))
    assert described(network, names=False) == expected[:-1]
    assert astuple(network.names) == tuple(names[name] for name in INTERFACE)


@pytest.mark.parametrize("steps", [1, 16, 32, DYNAMIC])
def test_steps_and_sizes_of_any_model(steps: int, tmp_path: Path) -> None:
    """Fixed steps and any number; the size of the layers is that of the weights."""
    (path,) = write_random_model(tmp_path, 7, n_steps=steps)
    network = recognise(open_graph(path))
    assert (network.steps, network.lstm.cells, network.classes) == (steps, 7, 29)


def test_large_models_have_their_zeros_made(tmp_path: Path) -> None:
    """From 1,000 cells on the peephole weights that are not used are a Fill."""
    (path,) = write_random_model(tmp_path, 1000)
    graph = open_graph(path)
    assert graph[f"{LSTM}/zeros"].op == "Fill"
    assert recognise(graph).lstm.cells == 1000


def test_a_batch_of_two(small_graph: Graph) -> None:
    """The batch is read from the input and must be that of every shape."""
    network = recognise(batch_of_two(small_graph))
    assert network.batch == 2
    assert described(network)[1:] == described(recognise(small_graph))[1:]


def test_rows_of_a_batch_may_be_told(small_graph: Graph) -> None:
    """Rows of all clips where the clips follow each other, of one where they are apart."""
    graph = batch_of_two(small_graph)
    told = edits(
        constant("Reshape_1/shape", [32, 494]),
        constant("Reshape_2/shape", [16, 2, 32]),
        constant("Reshape_3/shape", [32, 32]),
        constant("raw_logits/shape", [16, 2, 29]),
    )
    assert described(recognise(told(graph))) == described(recognise(graph))
    for name, shape in (("Reshape_3", [16, 32]), ("Reshape_2", [32, 2, 32])):
        with pytest.raises(ConversionError, match=f"'{name}' has shape"):
            recognise(constant(f"{name}/shape", shape)(graph))


def test_the_smallest_sizes(small_graph: Graph) -> None:
    """One feature, no context, one number into the LSTM."""
    graph = edits(
        attributes("input_node", shape=(1, 16, 1, 1)),
        constant("Reshape_1/shape", [-1, 1]),
        constant("layer_1/weights", np.zeros((1, 32))),
        constant("layer_3/weights", np.zeros((32, 1))),
        constant("layer_3/bias", [0.5]),
        constant("Reshape_2/shape", [-1, 1, 1]),
        constant(f"{LSTM}/kernel", np.zeros((33, 128))),
    )(small_graph)
    network = recognise(graph)
    assert (network.context, network.features, network.window_values) == (0, 1, 1)
    assert (network.lstm.inputs, network.lstm.cells) == (1, 32)


def test_a_graph_without_a_front_end(small_graph: Graph) -> None:
    """What takes features and makes none has no such names."""
    graph = extract(small_graph, ["logits", *STATES])
    network = recognise(graph)
    assert (network.front_end, network.names.samples, network.names.features) == (None, None, None)
    assert network.metadata == read_metadata(graph)


@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
def test_weights_stay_in_the_mapped_file(packaged: bool, small_model: Path, tmp_path: Path) -> None:
    """Every weight is a read-only view of the file, in either container."""
    path = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    graph = open_graph(path if packaged else small_model)
    assert graph.packaged == packaged
    mapped = np.frombuffer(graph.nodes[0].span.storage.view, np.uint8)
    found = tensors(recognise(graph))
    assert len(found) == 12
    for tensor in found:
        array = tensor.array()
        assert np.shares_memory(array, mapped)
        assert not array.flags.writeable


def test_a_package_holds_the_same_network(small_model: Path, tmp_path: Path) -> None:
    """The memory-mappable container changes nothing of the network."""
    package = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    expected = described(recognise(open_graph(small_model)))
    assert described(recognise(open_graph(package))) == expected


def test_recognising_needs_no_numpy(small_model: Path) -> None:
    """Nothing is computed, so no toolkit is loaded, not even numpy."""
    program = (
        "import sys\n"
        "from dsconv.acoustic.recognise import recognise\n"
        "from dsconv.formats.graphdef.graph import open_graph\n"
        "assert recognise(open_graph(sys.argv[1])).lstm.cells == 32\n"
        "print([name for name in sys.modules if name in ('numpy', 'google.protobuf', 'onnx')])\n"
    )
    command = [sys.executable, "-c", program, str(small_model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Edits that leave every number of the outputs as it is.
HARMLESS: dict[str, Edit] = {
    "reads weights directly": takes("MatMul_1", 1, "layer_2/weights"),
    "limit first": inputs("Minimum", "Minimum/y", "Relu"),
    "mask first": inputs(f"{LSTM}/mul", f"{LSTM}/Tile", f"{LSTM}/BlockLSTM:6"),
    "Add": edits(op("BiasAdd_1", "Add"), op("BiasAdd_4", "Add")),
    "AddV2, bias first": edits(
        op("BiasAdd", "AddV2"), inputs("BiasAdd", "layer_1/bias/read", "MatMul")
    ),
    "Identity before a state": after("previous_state_c", "Identity"),
    "Identity after the LSTM": after(f"{LSTM}/BlockLSTM:1", "Identity"),
    "Identity after the windows' rows": after("Reshape_1", "Identity"),
    "truncating casts": edits(
        attributes(f"{LSTM}/SequenceMask/Cast", Truncate=True),
        attributes(f"{LSTM}/SequenceMask/Cast_1", Truncate=True),
    ),
    "unused peephole weights": constant(f"{LSTM}/zeros", [0.5] * 32),
    "no clip of the cell": attributes(f"{LSTM}/BlockLSTM", cell_clip=0.0),
    "rows of the scores told": constant("raw_logits/shape", [16, 1, 29]),
    "rows of the LSTM told": constant("Reshape_2/shape", [16, 1, 32]),
    "rows of the layers told": constant("Reshape_3/shape", [16, 32]),
    "a limit of one element": constant("Minimum/y", [20.0]),
    "outputs are the nodes themselves": removed(*STATES),
    "a node that waits for the outputs": lambda graph: with_nodes(
        graph, new_node("all", "NoOp", [f"^{name}" for name in ("logits", *STATES)])
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_harmless_edits_change_nothing(what: str, small_graph: Graph) -> None:
    """Other ways to write the same network are the same network."""
    expected = described(recognise(small_graph), names=False)
    assert described(recognise(HARMLESS[what](small_graph)), names=False) == expected


@pytest.mark.tensorflow
def test_harmless_edits_are_harmless(small_graph: Graph, tensorflow: Any) -> None:
    """TensorFlow computes the same numbers for each of them."""
    feeds = network_feeds(small_graph, length=7)
    expected = run_graph(tensorflow, small_graph, feeds, ["logits", *STATES])
    for what, edit in HARMLESS.items():
        graph = edit(small_graph)
        names = recognise(graph).names
        outputs = [names.probabilities, names.new_c, names.new_h]
        found = run_graph(tensorflow, graph, feeds, outputs)
        for actual, expected_value in zip(found, expected, strict=True):
            np.testing.assert_allclose(actual, expected_value, rtol=0, atol=1e-6, err_msg=what)


def first(network: Network) -> DenseLayer:
    return network.before[0]


@pytest.mark.parametrize(
    ("edit", "read", "value"),
    [
        (constant("Minimum/y", 6.0), lambda n: first(n).clip, 6.0),
        (
            takes("MatMul_1", 0, "Relu"),
            lambda n: (first(n).relu, first(n).clip),
            (True, None),
        ),
        (
            takes("MatMul_1", 0, "BiasAdd"),
            lambda n: (first(n).relu, first(n).clip),
            (False, None),
        ),
        (
            takes("Reshape_2", 0, "Minimum_1"),
            lambda n: ([layer.name for layer in n.layers], n.lstm.name),
            (["layer_1", "layer_2", "layer_4", "layer_5"], "lstm"),
        ),
        (
            takes("MatMul_4", 0, "Reshape_3"),
            lambda n: (n.after, n.output.name),
            ((), "layer_5"),
        ),
        (
            removed("logits"),
            lambda n: (n.softmax, n.names.probabilities),
            (False, "raw_logits"),
        ),
        (
            attributes(f"{LSTM}/BlockLSTM", forget_bias=1.0),
            lambda n: n.lstm.forget_bias,
            1.0,
        ),
        (
            constant("layer_6/bias", np.arange(29)),
            lambda n: n.output.bias.numbers(),
            list(range(29)),
        ),
        (
            attributes("AudioSpectrogram", stride=100),
            lambda n: n.front_end and n.front_end.spectrogram.attributes["stride"],
            100,
        ),
    ],
    ids="clip no-clip no-relu two-before none-after raw-scores forget-bias bias stride".split(),
)
def test_another_network_is_told_apart(
    edit: Edit, read: Callable[[Network], Any], value: Any, small_graph: Graph
) -> None:
    """What differs in the graph differs in the network."""
    before, after = recognise(small_graph), recognise(edit(small_graph))
    assert read(before) != value
    assert read(after) == value


def test_swapped_states_are_named_by_what_they_hold(small_graph: Graph) -> None:
    """The cell's state is what goes in and comes out as such, whatever its name says."""
    outputs = {"new_state_c": "new_state_h", "new_state_h": "new_state_c"}
    names = recognise(renamed(small_graph, outputs)).names
    assert (names.previous_c, names.new_c) == ("previous_state_c", "new_state_h")
    assert (names.previous_h, names.new_h) == ("previous_state_h", "new_state_c")
    states = {"previous_state_c": "previous_state_h", "previous_state_h": "previous_state_c"}
    names = recognise(renamed(small_graph, states)).names
    assert (names.previous_c, names.new_c) == ("previous_state_h", "new_state_c")
    assert (names.previous_h, names.new_h) == ("previous_state_c", "new_state_h")


@pytest.mark.tensorflow
def test_a_batch_of_two_is_two_clips(small_graph: Graph, tensorflow: Any) -> None:
    """The edited graph is what it says: each clip gives what it gives alone."""
    graph = batch_of_two(small_graph)
    feeds = network_feeds(graph, length=7) | {"input_lengths": np.array([7, 12], np.int32)}
    both = run_graph(tensorflow, graph, feeds, ["logits", *STATES])
    for clip in range(2):
        own = {name: value[clip : clip + 1] for name, value in feeds.items()}
        alone = run_graph(tensorflow, small_graph, own, ["logits", *STATES])
        found = [both[0][:, clip : clip + 1], *(state[clip : clip + 1] for state in both[1:])]
        for actual, expected in zip(found, alone, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_control_dependencies_are_not_inputs(small_graph: Graph) -> None:
    """A node that waits for another takes nothing from it."""
    graph = inputs("MatMul", *small_graph["MatMul"].inputs, "^mfccs")(small_graph)
    assert described(recognise(graph)) == described(recognise(small_graph))
