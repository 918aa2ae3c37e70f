"""Any number of steps through the toolkits' own converters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dsconv.cli import main
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.convert.toolkit.calls import Arrays, read_calls, write_calls
from dsconv.convert.toolkit.prepare import prepare
from dsconv.convert.toolkit.process import run_module
from dsconv.convert.toolkit.spec import Spec
from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.graph import Graph, open_graph
from tests.convert.conversions import saved
from tests.convert.toolkit.block_lstm.graphs import (
    BATCH,
    READ,
    feeds,
    longest,
    lstm,
    shapes,
    two_lstms,
)
from tests.convert.toolkit.networks import TOOLKIT_TARGETS, named
from tests.runtime.speech import distance

pytestmark = pytest.mark.tensorflow

STEPS = (1, 5, 16, 40)
"""Of the calls of one file."""

TOLERANCE = 2e-6
"""Numbers up to 1, or as much of the largest."""


def answers(module: str, model: Path, graph: Graph, calls: list[Arrays]) -> list[Arrays]:
    """What the reference or a file's runtime gives, in a process of its own."""
    ready = prepare(graph, Options())
    spec = Spec(ready.inputs, ready.outputs, settings={"evaluated": True})
    folder = model.parent / module
    folder.mkdir()
    spec.write(folder / "spec.json")
    write_calls(folder / "feeds.npz", calls)
    models = (model, model) if module == "reference" else (model,)
    paths = (*models, folder / "spec.json", folder / "feeds.npz", folder / "answers.npz")
    run_module(module, f"dsconv.convert.toolkit.{module}", *paths)
    # The reference goes on with what it says in other arithmetic.
    return read_calls(folder / "answers.npz")[: len(calls)]


def calls_of(steps: int, batch: int) -> Arrays:
    """The inputs of `longest` graphs, all steps being valid."""
    return [np.array([steps], np.int32), *feeds(steps, batch).values()]


def compare(target: str, source: Path, output: Path, calls: list[Arrays]) -> None:
    """Convert a graph of any size, and compare all calls of the one file with TensorFlow."""
    graph = open_graph(source)
    convert_file(TARGETS[target], source, output, options=Options(route="toolkit"))
    expected = answers("reference", source, graph, calls)
    found = answers("runner", output, graph, calls)
    for one_call, actual in zip(expected, found, strict=True):
        for name, one, other in zip(READ, one_call, actual, strict=True):
            assert one.shape == other.shape, name
            assert distance(other, one) <= TOLERANCE * max(1.0, np.abs(one).max()), name


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_any_number_of_steps(target: str, tmp_path: Path) -> None:
    """All outputs of an LSTM that takes another one's."""
    output = named(target, tmp_path)
    graph = two_lstms(*longest(), steps=-1, cell_clip=0.5)
    source = saved(graph, tmp_path / "graph.pb")
    compare(target, source, output, [calls_of(steps, BATCH) for steps in STEPS])


@pytest.mark.parametrize("target", ["onnx", "openvino", "coreml"])
def test_any_batch(target: str, tmp_path: Path) -> None:
    """Both dimensions may be dynamic."""
    output = named(target, tmp_path)
    source = saved(lstm(*longest(), steps=-1, batch=-1), tmp_path / "graph.pb")
    compare(target, source, output, [calls_of(5, 2), calls_of(1, 3), calls_of(9, 1)])


def test_any_batch_of_tflite_is_refused(tmp_path: Path) -> None:
    """Its converter has no lists of tensors of any size; with the size it converts."""
    output = named("tflite", tmp_path)
    source = saved(lstm(*longest(), steps=-1, batch=-1), tmp_path / "graph.pb")
    command = ["tflite", str(source), "-o", str(output), "--no-validate", "--precision", "fp32"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 4
    assert "is a list of tensors of any size" in done.stderr
    assert "pass the size of the batch with --input-shape" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not output.exists()
    sizes = {**shapes(-1), "lengths": (1,)}
    for name, shape in sizes.items():
        command += ["--input-shape", f"{name}={','.join(map(str, shape))}"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert output.exists()


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_the_demo_model(target: str, tmp_path: Path) -> None:
    """By the command line, which compares speech."""
    output = named(target, tmp_path)
    command = [target, str(demo_model.MODEL), "-o", str(output), "--route", "toolkit"]
    done = CliRunner().invoke(main, [*command, "--n-steps", "-1"])
    assert done.exit_code == 0, done.output
    assert "\npass: " in done.stdout
