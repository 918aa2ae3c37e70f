"""``dsconv coreml``: what it prints, what runs the result, and what it does on macOS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dsconv.acoustic.network import Lstm
from dsconv.acoustic.weights import lstm_bias
from dsconv.cli import main
from dsconv.convert.coreml import lstm as coreml_lstm
from dsconv.errors import ToolkitError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.inspect.registry import inspect_file
from dsconv.runtime.coreml import model as coreml_model
from dsconv.runtime.coreml.evaluator import ProgramEvaluator
from dsconv.runtime.model import Tensors
from dsconv.runtime.registry import open_model
from dsconv.speech.features import FloatArray
from tests.convert.conversions import require_toolkits
from tests.convert.coreml.forms import core_ml_path, description
from tests.runtime.speech import distance

IN_NUMPY = "run by an evaluation in numpy, not by Core ML or the Neural Engine"
VERDICT = r"pass: right; cost: probabilities \S+, states \S+, (\d+) of \1 texts"


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is run here."""
    require_toolkits("coreml")


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, ["coreml", *arguments])


def written(folder: Path) -> set[str]:
    """What is beside the graph."""
    return {path.name for path in folder.iterdir()} - {"output_graph.pb"}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("", "output_graph.mlpackage"),
        ("--n-steps -1 --lengths input", "output_graph.mlpackage"),
        ("--n-steps 1,16,32", "output_graph.mlpackage"),
        ("--palettize 6", "output_graph.mlpackage"),
        ("--states internal", "output_graph.mlpackage"),
        ("--front-end", "output_graph.mlpackage"),
        ("--format neuralnetwork --precision fp16", "output_graph.mlmodel"),
        ("--reference-evaluator -o other.mlpackage", "other.mlpackage"),
    ],
)
def test_the_verdict_says_what_ran(options: str, name: str, demo: Path) -> None:
    """The file, its size and time; that it passes; and that no Neural Engine was asked."""
    result = run(*options.split())
    assert result.exit_code == 0, result.output
    first, verdict, ran, *notes = result.stdout.splitlines()
    size = inspect_file(demo / name).bytes
    assert re.fullmatch(rf"{name}: {size:,} bytes, \d+\.\d\d s", first)
    if "internal" in options or "--front-end" in options:
        assert verdict.startswith("pass: right; cost: probabilities ")
    else:
        assert re.fullmatch(VERDICT, verdict)
    assert ran == IN_NUMPY
    assert all(line.startswith("note, network: ") for line in notes)
    assert all(line.startswith("dsconv: note: ") for line in result.stderr.splitlines())
    assert written(demo) == {name}


def test_json_has_the_parity_and_what_ran(demo: Path) -> None:
    """One object on standard output, nothing else."""
    result = run("--json", "--palettize", "6", "--lengths", "input")
    assert (result.exit_code, result.stderr) == (0, "")
    values = json.loads(result.stdout)
    assert (values["target"], values["output"]) == ("coreml", "output_graph.mlpackage")
    assert values["bytes"] == inspect_file(demo / "output_graph.mlpackage").bytes
    parity = values["parity"]
    assert (parity["precision"], parity["verdict"], parity["passed"]) == ("palette6", "pass", True)
    assert "run by " + parity["runtime"] == IN_NUMPY
    tensors = [difference["tensor"] for difference in parity["differences"]]
    assert tensors == ["probabilities", "new_state_c", "new_state_h"]


def test_options_reach_the_model(small: Path) -> None:
    """Each is in the file that comes out."""
    texts = ["--author", "A. Utor", "--license", "MPL-2.0", "--model-version", "7"]
    options = "--n-steps -1 --max-steps 50 --target ios18 --precision int8 --lengths input"
    assert run(*options.split(), *texts, "--no-validate").exit_code == 0
    file = open_core_ml(small / "output_graph.mlpackage")
    found = description(file)
    assert (found.author, found.license, found.version) == ("A. Utor", "MPL-2.0", "7")
    assert found.inputs[0].ranges == ((1, 1), (1, 50), (19, 19), (26, 26))
    assert (file.version, found.properties["precision"]) == (9, "int8")
    assert found.inputs[1].name == "input_lengths"


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ("--n-steps 1,16,32", {1, 16, 32}),
        ("--n-steps 8,4", {8, 4}),
        ("--n-steps 16", None),
    ],
)
def test_numbers_of_steps_are_read(options: str, shapes: set[int] | None, small: Path) -> None:
    """One is the only one; several are a choice."""
    assert run(*options.split(), "--no-validate").exit_code == 0
    windows = description(open_core_ml(small / "output_graph.mlpackage")).inputs[0]
    found = windows.shapes and {shape[1] for shape in windows.shapes}
    assert found == shapes


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--n-steps 1,x", "pass a number, or several as in 1,16,32"),
        ("--n-steps 1,,2", "pass a number, or several as in 1,16,32"),
        ("--palettize 5", "'5' is not one of '4', '6', '8'"),
        ("--target ios15", "'ios15' is not one of 'ios16', 'ios17', 'ios18', 'ios26'"),
        ("--format mlmodel", "'mlmodel' is not one of 'mlprogram', 'neuralnetwork'"),
        ("--max-steps many", "'many' is not a valid integer"),
    ],
)
def test_wrong_usage(options: str, says: str, small: Path) -> None:
    """Exit code 2, with what is allowed, and nothing is written."""
    result = run(*options.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in " ".join(result.stderr.split())
    assert written(small) == set()


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ("--n-steps 16,-1", 4, "a choice of steps needs two numbers or more"),
        ("--n-steps 1,16 --max-steps 20", 4, "goes neither with --max-steps"),
        ("--max-steps 20", 4, "--max-steps goes with --n-steps -1"),
        ("--palettize 6 --precision int8", 4, "leave out --precision"),
        ("--format neuralnetwork --target ios16", 4, "--target is for ML programs"),
        ("--states internal --target ios17", 4, "pass --target ios18"),
        ("-o a.mlmodel", 6, "choose one that ends in .mlpackage"),
        ("--format neuralnetwork -o a.mlpackage", 6, "choose one that ends in .mlmodel"),
        ("-o no/a.mlpackage", 6, "no is not a folder; create it"),
    ],
)
def test_refusals_are_one_line(options: str, code: int, says: str, small: Path) -> None:
    """On standard error; nothing is written."""
    result = run(*options.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert re.fullmatch(rf"dsconv: .*{says}.*\n", result.stderr), result.stderr
    assert written(small) == set()


def test_a_package_that_exists(small: Path) -> None:
    """Exit code 6 unless forced; a folder of somebody else's files even then."""
    assert run("--no-validate").exit_code == 0
    result = run()
    assert (result.exit_code, result.stdout) == (6, "")
    assert "output_graph.mlpackage exists; pass --force" in result.stderr
    assert run("--force", "--no-validate", "--n-steps", "5").exit_code == 0
    assert open_model("output_graph.mlpackage").interface.steps == 5
    (small / "output_graph.mlpackage" / "Manifest.json").unlink()
    result = run("--force", "--no-validate")
    assert (result.exit_code, "is a folder" in result.stderr) == (6, True)
    assert (small / "output_graph.mlpackage" / "Data").is_dir()


def test_a_toolkit_that_is_missing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 5 with the line that installs it."""
    monkeypatch.setitem(sys.modules, "coremltools", None)
    result = run()
    assert (result.exit_code, result.stdout) == (5, "")
    assert "install it with `pip install 'dsconv[coreml]'`" in result.stderr
    assert written(small) == set()


def another_bias(lstm: Lstm, order: str) -> FloatArray:
    """The LSTM's bias with the forget bias of versions up to 0.5."""
    bias = lstm_bias(lstm, order)
    bias[order.index("f") * lstm.cells :][: lstm.cells] += 1
    return bias


@pytest.mark.parametrize("form", ["mlprogram", "neuralnetwork"])
def test_a_parity_that_fails(form: str, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 and what differs where; the file stays, to be looked into."""
    monkeypatch.setattr(coreml_lstm, "lstm_bias", another_bias)
    result = run("--format", form)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].startswith("fail: wrong; cost: probabilities ")
    assert "failure, weights: lstm/bias has 1 added to the bias of gate f\n" in result.stdout
    assert len(written(demo)) == 1


def test_gates_in_another_order_are_noticed(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that takes the gates for others is caught by its own validation, by name."""
    monkeypatch.setattr(coreml_lstm, "GATES", "ifco")
    result = run("--json")
    assert result.exit_code == 1
    parity = json.loads(result.stdout)["parity"]
    assert (parity["verdict"], parity["passed"]) == ("fail", False)
    says = "lstm/recurrent kernel has the gates in the order iofc instead of icfo"
    assert says in parity["judged"]["errors"]
    assert any((f["severity"], f["message"]) == ("failure", says) for f in parity["findings"])
    assert written(demo) == {"output_graph.mlpackage"}


@pytest.mark.parametrize(
    ("options", "lines"), [(["-q"], 0), ([], 4), (["--no-validate"], 1), (["--json"], None)]
)
def test_a_process_says_nothing_of_the_toolkit(
    options: list[str], lines: int | None, demo: Path
) -> None:
    """In a pipe there is what dsconv says, and nothing else."""
    command = [sys.executable, "-m", "dsconv", "coreml", "--lengths", "input", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert (done.returncode, done.stderr) == (0, "")
    assert written(demo) == {"output_graph.mlpackage"}
    if lines is None:
        json.loads(done.stdout)
    else:
        assert len(done.stdout.splitlines()) == lines


class FakeState:
    """What ``make_state`` gives: the states of one clip."""


class FakeModel:
    """An ``MLModel`` as on macOS, which computes what a package says, and its calls."""

    made: ClassVar[list[FakeModel]] = []

    def __init__(self, path: str, compute_units: object = None) -> None:
        self.path, self.compute_units = path, compute_units
        self.evaluator = ProgramEvaluator(open_core_ml(Path(path)))
        self.states: list[FakeState] = []
        self.calls: list[FakeState | None] = []
        self.made.append(self)

    def make_state(self) -> FakeState:
        """New states are zeros."""
        assert self.evaluator.states
        self.states.append(FakeState())
        self.evaluator.reset()
        return self.states[-1]

    def predict(self, data: Mapping[str, Any], state: FakeState | None = None) -> dict[str, Any]:
        """All outputs by name; a model with states wants them."""
        assert (state is not None) == bool(self.evaluator.states)
        self.calls.append(state)
        return dict(self.evaluator.run(dict(data)))


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> type[FakeModel]:
    """A system on which Core ML runs. What is imported before keeps the system that it knows."""
    monkeypatch.setattr(FakeModel, "made", [])
    fake = SimpleNamespace(
        __version__="9.0",
        models=SimpleNamespace(MLModel=FakeModel),
        ComputeUnit=SimpleNamespace(ALL="all"),
    )
    monkeypatch.setattr(coreml_model, "import_coremltools", lambda: fake)
    monkeypatch.setattr(coreml_model, "sys", SimpleNamespace(platform="darwin"))
    return FakeModel


def test_core_ml_itself_runs_on_macos(demo: Path, macos: type[FakeModel]) -> None:
    """The real ``predict`` is asked, on all units, and what is printed says so."""
    result = run()
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[2] == "run by Core ML by coremltools 9.0"
    (model,) = macos.made
    assert (model.path, model.compute_units) == ("output_graph.mlpackage", "all")
    assert len(model.calls) > 10
    assert set(model.calls) == {None}
    assert written(demo) == {"output_graph.mlpackage"}


@pytest.mark.usefixtures("demo")
def test_the_other_is_asked_for_on_macos(macos: type[FakeModel]) -> None:
    """``--reference-evaluator`` evaluates in numpy there too."""
    result = run("--reference-evaluator")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[2] == IN_NUMPY
    assert macos.made == []


@pytest.mark.usefixtures("demo")
def test_states_are_core_mls_on_macos(macos: type[FakeModel]) -> None:
    """The calls of the judge get new ones, then each clip does, and each call of it the same."""
    result = run("--states", "internal", "--lengths", "input")
    assert result.exit_code == 0, result.output
    (model,) = macos.made
    used = [state for n, state in enumerate(model.calls) if state not in model.calls[:n]]
    assert len(used) == 1 + 2
    assert [state for state in model.states if state in used] == used


def test_a_model_on_macos_says_what_numpy_says(
    small_model: Path, tmp_path: Path, macos: type[FakeModel]
) -> None:
    """The same inputs reach it, and its outputs come back; a reset makes new states."""
    path = core_ml_path(small_model, tmp_path / "a", states="internal")
    model, evaluated = open_model(path), open_model(path, evaluated=True)
    assert model.interface.runtime == "Core ML by coremltools 9.0"
    assert model.interface.inputs == evaluated.interface.inputs
    rng = np.random.default_rng(2)
    fed: Tensors = {"input_node": rng.normal(size=(1, 16, 19, 26)).astype(np.float32)}
    first, second = (model.call(fed, ["logits"])["logits"] for _ in range(2))
    assert distance(first, second) > 1e-5
    np.testing.assert_array_equal(evaluated.call(fed, ["logits"])["logits"], first)
    model.reset()
    np.testing.assert_array_equal(model.call(fed, ["logits"])["logits"], first)
    (made,) = macos.made
    assert made.calls == [made.states[-2], made.states[-2], made.states[-1]]


def test_what_core_ml_refuses_is_one_line(
    small_model: Path, tmp_path: Path, macos: type[FakeModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of opening and of running are the toolkit's."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no\nEngine")

    path = core_ml_path(small_model, tmp_path / "a")
    model = open_model(path)
    monkeypatch.setattr(macos, "predict", fail)
    fed: Tensors = {
        spec.name: np.zeros(spec.shape or (), np.float32) for spec in model.interface.inputs
    }
    with pytest.raises(ToolkitError, match="Core ML failed: no") as caught:
        model.call(fed, ["logits"])
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(macos, "__init__", fail)
    with pytest.raises(ToolkitError, match="Core ML cannot open .*a.mlpackage: no") as caught:
        open_model(path)
    assert "\n" not in str(caught.value)
