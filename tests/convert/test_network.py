"""Built models give the numbers of the graph that they were made from, frame for frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.options import Lengths
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.runtime.model import Model
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from tests.acoustic.edits import Edit, attributes, constant, edits, op, renamed, takes
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import (
    Call,
    answers,
    assert_close,
    calls,
    parts,
    random_call,
    reference_of,
    scores_of,
    speech_windows,
    zero_states,
)
from tests.convert.conversions import converted, saved
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip, state_bound

STATIC, DYNAMIC_EXPORT = "deepspeech-0.9.3-static.pb", "deepspeech-0.9.3-dynamic.pb"


@dataclass(frozen=True)
class Form:
    """A form that a target builds of a network, and what this form can.

    `lengths` are those that it has. A call of a `dynamic` one takes any number of frames.
    `precisions` are those in which padding and a new clip leave no trace. The probabilities are
    [frames, 1, classes], or [frames, classes] if they are not `batched`. States come back bit for
    bit from a call without valid frames if it `restores` them. Of a `slow` one, which is evaluated
    in numpy, fewer combinations are tried.
    """

    target: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    lengths: tuple[Lengths, ...] = ("frozen", "input")
    dynamic: bool = True
    precisions: tuple[str, ...] = ("fp32",)
    batched: bool = True
    restores: bool = True
    slow: bool = False

    def model(self, source: Path, output: Path, **asked: Any) -> Model:
        """The model of a graph in this form, in float32 unless asked otherwise, opened."""
        return converted(
            self.target, source, output, **{"precision": "fp32", **self.asked, **asked}
        )

    def expected(self, answer: list[Any]) -> list[Any]:
        """What this form must answer where the graph, which is batched, answers so."""
        rows, *states = answer
        frames, classes = rows.reshape(len(rows), -1).shape
        return [rows.reshape(self.shape(frames, classes)), *states]

    def shape(self, frames: int, classes: int) -> tuple[int, ...]:
        """The shape of the probabilities."""
        return (frames, 1, classes) if self.batched else (frames, classes)


ALL_PRECISIONS = ("fp32", "fp16", "int8")
FORMS = {
    "onnx": Form("onnx"),
    "openvino": Form("openvino"),
    "loop": Form("tflite", {"lstm": "loop"}, precisions=ALL_PRECISIONS, batched=False),
    "unrolled": Form(
        "tflite",
        {"lstm": "unrolled"},
        lengths=("frozen",),
        dynamic=False,
        precisions=ALL_PRECISIONS,
        batched=False,
    ),
    "mlprogram": Form(
        "coreml",
        {"core_ml": CoreMlOptions(format="mlprogram")},
        precisions=ALL_PRECISIONS,
        slow=True,
    ),
    "neuralnetwork": Form(
        "coreml",
        {"core_ml": CoreMlOptions(format="neuralnetwork")},
        precisions=ALL_PRECISIONS,
        restores=False,
        slow=True,
    ),
}
"""Every form that is built, by the name of the target or of what is asked for."""


def case(name: str, *values: Any) -> Any:
    """A form and other values as parameters of a test."""
    marks = [pytest.mark.slow] if FORMS[name].slow else []
    return pytest.param(FORMS[name], *values, id="-".join([name, *map(str, values)]), marks=marks)


each_form = pytest.mark.parametrize("form", [case(name) for name in FORMS])
each_form_with_lengths = pytest.mark.parametrize(
    "form", [case(name) for name, form in FORMS.items() if "input" in form.lengths]
)


def ways(*steps: int, fewer: bool = False) -> pytest.MarkDecorator:
    """Parametrise over every form, its lengths, and those numbers of steps that it takes.

    With `fewer` only one way of a slow form is tried.
    """
    return pytest.mark.parametrize(
        ("form", "lengths", "steps"),
        [
            case(name, lengths, number)
            for name, form in FORMS.items()
            for lengths in form.lengths
            for number in steps
            if number != DYNAMIC or form.dynamic
            if not (fewer and form.slow) or (lengths, number) == ("input", 16)
        ],
    )


def assert_padding(form: Form, call: Call, found: list[Any]) -> None:
    """Frames after the valid ones are as if the LSTM were silent, and leave the states."""
    assert_silent(found[0][call.length :])
    if call.length == 0 and form.restores:
        np.testing.assert_array_equal(found[1:], [call.c, call.h])


def assert_silent(rows: Any) -> None:
    """All rows are the same."""
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[:1], rows.shape))


@pytest.mark.models
@pytest.mark.tensorflow
@ways(16)
@pytest.mark.parametrize("name", EXPORTS)
def test_sixteen_steps_equal_tensorflow(
    name: str,
    form: Form,
    lengths: Lengths,
    steps: int,
    models: Path,
    tensorflow: Any,
    tmp_path: Path,
) -> None:
    """Speech from the middle of a clip, padded frames, and none valid; then the whole clip.

    The clip starts from zeros and from the states of a sentence, and its states are fed back. The
    reference is the graph as it was exported.
    """
    model = form.model(models / name, tmp_path / "a", steps=steps, lengths=lengths)
    assert (model.interface.steps, model.interface.precision) == (steps, "fp32")
    windows = speech_windows(models / name, models)
    heard = reference_of(tensorflow, models / name, DYNAMIC).states(windows[:, 32:48], cells=100)
    assert min(np.abs(state).max() for state in heard) > 0.5
    reference = reference_of(tensorflow, models / name)
    valid = (0, 1, 7, 8, 15, 16) if lengths == "input" else (16,)
    for call in calls(windows[:, 48:], steps, valid, heard):
        found, expected = answers(model, call), form.expected(reference.run(call))
        assert found[0].shape == form.shape(steps, EXPORTS[name].classes)
        assert_close(found, expected)
        assert_padding(form, call, found)
    for states in () if form.slow else (zero_states(), list(heard)):
        expected_states = states
        for part, count in parts(windows, steps):
            length = count if lengths == "input" else steps
            found = answers(model, Call(part, length, *states))
            expected = form.expected(reference.run(Call(part, length, *expected_states)))
            assert_close(found, expected)
            states, expected_states = found[1:], expected[1:]


@pytest.mark.models
@pytest.mark.tensorflow
@ways(DYNAMIC)
@pytest.mark.parametrize("name", EXPORTS)
def test_any_number_of_frames_equals_tensorflow(
    name: str,
    form: Form,
    lengths: Lengths,
    steps: int,
    models: Path,
    tensorflow: Any,
    tmp_path: Path,
) -> None:
    """One model, whose calls grow and shrink; all frames, half, one or none of them valid."""
    reference = reference_of(tensorflow, models / name, DYNAMIC)
    model = form.model(models / name, tmp_path / "a", steps=steps, lengths=lengths)
    assert model.interface.steps == DYNAMIC
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, :32], cells=100)
    for frames in (16, 1, 37, 5) if form.slow else (16, 1, 146, 5, 37, 50, 1, 16):
        every = {frames, frames - 1, frames // 2, 1, 0}
        valid = every if lengths == "input" else {frames}
        for call in calls(windows, frames, sorted(valid), states):
            found, expected = answers(model, call), form.expected(reference.run(call))
            assert found[0].shape == form.shape(frames, EXPORTS[name].classes)
            assert_close(found, expected)
            assert_padding(form, call, found)


@pytest.mark.models
@pytest.mark.tensorflow
@ways(DYNAMIC, 1, 8, 32)
def test_one_graph_of_sixteen_steps_gives_models_of_any(
    form: Form, lengths: Lengths, steps: int, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip, call by call with the states fed back, against the exporter's own dynamic graph."""
    reference = reference_of(tensorflow, models / DYNAMIC_EXPORT)
    model = form.model(models / STATIC, tmp_path / "a", steps=steps, lengths=lengths)
    assert model.interface.steps == steps
    windows = speech_windows(models / STATIC, models)
    size = windows.shape[1] if steps == DYNAMIC else steps
    states = expected_states = zero_states()
    for part, count in parts(windows, size):
        length = count if lengths == "input" else size
        found = answers(model, Call(part, length, *states))
        expected = form.expected(reference.run(Call(part, length, *expected_states)))
        assert_close(found, expected)
        states, expected_states = found[1:], expected[1:]


@cache
def spoken(source: Path, steps: int) -> tuple[Any, Any, Any]:
    """Features of packaged speech, and dsconv's own evaluation of a graph over them."""
    reference = NumpyGraphModel(set_steps(open_graph(source), steps))
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    return (features, *run_clip(reference, features))


@ways(16, 1, 5, DYNAMIC)
def test_speech_gives_the_numbers_of_the_graph(
    form: Form, lengths: Lengths, steps: int, small_model: Path, tmp_path: Path
) -> None:
    """Whole clips, chunk by chunk, against dsconv's own evaluation; weights random and trained."""
    for name, source in {"random": small_model, "trained": MODEL}.items():
        if form.slow and name == "trained":
            continue
        features, expected, expected_states = spoken(source, steps)
        model = form.model(source, tmp_path / name, steps=steps, lengths=lengths)
        found, states = run_clip(model, features)
        assert distance(found, expected) < 1e-5
        if lengths == "input" or len(features) % abs(steps) == 0:
            assert distance(states, expected_states) < state_bound(expected_states)


@pytest.mark.parametrize("steps", [16, 1, 3, DYNAMIC])
@each_form_with_lengths
def test_every_length_equals_the_graph(
    form: Form, steps: int, small_model: Path, tmp_path: Path
) -> None:
    """From none valid, which gives back the states as they were, to all.

    Frames after the valid ones are as if the LSTM were silent.
    """
    reference = NumpyGraphModel(set_steps(open_graph(small_model), steps))
    model = form.model(small_model, tmp_path / "a", steps=steps, lengths="input")
    frames = 16 if steps == DYNAMIC else steps
    for length in range(frames + 1):
        call = random_call(frames, length, seed=length)
        found, expected = answers(model, call), form.expected(answers(reference, call))
        for actual, expected_value in zip(found, expected, strict=True):
            assert distance(actual, expected_value) < 1e-6
        assert_silent(found[0][length:])
        if length == 0:
            np.testing.assert_array_equal(found[1:], [call.c, call.h])


@pytest.mark.parametrize("steps", [16, DYNAMIC])
@pytest.mark.parametrize(
    ("form", "precision"),
    [
        case(name, precision)
        for name, form in FORMS.items()
        for precision in form.precisions
        if "input" in form.lengths
    ],
)
def test_what_is_padded_says_nothing(
    form: Form, precision: str, steps: int, small_model: Path, tmp_path: Path
) -> None:
    """Frames after the valid ones change nothing, be they zeros, huge or no numbers at all."""
    asked: dict[str, Any] = {"steps": steps, "lengths": "input", "precision": precision}
    model = form.model(small_model, tmp_path / "a", **asked)
    for length in (7, 0):
        call = random_call(16, length)
        expected = answers(model, call)
        for filling in (0.0, -3e4, 1e30, -np.inf, np.nan):
            call.windows[:, length:] = filling
            for actual, expected_value in zip(answers(model, call), expected, strict=True):
                np.testing.assert_array_equal(actual, expected_value)


@ways(16, DYNAMIC, fewer=True)
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
    ids="logits forget-bias no-clip no-relu none-after one-before added-bias".split(),
)
def test_other_networks_of_the_family(
    edit: Edit, form: Form, lengths: Lengths, steps: int, small_model: Path, tmp_path: Path
) -> None:
    """Whatever is recognised is built as it was recognised."""
    source = saved(edit(open_graph(small_model)), tmp_path / "edited.pb")
    reference = open_model(source)
    asked = {"steps": steps, "lengths": lengths, "scores": scores_of(reference)}
    model = form.model(source, tmp_path / "a", **asked)
    rng = np.random.default_rng(4)
    windows = rng.normal(scale=3, size=(1, 16, 19, 26)).astype(np.float32)
    states = [rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2)]
    for call in calls(windows, 16, (0, 9, 16) if lengths == "input" else (16,), states):
        expected = form.expected(answers(reference, call))
        for found, expected_value in zip(answers(model, call), expected, strict=True):
            np.testing.assert_allclose(found, expected_value, rtol=1e-5, atol=1e-5)


@each_form
def test_swapped_states_stay_swapped(form: Form, small_model: Path, tmp_path: Path) -> None:
    """A graph that gives its states under each other's names gives a model that does so too."""
    swap = {"new_state_c": "new_state_h", "new_state_h": "new_state_c"}
    source = saved(renamed(open_graph(small_model), swap), tmp_path / "a.pb")
    model, call = form.model(source, tmp_path / "b"), random_call(16, 16)
    expected = answers(open_model(source), call)
    for found, expected_value in zip(answers(model, call)[1:], expected[1:], strict=True):
        assert distance(found, expected_value) < 1e-5


@pytest.mark.models
@each_form
def test_the_epsilon_of_a_normalization(form: Form, models: Path, tmp_path: Path) -> None:
    """It is the graph's, and is added to the variance, also where it is larger than that."""
    original = models / "deepspeech-0.9.3-ln-static.pb"
    graph = open_graph(original)
    epsilons = [node.name for node in graph if node.name.endswith("/batchnorm/add/y")]
    assert len(epsilons) == 4
    source = saved(edits(*(constant(name, 0.5) for name in epsilons))(graph), tmp_path / "a.pb")
    call = Call(speech_windows(original, models)[:, 32:48], 16, *zero_states())
    expected = answers(open_model(source), call)
    assert distance(answers(open_model(original), call)[0], expected[0]) > 0.01
    assert_close(answers(form.model(source, tmp_path / "b"), call), form.expected(expected))


@pytest.mark.parametrize(
    ("form", "precision"),
    [case(name, precision) for name, form in FORMS.items() for precision in form.precisions],
)
def test_a_stream_starts_anew(
    form: Form, precision: str, small_model: Path, tmp_path: Path
) -> None:
    """Nothing stays in the model from clip to clip."""
    stream = Stream(form.model(small_model, tmp_path / "a", precision=precision))
    windows = random_call(16, 16).windows[0]
    first = stream.run(windows).probabilities
    assert distance(stream.run(windows).probabilities, first) > 1e-5
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first)


@each_form_with_lengths
def test_long_calls_equal_short_ones(form: Form, small_model: Path, tmp_path: Path) -> None:
    """Five hundred frames in one call, and in calls of 1 to 99 with the states fed back."""
    model = form.model(small_model, tmp_path / "a", steps=DYNAMIC)
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
