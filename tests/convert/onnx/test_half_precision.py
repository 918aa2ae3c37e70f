"""ONNX models with weights in float16, which the runtime computes with in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsconv.fixtures.demo_model import MODEL
from dsconv.runtime.registry import open_model
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import answers, assert_close, calls, reference_of, speech_windows
from tests.convert.conversions import convert, converted
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", EXPORTS)
def test_half_precision_is_close_to_tensorflow(
    name: str, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Weights in float16: within that precision's tolerances, and in half the file."""
    model = converted("onnx", models / name, tmp_path / "half", precision="fp16")
    full = convert("onnx", models / name, tmp_path / "full")
    assert model.interface.precision == "fp16"
    assert 0.49 < (tmp_path / "half.onnx").stat().st_size / full.stat().st_size < 0.53
    reference = reference_of(tensorflow, models / name)
    windows = speech_windows(models / name, models)
    states = reference.states(windows[:, :16], cells=100)
    for call in calls(windows[:, 16:], 16, (0, 7, 16), states):
        found = answers(model, call)
        expected = reference.run(call)
        assert distance(found[0], expected[0]) > 0 or call.length == 0
        assert_close(found, expected, "fp16")


def test_half_precision_of_the_demo_model(tmp_path: Path) -> None:
    """The weights lose next to nothing: probabilities within 5e-3 over speech."""
    reference = open_model(MODEL)
    model = converted("onnx", MODEL, tmp_path / "a", precision="fp16")
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    expected, _ = run_clip(reference, features)
    found, _ = run_clip(model, features)
    assert 0 < distance(found, expected) < 5e-3
