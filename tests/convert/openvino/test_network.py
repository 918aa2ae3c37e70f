"""IRs give the numbers of the graph that they were made from, frame for frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Lengths
from dsconv.errors import ToolkitError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_openvino
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model
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
from tests.convert.conversions import convert, converted, saved
from tests.runtime.speech import distance

try:
    openvino = import_openvino()
except ToolkitError:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)

LENGTHS: tuple[Lengths, ...] = ("frozen", "input")
STATIC = "deepspeech-0.9.3-static.pb"
LSTM_NODE = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell/BlockLSTM"


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


def reference_stream(reference: Reference, windows: Windows, size: int) -> list[Any]:
    """The probabilities of a clip with the states fed back, and the last two states."""
    c, h = (np.zeros((1, 100), np.float32) for _ in range(2))
    found = []
    for part, count in parts(windows, size):
        probabilities, c, h = reference.run(Call(part, count, c, h))
        found.append(probabilities[:count])
    return [np.concatenate(found), c, h]


def app_stream(request: Any, windows: Windows, size: int, *, lengths: bool) -> Any:
    """The probabilities of a clip as an app gets them that leaves the states inside."""
    found = []
    for part, count in parts(windows, size):
        fed: dict[str, Any] = {"input_node": part}
        if lengths:
            fed["input_lengths"] = np.array([count], np.int32)
        request.infer(fed)
        found.append(np.array(request.get_tensor("logits").data)[:count])
    return np.concatenate(found)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", EXPORTS)
def test_sixteen_steps_equal_tensorflow(
    name: str, lengths: Lengths, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Speech from the middle of a clip; padded frames, and no valid one, as in the graph."""
    reference = Reference(tensorflow, set_steps(open_graph(models / name), 16))
    model = converted("openvino", models / name, tmp_path / "a", steps=16, lengths=lengths)
    assert model.interface.steps == 16
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, 32:48], cells=100)
    assert min(np.abs(state).max() for state in states) > 0.5
    for length in (0, 1, 7, 15, 16) if lengths == "input" else (16,):
        call = Call(windows[:, 48:64], length, *states)
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
    """One model, whose calls grow and shrink; all frames, half, one or none of them valid."""
    reference = Reference(tensorflow, set_steps(open_graph(models / name), DYNAMIC))
    model = converted("openvino", models / name, tmp_path / "a", steps=DYNAMIC, lengths=lengths)
    assert model.interface.steps == DYNAMIC
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, :32], cells=100)
    for frames in (16, 1, 146, 5, 37, 1, 16):
        valid = {frames, frames // 2, 1, 0} if lengths == "input" else {frames}
        for call in calls(windows, frames, sorted(valid), states):
            found, expected = answers(model, call), reference.run(call)
            assert found[0].shape == (frames, 1, EXPORTS[name].classes)
            assert_close(found, expected)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("steps", [DYNAMIC, 1, 32])
def test_one_graph_of_sixteen_steps_gives_models_of_any(
    steps: int, lengths: Lengths, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip, call by call with the states fed back, against the exporter's own dynamic graph."""
    reference = Reference(tensorflow, open_graph(models / "deepspeech-0.9.3-dynamic.pb"))
    model = converted("openvino", models / STATIC, tmp_path / "a", steps=steps, lengths=lengths)
    windows = speech_windows(models / STATIC, models)
    size = windows.shape[1] if steps == DYNAMIC else steps
    states = wanted = [np.zeros((1, 100), np.float32)] * 2
    for part, count in parts(windows, size):
        found = answers(model, Call(part, count, states[0], states[1]))
        valid = count if lengths == "input" else size
        expected = reference.run(Call(part, valid, wanted[0], wanted[1]))
        assert_close(found, expected)
        states, wanted = found[1:], expected[1:]


INSIDE = [(name, 16, "frozen") for name in EXPORTS] + [
    (STATIC, 16, "input"),
    (STATIC, DYNAMIC, "frozen"),
    (STATIC, DYNAMIC, "input"),
]


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize(("name", "steps", "lengths"), INSIDE)
def test_states_inside_equal_tensorflow(
    name: str, steps: int, lengths: Lengths, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip without its states, twice with a reset between; they are read from the request."""
    path = convert(
        "openvino",
        models / name,
        tmp_path / "a",
        steps=steps,
        lengths=lengths,
        states="internal",
    )
    request = new_request(path)
    size, live = 16 if steps == 16 else 37, lengths == "input"
    graph = set_steps(open_graph(models / name), DYNAMIC)
    windows = speech_windows(models / name, models)
    if not live:
        windows = windows[:, : windows.shape[1] // size * size]
    expected = reference_stream(Reference(tensorflow, graph), windows, size)
    found = app_stream(request, windows, size, lengths=live)
    assert_close([found, *kept_states(request)], expected)
    request.reset_state()
    again = app_stream(request, windows, size, lengths=live)
    np.testing.assert_array_equal(again, found)


def new_request(path: Path) -> Any:
    """An infer request as an app makes it, computing in float32."""
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model.create_infer_request()


def kept_states(request: Any) -> list[Any]:
    """The cell and the hidden state that a request keeps."""
    states = {state.name: np.array(state.state.data) for state in request.query_state()}
    return [states["previous_state_c"], states["previous_state_h"]]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_states_inside_belong_to_a_request(
    steps: int, lengths: Lengths, small_model: Path, tmp_path: Path
) -> None:
    """Two clips at once in one compiled model; each request forgets by itself."""
    asked: dict[str, Any] = {"steps": steps, "lengths": lengths, "states": "internal"}
    path = convert("openvino", small_model, tmp_path / "a", **asked)
    compiled = openvino.Core().compile_model(str(path), "CPU")
    fed = {"input_node": random_call(16, 16).windows}
    if lengths == "input":
        fed["input_lengths"] = np.array([16], np.int32)
    one, other = compiled.create_infer_request(), compiled.create_infer_request()
    first, second = told(one, fed), told(one, fed)
    assert distance(first, second) > 1e-5
    np.testing.assert_array_equal(told(other, fed), first)
    one.reset_state()
    np.testing.assert_array_equal(told(one, fed), first)
    np.testing.assert_array_equal(told(other, fed), second)


def told(request: Any, fed: dict[str, Any]) -> Any:
    """What a request says to a call."""
    request.infer(fed)
    return np.array(request.get_tensor("logits").data)


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_no_valid_frame_keeps_the_states_inside(
    steps: int, small_model: Path, tmp_path: Path
) -> None:
    """A call of length 0 between two others changes nothing, as if it had not been."""
    model = converted(
        "openvino", small_model, tmp_path / "a", steps=steps, lengths="input", states="internal"
    )
    names = ["input_node", "input_lengths"]
    full, empty, short = (
        {name: random_call(16, length).tensors[name] for name in names} for length in (16, 0, 5)
    )
    plain = [model.call(fed, ["logits"])["logits"] for fed in (full, short)]
    model.reset()
    found = [model.call(fed, ["logits"])["logits"] for fed in (full, empty, short)]
    np.testing.assert_array_equal(found[0], plain[0])
    np.testing.assert_array_equal(found[2], plain[1])


@pytest.mark.parametrize("steps", [16, 1, 3, DYNAMIC])
def test_every_length_equals_the_graph(steps: int, small_model: Path, tmp_path: Path) -> None:
    """From none valid, which gives back the states as they were, to all."""
    graph = set_steps(open_graph(small_model), steps)
    reference = open_model(saved(graph, tmp_path / "reference.pb"))
    model = converted("openvino", small_model, tmp_path / "a", steps=steps, lengths="input")
    frames = 16 if steps == DYNAMIC else steps
    for length in range(frames + 1):
        call = random_call(frames, length, seed=length)
        found, expected = answers(model, call), answers(reference, call)
        for actual, wanted in zip(found, expected, strict=True):
            assert distance(actual, wanted) < 1e-6
        if length == 0:
            np.testing.assert_array_equal(found[1:], [call.c, call.h])


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_what_is_padded_says_nothing(steps: int, small_model: Path, tmp_path: Path) -> None:
    """Frames behind the valid ones change nothing, be they zeros, huge or no numbers at all."""
    model = converted("openvino", small_model, tmp_path / "a", steps=steps, lengths="input")
    call = random_call(16, 7)
    expected = answers(model, call)
    for filling in (0, 1e30, np.nan):
        call.windows[:, 7:] = filling
        for actual, wanted in zip(answers(model, call), expected, strict=True):
            np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("steps", [16, DYNAMIC])
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
    edit: Edit, steps: int, small_model: Path, tmp_path: Path
) -> None:
    """Whatever is recognised is built as it was recognised."""
    source = saved(edit(open_graph(small_model)), tmp_path / "edited.pb")
    reference = open_model(source)
    asked = {"steps": steps, "lengths": "input", "scores": scores_of(reference)}
    model = converted("openvino", source, tmp_path / "a", **asked)
    rng = np.random.default_rng(4)
    windows = rng.normal(scale=3, size=(1, 16, 19, 26)).astype(np.float32)
    states = [rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2)]
    for call in calls(windows, 16, (0, 9, 16), states):
        for found, expected in zip(answers(model, call), answers(reference, call), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.models
def test_the_epsilon_of_a_normalization(models: Path, tmp_path: Path) -> None:
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
    assert_close(answers(converted("openvino", source, tmp_path / "b"), call), expected)


def test_a_stream_starts_anew(small_model: Path, tmp_path: Path) -> None:
    """Nothing stays in the model from clip to clip."""
    stream = Stream(converted("openvino", small_model, tmp_path / "a"))
    windows = random_call(16, 16).windows[0]
    first = stream.run(windows).probabilities
    assert distance(stream.run(windows).probabilities, first) > 1e-5
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first)


def test_long_calls_equal_short_ones(small_model: Path, tmp_path: Path) -> None:
    """Five hundred frames in one call, and in calls of 1 to 99 with the states fed back."""
    model: Model = converted("openvino", small_model, tmp_path / "a", steps=DYNAMIC)
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
