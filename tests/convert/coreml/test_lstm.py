"""Frames that are not valid leave the cell as it is, whatever the weights are and how stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.acoustic.recognise import recognise
from dsconv.acoustic.weights import lstm_bias, recurrent_kernel, values
from dsconv.convert.coreml.builder import ProgramBuilder
from dsconv.convert.coreml.lstm import LstmBuilder
from dsconv.convert.coreml.options import CoreMlFormat
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from tests.acoustic.edits import constant
from tests.convert.calls import Call, answers
from tests.convert.conversions import require_toolkits, saved
from tests.convert.coreml.forms import FORMATS, REDUCED, core_ml_model
from tests.convert.sources import GraphSource
from tests.runtime.speech import distance

FORMS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "fp32 neuralnetwork": {"format": "neuralnetwork"},
    **REDUCED,
}
CELLS = 64
"""With so many cells the weights are enough to be put on a palette."""

WEIGHTS = ("random", "large recurrent", "no input", "large input", "small")


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is run here."""
    require_toolkits("coreml")


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of random weights."""
    (path,) = write_random_model(tmp_path_factory.mktemp("random"), CELLS)
    return path


def with_kernel(graph: Graph, weights: str) -> Graph:
    """The graph with other weights in the LSTM: [inputs and cells, gates]."""
    kernel = values(recognise(graph).lstm.kernel).copy()
    inputs, recurrent = kernel[:CELLS], kernel[CELLS:]
    if weights == "large recurrent":
        recurrent *= 50
    elif weights == "no input":
        inputs[:] = 0
    elif weights == "large input":
        inputs *= 50
    elif weights == "small":
        kernel *= 1e-4
    return constant(f"{LSTM}/kernel", kernel)(graph)


def worst_hidden_state(graph: Graph, gate: str) -> Any:
    """The hidden state [1, cells] that opens a cell's gate as far as its recurrent weights can."""
    kernel = recurrent_kernel(recognise(graph).lstm, gate)
    strongest = np.abs(kernel).sum(axis=0).argmax()
    opens = 1 if gate == "i" else -1
    return (opens * np.sign(kernel[:, strongest]))[None].astype(np.float32)


@pytest.mark.parametrize("weights", ["random", "large recurrent", "no input"])
@pytest.mark.parametrize("form", FORMS)
def test_frames_that_are_not_valid_leave_the_states(
    form: str, weights: str, random_model: Path, tmp_path: Path
) -> None:
    """Without a valid one the cell comes back to the bit; after five they change nothing."""
    graph = with_kernel(open_graph(random_model), weights)
    source = saved(graph, tmp_path / "edited.pb")
    asked = {"steps": DYNAMIC, "lengths": "input", **FORMS[form]}
    model = core_ml_model(source, tmp_path / "a", **asked)
    rng = np.random.default_rng(1)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    for gate in "if":
        h = worst_hidden_state(graph, gate)
        # What float16 can hold, as programs of reduced precision compute in it.
        c = (rng.normal(size=(1, CELLS)) * 10.0 ** rng.integers(-2, 3, CELLS)).astype(np.float16)
        found = answers(model, Call(windows, 0, c.astype(np.float32), h))
        np.testing.assert_array_equal(found[1], c)
        np.testing.assert_array_equal(found[2], h)
        alone = answers(model, Call(windows[:, :5], 5, c.astype(np.float32), h))
        among = answers(model, Call(windows, 5, c.astype(np.float32), h))
        assert np.abs(alone[1] - c).max() > 1e-3
        for actual, expected in zip([among[0][:5], *among[1:]], alone, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_drive_is_silent_in_valid_frames(
    weights: str, style: CoreMlFormat, random_model: Path, tmp_path: Path
) -> None:
    """If all are valid, the numbers are those of a model without lengths."""
    source = saved(with_kernel(open_graph(random_model), weights), tmp_path / "edited.pb")
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    call = Call(windows, 16, *(rng.normal(size=(1, CELLS)).astype(np.float32) for _ in range(2)))
    found, expected = (
        answers(core_ml_model(source, tmp_path / lengths, lengths=lengths, format=style), call)
        for lengths in ("input", "frozen")
    )
    for actual, expected_value in zip(found, expected, strict=True):
        assert distance(actual, expected_value) < 1e-6


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_drive_outweighs_all_else(weights: str, half: bool, random_model: Path) -> None:
    """Four times what the hidden state and the bias can do, and a saturated sigmoid on top."""
    graph = with_kernel(open_graph(random_model), weights)
    lstm = recognise(graph).lstm
    drive, driven = built(graph, half).driven()
    assert 0 < drive <= 20_000
    assert driven.shape == (4 * CELLS, CELLS + 1)
    column = drive * driven[:, -1].astype(np.float64)
    assert (column[2 * CELLS :] == 0).all()
    recurrent = np.concatenate([recurrent_kernel(lstm, gate) for gate in "if"], axis=1)
    most = np.abs(recurrent).sum(axis=0) + np.abs(lstm_bias(lstm, "if"))
    assert (-column[:CELLS] >= 4 * 0.999 * (most[:CELLS] + 120)).all()
    assert (column[CELLS : 2 * CELLS] >= 4 * 0.999 * (most[CELLS:] + 120)).all()


@pytest.mark.parametrize("weights", ["random", "large recurrent", "large input"])
def test_the_drive_fits_the_scales_of_its_rows(weights: str, random_model: Path) -> None:
    """Its weight is no larger than the others of a row, where that is enough."""
    drive, driven = built(with_kernel(open_graph(random_model), weights), half=False).driven()
    assert drive < 20_000
    gates = np.abs(driven[: 2 * CELLS])
    np.testing.assert_allclose(gates[:, -1], gates[:, :-1].max(axis=1), rtol=1e-6)


def built(graph: Graph, half: bool) -> LstmBuilder:
    """The builder of a graph's LSTM."""
    target: Any = TARGETS["coreml"]
    options = Options(lengths="input", precision="fp16" if half else None)
    form = target.form(GraphSource(graph), options)
    return LstmBuilder(ProgramBuilder("ios17", half=half), form.network.lstm, form)
