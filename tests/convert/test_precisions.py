"""Weights of 16 and of 8 bits: how far the results are, how large, and what stands in the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.network import Lstm
from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.weights import (
    input_kernel,
    lstm_bias,
    quantize,
    recurrent_kernel,
    values,
)
from dsconv.convert.options import Lengths, Precision
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_onnx, import_openvino
from dsconv.inspect.parity.result import CandidateResult
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.inspect.parity.validate import Options, validate_models
from dsconv.runtime.registry import open_model
from dsconv.speech.corpus import find_clips
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import Call, Windows, answers, assert_close, speech_windows
from tests.convert.conversions import convert, converted, require_toolkits, saved
from tests.runtime.speech import TEXT, clip_features, distance, packaged_speech, run_clip

TARGETS = ("onnx", "openvino")
REDUCED: tuple[Precision, ...] = ("fp16", "int8")

BEAMS = {"deepspeech-0.9.3-bytes-static.pb": 64}
"""Where the model's own width of 500 over 256 classes takes ten seconds a text."""


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_originals_say_the_same_in_every_precision(name: str, models: Path, tmp_path: Path) -> None:
    """The clip that each was trained on: within the precision's tolerances, and the same text."""
    for target in TARGETS:
        require_toolkits(target)
    candidates = {
        (target, precision): convert(
            target, models / name, tmp_path / f"{target}-{precision}", precision=precision
        )
        for target in TARGETS
        for precision in REDUCED
    }
    clip = find_clips([models / f"LDC93S1_pcms16le_1_{EXPORTS[name].rate}.wav"])
    options = Options(beam=BEAMS.get(name), strict=True)
    results = validate_models(models / name, list(candidates.values()), clip, options).candidates
    for (target, precision), result in zip(candidates, results, strict=True):
        assert result.model.precision == precision
        assert result.tolerance is TOLERANCES[precision]
        print(name, target, precision, *figures(result))
        assert result.passed, result.findings
        (transcript,) = result.transcripts
        assert transcript.reference.beam == transcript.candidate.beam == TEXT
        assert all(difference.max_abs > 1e-5 for difference in result.differences)


def figures(result: CandidateResult) -> list[str]:
    """The largest differences of a result."""
    return [f"{part.tensor} {part.max_abs:.1e}" for part in result.differences]


@pytest.mark.models
@pytest.mark.parametrize("precision", REDUCED)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["deepspeech-0.9.3-ln-static.pb", "coqui-1.4.0-static.pb"])
def test_every_length_is_close_to_the_graph(
    name: str, target: str, steps: int, precision: Precision, models: Path, tmp_path: Path
) -> None:
    """Some frames valid in the middle of a clip; of none the states come back as they went in."""
    graph = set_steps(open_graph(models / name), steps)
    reference = open_model(saved(graph, tmp_path / "reference.pb"))
    asked: dict[str, Any] = {"steps": steps, "lengths": "input", "precision": precision}
    model = converted(target, models / name, tmp_path / "a", **asked)
    windows = speech_windows(models / name, models)
    _, c, h = answers(reference, Call(windows[:, 32:48], 16, *[np.zeros((1, 100), np.float32)] * 2))
    assert min(np.abs(c).max(), np.abs(h).max()) > 0.5
    for length in (0, 1, 7, 16):
        call = Call(windows[:, 48:64], length, c, h)
        found, expected = answers(model, call), answers(reference, call)
        assert_close(found, expected, precision)
        if length == 0:
            np.testing.assert_array_equal(found[1:], [c, h])
        else:
            assert distance(found[1], expected[1]) > 1e-5


@pytest.mark.models
@pytest.mark.parametrize("lengths", ["frozen", "input"])
@pytest.mark.parametrize("target", TARGETS)
def test_calls_of_any_size_in_integers(
    target: str, lengths: Lengths, models: Path, tmp_path: Path
) -> None:
    """What is quantized at run depends on what is in a call, and stays within the tolerance."""
    name = "deepspeech-0.9.3-dynamic.pb"
    reference = open_model(models / name)
    model = converted(target, models / name, tmp_path / "a", lengths=lengths, precision="int8")
    windows = speech_windows(models / name, models)
    for size in (146, 37, 5, 1):
        states = expected_value = [np.zeros((1, 100), np.float32)] * 2
        for start in range(0, windows.shape[1] // size * size, size):
            part: Windows = windows[:, start : start + size]
            expected = answers(reference, Call(part, size, expected_value[0], expected_value[1]))
            found = answers(model, Call(part, size, states[0], states[1]))
            assert_close(found, expected, "int8")
            states, expected_value = found[1:], expected[1:]


@pytest.mark.parametrize("precision", REDUCED)
def test_states_inside_equal_those_outside(
    precision: Precision, small_model: Path, tmp_path: Path
) -> None:
    """Where OpenVINO's states are makes no difference to the numbers."""
    asked: dict[str, Any] = {"lengths": "input", "precision": precision}
    outside = converted("openvino", small_model, tmp_path / "io", **asked)
    inside = converted("openvino", small_model, tmp_path / "internal", states="internal", **asked)
    c, h = (np.zeros((1, 32), np.float32) for _ in range(2))
    for length in (16, 3, 0, 16):
        windows = np.random.default_rng(length).normal(size=(1, 16, 19, 26)).astype(np.float32)
        call = Call(windows, length, c, h)
        expected, c, h = answers(outside, call)
        fed = {name: call.tensors[name] for name in ("input_node", "input_lengths")}
        assert distance(inside.call(fed, ["logits"])["logits"], expected) < 1e-6


@pytest.mark.parametrize("steps", [16, DYNAMIC])
@pytest.mark.parametrize("target", TARGETS)
def test_files_shrink_with_the_weights(target: str, steps: int, tmp_path: Path) -> None:
    """Half of it in 16 bits; a quarter and the first layer's half in 8."""
    require_toolkits(target)
    (source,) = write_random_model(tmp_path, 512, n_steps=steps)
    sizes = {}
    for precision in ("fp32", *REDUCED):
        output = convert(target, source, tmp_path / precision, precision=precision)
        files = [path for path in tmp_path.iterdir() if path.stem == precision]
        assert output in files
        sizes[precision] = sum(path.stat().st_size for path in files)
    weights = sum(tensor.nbytes for tensor in matrices(open_graph(source)))
    assert weights < sizes["fp32"] < weights + 200_000
    assert weights / 2 < sizes["fp16"] < weights / 2 + 200_000
    features = recognise(open_graph(source)).before[0].weights.nbytes
    assert weights / 4 < sizes["int8"] - features / 4 < weights / 4 + 250_000


def matrices(graph: Graph) -> list[Any]:
    """The weights of a graph without its biases."""
    network = recognise(graph)
    return [network.lstm.kernel, *(layer.weights for layer in network.layers)]


@pytest.mark.parametrize("target", TARGETS)
def test_integers_in_the_file_are_the_weights(
    target: str, small_model: Path, tmp_path: Path
) -> None:
    """Each weight within half a step, none at -128; the first layer alone has 16 bits."""
    require_toolkits(target)
    path = convert(target, small_model, tmp_path / "a", precision="int8")
    stored = (onnx_matrices if target == "onnx" else openvino_matrices)(path)
    network = recognise(open_graph(small_model))
    first, *others = list(network.layers)
    half, expected = stored[f"{first.name}/weights/half"], values(first.weights)
    assert half.dtype == np.float16
    assert distance(half.astype(np.float32), expected) <= 2**-11 * np.abs(expected).max()
    for layer in others:
        integers, scales = stored_integers(stored, f"{layer.name}/weights")
        assert_half_a_step(integers, scales, values(layer.weights))
    order = ORDERS[target]
    for name, kernel in (("lstm/W", input_kernel), ("lstm/R", recurrent_kernel)):
        expected = np.concatenate([kernel(network.lstm, gate) for gate in order], axis=1)
        integers, scales = stored_integers(stored, name)
        assert_half_a_step(integers, scales, expected)


ORDERS = {"onnx": "iofc", "openvino": "icfo"}
"""Of the gates, in the files."""


def stored_integers(stored: dict[str, Any], name: str) -> tuple[Any, Any]:
    """The integers of a matrix, and the scales of its outputs."""
    return stored.get(f"{name}/integers", stored.get(name)), stored[f"{name}/scales"].ravel()


def assert_half_a_step(integers: Any, scales: Any, expected: Any) -> None:
    """Integers times scales are the weights, as near as integers can be."""
    assert integers.dtype == np.int8
    assert integers.min() >= -127
    error = np.abs(integers * scales.astype(np.float64) - expected)
    assert (error <= scales / 2 * (1 + 1e-5)).all()


def onnx_matrices(path: Path) -> dict[str, Any]:
    """The constants of an ONNX file; matrices are [inputs, outputs], as in the graph."""
    onnx = import_onnx()
    tensors = onnx.load(str(path)).graph.initializer
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}
    # What belongs to the LSTM is for one direction; a 16-bit Gemm has the order of the graph.
    return {name: array[0] if array.ndim == 3 else array for name, array in arrays.items()}


def openvino_matrices(path: Path) -> dict[str, Any]:
    """The constants of an IR, whose matrices are [outputs, inputs]."""
    model = import_openvino().Core().read_model(str(path))
    return {
        op.get_friendly_name(): np.array(op.get_data()).T
        for op in model.get_ops()
        if op.get_type_name() == "Constant"
    }


@pytest.mark.parametrize("target", TARGETS)
def test_large_layers_in_integers(target: str, tmp_path: Path) -> None:
    """From 512 cells on OpenVINO too quantizes what it multiplies; after silence, to -250."""
    (source,) = write_random_model(tmp_path, 512)
    reference = open_model(source)
    silence = np.zeros(8000, np.int16)
    features = clip_features(reference, np.concatenate([silence, packaged_speech(16000)]))
    expected, states = run_clip(reference, features)
    model = converted(target, source, tmp_path / "a", precision="int8", lengths="input")
    found, kept = run_clip(model, features)
    assert 1e-5 < distance(found, expected) < TOLERANCES["int8"].probabilities / 3
    assert distance(kept, states) < TOLERANCES["int8"].states / 3


@pytest.mark.parametrize(("cells", "group"), [(512, "512"), (128, "0"), (520, "0")])
def test_openvino_is_told_when_to_quantize(cells: int, group: str, tmp_path: Path) -> None:
    """Large groups of 16, a group for each row; what is small stays exact."""
    require_toolkits("openvino")
    (source,) = write_random_model(tmp_path, cells)
    path = convert("openvino", source, tmp_path / "a", precision="int8", steps=DYNAMIC)
    model = import_openvino().Core().read_model(str(path))
    option = ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"]
    assert model.get_rt_info(option).astype(str) == group


@pytest.mark.parametrize("target", TARGETS)
def test_a_small_model_knows_its_precision(target: str, tmp_path: Path) -> None:
    """Of 8 bits it is judged as such, even where most weights are the first layer's of 16."""
    (source,) = write_random_model(tmp_path, 8)
    for precision in ("fp32", *REDUCED):
        model = converted(target, source, tmp_path / precision, precision=precision)
        assert model.interface.precision == precision


def test_quantized_weights_are_within_half_a_step() -> None:
    """Symmetric around zero, a scale for each output, the largest weight at 127."""
    rng = np.random.default_rng(5)
    weights = (rng.normal(size=(1300, 7)) * 10.0 ** np.arange(-3, 4)).astype(np.float32)
    found = quantize(weights)
    assert found.values.dtype == np.int8
    assert found.scales.dtype == np.float32
    assert (found.values.shape, found.scales.shape) == ((1300, 7), (7,))
    np.testing.assert_array_equal(np.abs(found.values).max(axis=0), [127] * 7)
    np.testing.assert_allclose(found.scales, np.abs(weights).max(axis=0) / 127, rtol=1e-6)
    assert_half_a_step(found.values, found.scales, weights)


def test_quantizing_is_symmetric() -> None:
    """The opposite weights give the opposite integers and the same scales."""
    weights = np.random.default_rng(6).normal(size=(64, 5)).astype(np.float32)
    found, opposite = quantize(weights), quantize(-weights)
    np.testing.assert_array_equal(opposite.values, -found.values)
    np.testing.assert_array_equal(opposite.scales, found.scales)


@pytest.mark.parametrize("largest", [1e-30, 1.0, 127.0, 3e38])
def test_extreme_weights_reach_127(largest: float) -> None:
    """Never -128, which has no opposite; what is on the grid stays exactly what it is."""
    grid = np.arange(-127, 128, dtype=np.float32)[:, None]
    found = quantize((grid / 127 * np.float32(largest)).astype(np.float32))
    np.testing.assert_array_equal(found.values, grid.astype(np.int8))
    found = quantize(np.array([[-largest], [largest / 300], [0]], np.float32))
    assert found.values.ravel().tolist() == [-127, 0, 0]


def test_an_output_of_zeros_has_a_scale() -> None:
    """Nothing is divided by zero, and its neighbours do not change."""
    weights = np.array([[0, 1], [0, -2]], np.float32)
    found = quantize(weights)
    assert found.scales[0] == 1
    assert found.values.tolist() == [[0, 64], [0, -127]]
    np.testing.assert_array_equal(quantize(weights[:, 1:]).values, found.values[:, 1:])
    assert quantize(np.zeros((0, 3), np.float32)).scales.tolist() == [1, 1, 1]


def test_quantizing_leaves_the_weights_alone() -> None:
    """They may be a read-only view of the mapped file, in any order."""
    weights = np.random.default_rng(7).normal(size=(600, 40)).astype(np.float32)
    weights.flags.writeable = False
    expected = quantize(weights)
    for view in (np.asfortranarray(weights), np.repeat(weights, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(quantize(view).values, expected.values)


@pytest.mark.parametrize("order", ["icfo", "iofc", "fico", "ifco"])
def test_gates_come_in_the_order_that_is_asked_for(order: str, small_graph: Graph) -> None:
    """Columns of each gate from the graph's order i, c, f, o; the forget bias added to f alone."""
    lstm: Lstm = replace(recognise(small_graph).lstm, forget_bias=0.75)
    kernel, bias = values(lstm.kernel), values(lstm.bias)
    assert (lstm.cells, lstm.inputs, kernel.shape) == (32, 32, (64, 128))
    found = lstm_bias(lstm, order)
    for position, gate in enumerate(order):
        columns = slice("icfo".index(gate) * 32, "icfo".index(gate) * 32 + 32)
        expected = bias[columns] + np.float32(0.75 if gate == "f" else 0)
        np.testing.assert_array_equal(found[position * 32 : position * 32 + 32], expected)
        np.testing.assert_array_equal(input_kernel(lstm, gate), kernel[:32, columns])
        np.testing.assert_array_equal(recurrent_kernel(lstm, gate), kernel[32:, columns])
    np.testing.assert_array_equal(values(lstm.bias), bias)


def test_other_orders_of_the_graph_are_read(small_graph: Graph) -> None:
    """The order of the graph's own columns is the LSTM's to say."""
    lstm = recognise(small_graph).lstm
    other = replace(lstm, gates=("f", "o", "i", "c"))
    np.testing.assert_array_equal(input_kernel(other, "f"), input_kernel(lstm, "i"))
    np.testing.assert_array_equal(recurrent_kernel(other, "c"), recurrent_kernel(lstm, "o"))
    np.testing.assert_array_equal(lstm_bias(other, "foic"), values(lstm.bias))
