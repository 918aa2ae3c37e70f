"""TFLite models give the numbers of the graph that they were made from, frame for frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.convert.options import Lengths
from dsconv.convert.tflite.options import LstmForm
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.toolkits import import_litert
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from dsconv.runtime.tflite import TfliteModel
from tests.acoustic.edits import Edit, attributes, edits, op, renamed, takes
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import (
    OUTPUTS,
    Call,
    Reference,
    Windows,
    answers,
    assert_close,
    scores_of,
    speech_windows,
)
from tests.convert.conversions import convert, saved
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip, state_bound

STATIC = "deepspeech-0.9.3-static.pb"
EXPORTED_STEPS = 16
FORMS: tuple[LstmForm, ...] = ("loop", "unrolled")
LENGTHS: tuple[Lengths, ...] = ("frozen", "input")


class Original:
    """TensorFlow running a graph as it was exported: 16 frames a call, however many are asked."""

    def __init__(self, tensorflow: Any, graph: Path) -> None:
        self._reference = Reference(tensorflow, open_graph(graph))

    def run(self, call: Call) -> list[Any]:
        """The probabilities [frames, classes] and the states after the last valid frame."""
        c, h, rows = call.c, call.h, []
        for start, part in parts(call.windows, EXPORTED_STEPS):
            count = min(call.windows.shape[1] - start, EXPORTED_STEPS)
            valid = min(max(call.length - start, 0), count)
            probabilities, c, h = self._reference.run(Call(part, valid, c, h))
            rows.append(probabilities.reshape(EXPORTED_STEPS, -1)[:count])
        return [np.concatenate(rows), c, h]

    def states(self, windows: Windows) -> list[Any]:
        """The states after windows of a clip, from zeros."""
        return self.run(Call(windows, windows.shape[1], *zero_states()))[1:]


def parts(windows: Windows, size: int) -> Iterator[tuple[int, Windows]]:
    """Windows in calls of so many frames, the last one filled up with zeros, and their places."""
    for start in range(0, windows.shape[1], size):
        part = windows[:, start : start + size]
        padded = np.zeros((1, size, *windows.shape[2:]), np.float32)
        padded[:, : part.shape[1]] = part
        yield start, padded


def zero_states(cells: int = 100) -> list[Any]:
    """The states at the beginning of a clip."""
    return [np.zeros((1, cells), np.float32)] * 2


def converted(source: Path, output: Path, **asked: Any) -> TfliteModel:
    """The TFLite model of a graph, in float32 unless asked otherwise, opened."""
    return TfliteModel(convert("tflite", source, output, **{"precision": "fp32", **asked}))


def random_call(frames: int, length: int, seed: int = 2) -> Call:
    """Windows and states of a network with 32 cells, none of them zero."""
    rng = np.random.default_rng(seed)
    windows = rng.normal(size=(1, frames, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    return Call(windows, length, c, h)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXPORTS)
def test_a_clip_equals_tensorflow(
    name: str, form: LstmForm, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Sixteen frames a call, the states fed back, from zeros and from states of a sentence."""
    original = Original(tensorflow, models / name)
    model = converted(models / name, tmp_path / "a", steps=EXPORTED_STEPS, lstm=form)
    assert (model.interface.steps, model.interface.precision) == (EXPORTED_STEPS, "fp32")
    windows = speech_windows(models / name, models)
    heard = original.states(windows[:, 24:48])
    assert min(np.abs(state).max() for state in heard) > 0.5
    for states in (zero_states(), heard):
        wanted = states
        for _, part in parts(windows, EXPORTED_STEPS):
            found = answers(model, Call(part, EXPORTED_STEPS, *states))
            expected = original.run(Call(part, EXPORTED_STEPS, *wanted))
            assert found[0].shape == (EXPORTED_STEPS, EXPORTS[name].classes)
            assert_close(found, expected)
            states, wanted = found[1:], expected[1:]


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", EXPORTS)
def test_one_interpreter_takes_any_number_of_frames(
    name: str, lengths: Lengths, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Its calls grow and shrink; all frames are valid, half of them or none."""
    original = Original(tensorflow, models / name)
    model = converted(models / name, tmp_path / "a", steps=DYNAMIC, lengths=lengths)
    assert model.interface.steps == DYNAMIC
    windows = speech_windows(models / name, models)
    states = original.states(windows[:, 24:48])
    for frames in (1, 5, 16, 50, 146, 16):
        for length in {frames, frames // 2, 0} if lengths == "input" else {frames}:
            call = Call(windows[:, :frames], length, *states)
            found = answers(model, call)
            assert found[0].shape == (frames, EXPORTS[name].classes)
            assert_close(found, original.run(call))
            if length == 0:
                np.testing.assert_array_equal(found[1:], states)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", EXPORTS)
def test_padding_equals_tensorflow(
    name: str, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Behind the valid frames the states stay, and the rows are those of a silent LSTM."""
    original = Original(tensorflow, models / name)
    model = converted(models / name, tmp_path / "a", steps=EXPORTED_STEPS, lengths="input")
    windows = speech_windows(models / name, models)
    states = original.states(windows[:, 24:48])
    for length in (0, 1, 7, 15, 16):
        call = Call(windows[:, 48:64], length, *states)
        found = answers(model, call)
        assert_close(found, original.run(call))
        silent = found[0][length:]
        np.testing.assert_array_equal(silent, np.broadcast_to(silent[:1], silent.shape))
        if length == 0:
            np.testing.assert_array_equal(found[1:], states)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steps", [1, 8, 32])
def test_other_steps_from_a_graph_of_sixteen(
    steps: int, form: LstmForm, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip, call by call with the states fed back, against the graph of sixteen."""
    original = Original(tensorflow, models / STATIC)
    model = converted(models / STATIC, tmp_path / "a", steps=steps, lstm=form)
    assert model.interface.steps == steps
    windows = speech_windows(models / STATIC, models)
    states = wanted = zero_states()
    for _, part in parts(windows, steps):
        found = answers(model, Call(part, steps, *states))
        expected = original.run(Call(part, steps, *wanted))
        assert_close(found, expected)
        states, wanted = found[1:], expected[1:]


WAYS: list[dict[str, Any]] = [
    *({"lstm": form, "steps": steps} for form in FORMS for steps in (16, 1, 5)),
    *({"lengths": "input", "steps": steps} for steps in (16, DYNAMIC)),
    {"steps": DYNAMIC},
]


@pytest.mark.parametrize("asked", WAYS, ids=lambda asked: "-".join(map(str, asked.values())))
@pytest.mark.parametrize("weights", ["trained", "random"])
def test_speech_gives_the_numbers_of_the_graph(
    weights: str, asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """Packaged speech, chunk by chunk, against dsconv's own evaluation of the graph."""
    source = MODEL if weights == "trained" else small_model
    reference = NumpyGraphModel(set_steps(open_graph(source), asked["steps"]))
    model = converted(source, tmp_path / "a", **asked)
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    expected, expected_states = run_clip(reference, features)
    found, states = run_clip(model, features)
    assert distance(found, expected) < 1e-5
    if "lengths" in asked or len(features) % abs(asked["steps"]) == 0:
        assert distance(states, expected_states) < state_bound(expected_states)


@pytest.mark.parametrize("steps", [16, 1, 3, DYNAMIC])
def test_every_length_equals_the_graph(steps: int, small_model: Path, tmp_path: Path) -> None:
    """From none valid, which gives back the states as they were, to all."""
    reference = NumpyGraphModel(set_steps(open_graph(small_model), steps))
    model = converted(small_model, tmp_path / "a", steps=steps, lengths="input")
    frames = 16 if steps == DYNAMIC else steps
    for length in range(frames + 1):
        call = random_call(frames, length, seed=length)
        found, expected = answers(model, call), answers(reference, call)
        expected[0] = expected[0].reshape(frames, -1)
        for actual, wanted in zip(found, expected, strict=True):
            assert distance(actual, wanted) < 1e-6
        if length == 0:
            np.testing.assert_array_equal(found[1:], [call.c, call.h])


@pytest.mark.parametrize("filling", [0.0, 1e30, np.nan])
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_what_is_padded_says_nothing(
    steps: int, filling: float, small_model: Path, tmp_path: Path
) -> None:
    """Frames behind the valid ones change nothing, be they zeros, huge or no numbers at all."""
    model = converted(small_model, tmp_path / "a", steps=steps, lengths="input")
    call = random_call(16, 7)
    expected = answers(model, call)
    call.windows[:, 7:] = filling
    for actual, wanted in zip(answers(model, call), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize(
    "asked", [*({"lstm": form} for form in FORMS), {"steps": DYNAMIC}], ids=str
)
@pytest.mark.parametrize(
    "edit",
    [
        op("logits", "Identity"),
        attributes(f"{LSTM}/BlockLSTM", forget_bias=1.0),
        takes("MatMul_1", 0, "Relu"),
        takes("MatMul_2", 0, "BiasAdd_1"),
        takes("MatMul_4", 0, "Reshape_3"),
        takes("Reshape_2", 0, "Minimum"),
        edits(op("BiasAdd", "Add"), op("BiasAdd_4", "AddV2")),
    ],
    ids="raw-scores forget-bias no-clip no-relu none-behind one-before added-bias".split(),
)
def test_other_networks_of_the_family(
    edit: Edit, asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """Whatever is recognised is built as it was recognised."""
    source = saved(edit(open_graph(small_model)), tmp_path / "edited.pb")
    reference = open_model(source)
    model = converted(source, tmp_path / "a", scores=scores_of(reference), **asked)
    rng = np.random.default_rng(4)
    windows = rng.normal(scale=3, size=(1, 16, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    expected = answers(reference, Call(windows, 16, c, h))
    expected[0] = expected[0].reshape(16, -1)
    for actual, wanted in zip(answers(model, Call(windows, 16, c, h)), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_swapped_states_stay_swapped(form: LstmForm, small_model: Path, tmp_path: Path) -> None:
    """A graph that gives its states under each other's names gives a model that does so too."""
    swap = {"new_state_c": "new_state_h", "new_state_h": "new_state_c"}
    source = saved(renamed(open_graph(small_model), swap), tmp_path / "a.pb")
    model, call = converted(source, tmp_path / "a", lstm=form), random_call(16, 16)
    for found, expected in zip(
        answers(model, call)[1:], answers(open_model(source), call)[1:], strict=True
    ):
        assert distance(found, expected) < 1e-5


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("form", FORMS)
def test_a_stream_starts_anew(
    form: LstmForm, precision: str, small_model: Path, tmp_path: Path
) -> None:
    """Nothing stays in the model from clip to clip."""
    stream = Stream(converted(small_model, tmp_path / "a", lstm=form, precision=precision))
    windows = random_call(16, 16).windows[0]
    first = stream.run(windows).probabilities
    assert distance(stream.run(windows).probabilities, first) > 1e-5
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first)


def test_long_calls_equal_short_ones(small_model: Path, tmp_path: Path) -> None:
    """Five hundred frames in one call, and in calls of 1 to 99 with the states fed back."""
    model = converted(small_model, tmp_path / "a", steps=DYNAMIC)
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


@pytest.mark.parametrize(
    "asked", [*({"lstm": form} for form in FORMS), {"steps": DYNAMIC, "lengths": "input"}], ids=str
)
def test_no_delegate_is_needed(asked: dict[str, Any], small_model: Path, tmp_path: Path) -> None:
    """The last DeepSpeech has no XNNPACK; the plain kernels say the same."""
    path = convert("tflite", small_model, tmp_path / "a", precision="fp32", **asked)
    litert = import_litert()
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(str(path), experimental_op_resolver_type=plain)
    numbers = {found["name"]: found["index"] for found in interpreter.get_input_details()}
    interpreter.resize_tensor_input(numbers["input_node"], [1, 16, 19, 26])
    interpreter.allocate_tensors()
    call = random_call(16, 16)
    fed = {**call.tensors, "input_samples": np.zeros(512, np.float32)}
    for name, number in numbers.items():
        interpreter.set_tensor(number, fed[name])
    interpreter.invoke()
    found = {one["name"]: one["index"] for one in interpreter.get_output_details()}
    for name, expected in zip(OUTPUTS, answers(TfliteModel(path), call), strict=True):
        assert distance(interpreter.get_tensor(found[name]), expected) < 1e-5
