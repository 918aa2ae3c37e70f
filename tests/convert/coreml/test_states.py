"""States inside a Core ML model, which iOS 18 and later keep in float16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Lengths
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from dsconv.speech.features import FloatArray
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import Call, answers, speech_windows
from tests.convert.conversions import require_toolkits
from tests.convert.coreml.forms import core_ml_model, core_ml_path
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is run here."""
    require_toolkits("coreml")


def said(model: Model, windows: FloatArray, lengths: Lengths) -> Any:
    """The probabilities of windows [1, frames, 19, 26], in calls of 16."""
    found = []
    for start in range(0, windows.shape[1], 16):
        fed: dict[str, Any] = {"input_node": windows[:, start : start + 16]}
        if lengths == "input":
            fed["input_lengths"] = np.array([16], np.int32)
        found.append(model.call(fed, ["logits"])["logits"])
    return np.concatenate(found)


def noise(frames: int, seed: int = 5) -> FloatArray:
    """Windows [1, frames, 19, 26] that say nothing."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, frames, 19, 26)).astype(np.float32)


PRECISIONS = ("fp32", "fp16", "int8")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("lengths", ["frozen", "input"])
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_states_inside_equal_those_outside(
    steps: int, lengths: Lengths, precision: str, small_model: Path, tmp_path: Path
) -> None:
    """Call after call, but for their rounding to float16; where all is float16, to the bit."""
    asked: dict[str, Any] = {"steps": steps, "lengths": lengths, "precision": precision}
    inside = core_ml_model(small_model, tmp_path / "inside", states="internal", **asked)
    asked["deployment_target"] = "ios18"
    outside = core_ml_model(small_model, tmp_path / "outside", **asked)
    assert inside.interface.states == ()
    c, h = (np.zeros((1, 32), np.float32) for _ in range(2))
    differences = []
    for length in (16, 3, 0, 16) if lengths == "input" else (16,) * 4:
        call = Call(noise(16, seed=length), length, c, h)
        expected, c, h = answers(outside, call)
        fed = {name: call.tensors[name] for name in ("input_node", "input_lengths")}
        if lengths == "frozen":
            del fed["input_lengths"]
        differences.append(distance(inside.call(fed, ["logits"])["logits"], expected))
    assert max(differences) < 1e-4
    if precision == "fp32":
        assert max(differences[1:]) > 0
    else:
        assert max(differences) == 0


@pytest.mark.parametrize("lengths", ["frozen", "input"])
def test_each_clip_starts_from_zeros(lengths: Lengths, small_model: Path, tmp_path: Path) -> None:
    """Two clips one after the other say what each says alone, if the states are reset between."""
    asked: dict[str, Any] = {"lengths": lengths, "states": "internal"}
    path = core_ml_path(small_model, tmp_path / "a", **asked)
    first, second = noise(48, seed=1), noise(32, seed=2)
    alone = [said(open_model(path), clip, lengths) for clip in (first, second)]
    model = open_model(path)
    np.testing.assert_array_equal(said(model, first, lengths), alone[0])
    unlike = said(model, second, lengths)
    assert distance(unlike, alone[1]) > 1e-5
    model.reset()
    np.testing.assert_array_equal(said(model, second, lengths), alone[1])


def test_a_stream_of_clips(small_model: Path, tmp_path: Path) -> None:
    """The loop that runs every model resets it by itself."""
    model = core_ml_model(small_model, tmp_path / "a", states="internal", lengths="input")
    stream = Stream(model)
    windows = noise(16)[0]
    first = stream.run(windows)
    assert first.states is None
    assert distance(stream.run(windows).probabilities, first.probabilities) > 1e-5
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first.probabilities)


def test_whole_clips_equal_the_graph(small_model: Path, tmp_path: Path) -> None:
    """Speech, in calls of 16 and a shorter last one."""
    reference = open_model(small_model)
    features = clip_features(reference, packaged_speech(512 + 320 * 60))
    expected, _ = run_clip(reference, features)
    for lengths in ("frozen", "input"):
        model = core_ml_model(small_model, tmp_path / lengths, states="internal", lengths=lengths)
        assert model.interface.precision == "fp16"
        found, _ = run_clip(model, features)
        assert 0 < distance(found, expected) < TOLERANCES["fp16"].probabilities / 10


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_originals_are_within_half_precision(name: str, models: Path, tmp_path: Path) -> None:
    """The clip that each was trained on, in float32 with states of float16."""
    reference = open_model(models / name)
    windows = speech_windows(models / name, models)[:, :144]
    zeros = np.zeros((1, 100), np.float32)
    expected, states = [], (zeros, zeros)
    for start in range(0, 144, 16):
        found = answers(reference, Call(windows[:, start : start + 16], 16, *states))
        expected.append(found[0])
        states = (found[1], found[2])
    model = core_ml_model(models / name, tmp_path / "a", steps=16, states="internal")
    difference = distance(said(model, windows, "frozen"), np.concatenate(expected))
    print(name, f"{difference:.1e}")
    assert difference < TOLERANCES["fp16"].probabilities
