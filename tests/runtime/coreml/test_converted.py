"""Graphs that coremltools' own converter made into programs give what TensorFlow gives.

Its programs run the LSTM as a loop that writes its outputs frame by frame.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Packages:
    """Graphs by their form, and packages by their variant."""

    graphs: dict[str, Path]
    paths: dict[str, Path]

    def jobs(self) -> list[dict[str, Any]]:
        """What the script is to convert."""
        return [
            {
                "graph": str(self.graphs[form]),
                "package": str(self.paths[name]),
                "frames": 16 if form == "static" else [1, MOST_FRAMES],
                "target": target,
                "precision": precision,
            }
            for name, (form, target, precision) in VARIANTS.items()
        ]


@pytest.fixture(scope="session")
def packages(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Packages]:
    """Those of a small model, and of an original one if there is any; one process makes all."""
    del tensorflow
    with quiet_coremltools():
        pass
    folder = tmp_path_factory.mktemp("converted")
    graphs: dict[str, dict[str, Path]] = {"small": {}}
    for form, steps in (("static", 16), ("dynamic", DYNAMIC)):
        (graphs["small"][form],) = write_random_model(folder / form, n_hidden=32, n_steps=steps)
    if originals := os.environ.get("DSCONV_MODELS"):
        names = {form: f"deepspeech-0.9.3-{form}.pb" for form in ("static", "dynamic")}
        graphs["original"] = {form: Path(originals, name) for form, name in names.items()}
    found = {
        model: Packages(
            forms, {name: folder / f"{model} {n}.mlpackage" for n, name in enumerate(VARIANTS)}
        )
        for model, forms in graphs.items()
    }
    jobs = [job for each in found.values() for job in each.jobs()]
    done = subprocess.run(
        [sys.executable, convert_with_coremltools.__file__, json.dumps(jobs)],
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_CONVERSIONS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return found


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


def check(tensorflow: Any, packages: Packages, variant: str) -> None:
    """Compare runs of several lengths, with all frames valid, some or none."""
    form, _, precision = VARIANTS[variant]
    graph = open_graph(packages.graphs[form])
    evaluator = ProgramEvaluator(open_core_ml(packages.paths[variant]))
    tolerances = SINGLE if precision == "FLOAT32" else HALF
    for frames in (16,) if form == "static" else (1, 5, 16, 40):
        for length in sorted({0, 1, frames // 2, frames}):
            feeds = feeds_for(evaluator, frames, length)
            found = evaluator.run(feeds)
            expected = dict(zip(OUTPUTS, run_graph(tensorflow, graph, feeds, OUTPUTS), strict=True))
            for name, tolerance in tolerances.items():
                assert found[name].dtype == np.float32
                assert found[name].shape == expected[name].shape
                difference = np.abs(found[name] - expected[name]).max()
                size = 1 if tolerances is SINGLE else max(1, np.abs(expected[name]).max())
                assert difference <= tolerance * size, (name, frames, length)
            assert evaluator.ran["while_loop"] == 1


@pytest.mark.tensorflow
@pytest.mark.parametrize("variant", VARIANTS)
def test_small_model(tensorflow: Any, packages: dict[str, Packages], variant: str) -> None:
    check(tensorflow, packages["small"], variant)


@pytest.mark.tensorflow
@pytest.mark.models
@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("variant", VARIANTS)
def test_original_model(tensorflow: Any, packages: dict[str, Packages], variant: str) -> None:
    check(tensorflow, packages["original"], variant)


@pytest.mark.tensorflow
def test_lengths_outside_of_the_range_are_refused(packages: dict[str, Packages]) -> None:
    path = packages["small"].paths["any length, iOS 15"]
    evaluator = ProgramEvaluator(open_core_ml(path))
    for frames in (0, MOST_FRAMES + 1):
        with pytest.raises(ConversionError, match=rf"feed \[1, 1 to {MOST_FRAMES}, 19, 26\]"):
            evaluator.run(feeds_for(evaluator, frames, 0))
