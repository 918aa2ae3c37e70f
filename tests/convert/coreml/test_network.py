"""Core ML models give the numbers of the graph that they were made from, frame for frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.coreml.options import CoreMlFormat
from dsconv.convert.options import Lengths
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from tests.acoustic.edits import Edit, attributes, constant, edits, op, takes
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import (
    Call,
    Reference,
    Windows,
    answers,
    assert_close,
    calls,
    scores_of,
    speech_windows,
)
from tests.convert.conversions import require_toolkits, saved
from tests.convert.coreml.forms import FORMATS, core_ml_model
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip, state_bound

LENGTHS: tuple[Lengths, ...] = ("frozen", "input")
STATIC = "deepspeech-0.9.3-static.pb"
LSTM_NODE = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell/BlockLSTM"


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is run here."""
    require_toolkits("coreml")


def random_call(frames: int, length: int, seed: int = 2) -> Call:
    """Windows and states of a network with 32 cells, none of them zero."""
    rng = np.random.default_rng(seed)
    windows = rng.normal(size=(1, frames, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    return Call(windows, length, c, h)


def parts(windows: Windows, size: int) -> Iterator[tuple[Windows, int]]:
    """A clip in calls of so many frames, the last one filled up, and how many are valid."""
    for start in range(0, windows.shape[1], size):
        part = windows[:, start : start + size]
        padded = np.zeros((1, size, *windows.shape[2:]), np.float32)
        padded[:, : part.shape[1]] = part
        yield padded, part.shape[1]


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", EXPORTS)
def test_sixteen_steps_equal_tensorflow(
    name: str, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Speech from the middle of a clip; padded frames, and no valid one, as in the graph."""
    reference = Reference(tensorflow, set_steps(open_graph(models / name), 16))
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, 32:48], cells=100)
    assert min(np.abs(state).max() for state in states) > 0.5
    for style in FORMATS:
        for lengths in LENGTHS:
            asked: dict[str, Any] = {"steps": 16, "lengths": lengths, "format": style}
            model = core_ml_model(models / name, tmp_path / lengths, **asked)
            assert model.interface.steps == 16
            valid = (0, 1, 8, 15, 16) if lengths == "input" else (16,)
            for call in calls(windows[:, 48:], 16, valid, states):
                found, expected = answers(model, call), reference.run(call)
                assert found[0].shape == (16, 1, EXPORTS[name].classes)
                assert_close(found, expected)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", EXPORTS)
def test_any_number_of_frames_equals_tensorflow(
    name: str, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """One model, also of a graph of 16 frames, whose calls grow and shrink; any of them valid."""
    reference = Reference(tensorflow, set_steps(open_graph(models / name), DYNAMIC))
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, :32], cells=100)
    for style in FORMATS:
        for lengths in LENGTHS:
            asked: dict[str, Any] = {"steps": DYNAMIC, "lengths": lengths, "format": style}
            model = core_ml_model(models / name, tmp_path / lengths, **asked)
            assert model.interface.steps == DYNAMIC
            for frames in (16, 1, 37, 5):
                every = {0, 1, frames // 2, frames - 1, frames}
                valid = every if lengths == "input" else {frames}
                for call in calls(windows, frames, sorted(valid), states):
                    found, expected = answers(model, call), reference.run(call)
                    assert found[0].shape == (frames, 1, EXPORTS[name].classes)
                    assert_close(found, expected)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_every_choice_of_steps_equals_tensorflow(
    lengths: Lengths, style: CoreMlFormat, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip in calls of each number with the states fed back; calls of another are refused."""
    reference = Reference(tensorflow, open_graph(models / "deepspeech-0.9.3-dynamic.pb"))
    asked: dict[str, Any] = {"step_choices": (1, 16, 32), "lengths": lengths, "format": style}
    model = core_ml_model(models / STATIC, tmp_path / "a", **asked)
    windows = speech_windows(models / STATIC, models)[:, :70]
    for size in (1, 16, 32):
        states = wanted = [np.zeros((1, 100), np.float32)] * 2
        for part, count in parts(windows, size):
            valid = count if lengths == "input" else size
            found = answers(model, Call(part, count, states[0], states[1]))
            expected = reference.run(Call(part, valid, wanted[0], wanted[1]))
            assert found[0].shape == (size, 1, 29)
            assert_close(found, expected)
            states, wanted = found[1:], expected[1:]
    for size in (2, 15, 17, 33):
        with pytest.raises(ConversionError, match=rf"'input_node' .* \[1, {size}, 19, 26\]"):
            answers(model, Call(windows[:, :size], size, states[0], states[1]))


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_calls_of_another_size_are_refused(
    steps: int, style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """A model of 16 frames takes 16, one of any number up to its bound; it never says less."""
    asked: dict[str, Any] = {"max_steps": 20} if steps == DYNAMIC else {}
    model = core_ml_model(small_model, tmp_path / "a", steps=steps, format=style, **asked)
    taken = (1, 5, 16, 20) if steps == DYNAMIC else (16,)
    for frames in (1, 5, 16, 20, 21):
        call = random_call(frames, frames)
        if frames in taken:
            assert answers(model, call)[0].shape == (frames, 1, 29)
            continue
        with pytest.raises(ConversionError, match=rf"'input_node' .* \[1, {frames}, 19, 26\]"):
            answers(model, call)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("steps", [16, 1, 5, DYNAMIC])
def test_speech_gives_the_numbers_of_the_graph(
    steps: int, lengths: Lengths, style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Whole clips, chunk by chunk, against dsconv's own evaluation of the graph."""
    graph = set_steps(open_graph(small_model), steps)
    reference = open_model(saved(graph, tmp_path / "reference.pb"))
    asked: dict[str, Any] = {"steps": steps, "lengths": lengths, "format": style}
    model = core_ml_model(small_model, tmp_path / "a", **asked)
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    expected, expected_states = run_clip(reference, features)
    found, states = run_clip(model, features)
    assert distance(found, expected) < 1e-5
    if lengths == "input" or len(features) % abs(steps) == 0:
        assert distance(states, expected_states) < state_bound(expected_states)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("steps", [16, 1, 3, DYNAMIC])
def test_every_length_equals_the_graph(
    steps: int, style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """From none valid, which gives back the states as they were, to all."""
    graph = set_steps(open_graph(small_model), steps)
    reference = open_model(saved(graph, tmp_path / "reference.pb"))
    asked: dict[str, Any] = {"steps": steps, "lengths": "input", "format": style}
    model = core_ml_model(small_model, tmp_path / "a", **asked)
    frames = 16 if steps == DYNAMIC else steps
    for length in range(frames + 1):
        call = random_call(frames, length, seed=length)
        found, expected = answers(model, call), answers(reference, call)
        for actual, wanted in zip(found, expected, strict=True):
            assert distance(actual, wanted) < 1e-6
        if length == 0:
            np.testing.assert_array_equal(found[1:], [call.c, call.h])


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_what_is_padded_says_nothing(
    steps: int, style: CoreMlFormat, precision: str, small_model: Path, tmp_path: Path
) -> None:
    """Frames behind the valid ones change nothing, be they zeros, huge or no numbers at all."""
    asked: dict[str, Any] = {"steps": steps, "format": style, "precision": precision}
    model = core_ml_model(small_model, tmp_path / "a", lengths="input", **asked)
    for length in (7, 0):
        call = random_call(16, length)
        expected = answers(model, call)
        for filling in (0.0, -3e4, 1e30, -np.inf, np.nan):
            call.windows[:, length:] = filling
            for actual, wanted in zip(answers(model, call), expected, strict=True):
                np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize(
    "edit",
    [
        op("logits", "Identity"),
        attributes(LSTM_NODE, forget_bias=1.0),
        takes("MatMul_1", 0, "Relu"),
        takes("MatMul_2", 0, "BiasAdd_1"),
        takes("MatMul_4", 0, "Reshape_3"),
        takes("Reshape_2", 0, "Minimum"),
        edits(op("BiasAdd", "Add"), op("BiasAdd_4", "AddV2")),
    ],
    ids="raw-scores forget-bias no-clip no-relu none-behind one-before added-bias".split(),
)
def test_other_networks_of_the_family(
    edit: Edit, style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Whatever is recognised is built as it was recognised."""
    source = saved(edit(open_graph(small_model)), tmp_path / "edited.pb")
    reference = open_model(source)
    model = core_ml_model(
        source, tmp_path / "a", lengths="input", format=style, scores=scores_of(reference)
    )
    rng = np.random.default_rng(4)
    windows = rng.normal(scale=3, size=(1, 16, 19, 26)).astype(np.float32)
    states = [rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2)]
    for call in calls(windows, 16, (0, 9, 16), states):
        for found, expected in zip(answers(model, call), answers(reference, call), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.models
@pytest.mark.parametrize("style", FORMATS)
def test_the_epsilon_of_a_normalization(style: CoreMlFormat, models: Path, tmp_path: Path) -> None:
    """It is the graph's, and is added to the variance, also where it is larger than that."""
    original = models / "deepspeech-0.9.3-ln-static.pb"
    graph = open_graph(original)
    epsilons = [node.name for node in graph if node.name.endswith("/batchnorm/add/y")]
    assert len(epsilons) == 4
    source = saved(edits(*(constant(name, 0.5) for name in epsilons))(graph), tmp_path / "a.pb")
    windows = speech_windows(source, models)[:, 32:48]
    zeros = np.zeros((1, 100), np.float32)
    call = Call(windows, 16, zeros, zeros)
    expected = answers(open_model(source), call)
    assert distance(answers(open_model(original), call)[0], expected[0]) > 0.01
    assert_close(answers(core_ml_model(source, tmp_path / "b", format=style), call), expected)


@pytest.mark.parametrize("style", FORMATS)
def test_a_stream_starts_anew(style: CoreMlFormat, small_model: Path, tmp_path: Path) -> None:
    """Nothing stays in the model from clip to clip."""
    stream = Stream(core_ml_model(small_model, tmp_path / "a", format=style))
    windows = random_call(16, 16).windows[0]
    first = stream.run(windows).probabilities
    assert distance(stream.run(windows).probabilities, first) > 1e-5
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first)


@pytest.mark.parametrize("style", FORMATS)
def test_long_calls_equal_short_ones(
    style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Five hundred frames in one call, and in calls of 1 to 99 with the states fed back."""
    model = core_ml_model(small_model, tmp_path / "a", steps=DYNAMIC, format=style)
    call = random_call(500, 500)
    expected = answers(model, call)
    c, h, found, start = call.c, call.h, [], 0
    for size in (1, 99, 2, 98, 50, 50, 3, 97, 99, 1):
        part = call.windows[:, start : start + size]
        probabilities, c, h = answers(model, Call(part, size, c, h))
        found.append(probabilities)
        start += size
    assert distance(np.concatenate(found), expected[0]) < TOLERANCES["fp32"].probabilities
    assert max(distance(c, expected[1]), distance(h, expected[2])) < TOLERANCES["fp32"].states
