"""``dsconv onnx`` and ``dsconv openvino``: what they print, write and refuse, and exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dsconv.acoustic.export import LSTM
from dsconv.acoustic.network import Lstm
from dsconv.acoustic.weights import lstm_bias
from dsconv.cli import main
from dsconv.convert.onnx import layers
from dsconv.convert.openvino import lstm as openvino_lstm
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.errors import ToolkitError
from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.runtime.registry import open_model
from dsconv.speech.features import FloatArray
from tests.acoustic.edits import Edit, attributes, constant, op, renamed
from tests.convert.conversions import require_toolkits, saved

COMMANDS = ("onnx", "openvino")
EVERY = (*COMMANDS, "coreml")
FILES = {
    "onnx": {"output_graph.onnx"},
    "openvino": {"output_graph.xml", "output_graph.bin"},
    "coreml": {"output_graph.mlpackage"},
}
FROZEN = (
    "dsconv: note: input_lengths is frozen, all frames of a call are valid: input_lengths->[16].\n"
)
NOTES = {"onnx": "", "openvino": FROZEN}
"""What a plain conversion says on standard error."""


@pytest.fixture(autouse=True, scope="module")
def toolkits() -> None:
    """All are needed."""
    for command in EVERY:
        require_toolkits(command)


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


def written(folder: Path) -> set[str]:
    """The files beside the graph."""
    return {path.name for path in folder.iterdir()} - {"output_graph.pb"}


def assert_refused(result: Result, code: int, says: str) -> None:
    """One line on standard error that starts with the program's name, and nothing else."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("dsconv: ")
    assert result.stderr.count("\n") == 1
    assert re.search(says, result.stderr), result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_the_verdict_is_printed(command: str, demo: Path) -> None:
    """In a folder with a model: the files beside it, their size and time, and that they pass."""
    result = run(command)
    assert result.exit_code == 0, result.output
    size = sum((demo / name).stat().st_size for name in FILES[command])
    first, second, *notes = result.stdout.splitlines()
    name = f"output_graph{TARGETS[command].suffix_for(Options())}"
    assert re.fullmatch(rf"{name}: {size:,} bytes, \d+\.\d\d s", first)
    assert re.fullmatch(
        r"pass: right; cost: probabilities \S+, states \S+, (\d+) of \1 texts",
        second,
    )
    assert all(line.startswith("note, network: ") for line in notes)
    assert result.stderr == NOTES[command]
    assert written(demo) == FILES[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_one_object_with_the_parity(command: str, demo: Path) -> None:
    """The conversion, and the whole comparison; nothing else is printed on standard output."""
    result = run(command, "--json", "--precision", "fp16")
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert (values["schema_version"], values["target"]) == (1, command)
    assert values["source"] == "output_graph.pb"
    assert values["output"] == f"output_graph{TARGETS[command].suffix_for(Options())}"
    assert values["bytes"] == sum((demo / name).stat().st_size for name in FILES[command])
    assert values["seconds"] > 0
    assert values["notes"] == [note.removeprefix("dsconv: note: ") for note in lines(command)]
    parity = values["parity"]
    assert (parity["precision"], parity["verdict"], parity["passed"]) == ("fp16", "pass", True)
    tensors = [difference["tensor"] for difference in parity["differences"]]
    assert tensors == ["probabilities", "new_state_c", "new_state_h"]
    assert all(transcript["equal"] for transcript in parity["transcripts"])


def lines(command: str) -> list[str]:
    """The notes of a plain conversion, a line each."""
    return NOTES[command].splitlines()


@pytest.mark.parametrize("command", EVERY)
def test_quiet_prints_nothing(command: str, small: Path) -> None:
    """The file is there all the same."""
    result = run(command, "--quiet", "--no-validate")
    assert (result.exit_code, result.stdout) == (0, "")
    assert written(small) == FILES[command]


@pytest.mark.parametrize("command", EVERY)
def test_validation_can_be_left_out(
    command: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line without a verdict, no parity in the JSON, and nothing of the runtime is used."""

    def fail(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("dsconv.runtime.registry.open_model", fail)
    result = run(command, "--no-validate")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1
    values = json.loads(run(command, "--no-validate", "--json", "--force").stdout)
    assert values["parity"] is None
    assert written(small) == FILES[command]


def another_bias(lstm: Lstm, order: str) -> FloatArray:
    """The LSTM's bias with the forget bias of versions up to 0.5."""
    bias = lstm_bias(lstm, order)
    bias[order.index("f") * lstm.cells :][: lstm.cells] += 1
    return bias


def sabotage(monkeypatch: pytest.MonkeyPatch, bias: Any = another_bias) -> None:
    """Let both targets build another LSTM."""
    monkeypatch.setattr(layers, "lstm_bias", bias)
    monkeypatch.setattr(openvino_lstm, "lstm_bias", bias)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_parity_that_fails(command: str, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 and what differs where; the file stays, to be looked into."""
    sabotage(monkeypatch)
    result = run(command)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("output_graph.")
    assert result.stdout.splitlines()[1].startswith("fail: wrong; cost: probabilities ")
    assert "has 1 added to the bias of gate f" in result.stdout
    assert result.stderr == NOTES[command]
    assert written(demo) == FILES[command]
    assert open_model(f"output_graph{TARGETS[command].suffix_for(Options())}").interface.steps == 16
    assert run(command, "--force", "--no-validate").exit_code == 0


def test_gates_in_another_order_are_noticed(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that takes the gates for others is caught by its own validation."""
    monkeypatch.setattr(layers, "GATES", "ifoc")
    result = run("onnx", "--json")
    assert result.exit_code == 1
    parity = json.loads(result.stdout)["parity"]
    assert (parity["verdict"], parity["passed"]) == ("fail", False)
    (weights, *_) = parity["judged"]["errors"]
    assert "has the gates in the order" in weights
    assert written(demo) == FILES["onnx"]


@pytest.mark.usefixtures("demo")
def test_json_has_finite_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is no number is null, as in the JSON of ``validate``."""

    def fail(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    sabotage(monkeypatch, lambda lstm, order: np.full_like(lstm_bias(lstm, order), np.nan))
    result = run("openvino", "--json")
    assert result.exit_code == 1
    json.loads(result.stdout, parse_constant=fail)


NODE = f"{LSTM}/BlockLSTM"
REFUSED: dict[str, tuple[Edit, str]] = {
    "cell clip": (attributes(NODE, cell_clip=3.0), r"clips its cell at 3 .*; expected no clip"),
    "peepholes": (
        attributes(NODE, use_peephole=True),
        "has peephole weights; expected an LSTM with",
    ),
    "not frozen": (op("layer_1/weights", "VariableV2"), "is not frozen: 1 .*export a frozen graph"),
    "another op": (op("Relu_1", "Tanh"), "is not recognised: .*no Relu; expected one"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("command", EVERY)
def test_graphs_that_cannot_be_converted(command: str, what: str, small: Path) -> None:
    """Exit code 4 before any output, and what is supported instead."""
    edit, says = REFUSED[what]
    saved(edit(open_graph(small / "output_graph.pb")), small / "edited.pb")
    result = run(command, "edited.pb", "--route", "build")
    assert_refused(result, 4, f"edited.pb: .*{says}")
    assert written(small) == {"edited.pb"}


SHAPES = "windows of shape 1,STEPS,19,26, STEPS being any number or -1"
OPTIONS = {
    "--input-shape 16,19,26": SHAPES,
    "--input-shape 1,16,19,26,1": SHAPES,
    "--input-shape 1,16,19,13": SHAPES,
    "--input-shape 2,16,19,26": SHAPES,
    "--input-shape 1,0,19,26": "0 steps are not possible; pass 1 or more, or -1",
    "--n-steps 0": "0 steps are not possible; pass 1 or more, or -1 for any number",
    "--n-steps -2": "-2 steps are not possible; pass 1 or more, or -1 for any number",
    "--n-steps 8 --input-shape 1,16,19,26": "differ; pass one of them",
    "--front-end --n-steps 16": "--n-steps does not go with --front-end.*leave one of them out",
    "--front-end --lengths input": "--lengths input does not go with --front-end",
    "--front-end --states internal": "--states (io|internal)",
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("command", EVERY)
def test_options_that_cannot_be(command: str, options: str, small: Path) -> None:
    """Exit code 4 before any output, and what can be passed instead."""
    result = run(command, *options.split())
    assert_refused(result, 4, f"output_graph.pb: .*{OPTIONS[options]}")
    assert written(small) == set()


def test_onnx_has_no_states_inside(small: Path) -> None:
    """It says how the states are kept instead; OpenVINO has them."""
    says = "output_graph.pb: .*no --states internal; pass --states io"
    assert_refused(run("onnx", "--states", "internal"), 4, says)
    assert written(small) == set()
    assert run("openvino", "--states", "internal", "--no-validate").exit_code == 0


@pytest.mark.models
@pytest.mark.parametrize("command", COMMANDS)
def test_original_graphs_that_cannot_be_converted(
    command: str, models: Path, tmp_path: Path
) -> None:
    """Before freezing, and from before 0.6.1: which it is, and nothing is written."""
    for name, code, says in (
        ("not-frozen-0.1.1.pb", 4, "is not frozen: 7 .*export a frozen graph"),
        ("deepspeech-0.9.3-tflite.tflite", 3, "a TensorFlow Lite model.*pass the output_graph.pb"),
        ("alphabet.txt", 3, "is a text file"),
    ):
        result = run(command, str(models / name), "-o", str(tmp_path / "a.xml"))
        assert_refused(result, code, f"{name}.*{says}")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--input-shape abc", "pass a shape, such as 1,16,19,26"),
        ("--input-shape 1,,19,26", "pass a shape, such as 1,16,19,26"),
        ("--input-shape 1x16x19x26", "pass a shape, such as 1,16,19,26"),
        ("--input-shape []", "pass a shape, such as 1,16,19,26"),
        ("--precision int4", "'int4' is not one of 'fp32', 'fp16', 'int8'"),
        ("--n-steps many", "'many' is not a valid integer"),
        ("--lengths 16", "'16' is not one of 'frozen', 'input'"),
        ("--states none", "'none' is not one of 'io', 'internal'"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage(command: str, options: str, says: str, small: Path) -> None:
    """Exit code 2, with what is allowed, and nothing is written."""
    result = run(command, *options.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in " ".join(result.stderr.split())
    assert written(small) == set()


@pytest.mark.parametrize(
    ("shape", "steps"),
    [
        ("1,16,19,26", 16),
        ("[1,16,19,26]", 16),
        ("1, 16, 19, 26", 16),
        ("[1, 5, 19, 26]", 5),
        ("1,?,19,26", DYNAMIC),
        ("1,-1,19,26", DYNAMIC),
        ("[1,?,19,26]", DYNAMIC),
    ],
)
@pytest.mark.parametrize("command", EVERY)
@pytest.mark.usefixtures("small")
def test_shapes_are_read_as_people_write_them(command: str, shape: str, steps: int) -> None:
    """With and without brackets and blanks; a question mark is any size."""
    result = run(command, "--input-shape", shape, "--no-validate")
    assert result.exit_code == 0, result.output
    interface = open_model(f"output_graph{TARGETS[command].suffix_for(Options())}").interface
    assert interface.windows is not None
    assert interface.windows.shape == (1, steps, 19, 26)


@pytest.mark.parametrize("command", EVERY)
@pytest.mark.usefixtures("small")
def test_options_reach_the_target(command: str) -> None:
    """Steps, precision, lengths: each is in the file that comes out."""
    options = "--n-steps 7 --precision fp16 --no-validate --output a --force"
    for lengths in ("input", "frozen"):
        output = f"{lengths}{TARGETS[command].suffix_for(Options())}"
        asked = [*options.split(), "--lengths", lengths, "--output", output]
        assert run(command, *asked).exit_code == 0
        interface = open_model(output).interface
        assert (interface.steps, interface.precision) == (7, "fp16")
        assert (interface.lengths is None) == (lengths == "frozen")
    asked = ["--front-end", "--no-validate", "--output", output, "--force"]
    assert run(command, *asked).exit_code == 0
    assert [spec.name for spec in open_model(output).interface.inputs] == ["input_samples"]


@pytest.mark.parametrize(
    ("command", "existing"),
    [("onnx", "output_graph.onnx"), *(("openvino", name) for name in sorted(FILES["openvino"]))],
)
def test_existing_files_are_refused_before_the_work(
    command: str, existing: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 6 and how to replace them; nothing is built for it."""

    def fail(*_: object) -> None:
        raise AssertionError("converted")

    (small / existing).write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(type(TARGETS[command]), "build", fail)
        assert_refused(run(command), 6, f"{existing} exists; pass --force to replace it")
    assert (small / existing).read_text() == "mine"
    assert written(small) == {existing}
    assert run(command, "--force", "--no-validate").exit_code == 0
    assert written(small) == FILES[command]


@pytest.mark.parametrize("command", EVERY)
def test_an_output_folder_that_is_missing(command: str, small: Path) -> None:
    """Exit code 6, nothing is made."""
    output = f"no/a{TARGETS[command].suffix_for(Options())}"
    assert_refused(run(command, "--output", output), 6, "no is not a folder; create it")
    assert written(small) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_toolkit_that_is_missing(
    command: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5 with the line that installs it."""
    monkeypatch.setitem(sys.modules, command, None)
    says = rf"is not installed; install it with `pip install 'dsconv\[{command}\]'`"
    assert_refused(run(command), 5, says)
    assert written(small) == set()


@pytest.mark.parametrize("command", EVERY)
def test_a_result_that_cannot_be_run_here(
    command: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5: the file is written, that is said, and so is how to go without."""

    def fail(*_: object, **__: object) -> None:
        raise ToolkitError("the runtime is on strike.")

    monkeypatch.setattr("dsconv.inspect.parity.validate.validate_models", fail)
    output = f"output_graph{TARGETS[command].suffix_for(Options())}"
    says = rf"{output} was written but not validated: the runtime is on strike.*--no-validate"
    assert_refused(run(command), 5, says)
    assert written(small) == FILES[command]


UNFIT: dict[str, Edit] = {
    "alphabet": constant("metadata_alphabet", np.array([b"\1\0\0\0\1\0a"], object), object),
    "filters": attributes("Mfcc", upper_frequency_limit=9000.0),
    "name": lambda graph: renamed(graph, {"logits": "my/scores"}),
}


@pytest.mark.parametrize("what", UNFIT)
@pytest.mark.parametrize("command", EVERY)
def test_a_source_that_cannot_be_validated(command: str, what: str, small: Path) -> None:
    """It is refused before any output, or written and not validated; never a refusal and a file."""
    source = saved(UNFIT[what](open_graph(small / "output_graph.pb")), small / "edited.pb")
    result = run(command, source.name)
    if written(small) == {"edited.pb"}:
        assert result.exit_code in (3, 4)
        assert "edited" in result.stderr
    else:
        assert result.exit_code == 0
        assert "\nnot validated: " in result.stdout
    output = f"strict{TARGETS[command].suffix_for(Options())}"
    strict = run(command, source.name, "--require-validation", "-o", output)
    assert strict.exit_code in (3, 4)
    assert not [name for name in written(small) if name.startswith("strict")]


@pytest.mark.usefixtures("small")
def test_weights_that_are_no_numbers() -> None:
    """A graph that says nothing but NaN gets an answer in one line too."""
    nothing = constant("layer_1/bias", np.full(32, np.nan, np.float32))
    saved(nothing(open_graph("output_graph.pb")), Path("nan.pb"))
    result = run("openvino", "nan.pb")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (1, 3, 4)


@pytest.mark.parametrize("command", EVERY)
def test_a_graph_without_a_front_end_is_converted(command: str, small: Path) -> None:
    """Features may be made elsewhere; only --front-end needs to know how."""
    graph = extract(open_graph(small / "output_graph.pb"), ["logits", "new_state_c", "new_state_h"])
    source = saved(graph, small / "network.pb")
    says = "network.pb: .*no front end.*leave out --front-end"
    assert_refused(run(command, source.name, "--front-end"), 4, says)
    assert run(command, source.name, "--no-validate").exit_code == 0


def test_the_line_of_the_design(demo: Path) -> None:
    """``dsconv openvino --input-shape 1,16,19,26`` beside an output_graph.pb, as a process."""
    command = [sys.executable, "-m", "dsconv", "openvino", "--input-shape", "1,16,19,26"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=demo, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == FROZEN
    assert done.stdout.splitlines()[1].startswith("pass: ")
    assert written(demo) == FILES["openvino"]
    shape = open_model(demo / "output_graph.xml").interface.windows
    assert shape is not None
    assert shape.shape == (1, 16, 19, 26)


@pytest.mark.parametrize("command", EVERY)
@pytest.mark.usefixtures("small")
def test_a_package_is_a_source_too(command: str) -> None:
    """A .pbmm is named, and its suffix exchanged."""
    assert run("pbmm", "-q").exit_code == 0
    result = run(command, "output_graph.pbmm", "--no-validate")
    assert result.exit_code == 0, result.output
    assert FILES[command] <= {path.name for path in Path().iterdir()}


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--max-cer", "nan"), 2, "'nan' is not a number"),
        (("--no-validate", "--strict"), 2, "--strict is for the validation"),
        (("--audio", "{wav}", "--max-wer-increase", "0"), 3, "needs the true text of a clip"),
        (("--route", "toolkit", "--outputs", "logits", "--strict"), 4, "leave out --strict"),
    ],
)
def test_a_limit_that_cannot_hold(
    options: tuple[str, ...], code: int, says: str, demo: Path, tmp_path: Path
) -> None:
    """It is refused before anything is written."""
    alone = tmp_path / "alone.wav"
    alone.write_bytes(demo_model.clips()[0].wav.read_bytes())
    result = run("onnx", *(option.format(wav=alone) for option in options))
    assert result.exit_code == code, result.output
    assert says in result.stderr
    assert not (demo / "output_graph.onnx").exists()
