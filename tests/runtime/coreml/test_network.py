"""Whole neural networks give what TensorFlow gives for the graphs that they were made of."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.graphdef.graph import open_graph
from dsconv.runtime.coreml.network import NetworkEvaluator
from tests.reference import run_graph
from tests.runtime.coreml.layer_networks import coremltools, evaluator

SCRIPT = Path(__file__).with_name("convert_networks.py")
SECONDS = 300
PROBABILITY_TOLERANCE, STATE_TOLERANCE = 1e-5, 1e-4
OUTPUTS = ["logits", "new_state_c", "new_state_h"]


def job(graph: Path, saved: Path, inputs: dict[str, list[int]], outputs: list[str]) -> Any:
    """A job for the script."""
    return {"graph": str(graph), "saved": str(saved), "inputs": inputs, "outputs": outputs}


def acoustic_job(graph: Path, saved: Path, frames: int, hidden: int) -> Any:
    """The same for a DeepSpeech graph."""
    inputs = {
        "input_node": [1, frames, 19, 26],
        "input_lengths": [1],
        "previous_state_c": [1, hidden],
        "previous_state_h": [1, hidden],
    }
    return job(graph, saved, inputs, OUTPUTS)


def convert(jobs: list[Any]) -> None:
    """Run the converter of Core ML Tools in a process with TensorFlow."""
    if find_spec("tensorflow") is None or find_spec("coremltools") is None:
        pytest.skip("TensorFlow or Core ML Tools is not installed")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Path:
    """A folder of small graphs (.pb) and the neural networks made of them (.mlmodel)."""
    folder = tmp_path_factory.mktemp("networks")
    acoustic = folder / "acoustic.pb"
    acoustic.write_bytes(small_model.read_bytes())
    jobs = [
        job(folder / "dense.pb", folder / "dense.mlmodel", {"x": [3, 4]}, ["y"]),
        job(folder / "pieces.pb", folder / "pieces.mlmodel", {"x": [2, 5, 6]}, ["y"]),
        acoustic_job(acoustic, folder / "acoustic.mlmodel", 16, 32),
    ]
    convert(jobs)
    return folder


def opened(path: Path) -> NetworkEvaluator:
    """A saved model, ready to be run."""
    return NetworkEvaluator(open_core_ml(path))


def read_model(path: Path) -> Any:
    """A saved model as a message of Core ML Tools."""
    model = coremltools().proto.Model_pb2.Model()
    model.ParseFromString(path.read_bytes())
    return model


def acoustic_feeds(frames: int, length: int, hidden: int) -> dict[str, Any]:
    """Features as large as real ones, and states as if speech had come before."""
    generator = np.random.default_rng(frames + length)
    return {
        "input_node": generator.normal(0, 30, (1, frames, 19, 26)).astype(np.float32),
        "input_lengths": np.array([length], np.int32),
        "previous_state_c": generator.normal(0, 1, (1, hidden)).astype(np.float32),
        "previous_state_h": generator.normal(0, 0.3, (1, hidden)).astype(np.float32),
    }


def check_outputs(actual: dict[str, Any], expected: list[Any]) -> None:
    """Probabilities and states within their tolerances."""
    for name, wanted in zip(OUTPUTS, expected, strict=True):
        tolerance = PROBABILITY_TOLERANCE if name == "logits" else STATE_TOLERANCE
        assert (actual[name].shape, actual[name].dtype) == (wanted.shape, np.float32)
        np.testing.assert_allclose(actual[name], wanted, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["dense", "pieces"])
def test_small_graphs_give_what_tensorflow_gives(
    name: str, converted: Path, tensorflow: Any
) -> None:
    """Graphs of a few nodes, through the converter of Core ML Tools."""
    shape = {"dense": (3, 4), "pieces": (2, 5, 6)}[name]
    feeds = {"x": np.random.default_rng(1).normal(size=shape).astype(np.float32)}
    (expected,) = run_graph(tensorflow, open_graph(converted / f"{name}.pb"), feeds, ["y"])
    actual = opened(converted / f"{name}.mlmodel").run(feeds)["y"]
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("length", [0, 1, 8, 15, 16])
def test_acoustic_graph_with_its_loop(length: int, converted: Path, tensorflow: Any) -> None:
    """The converter makes a loop of the LSTM."""
    network = opened(converted / "acoustic.mlmodel")
    graph = open_graph(converted / "acoustic.pb")
    feeds = acoustic_feeds(16, length, 32)
    check_outputs(network.run(feeds), run_graph(tensorflow, graph, feeds, OUTPUTS))


def find_layer(network: Any, name: str) -> Any:
    """A layer of a message, or of the body of its loop."""
    layers = list(network.layers)
    for layer in network.layers:
        layers += layer.loop.bodyNetwork.layers
    (found,) = [layer for layer in layers if layer.name.endswith(name)]
    return found


def swap_gates(network: Any) -> None:
    """The input gate for the forget gate, behind the product that computes all."""
    outputs = find_layer(network, "split_1").output
    outputs[0], outputs[2] = outputs[2], outputs[0]


def drop_bias(network: Any) -> None:
    """The bias of the second layer is there, but not added."""
    find_layer(network, "BiasAdd_1").innerProduct.hasBias = False


def turn_mask(network: Any) -> None:
    """The mask of the valid frames lies along the batch."""
    find_layer(network, "transpose_5").transpose.axes[:] = [0, 1]


def keep_the_last_frame(network: Any) -> None:
    """The frame behind the last valid one counts as valid."""
    find_layer(network, "Less").lessEqual.SetInParent()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "sabotage", [swap_gates, drop_bias, keep_the_last_frame], ids=lambda f: f.__name__
)
def test_a_network_that_is_not_the_same_is_exposed(
    sabotage: Any, converted: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """What is wrong in the file shows in the numbers."""
    model = read_model(converted / "acoustic.mlmodel")
    sabotage(model.neuralNetwork)
    feeds = acoustic_feeds(16, 8, 32)
    expected = run_graph(tensorflow, open_graph(converted / "acoustic.pb"), feeds, OUTPUTS)
    with pytest.raises(AssertionError):
        check_outputs(evaluator(model, tmp_path).run(feeds), expected)


@pytest.mark.tensorflow
def test_a_mask_that_lies_the_wrong_way_is_refused(converted: Path, tmp_path: Path) -> None:
    """numpy would make a product of every frame with every other."""
    model = read_model(converted / "acoustic.mlmodel")
    turn_mask(model.neuralNetwork)
    with pytest.raises(ConversionError, match=r"is a multiply of inputs of shape \[16, 1, 32\]"):
        evaluator(model, tmp_path).run(acoustic_feeds(16, 8, 32))


@pytest.fixture(scope="session")
def originals(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The neural networks that the converter makes of the original exports."""
    folder = tmp_path_factory.mktemp("originals")
    convert(
        [
            acoustic_job(models / f"{name}.pb", folder / f"{name}.mlmodel", frames, 100)
            for name, frames in (("deepspeech-0.9.3-static", 16), ("deepspeech-0.9.3-dynamic", -1))
        ]
    )
    return folder


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("deepspeech-0.9.3-static", 16),
        ("deepspeech-0.9.3-dynamic", 5),
        ("deepspeech-0.9.3-dynamic", 16),
        ("deepspeech-0.9.3-dynamic", 33),
    ],
)
def test_original_exports(
    name: str, frames: int, models: Path, originals: Path, tensorflow: Any
) -> None:
    """Every kind of length: none, one, half, all but one, all."""
    network = opened(originals / f"{name}.mlmodel")
    graph = open_graph(models / f"{name}.pb")
    for length in (0, 1, frames // 2, frames - 1, frames):
        feeds = acoustic_feeds(frames, length, 100)
        check_outputs(network.run(feeds), run_graph(tensorflow, graph, feeds, OUTPUTS))


@pytest.mark.tensorflow
@pytest.mark.parametrize("bits", [16, 8, 6, 4])
def test_quantized_weights_are_those_of_core_ml_tools(
    bits: int, converted: Path, tmp_path: Path
) -> None:
    """The quantized network gives what the one gives that Core ML Tools turns back to float32."""
    utils = coremltools().models.neural_network.quantization_utils
    quantized = read_model(converted / "dense.mlmodel")
    utils._quantize_nn_spec(quantized.neuralNetwork, bits, "_linear_quantization")
    restored = type(quantized)()
    restored.CopyFrom(quantized)
    if bits < 16:
        utils._dequantize_nn_spec(restored.neuralNetwork)
    else:
        for layer in restored.neuralNetwork.layers:
            if layer.WhichOneof("layer") == "innerProduct":
                _widen(layer.innerProduct.weights)
                _widen(layer.innerProduct.bias)
    feeds = {"x": np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)}
    actual = evaluator(quantized, tmp_path).run(feeds)["y"]
    np.testing.assert_array_equal(actual, evaluator(restored, tmp_path).run(feeds)["y"])
    exact = opened(converted / "dense.mlmodel").run(feeds)["y"]
    assert 0 < np.abs(actual - exact).max() < 8 / 2**bits


def _widen(weights: Any) -> None:
    """float16 values as float32."""
    values = np.frombuffer(weights.float16Value, "<f2").astype(np.float32)
    weights.ClearField("float16Value")
    weights.floatValue.extend(values.tolist())
