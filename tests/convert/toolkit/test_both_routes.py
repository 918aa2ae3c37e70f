"""On models that are recognised both routes must give the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model, Tensors, scores
from dsconv.runtime.registry import open_model
from dsconv.workflows.convert import convert_checked
from tests.convert.toolkit.networks import TOOLKIT_TARGETS, named
from tests.runtime.speech import distance

pytestmark = [pytest.mark.models, pytest.mark.tensorflow]

STATIC, EARLY = "deepspeech-0.9.3-static", "deepspeech-0.4.1-static"
RAW = "deepspeech-0.2.0-static"
"""A graph that gives logits, of which the builder's route makes probabilities."""
DYNAMIC = "deepspeech-0.9.3-dynamic"
ANY_STEPS = (16, 1, 40)
"""The frames of three calls of a file that takes any number."""


@pytest.mark.parametrize(
    ("name", "target"),
    [*((STATIC, target) for target in TOOLKIT_TARGETS), (EARLY, "openvino")],
)
def test_both_routes_agree(
    name: str, target: str, models: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """Probabilities and states, over three calls with the states fed back."""
    del tensorflow
    agree(target, models / f"{name}.pb", tmp_path, None)


@pytest.mark.parametrize(
    ("name", "steps", "target"),
    [*((STATIC, -1, target) for target in TOOLKIT_TARGETS), (DYNAMIC, None, "openvino")],
)
def test_both_routes_agree_on_any_number_of_steps(
    name: str, steps: int | None, target: str, models: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """That of a graph that is dynamic itself, or is made so; each call has another."""
    del tensorflow
    agree(target, models / f"{name}.pb", tmp_path, steps)


def agree(target: str, source: Path, tmp_path: Path, steps: int | None) -> None:
    """Convert by both routes, and compare what the files say."""
    opened = []
    for route in ("build", "toolkit"):
        folder = tmp_path / route
        folder.mkdir()
        options = Options(route=route, precision="fp32", steps=steps)
        path = convert_file(TARGETS[target], source, named(target, folder), options=options).output
        opened.append(open_model(path))
    built, by_toolkit = (answers(model) for model in opened)
    limits = TOLERANCES["fp32"]
    for step, (expected_value, found) in enumerate(zip(built, by_toolkit, strict=True)):
        for key, expected in expected_value.items():
            limit = (
                limits.probabilities
                if key == "logits"
                else limits.of_states(float(np.abs(expected).max()))
            )
            assert distance(found[key], expected) <= limit, (step, key)
    first, second = (model.interface.metadata for model in opened)
    assert (first.sample_rate, first.alphabet) == (second.sample_rate, second.alphabet)


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_raw_scores_are_said_to_be_raw(
    target: str, models: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """Both routes transcribe the same, and pass beside the graph."""
    del tensorflow
    options = Options(route="toolkit", precision="fp32")
    source = models / f"{RAW}.pb"
    done = convert_checked(TARGETS[target], source, named(target, tmp_path), options=options)
    assert done.passed
    assert done.result is not None
    # Of TensorFlow's converter, that of the first hidden state is the first of all products.
    assert target != "tflite" or done.result.to_json()["judged"]["weights"] > 160_000
    assert open_model(done.conversion.output).interface.gives_logits


def answers(model: Model) -> list[Tensors]:
    """What a model says in three calls to random features, all frames of which are valid."""
    interface = model.interface
    random = np.random.default_rng(1)
    assert interface.windows is not None
    batch, steps, *sizes = interface.windows.shape or ()
    states: Tensors = {state.input: np.zeros(state.shape, np.float32) for state in interface.states}
    found = []
    for frames in (steps,) * 3 if steps > 0 else ANY_STEPS:
        windows = random.normal(size=(batch, frames, *sizes))
        feeds: Tensors = {interface.windows.name: windows.astype(np.float32)}
        if interface.lengths is not None:
            feeds[interface.lengths.name] = np.array([frames], np.int32)
        outputs = ["logits", *(state.output for state in interface.states)]
        values = model.call(feeds | states, outputs)
        assert len(interface.states) == 2
        states = {state.input: values[state.output] for state in interface.states}
        found.append({**values, "logits": scores(values, interface.classes)})
    return found
