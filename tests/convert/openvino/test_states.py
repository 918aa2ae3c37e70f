"""IRs that keep their states inside, from call to call of a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Lengths
from dsconv.errors import ToolkitError
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.toolkits import import_openvino
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import (
    Call,
    Reference,
    Windows,
    assert_close,
    parts,
    random_call,
    reference_of,
    speech_windows,
    zero_states,
)
from tests.convert.conversions import convert, converted
from tests.runtime.speech import distance

try:
    openvino = import_openvino()
except ToolkitError:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)

LENGTHS: tuple[Lengths, ...] = ("frozen", "input")
STATIC = "deepspeech-0.9.3-static.pb"


def reference_stream(reference: Reference, windows: Windows, size: int) -> list[Any]:
    """The probabilities of a clip with the states fed back, and the last two states."""
    c, h = zero_states()
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
    windows = speech_windows(models / name, models)
    if not live:
        windows = windows[:, : windows.shape[1] // size * size]
    expected = reference_stream(reference_of(tensorflow, models / name, DYNAMIC), windows, size)
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
    first, second = answer(one, fed), answer(one, fed)
    assert distance(first, second) > 1e-5
    np.testing.assert_array_equal(answer(other, fed), first)
    one.reset_state()
    np.testing.assert_array_equal(answer(one, fed), first)
    np.testing.assert_array_equal(answer(other, fed), second)


def answer(request: Any, fed: dict[str, Any]) -> Any:
    """The probabilities that a request gives."""
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
    expected = [model.call(fed, ["logits"])["logits"] for fed in (full, short)]
    model.reset()
    found = [model.call(fed, ["logits"])["logits"] for fed in (full, empty, short)]
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[2], expected[1])
