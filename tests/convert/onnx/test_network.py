"""ONNX models give the numbers of the graph that they were made from, frame for frame."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Lengths, Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.write import write_graph
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.runtime.model import Model
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from tests.acoustic.edits import Edit, attributes, edits, op, takes
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import (
    Call,
    Reference,
    answers,
    assert_close,
    calls,
    scores_of,
    speech_windows,
)
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip, state_bound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("onnx", reason="ONNX is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

LENGTHS: tuple[Lengths, ...] = ("input", "frozen")


def converted(source: Path, output: Path, **asked: Any) -> Model:
    """The ONNX model of a graph, opened."""
    convert_file(TARGETS["onnx"], source, output, options=Options(**asked))
    return open_model(output)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", EXPORTS)
def test_sixteen_steps_equal_tensorflow(
    name: str, lengths: Lengths, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Speech from the middle of a clip; padded frames, and no valid one, as in the graph."""
    graph = set_steps(open_graph(models / name), 16)
    model = converted(models / name, tmp_path / "a.onnx", steps=16, lengths=lengths)
    assert model.interface.steps == 16
    windows, reference = speech_windows(models / name, models), Reference(tensorflow, graph)
    states = reference.states(windows[:, 32:48], cells=100)
    assert min(np.abs(state).max() for state in states) > 0.5
    valid = (0, 1, 7, 15, 16) if lengths == "input" else (16,)
    for call in calls(windows[:, 48:], 16, valid, states):
        found, expected = answers(model, call), reference.run(call)
        assert found[0].shape == (16, 1, EXPORTS[name].classes)
        assert_close(found, expected)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", EXPORTS)
def test_any_number_of_frames_equals_tensorflow(
    name: str, lengths: Lengths, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """From one frame to the whole clip, all, half, one or none of them valid."""
    reference = Reference(tensorflow, set_steps(open_graph(models / name), DYNAMIC))
    model = converted(models / name, tmp_path / "a.onnx", steps=DYNAMIC, lengths=lengths)
    assert model.interface.steps == DYNAMIC
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, :32], cells=100)
    for frames in (1, 5, 16, 37, 146):
        valid = {frames, frames // 2, 1, 0} if lengths == "input" else {frames}
        for call in calls(windows, frames, sorted(valid), states):
            found, expected = answers(model, call), reference.run(call)
            assert found[0].shape == (frames, 1, EXPORTS[name].classes)
            assert_close(found, expected)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("steps", [DYNAMIC, 1, 32])
def test_one_graph_of_sixteen_steps_gives_models_of_any(
    steps: int, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip, call by call with the states fed back, against the exporter's own dynamic graph."""
    name = "deepspeech-0.9.3-static.pb"
    reference = Reference(tensorflow, open_graph(models / "deepspeech-0.9.3-dynamic.pb"))
    model = converted(models / name, tmp_path / "a.onnx", steps=steps)
    windows = speech_windows(models / name, models)
    size = windows.shape[1] if steps == DYNAMIC else steps
    zeros = np.zeros((1, 100), np.float32)
    states, wanted = (zeros, zeros), (zeros, zeros)
    for start in range(0, windows.shape[1], size):
        part = windows[:, start : start + size]
        padded = np.zeros((1, size, 19, 26), np.float32)
        padded[:, : part.shape[1]] = part
        found = answers(model, Call(padded, part.shape[1], *states))
        expected = reference.run(Call(padded, part.shape[1], *wanted))
        assert_close(found, expected)
        states, wanted = (found[1], found[2]), (expected[1], expected[2])


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", EXPORTS)
def test_half_precision_is_close_to_tensorflow(
    name: str, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Weights in float16: within that precision's tolerances, and in half the file."""
    full = convert_file(TARGETS["onnx"], models / name, tmp_path / "full.onnx")
    model = converted(models / name, tmp_path / "half.onnx", precision="fp16")
    assert model.interface.precision == "fp16"
    assert 0.49 < (tmp_path / "half.onnx").stat().st_size / full.bytes < 0.53
    reference = Reference(tensorflow, open_graph(models / name))
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, :16], cells=100)
    for call in calls(windows[:, 16:], 16, (0, 7, 16), states):
        found = answers(model, call)
        expected = reference.run(call)
        assert distance(found[0], expected[0]) > 0 or call.length == 0
        assert_close(found, expected, "fp16")


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("steps", [16, 1, 5, DYNAMIC])
@pytest.mark.parametrize("weights", ["trained", "random"])
def test_speech_gives_the_numbers_of_the_graph(
    weights: str, steps: int, lengths: Lengths, small_model: Path, tmp_path: Path
) -> None:
    """Whole clips, chunk by chunk, against dsconv's own evaluation of the graph."""
    source = MODEL if weights == "trained" else small_model
    reference = NumpyGraphModel(set_steps(open_graph(source), steps))
    model = converted(source, tmp_path / "a.onnx", steps=steps, lengths=lengths)
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    expected, expected_states = run_clip(reference, features)
    found, states = run_clip(model, features)
    assert distance(found, expected) < 1e-5
    if lengths == "input" or len(features) % abs(steps) == 0:
        assert distance(states, expected_states) < state_bound(expected_states)


def test_no_valid_frame_leaves_the_states(small_model: Path, tmp_path: Path) -> None:
    """The states come back bit for bit, and every frame is as if the LSTM were silent."""
    model = converted(small_model, tmp_path / "a.onnx")
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    probabilities, new_c, new_h = answers(model, Call(windows, 0, c, h))
    np.testing.assert_array_equal((new_c, new_h), (c, h))
    np.testing.assert_array_equal(probabilities, np.broadcast_to(probabilities[:1], (16, 1, 29)))


def test_what_is_padded_says_nothing(small_model: Path, tmp_path: Path) -> None:
    """Frames behind the valid ones change nothing, be they zeros, huge or no numbers at all."""
    model = converted(small_model, tmp_path / "a.onnx")
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    zeros = np.zeros((1, 32), np.float32)
    expected = answers(model, Call(windows, 7, zeros, zeros))
    for filling in (0, 1e30, np.nan):
        windows[:, 7:] = filling
        found = answers(model, Call(windows, 7, zeros, zeros))
        for actual, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize(
    "edit",
    [
        op("logits", "Identity"),
        attributes("cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell/BlockLSTM",
                   forget_bias=1.0),
        takes("MatMul_1", 0, "Relu"),
        takes("MatMul_2", 0, "BiasAdd_1"),
        takes("MatMul_4", 0, "Reshape_3"),
        takes("Reshape_2", 0, "Minimum"),
        edits(op("BiasAdd", "Add"), op("BiasAdd_4", "AddV2")),
    ],
    ids="raw-scores forget-bias no-clip no-relu none-behind one-before added-bias".split(),
)  # fmt: skip
def test_other_networks_of_the_family(edit: Edit, small_model: Path, tmp_path: Path) -> None:
    """Whatever is recognised is built as it was recognised."""
    source = tmp_path / "edited.pb"
    with source.open("wb") as file:
        write_graph(file, edit(open_graph(small_model)))
    reference = open_model(source)
    model = converted(source, tmp_path / "a.onnx", scores=scores_of(reference))
    rng = np.random.default_rng(4)
    windows = rng.normal(scale=3, size=(1, 16, 19, 26)).astype(np.float32)
    states = [rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2)]
    for call in calls(windows, 16, (0, 9, 16), states):
        for found, expected in zip(answers(model, call), answers(reference, call), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_of_the_demo_model(tmp_path: Path) -> None:
    """The weights lose next to nothing: probabilities within 5e-3 over speech."""
    reference = open_model(MODEL)
    model = converted(MODEL, tmp_path / "a.onnx", precision="fp16")
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    expected, _ = run_clip(reference, features)
    found, _ = run_clip(model, features)
    assert 0 < distance(found, expected) < 5e-3


def test_a_stream_starts_anew(small_model: Path, tmp_path: Path) -> None:
    """Nothing stays in the model from clip to clip."""
    stream = Stream(converted(small_model, tmp_path / "a.onnx"))
    windows = np.random.default_rng(7).normal(size=(16, 19, 26)).astype(np.float32)
    first = stream.run(windows).probabilities
    assert distance(stream.run(windows).probabilities, first) > 1e-5
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first)
