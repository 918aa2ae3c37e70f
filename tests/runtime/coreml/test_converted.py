"""Graphs that coremltools' own converter made into programs give what TensorFlow gives.

Its programs run the LSTM as a loop that writes its outputs frame by frame.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.fixtures.write import write_random_model
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.runtime.coreml.evaluator import ProgramEvaluator
from tests.reference import run_graph
from tests.runtime.coreml import convert_with_coremltools
from tests.runtime.coreml.toolkit import quiet_coremltools

OUTPUTS = ["logits", "new_state_c", "new_state_h"]
MOST_FRAMES = 64
SECONDS_FOR_CONVERSIONS = 300
# The largest differences: of probabilities, and of states.
SINGLE = {"logits": 1e-5, "new_state_c": 1e-4, "new_state_h": 1e-4}
# In float16 they grow with the values themselves: these are six roundings of 2**-11 each.
HALF = dict.fromkeys(SINGLE, 6 * 2**-11)

VARIANTS: dict[str, tuple[str, str, str]] = {
    "static, iOS 15": ("static", "iOS15", "FLOAT32"),
    "static, iOS 18": ("static", "iOS18", "FLOAT32"),
    "any length, iOS 15": ("dynamic", "iOS15", "FLOAT32"),
    "any length, iOS 17": ("dynamic", "iOS17", "FLOAT32"),
    "static, float16": ("static", "iOS16", "FLOAT16"),
    "any length, float16": ("dynamic", "iOS17", "FLOAT16"),
}


def convert(graphs: dict[str, Path], folder: Path) -> dict[str, Path]:
    """A package for each variant."""
    with quiet_coremltools():
        pass
    packages = {name: folder / f"{number}.mlpackage" for number, name in enumerate(VARIANTS)}
    jobs = [
        {
            "graph": str(graphs[form]),
            "package": str(packages[name]),
            "frames": 16 if form == "static" else [1, MOST_FRAMES],
            "target": target,
            "precision": precision,
        }
        for name, (form, target, precision) in VARIANTS.items()
    ]
    done = subprocess.run(
        [sys.executable, convert_with_coremltools.__file__, json.dumps(jobs)],
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_CONVERSIONS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return packages


@pytest.fixture(scope="session")
def small_packages(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The graphs and packages of a small model."""
    del tensorflow
    folder = tmp_path_factory.mktemp("converted")
    graphs = {}
    for form, steps in (("static", 16), ("dynamic", DYNAMIC)):
        (graphs[form],) = write_random_model(folder / form, n_hidden=32, n_steps=steps)
    return graphs, convert(graphs, folder)


@pytest.fixture(scope="session")
def original_packages(
    tensorflow: Any, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The graphs and packages of an original model."""
    del tensorflow
    graphs = {form: models / f"deepspeech-0.9.3-{form}.pb" for form in ("static", "dynamic")}
    return graphs, convert(graphs, tmp_path_factory.mktemp("originals"))


def feeds_for(evaluator: ProgramEvaluator, frames: int, length: int) -> dict[str, Any]:
    """Numbers for all inputs, and so many frames of which some are valid."""
    rng = np.random.default_rng(frames + length)
    cells = int(evaluator.inputs["previous_state_c"].shape[1])
    return {
        "input_node": rng.normal(0, 3, (1, frames, 19, 26)).astype(np.float32),
        "input_lengths": np.array([length], np.int32),
        "previous_state_c": rng.normal(size=(1, cells)).astype(np.float32),
        "previous_state_h": rng.uniform(-1, 1, (1, cells)).astype(np.float32),
    }


def check(tensorflow: Any, packages: Any, variant: str) -> None:
    """Compare runs of several lengths, with all frames valid, some or none."""
    graphs, paths = packages
    form, _, precision = VARIANTS[variant]
    graph = open_graph(graphs[form])
    evaluator = ProgramEvaluator(open_core_ml(paths[variant]))
    tolerances = SINGLE if precision == "FLOAT32" else HALF
    for frames in (16,) if form == "static" else (1, 5, 16, 40):
        for length in sorted({0, 1, frames // 2, frames}):
            feeds = feeds_for(evaluator, frames, length)
            found = evaluator.run(feeds)
            wanted = dict(zip(OUTPUTS, run_graph(tensorflow, graph, feeds, OUTPUTS), strict=True))
            for name, tolerance in tolerances.items():
                assert found[name].dtype == np.float32
                assert found[name].shape == wanted[name].shape
                difference = np.abs(found[name] - wanted[name]).max()
                size = 1 if tolerances is SINGLE else max(1, np.abs(wanted[name]).max())
                assert difference <= tolerance * size, (name, frames, length)
            assert evaluator.ran["while_loop"] == 1


@pytest.mark.tensorflow
@pytest.mark.parametrize("variant", VARIANTS)
def test_small_model(tensorflow: Any, small_packages: Any, variant: str) -> None:
    check(tensorflow, small_packages, variant)


@pytest.mark.tensorflow
@pytest.mark.models
@pytest.mark.parametrize("variant", VARIANTS)
def test_original_model(tensorflow: Any, original_packages: Any, variant: str) -> None:
    check(tensorflow, original_packages, variant)


@pytest.mark.tensorflow
def test_lengths_outside_of_the_range_are_refused(small_packages: Any) -> None:
    _, paths = small_packages
    evaluator = ProgramEvaluator(open_core_ml(paths["any length, iOS 15"]))
    for frames in (0, MOST_FRAMES + 1):
        with pytest.raises(ConversionError, match=rf"feed \[1, 1 to {MOST_FRAMES}, 19, 26\]"):
            evaluator.run(feeds_for(evaluator, frames, 0))
