"""Graphs of other networks through the toolkits' own converters, by the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dsconv.cli import main
from dsconv.convert.registry import TARGETS
from dsconv.convert.toolkit import check
from dsconv.convert.toolkit.calls import read_calls, write_calls
from dsconv.convert.toolkit.process import run_module
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import new_node, write_graph
from dsconv.inspect.registry import inspect_file
from tests.convert.conversions import saved
from tests.convert.toolkit.networks import (
    FLOAT,
    TOOLKIT_TARGETS,
    chain,
    named,
    placeholder,
    write,
    write_convolution,
    write_products,
    write_unsupported,
)

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graphs."""
    found = tmp_path_factory.mktemp("graphs")
    write_convolution(tensorflow, found / "convolution.pb")
    write_products(tensorflow, found / "products.pb")
    write_unsupported(tensorflow, found / "unsupported.pb")
    return found


def dsconv(*arguments: object) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# Real processes of the other targets are run by `tests/test_migrate.py`.
@pytest.mark.parametrize(
    "target",
    [
        pytest.param(target, marks=[pytest.mark.processes] if target == "coreml" else [])
        for target in TOOLKIT_TARGETS
    ],
)
def test_a_convolution(target: str, folder: Path, tmp_path: Path) -> None:
    """A graph that is not recognised needs no option, and is compared with TensorFlow."""
    output = named(target, tmp_path)
    done = dsconv(target, folder / "convolution.pb", "-o", output)
    assert done.exit_code == 0, done.output
    assert "\npass: scores " in done.stdout
    assert done.stdout.endswith(", on random inputs against TensorFlow\n")
    assert "note: the toolkit's own converter made the result" in done.stderr
    lines = done.stderr.splitlines()
    if target == "tflite":
        assert "note: the file will be fp32 and not int8" in lines.pop(0)
    assert len(lines) == 1
    expected = {output.name, "result.bin"} if target == "openvino" else {output.name}
    assert {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_products_of_any_number_of_rows(target: str, folder: Path, tmp_path: Path) -> None:
    """Sizes stay open, integers go in and out, the JSON has the figures."""
    output = named(target, tmp_path)
    done = dsconv(target, folder / "products.pb", "-o", output, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["route"] == "toolkit"
    parity = found["parity"]
    assert [(o["name"], o["passed"]) for o in parity["outputs"]] == [
        ("found", True),
        ("place", True),
    ]
    assert parity["outputs"][1]["max_abs"] == 0.0
    assert 0 < parity["outputs"][0]["max_abs"] <= 2e-5


def write_largest(tensorflow: Any, path: Path) -> Path:
    """The three largest numbers of each row and where they are, from one op."""

    def build(tf: Any, random: np.random.Generator) -> None:
        given = tf.compat.v1.placeholder(tf.float32, [4, 8], "given")
        weights = random.normal(size=(8, 20)).astype(np.float32)
        tf.math.top_k(tf.matmul(given, weights), 3, name="largest")

    return write(tensorflow, path, build)


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_all_results_of_an_op(target: str, tensorflow: Any, tmp_path: Path) -> None:
    """Each is in the file and in the verdict."""
    output = named(target, tmp_path)
    source = write_largest(tensorflow, tmp_path / "largest.pb")
    done = dsconv(target, source, "-o", output, "--json")
    assert done.exit_code == 0, done.output
    assert {tensor.name for tensor in inspect_file(output).outputs} == {"largest", "largest_1"}
    found = json.loads(done.stdout)
    if target == "coreml" and sys.platform != "darwin":
        assert "topk" in found["not_validated"]
        return
    outputs = found["parity"]["outputs"]
    assert [(each["name"], each["passed"]) for each in outputs] == [
        ("largest", True),
        ("largest_1", True),
    ]
    assert outputs[1]["tolerance"] == 0


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_an_op_that_no_toolkit_has(target: str, folder: Path, tmp_path: Path) -> None:
    """It is named, nothing is left behind."""
    output = named(target, tmp_path)
    done = dsconv(target, folder / "unsupported.pb", "-o", output, "--precision", "fp32")
    assert done.exit_code == 4
    assert "does not convert 'logarithm' (MatrixLogarithm)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def difference(first: str, second: str, result: str) -> Graph:
    """``result`` is ``first`` less ``second``, by their names."""
    inputs = [placeholder(name, (2, 3)) for name in (first, second)]
    return Graph([*inputs, new_node(result, "Sub", [first, second], FLOAT)])


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
def test_names_with_a_scope(target: str, tmp_path: Path) -> None:
    """They stay as they are; Core ML, which has no slashes, gets others, and that is said."""
    source = saved(difference("net/a", "net/b", "net/out/1"), tmp_path / "a.pb")
    output = named(target, tmp_path)
    done = dsconv(target, source, "-o", output)
    assert done.exit_code == 0, done.output
    assert "\npass: net/out/1 " in done.stdout
    found = inspect_file(output)
    names = [tensor.name for tensor in (*found.inputs, *found.outputs)]
    renamed = "net/a is net_a, net/b is net_b, net/out/1 is net_out_1."
    if target == "coreml":
        assert names == ["net_a", "net_b", "net_out_1"]
        assert f"note: the file has other names: {renamed}" in done.stderr
    else:
        assert sorted(names) == ["net/a", "net/b", "net/out/1"]
        assert "other names" not in done.stderr


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("net/a", "net_a"), "'net/a' and 'net_a' would both be 'net_a' in Core ML; rename one"),
        (("any", "b"), "Core ML Tools replace any by any_workaround; choose other names"),
    ],
    ids=["equal", "word"],
)
def test_names_that_core_ml_does_not_have(
    names: tuple[str, str], says: str, tmp_path: Path
) -> None:
    """Two that would be one, and words of its language."""
    source = saved(difference(names[0], names[1], "result"), tmp_path / "a.pb")
    done = dsconv("coreml", source, "-o", named("coreml", tmp_path))
    assert done.exit_code == 4, done.output
    assert says in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pb"]


def test_what_is_not_supported_can_be_cut_off(folder: Path, tmp_path: Path) -> None:
    """As the message says; the inputs can be cut as well."""
    output = named("openvino", tmp_path)
    source = folder / "unsupported.pb"
    done = dsconv("openvino", source, "-o", output, "--outputs", "double")
    assert done.exit_code == 0, done.output
    assert "\npass: double " in done.stdout


def test_the_options(folder: Path, tmp_path: Path) -> None:
    """Other outputs, an input with a name and a size, another one frozen."""
    output = named("onnx", tmp_path)
    done = dsconv(
        *("onnx", folder / "products.pb", "-o", output, "--outputs", "found", "--inputs"),
        *("numbers", "--freeze", "index=[1,2,3,4]", "--input-shape", "numbers=4,60"),
    )
    assert done.exit_code == 0, done.output
    assert "\npass: found " in done.stdout
    import onnx

    graph = onnx.load(str(output)).graph
    sizes = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    assert [given.name for given in graph.input] == ["numbers"]
    assert sizes == [4, 60]
    assert [found.name for found in graph.output] == ["found"]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ("--outputs nothing", 4, "no node 'nothing'"),
        ("--inputs nothing", 4, "no node 'nothing'"),
        ("--freeze nothing=1", 4, "no node 'nothing'"),
        ("--freeze nothing", 2, "pass NAME=VALUE"),
        ("--freeze index=a", 4, "input 'index' is of int32"),
        ("--input-shape nothing=1", 4, "no node 'nothing'"),
        ("--input-shape index=a", 2, "pass a shape"),
        ("--input-shape index=1 --input-shape index=2", 2, "once"),
        ("--input-shape 1,60", 4, "has 2 inputs; say whose"),
        ("--n-steps 16", 4, "number of steps cannot be set"),
        ("--route build", 4, "input"),
        ("--precision fp16", 4, "without --precision fp16"),
    ],
)
def test_what_cannot_be_is_refused(
    options: str, code: int, says: str, folder: Path, tmp_path: Path
) -> None:
    """Before any work, in one line."""
    output = named("onnx", tmp_path)
    done = dsconv("onnx", folder / "products.pb", "-o", output, *options.split())
    assert done.exit_code == code
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_computes_something_else_fails(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 1, and the verdict says by how much."""
    output = named("openvino", tmp_path)

    def run_wrongly(label: str, module: str, *paths: Path) -> None:
        run_module(label, module, *paths)
        if module.endswith(".runner"):
            calls = read_calls(paths[-1])
            calls[1][0] = np.asarray(calls[1][0], np.float32) + np.float32(0.5)
            write_calls(paths[-1], calls)

    monkeypatch.setattr(check, "run_module", run_wrongly)
    done = dsconv("openvino", folder / "convolution.pb", "-o", output)
    assert done.exit_code == 1
    assert "\nfail: scores 5.0e-01 of " in done.stdout
    assert output.exists()


def test_a_sabotaged_file_fails(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weight that is off by a hundredth is noticed."""
    from dsconv.convert.toolkit import plan
    from dsconv.formats.graphdef.write import new_constant

    output = named("openvino", tmp_path)
    whole = plan.graph_for_toolkit

    def spoiled(prepared: Any) -> Graph:
        graph = whole(prepared)
        node = max(
            (node for node in graph if node.op == "Const"), key=lambda n: graph.tensor(n).size
        )
        values = np.array(graph.tensor(node).array(), np.float32)
        values.flat[7] += 0.01
        spoilt = new_constant(node.name, values)
        return graph.replacing(spoilt if other is node else other for other in graph)

    monkeypatch.setattr(plan, "graph_for_toolkit", spoiled)
    done = dsconv("openvino", folder / "convolution.pb", "-o", output)
    assert done.exit_code == 1, done.output
    assert "\nfail: scores " in done.stdout


@pytest.mark.parametrize("differs", [False, True])
def test_all_targets(
    differs: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dsconv all` takes the same way, and tells."""
    from dsconv.workflows import all_targets as convert_all

    some = {name: TARGETS[name] for name in ("pbmm", "openvino")}
    monkeypatch.setattr(convert_all, "all_targets", lambda: some)
    if differs:
        monkeypatch.setattr(check, "NOISE", 0.0)
        monkeypatch.setattr(check, "ROUNDINGS", 0)
    named("openvino", tmp_path)
    done = dsconv("all", folder / "products.pb", "-o", tmp_path, "--json")
    assert done.exit_code == int(differs), done.output
    found = {each["target"]: each for each in json.loads(done.stdout)["targets"]}
    verdict = "fail" if differs else "pass"
    assert (found["openvino"]["route"], found["openvino"]["verdict"]) == ("toolkit", verdict)
    assert (found["pbmm"]["route"], found["pbmm"]["verdict"]) == (None, "converted")


def test_another_precision_than_asked(folder: Path, tmp_path: Path) -> None:
    """It is refused; that of the target is said before anything is written; fp32 needs no word."""
    output, source = named("tflite", tmp_path), folder / "convolution.pb"
    done = dsconv("tflite", source, "-o", output, "--precision", "int8")
    assert (done.exit_code, list(tmp_path.iterdir())) == (4, [])
    assert "without --precision int8" in done.stderr
    done = dsconv("tflite", source, "-o", output, "--precision", "fp32", "--no-validate")
    assert (done.exit_code, "fp32" in done.stderr) == (0, False)
    done = dsconv("tflite", source, "-o", output, "--no-validate", "--json", "--force")
    assert "will be fp32 and not int8" in done.stderr.splitlines()[0]
    assert "will be fp32 and not int8" in json.loads(done.stdout)["notes"][0]


def write_random(tensorflow: Any, path: Path) -> Path:
    """Numbers times random ones."""

    def build(tf: Any, _: np.random.Generator) -> None:
        given = tf.compat.v1.placeholder(tf.float32, [2, 3], "given")
        tf.multiply(given, tf.raw_ops.RandomUniform(shape=[2, 3], dtype=tf.float32), "drawn")

    return write(tensorflow, path, build)


@pytest.mark.parametrize("required", [False, True])
def test_what_cannot_be_checked(required: bool, tensorflow: Any, tmp_path: Path) -> None:
    """It is written, and that is said; or nothing is written."""
    (tmp_path / "out").mkdir()
    output = named("onnx", tmp_path / "out")
    source = write_random(tensorflow, tmp_path / "random.pb")
    require = ["--require-validation"] if required else []
    done = dsconv("onnx", source, "-o", output, *require)
    says = "draws random numbers, which differ from run to run"
    if required:
        assert done.exit_code == 4, done.output
        assert "not validated, so nothing is written" in done.stderr
        assert says in done.stderr
        assert list((tmp_path / "out").iterdir()) == []
    else:
        assert done.exit_code == 0, done.output
        assert "\nnot validated: " in done.stdout
        assert says in done.stdout
        done = dsconv("onnx", source, "-o", output, "--json", "--force")
        found = json.loads(done.stdout)
        assert found["parity"] is None
        assert says in found["not_validated"]


def write_elu(tensorflow: Any, path: Path) -> Path:
    """An activation that Core ML has, and that is not evaluated in numpy."""

    def build(tf: Any, _: np.random.Generator) -> None:
        tf.nn.elu(tf.compat.v1.placeholder(tf.float32, [2, 3], "given"), "bent")

    return write(tensorflow, path, build)


@pytest.mark.parametrize("required", [False, True])
def test_an_op_that_is_not_evaluated(required: bool, tensorflow: Any, tmp_path: Path) -> None:
    """It is Core ML's to run, on macOS."""
    (tmp_path / "out").mkdir()
    output = named("coreml", tmp_path / "out")
    source = write_elu(tensorflow, tmp_path / "elu.pb")
    require = ["--require-validation"] if required else []
    done = dsconv("coreml", source, "-o", output, "--reference-evaluator", *require)
    assert done.exit_code == (4 if required else 0), done.output
    assert "elu" in (done.stderr if required else done.stdout.split("not validated: ")[1])
    assert output.exists() is not required
    assert required or len(done.stdout.splitlines()) == 2


def test_required_and_validated(folder: Path, tmp_path: Path) -> None:
    """The files stand where they belong, and nothing else does."""
    output = named("openvino", tmp_path)
    done = dsconv("openvino", folder / "convolution.pb", "-o", output, "--require-validation")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{output}: ")
    assert {path.name for path in tmp_path.iterdir()} == {"result.xml", "result.bin"}
    done = dsconv("openvino", folder / "convolution.pb", "--require-validation", "--no-validate")
    assert done.exit_code == 4
    assert "leave out --no-validate" in done.stderr


def test_own_inputs(folder: Path, tmp_path: Path) -> None:
    """The result is compared on them, once."""
    output, own = named("openvino", tmp_path), tmp_path / "own.npz"
    np.savez(own, numbers=np.ones((3, 60)), index=np.array([9, 0, 5]))
    arguments = ("openvino", folder / "products.pb", "-o", output, "--check-inputs", own)
    done = dsconv(*arguments, "--json")
    assert done.exit_code == 0, done.output
    parity = json.loads(done.stdout)["parity"]
    assert (parity["kind"], parity["calls"]) == ("given inputs", 1)
    done = dsconv(*arguments[:-1], tmp_path / "missing.npz")
    assert (done.exit_code, "does not exist" in done.stderr) == (2, True)


def test_the_traceback_of_the_other_process(folder: Path, tmp_path: Path) -> None:
    """--traceback shows where it arose there."""
    output = named("openvino", tmp_path)
    arguments = ["openvino", str(folder / "unsupported.pb"), "-o", str(output), "--traceback"]
    done = CliRunner().invoke(main, arguments)
    causes, error = [], done.exception
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert "toolkit/openvino.py" in causes[-1]


def test_the_same_graph_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Twice, from different folders."""
    named("openvino", tmp_path)
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        output = tmp_path / name / "result.xml"
        done = dsconv("openvino", folder / "convolution.pb", "-o", output, "--no-validate")
        assert done.exit_code == 0
        files.append(output.read_bytes() + output.with_suffix(".bin").read_bytes())
    assert files[0] == files[1]


def test_a_graph_without_tensorflows_help(tmp_path: Path) -> None:
    """OpenVINO reads graphs itself."""
    output = named("openvino", tmp_path)
    source = tmp_path / "chain.pb"
    with source.open("wb") as file:
        write_graph(file, chain())
    done = dsconv("openvino", source, "-o", output)
    assert done.exit_code == 0, done.output
    assert "pass: result " in done.stdout
