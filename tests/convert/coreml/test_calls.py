"""The frames that a call of a Core ML model takes, and those that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsconv.convert.coreml.options import CoreMlFormat
from dsconv.convert.options import Lengths
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.steps import DYNAMIC
from tests.convert.calls import (
    Call,
    answers,
    assert_close,
    parts,
    random_call,
    reference_of,
    speech_windows,
    zero_states,
)
from tests.convert.coreml.forms import FORMATS, core_ml_model

LENGTHS: tuple[Lengths, ...] = ("frozen", "input")
STATIC = "deepspeech-0.9.3-static.pb"


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_every_choice_of_steps_equals_tensorflow(
    lengths: Lengths, style: CoreMlFormat, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """A clip in calls of each number with the states fed back; calls of another are refused."""
    reference = reference_of(tensorflow, models / "deepspeech-0.9.3-dynamic.pb")
    asked: dict[str, Any] = {"step_choices": (1, 16, 32), "lengths": lengths, "format": style}
    model = core_ml_model(models / STATIC, tmp_path / "a", **asked)
    windows = speech_windows(models / STATIC, models)[:, :70]
    for size in (1, 16, 32):
        states = expected_value = zero_states()
        for part, count in parts(windows, size):
            valid = count if lengths == "input" else size
            found = answers(model, Call(part, count, states[0], states[1]))
            expected = reference.run(Call(part, valid, expected_value[0], expected_value[1]))
            assert found[0].shape == (size, 1, 29)
            assert_close(found, expected)
            states, expected_value = found[1:], expected[1:]
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
