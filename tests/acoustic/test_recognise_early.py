"""The networks of 0.2 to 0.5 are recognised, and graphs that keep no states."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM, ExportSettings
from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.network import Names, Network
from dsconv.acoustic.recognise import recognise
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.graphdef.write import edited, new_node
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.settings import EVERY_SECOND, HAMMING, EarlySettings
from tests.acoustic.early import (
    SIBLINGS,
    VERSIONS,
    Version,
    early,
    packed_sizes,
    sliced,
    stateless,
    without_lengths,
)
from tests.acoustic.edits import (
    Edit,
    after,
    attributes,
    batch_of_two,
    constant,
    edits,
    inputs,
    op,
    renamed,
    takes,
)
from tests.acoustic.test_export import exported
from tests.acoustic.test_recognise import described
from tests.formats.graphdef.test_cut import Original
from tests.formats.graphdef.test_edit import network_feeds
from tests.reference import run_graph

ENGLISH = Alphabet.english()
ASSUMED = ("sample_rate", "feature_win_len", "feature_win_step", "alphabet")
METADATA_0_2 = Metadata(
    sample_rate=16000, feature_win_len=25, feature_win_step=20, alphabet=ENGLISH, assumed=ASSUMED
)
METADATA_0_4 = Metadata(
    sample_rate=16000, feature_win_len=32, feature_win_step=20, alphabet=ENGLISH, assumed=ASSUMED
)
IN_GRAPH = Metadata(
    version=1,
    sample_rate=16000,
    feature_win_len=32,
    feature_win_step=20,
    alphabet=ENGLISH,
    assumed=("alphabet",),
)


@dataclass(frozen=True)
class Export:
    """What is particular about a version."""

    file: str
    metadata: Metadata
    early: EarlySettings | None = None
    softmax: bool = True
    lengths: bool = True


EXPORTS: dict[Version, Export] = {
    "0.2": Export("0.2.0-static", METADATA_0_2, EVERY_SECOND, softmax=False),
    "0.4": Export("0.4.1-static", METADATA_0_4, HAMMING),
    "0.4 without lengths": Export("0.4.1-nosl", METADATA_0_4, HAMMING, lengths=False),
    "0.5": Export("0.5.1-static", IN_GRAPH),
}
EXPORTS["0.2 without lengths"] = replace(EXPORTS["0.2"], lengths=False)
EXPORTS["0.5 without lengths"] = replace(EXPORTS["0.5"], lengths=False)
WEIGHTS = {
    "layer_1": ("h1", "b1"),
    "layer_2": ("h2", "b2"),
    "layer_3": ("h3", "b3"),
    "layer_5": ("h5", "b5"),
    "layer_6": ("h6", "b6"),
}


def original(version: Version, models: Path) -> Graph:
    """An original export."""
    return open_graph(models / f"deepspeech-{EXPORTS[version].file}.pb")


def check_version(network: Network, version: Version) -> None:
    """What a version makes of any weights."""
    export = EXPORTS[version]
    assert network.names == Names(
        "input_node",
        "input_lengths" if export.lengths else None,
        samples="input_samples" if version.startswith("0.5") else None,
        features="mfccs" if version.startswith("0.5") else None,
    )
    assert (network.softmax, network.early) == (export.softmax, export.early)
    assert network.metadata == export.metadata
    assert network.lstm.forget_bias == 1.0
    assert network.backward is None
    if version.startswith("0.5"):
        assert network.front_end is not None
        assert network.front_end.sample_rate == 16000
        assert (network.front_end.spectrogram.op, network.front_end.mfcc.op) == (
            "AudioSpectrogram",
            "Mfcc",
        )
    else:
        assert network.front_end is None


@pytest.mark.models
@pytest.mark.parametrize("version", VERSIONS)
def test_parameters_of_the_originals(version: Version, models: Path) -> None:
    """Sizes, layers, states, features and what is assumed of them."""
    network = recognise(original(version, models))
    check_version(network, version)
    assert (network.batch, network.steps, network.context, network.features) == (1, 16, 9, 26)
    assert [layer.name for layer in network.before] == ["layer_1", "layer_2", "layer_3"]
    assert [layer.name for layer in network.after] == ["layer_5"]
    sizes = [494, 100, 100, 100, 100, 29]
    for layer, rows, units in zip(network.layers, sizes, sizes[1:], strict=False):
        assert (layer.weights.shape, layer.bias.shape) == ((rows, units), (units,))
        last = layer is network.output
        assert (layer.relu, layer.clip) == ((False, None) if last else (True, 20.0))
        assert layer.norm is None
    assert (network.lstm.kernel.shape, network.lstm.bias.shape) == ((200, 400), (400,))
    assert network.lstm.gates == ("i", "c", "f", "o")


@pytest.mark.models
@pytest.mark.parametrize("version", VERSIONS)
def test_weights_of_the_originals(version: Version, models: Path) -> None:
    """Each weight is the constant that the exporter gave that name, bit for bit."""
    graph = original(version, models)
    network = recognise(graph)
    for layer in network.layers:
        names = WEIGHTS[layer.name]
        if version == "0.5":
            names = (f"{layer.name}/weights", f"{layer.name}/bias")
        same_bits(layer.weights, graph, names[0])
        same_bits(layer.bias, graph, names[1])
    same_bits(network.lstm.kernel, graph, "lstm_fused_cell/kernel")
    same_bits(network.lstm.bias, graph, "lstm_fused_cell/bias")


def same_bits(tensor: Tensor, graph: Graph, name: str) -> None:
    assert tensor.array().tobytes() == graph.tensor(graph[name]).array().tobytes()
    assert tensor.array().any()


@pytest.mark.models
@pytest.mark.parametrize("version", VERSIONS)
def test_the_tests_graphs_are_those_of_the_originals(
    version: Version, models: Path, small_graph: Graph
) -> None:
    """The same ops, as many of each."""
    made, expected = early(small_graph, version), original(version, models)
    assert Counter(node.op for node in made) == Counter(node.op for node in expected)


@pytest.mark.models
@pytest.mark.parametrize("version", VERSIONS)
def test_names_of_original_nodes_mean_nothing(version: Version, models: Path) -> None:
    """With all nodes but the interface renamed, the variables too, the same network comes out."""
    graph = original(version, models)
    kept = ("input_node", "input_lengths", "input_samples", "mfccs", "logits", "model_metadata")
    names = {node.name: f"n{i}" for i, node in enumerate(graph) if node.name not in kept}
    changed = renamed(graph, names)
    assert "previous_state_c" not in changed
    assert described(recognise(changed)) == described(recognise(graph))


@pytest.mark.parametrize("version", SIBLINGS)
def test_only_what_the_version_does_differently_differs(
    version: Version, small_graph: Graph
) -> None:
    """The layers are those of the same graph as later versions write it."""
    network, later = recognise(early(small_graph, version)), recognise(small_graph)
    check_version(network, version)
    assert (network.batch, network.steps, network.context, network.features) == (1, 16, 9, 26)
    for found, expected in zip(network.layers, later.layers, strict=True):
        assert vars(found) == vars(expected)
    assert (network.lstm.kernel, network.lstm.bias) == (later.lstm.kernel, later.lstm.bias)


@pytest.mark.parametrize("version", SIBLINGS)
@pytest.mark.parametrize("steps", [1, 32, DYNAMIC])
def test_other_numbers_of_steps(steps: int, version: Version, small_graph: Graph) -> None:
    """As the exporter writes them, as `set_steps` makes them of 16, and back again."""
    graph = early(set_steps(small_graph, steps), version)
    for found in (graph, set_steps(early(small_graph, version), steps)):
        assert recognise(found).steps == steps
        assert recognise(set_steps(found, 16)).steps == 16


@pytest.mark.parametrize("version", SIBLINGS)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_a_batch_of_two(steps: int, version: Version, small_graph: Graph) -> None:
    """The batch is read from the input and is that of every shape, factor and state."""
    two, one = (
        recognise(early(set_steps(graph, steps), version))
        for graph in (batch_of_two(small_graph), small_graph)
    )
    assert (one.batch, two.batch) == (1, 2)
    assert described(two)[1:] == described(one)[1:]


@pytest.mark.parametrize("version", SIBLINGS)
def test_zeros_may_be_filled_in(version: Version, small_graph: Graph) -> None:
    """As they are in a network of 1000 cells and more."""
    stored, filled = (early(small_graph, version, filled=each) for each in (False, True))
    assert described(recognise(filled)) == described(recognise(stored))
    assert sum(node.op == "Fill" for node in filled) == 2


@pytest.mark.parametrize("steps", [1, 16, DYNAMIC])
@pytest.mark.parametrize("batch", [1, 2])
def test_later_graphs_without_lengths(batch: int, steps: int, small_graph: Graph) -> None:
    """States are inputs and outputs, those after the last step; shapes constant or not."""
    graph = set_steps(small_graph if batch == 1 else batch_of_two(small_graph), steps)
    expected = described(recognise(graph))
    for changed in (
        packed_sizes(graph),
        without_lengths(graph),
        packed_sizes(without_lengths(graph)),
    ):
        network = recognise(changed)
        assert (network.batch, network.steps) == (batch, steps)
        assert network.names.lengths == ("input_lengths" if "input_lengths" in changed else None)
        named = replace(network, names=replace(network.names, lengths="input_lengths"))
        assert described(named) == expected


SETTINGS = {
    "labels": ExportSettings(Alphabet((b"a", b"b"))),
    "bytes": ExportSettings(Alphabet.of_bytes()),
    "context": ExportSettings(ENGLISH, n_context=3),
    "features": ExportSettings(ENGLISH, n_input=13),
    "clip": ExportSettings(ENGLISH, relu_clip=6.0),
    "rate": ExportSettings(ENGLISH, sample_rate=8000),
    "windows": ExportSettings(ENGLISH, feature_win_len=25, feature_win_step=10),
    "layer norm": ExportSettings(ENGLISH, layer_norm=True),
    "batch": ExportSettings(ENGLISH, batch_size=3),
    "steps": ExportSettings(ENGLISH, n_steps=5),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", SETTINGS)
def test_other_settings(what: str, version: Version) -> None:
    """Whatever the exporter was told, it is read from the graph."""
    settings = SETTINGS[what]
    network = recognise(early(exported(settings), version))
    labels = len(settings.alphabet.labels)
    assert network.classes == labels + 1
    assert (network.batch, network.steps) == (settings.batch_size, settings.n_steps)
    assert (network.context, network.features) == (settings.n_context, settings.n_input)
    assert {layer.clip for layer in network.before} == {settings.relu_clip}
    assert {layer.norm is None for layer in network.before} == {not settings.layer_norm}
    # Nothing but English is assumed, and only where there are as many classes.
    assert network.metadata.alphabet == (ENGLISH if labels == 28 else None)
    assert ("alphabet" in network.metadata.assumed) == (labels == 28)
    if network.front_end is not None:
        assert network.front_end.sample_rate == settings.sample_rate
        milliseconds = settings.sample_rate // 1000
        assert network.front_end.spectrogram.attributes["window_size"] == (
            settings.feature_win_len * milliseconds
        )
        assert network.front_end.spectrogram.attributes["stride"] == (
            settings.feature_win_step * milliseconds
        )


def test_the_metadata_of_0_5(small_graph: Graph) -> None:
    """Its own numbers are read, whatever they are, and not those of the era."""
    values = {"sample_rate": 8000, "feature_win_len": 20, "feature_win_step": 10}
    network = recognise(attributes("model_metadata", **values)(early(small_graph, "0.5")))
    found = {key: getattr(network.metadata, key) for key in values}
    assert found == values
    assert network.metadata.assumed == ("alphabet",)


STATELESS: dict[str, tuple[int, int]] = {
    "any batch, any steps": (-1, DYNAMIC),
    "any batch, 16 steps": (-1, 16),
    "one clip, any steps": (1, DYNAMIC),
    "two clips, 16 steps": (2, 16),
}


@pytest.mark.parametrize("what", STATELESS)
def test_graphs_without_states(what: str, small_graph: Graph) -> None:
    """Each call starts from zeros; nothing but the batch and the steps differs."""
    batch, steps = STATELESS[what]
    graph = stateless(set_steps(small_graph, steps), batch)
    assert not any(node.name.startswith(("previous_state", "new_state")) for node in graph)
    network = recognise(graph)
    assert (network.batch, network.steps) == (batch, steps)
    assert described(network)[2:] == described(recognise(small_graph))[2:]
    unmasked = recognise(without_lengths(graph))
    named = replace(unmasked, names=replace(unmasked.names, lengths="input_lengths"))
    assert described(named) == described(network)


def test_steps_may_be_counted_in_the_shape_of_any_batch(small_graph: Graph) -> None:
    """Where the batch is any, TensorFlow knows no shape in advance, fixed as the steps are."""
    graph = stateless(small_graph)
    nodes = {node.name: node for node in graph}
    mask = graph[f"{LSTM}/SequenceMask/Range"]
    kind = {"T": DataType.FLOAT, "out_type": DataType.INT32}
    nodes["shape"] = new_node("shape", "Shape", ["Reshape_2"], kind)
    sliced(nodes, "steps", "shape", 0, DataType.INT32)
    nodes[mask.name] = edited(mask, inputs=[mask.inputs[0], "steps", mask.inputs[2]])
    counted = graph.replacing(nodes.values())
    assert described(recognise(counted)) == described(recognise(graph))
    for steps in (1, 32, DYNAMIC):
        assert recognise(set_steps(counted, steps)).steps == steps


def test_first_states_may_be_constants(small_graph: Graph) -> None:
    """Zeros that are stored and not made."""
    graph = edits(
        constant("zeros", np.zeros((1, 32)), np.float32),
        takes(f"{LSTM}/BlockLSTM", 2, "zeros"),
        takes(f"{LSTM}/BlockLSTM", 3, "zeros"),
    )(stateless(small_graph, 1))
    assert "first" not in graph
    assert described(recognise(graph)) == described(recognise(stateless(small_graph, 1)))


@pytest.mark.tensorflow
def test_a_graph_of_any_batch_is_what_it_says(small_graph: Graph, tensorflow: Any) -> None:
    """Each clip of two gives what it gives from zeros in a graph with states."""
    feeds = network_feeds(batch_of_two(small_graph), length=7)
    lengths = np.array([7, 16], np.int32)
    clips = {"input_node": feeds["input_node"], "input_lengths": lengths}
    graph = stateless(set_steps(small_graph, DYNAMIC))
    (both,) = run_graph(tensorflow, graph, clips, ["logits"])
    assert both.shape == (16, 2, 29)
    zeros = dict.fromkeys(("previous_state_c", "previous_state_h"), np.zeros((1, 32), np.float32))
    for clip in range(2):
        own = {name: value[clip : clip + 1] for name, value in clips.items()}
        (alone,) = run_graph(tensorflow, small_graph, own | zeros, ["logits"])
        np.testing.assert_allclose(both[:, clip], alone[:, 0], rtol=0, atol=1e-6)


# Edits that leave every number as it is, and the versions in which they can be made.
WINDOWS = ("input_node", "input_lengths")
LSTM_ROWS = f"{LSTM}/Gather"
HARMLESS: dict[str, tuple[Version, Edit]] = {
    "sums the other way round": ("0.4", inputs("BiasAdd", "layer_1/bias/read", "MatMul")),
    "AddV2": ("0.4", op("BiasAdd", "AddV2")),
    "factor first": ("0.2", inputs(f"{LSTM_ROWS}/mul", f"{LSTM_ROWS}/factor", "input_lengths")),
    "clips first": ("0.2", inputs(f"{LSTM_ROWS}/add", f"{LSTM}/range", f"{LSTM_ROWS}/mul")),
    "rows by AddV2": ("0.2", op(f"{LSTM_ROWS}/add", "AddV2")),
    "variables without a read": (
        "0.4",
        edits(
            takes(f"{LSTM}/BlockLSTM", 2, "previous_state_c"),
            takes(f"{LSTM}/ExpandDims_1", 0, "previous_state_c"),
        ),
    ),
    "Identity before the update": ("0.5", after(f"{LSTM}/GatherNd", "Identity")),
    "Identity after the scores": ("0.4", after("Softmax", "Identity")),
    "Identity after the steps": ("0.4 without lengths", after(f"{LSTM}/BlockLSTM:1", "Identity")),
    "the update is waited for twice": (
        "0.5",
        lambda graph: inputs("logits", *graph["logits"].inputs, "^Assign_2")(graph),
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_harmless_edits_change_nothing(what: str, small_graph: Graph) -> None:
    """Other ways to write the same network are the same network."""
    version, edit = HARMLESS[what]
    graph = early(small_graph, version)
    assert described(recognise(edit(graph))) == described(recognise(graph))


@pytest.mark.tensorflow
def test_harmless_edits_are_harmless(small_graph: Graph, tensorflow: Any) -> None:
    """TensorFlow computes the same scores, and sets the same states."""
    for what, (version, edit) in HARMLESS.items():
        graph = early(small_graph, version)
        feeds = network_feeds(small_graph, length=7)
        fed = {f"{name}:0": feeds[name] for name in WINDOWS if name in graph}
        runs = [Original(tensorflow, each) for each in (graph, edit(graph))]
        for _ in range(2):
            expected_value, found = (run.call(fed) for run in runs)
            for expected, actual in zip(expected_value, found, strict=True):
                np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6, err_msg=what)


def test_another_forget_bias(small_graph: Graph) -> None:
    """It is read, and not taken for that of the version."""
    graph = early(small_graph, "0.4")
    found = recognise(attributes(f"{LSTM}/BlockLSTM", forget_bias=0.25)(graph))
    assert found.lstm.forget_bias == 0.25


def test_raw_scores_tell_the_features_of_0_2_from_those_of_0_4(small_graph: Graph) -> None:
    """Nothing else in the graph does."""
    assert recognise(early(small_graph, "0.2")).early is EVERY_SECOND
    raw = takes("logits", 0, "raw_logits")(early(small_graph, "0.4"))
    assert recognise(raw).early is EVERY_SECOND
    assert recognise(early(small_graph, "0.4")).early is HAMMING


def test_the_batch_may_come_from_the_windows(small_graph: Graph) -> None:
    """As a constant shape in 0.5, or taken from the windows themselves."""
    for graph in (small_graph, batch_of_two(small_graph)):
        expected = described(recognise(graph))
        assert described(recognise(packed_sizes(graph))) == expected
