"""Whole neural networks, as dsconv writes them, give what TensorFlow gives for their graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import ExportSettings, export_chunks
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.fixtures.random_model import random_weights
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.storage import write_chunks
from dsconv.runtime.coreml.layers import LAYERS
from dsconv.runtime.coreml.network import NetworkEvaluator
from dsconv.speech.alphabet import Alphabet
from tests.convert.coreml.forms import core_ml_path, kinds
from tests.reference import run_graph
from tests.runtime.coreml.layer_networks import coremltools, evaluator

PROBABILITY_TOLERANCE, STATE_TOLERANCE = 1e-5, 1e-4
OUTPUTS = ["logits", "new_state_c", "new_state_h"]
CELLS = 32

# The frames of the graph, whether its layers are normalized, and how it is converted.
FORMS: dict[str, tuple[int, bool, dict[str, Any]]] = {
    "static": (16, False, {"lengths": "input"}),
    "any length": (DYNAMIC, False, {"lengths": "input"}),
    "all frames valid": (16, False, {"lengths": "frozen"}),
    "layer norm": (16, True, {"lengths": "input"}),
    "layer norm, any length": (DYNAMIC, True, {"lengths": "input"}),
}
FRAMES = {16: (16,), DYNAMIC: (1, 5, 16, 33)}


def write_graph(path: Path, **settings: Any) -> Path:
    """A graph of random weights, as the exporter writes it with these settings."""
    asked = ExportSettings(Alphabet.from_file(ALPHABET), **settings)
    with path.open("wb") as file:
        write_chunks(file, export_chunks(random_weights(CELLS, asked, 1), asked))
    return path


class Networks:
    """Graphs and the neural networks that dsconv makes of them, each made when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._networks: dict[str, Path] = {}

    def graph(self, form: str) -> Path:
        """The graph of a form."""
        path = self._folder / f"{form}.pb"
        steps, layer_norm, _ = FORMS[form]
        if not path.exists():
            write_graph(path, n_steps=steps, layer_norm=layer_norm)
        return path

    def network(self, form: str) -> Path:
        """The neural network of a form."""
        if form not in self._networks:
            output = self._folder / form
            asked = {"format": "neuralnetwork", **FORMS[form][2]}
            self._networks[form] = core_ml_path(self.graph(form), output, **asked)
        return self._networks[form]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """The networks of this module."""
    coremltools()
    return Networks(tmp_path_factory.mktemp("networks"))


def read_model(path: Path) -> Any:
    """A saved model as a message of Core ML Tools."""
    model = coremltools().proto.Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    return model


def feeds_for(frames: int, length: int) -> dict[str, Any]:
    """Features as large as real ones, and states as if speech had come before."""
    generator = np.random.default_rng(frames + length)
    return {
        "input_node": generator.normal(0, 30, (1, frames, 19, 26)).astype(np.float32),
        "input_lengths": np.array([length], np.int32),
        "previous_state_c": generator.normal(0, 1, (1, CELLS)).astype(np.float32),
        "previous_state_h": generator.normal(0, 0.3, (1, CELLS)).astype(np.float32),
    }


def fed(network: NetworkEvaluator, feeds: dict[str, Any]) -> dict[str, Any]:
    """What a network gives for the feeds of the graph that it takes itself."""
    return network.run({feature.name: feeds[feature.name] for feature in network.inputs})


def check_outputs(actual: dict[str, Any], expected: list[Any], valid: int) -> None:
    """Probabilities of the valid frames, and states, within their tolerances."""
    for name, values in zip(OUTPUTS, expected, strict=True):
        assert (actual[name].shape, actual[name].dtype) == (values.shape, np.float32)
        rows, tolerance = slice(None), STATE_TOLERANCE
        if name == "logits":
            rows, tolerance = slice(valid), PROBABILITY_TOLERANCE
        np.testing.assert_allclose(
            actual[name][rows], values[rows], rtol=0, atol=tolerance, err_msg=name
        )


@pytest.mark.tensorflow
@pytest.mark.parametrize("form", FORMS)
def test_networks_give_what_tensorflow_gives(
    form: str, networks: Networks, tensorflow: Any
) -> None:
    """Every kind of length: none, one, half, all but one, all."""
    network = NetworkEvaluator(open_core_ml(networks.network(form)))
    graph = open_graph(networks.graph(form))
    steps, _, asked = FORMS[form]
    for frames in FRAMES[steps]:
        lengths = {0, 1, frames // 2, frames - 1, frames}
        for length in {frames} if asked["lengths"] == "frozen" else lengths:
            feeds = feeds_for(frames, length)
            expected = run_graph(tensorflow, graph, feeds, OUTPUTS)
            check_outputs(fed(network, feeds), expected, length)


# Forms that make the converter of Core ML Tools choose other layers.
RARE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one frame, normalized": ({"n_steps": 1, "layer_norm": True}, {}),
    "samples, without context": ({"n_context": 0}, {"front_end": True}),
}


def test_no_layer_is_known_that_dsconv_does_not_write(networks: Networks, tmp_path: Path) -> None:
    """These forms have all kinds; a network of 0.1, which also reads backward, has `reverse`."""
    files = [networks.network(form) for form in FORMS]
    for name, (settings, asked) in RARE.items():
        graph = write_graph(tmp_path / f"{name}.pb", **settings)
        files.append(core_ml_path(graph, tmp_path / name, format="neuralnetwork", **asked))
    written = {kind for path in files for kind in kinds(open_core_ml(path))}
    assert written | {"reverse"} == set(LAYERS)


def find_layer(network: Any, name: str) -> Any:
    """A layer of a message."""
    (found,) = [layer for layer in network.layers if layer.name == name]
    return found


def swap_gates(network: Any) -> None:
    """The weights of the input gate where those of the forget gate belong."""
    weights = find_layer(network, "lstm").uniDirectionalLSTM.weightParams
    first, second = weights.inputGateWeightMatrix, weights.forgetGateWeightMatrix
    first.floatValue[:], second.floatValue[:] = list(second.floatValue), list(first.floatValue)


def drop_bias(network: Any) -> None:
    """The bias of the second layer is there, but not added."""
    find_layer(network, "layer_2_product").innerProduct.hasBias = False


def keep_one_frame_more(network: Any) -> None:
    """The frame after the last valid one counts as valid."""
    numbers = find_layer(network, "invalid_frames_x_0").loadConstantND.data
    numbers.floatValue[:] = [number - 1 for number in numbers.floatValue]


SABOTAGE: list[Callable[[Any], None]] = [swap_gates, drop_bias, keep_one_frame_more]


@pytest.mark.tensorflow
def test_one_normalized_frame_is_what_tensorflow_gives(tmp_path: Path, tensorflow: Any) -> None:
    """Sums and products of a single row take constants of as many dimensions as it has."""
    source = write_graph(tmp_path / "one.pb", n_steps=1, layer_norm=True)
    asked = {"format": "neuralnetwork", "lengths": "input"}
    path = core_ml_path(source, tmp_path / "one", **asked)
    layers = read_model(path).neuralNetwork.layers
    dimensions = {
        layer.output[0]: len(layer.loadConstantND.shape)
        for layer in layers
        if layer.WhichOneof("layer") == "loadConstantND"
    }
    taken = [
        dimensions[name]
        for layer in layers
        if layer.WhichOneof("layer") in ("add", "multiply")
        for name in layer.input
        if name in dimensions
    ]
    assert taken == [2] * 8
    for length in (0, 1):
        feeds = feeds_for(1, length)
        expected = run_graph(tensorflow, open_graph(source), feeds, OUTPUTS)
        check_outputs(fed(NetworkEvaluator(open_core_ml(path)), feeds), expected, length)


@pytest.mark.tensorflow
@pytest.mark.parametrize("sabotage", SABOTAGE, ids=lambda function: function.__name__)
def test_a_network_that_is_not_the_same_is_exposed(
    sabotage: Callable[[Any], None], networks: Networks, tmp_path: Path, tensorflow: Any
) -> None:
    """What is wrong in the file shows in the numbers."""
    model = read_model(networks.network("static"))
    sabotage(model.neuralNetwork)
    feeds = feeds_for(16, 8)
    expected = run_graph(tensorflow, open_graph(networks.graph("static")), feeds, OUTPUTS)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_outputs(evaluator(model, tmp_path).run(feeds), expected, 8)


@pytest.mark.parametrize("bits", [16, 8])
def test_reduced_weights_are_those_of_core_ml_tools(
    bits: int, networks: Networks, tmp_path: Path
) -> None:
    """The network gives what the one gives that Core ML Tools turns back to float32."""
    utils = coremltools().models.neural_network.quantization_utils
    reduced = read_model(networks.network("static"))
    utils._quantize_nn_spec(reduced.neuralNetwork, bits, "_linear_quantization")
    restored = type(reduced)()
    restored.CopyFrom(reduced)
    if bits < 16:
        utils._dequantize_nn_spec(restored.neuralNetwork)
    else:
        widen(restored.neuralNetwork)
    feeds = feeds_for(16, 16)
    actual = evaluator(reduced, tmp_path).run(feeds)
    expected = evaluator(restored, tmp_path).run(feeds)
    exact = evaluator(read_model(networks.network("static")), tmp_path).run(feeds)
    for name in OUTPUTS:
        np.testing.assert_array_equal(actual[name], expected[name])
        assert (actual[name] != exact[name]).any()


def widen(message: Any) -> None:
    """Every float16 weight in a message as float32."""
    for field, value in message.ListFields():
        if field.name == "float16Value":
            message.floatValue.extend(np.frombuffer(value, "<f2").astype(np.float32).tolist())
            message.ClearField("float16Value")
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                widen(each)
