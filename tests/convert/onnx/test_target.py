"""What an ONNX file says about itself, and conversions that do not come to an end."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ToolkitError
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.write import write_graph
from dsconv.runtime.registry import open_model
from dsconv.version import __version__
from tests.acoustic.edits import renamed
from tests.convert.calls import Call, answers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")

ONNX = TARGETS["onnx"]


def convert(source: Path, output: Path, **asked: Any) -> Any:
    """The converted model as a message."""
    convert_file(ONNX, source, output, options=Options(**asked))
    return onnx.load(str(output))


def shapes(values: Any) -> dict[str, tuple[Any, ...]]:
    """The sizes of inputs or outputs by name; dynamic dimensions by their names."""
    return {
        value.name: tuple(
            dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim
        )
        for value in values
    }


def saved(graph: Graph, path: Path) -> Path:
    with path.open("wb") as file:
        write_graph(file, graph)
    return path


@pytest.mark.parametrize("lengths", ["input", "frozen"])
@pytest.mark.parametrize("steps", [16, 1, DYNAMIC])
def test_inputs_and_outputs_are_the_graphs(
    steps: int, lengths: str, small_model: Path, tmp_path: Path
) -> None:
    """Same names, types and shapes; an open number of frames has a name; no lengths if frozen."""
    graph = set_steps(open_graph(small_model), steps)
    model = convert(small_model, tmp_path / "a.onnx", steps=steps, lengths=lengths)
    frames = "frames" if steps == DYNAMIC else steps
    names = ["input_node", "input_lengths", "previous_state_c", "previous_state_h"]
    expected: dict[str, tuple[Any, ...]] = {name: graph[name].shape() or () for name in names}
    expected["input_node"] = (1, frames, 19, 26)
    if lengths == "frozen":
        del expected["input_lengths"]
    assert shapes(model.graph.input) == expected
    assert shapes(model.graph.output) == {
        "logits": (frames, 1, 29),
        "new_state_c": (1, 32),
        "new_state_h": (1, 32),
    }
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    assert types.pop("input_lengths", onnx.TensorProto.INT32) == onnx.TensorProto.INT32
    assert set(types.values()) == {onnx.TensorProto.FLOAT}


def test_names_are_those_of_the_graph(small_model: Path, tmp_path: Path) -> None:
    """Whatever the graph calls its inputs and outputs, the model calls them too."""
    given = ["input_node", "input_lengths", "previous_state_c", "previous_state_h"]
    made = ["logits", "new_state_c", "new_state_h"]
    graph = renamed(open_graph(small_model), {name: f"my/{name}" for name in given + made})
    model = convert(saved(graph, tmp_path / "a.pb"), tmp_path / "a.onnx")
    assert set(shapes(model.graph.input)) == {f"my/{name}" for name in given}
    assert set(shapes(model.graph.output)) == {f"my/{name}" for name in made}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("input_node", "windows"),
        ("logits", "scores"),
        ("previous_state_c", "lstm/previous_c"),
        ("new_state_h", "lstm/last_h"),
        ("logits", "layer_6/biased"),
        ("input_lengths", "lstm/zero"),
    ],
)
def test_names_of_the_inside_are_free(
    old: str, new: str, small_model: Path, tmp_path: Path
) -> None:
    """A graph may call its inputs and outputs as dsconv calls tensors between them."""
    source = saved(renamed(open_graph(small_model), {old: new}), tmp_path / "a.pb")
    model = convert(source, tmp_path / "a.onnx")
    assert new in shapes([*model.graph.input, *model.graph.output])


def test_an_input_is_no_constant(small_model: Path, tmp_path: Path) -> None:
    """The checker lets pass an input with the name of a constant, and then it is both."""
    graph = renamed(open_graph(small_model), {"input_lengths": "lengths/one"})
    convert(saved(graph, tmp_path / "a.pb"), tmp_path / "a.onnx")
    windows = np.random.default_rng(3).normal(size=(1, 16, 19, 26)).astype(np.float32)
    state = np.full((1, 32), 0.5, np.float32)
    fed = Call(windows, 0, state, state).tensors
    fed["lengths/one"] = fed.pop("input_lengths")
    found = open_model(tmp_path / "a.onnx").call(fed, ["new_state_c"])
    np.testing.assert_array_equal(found["new_state_c"], state)


def test_properties_say_where_it_comes_from(small_model: Path, tmp_path: Path) -> None:
    """The exporter's metadata, how features are made, the source's hash and dsconv's version."""
    model = convert(small_model, tmp_path / "a.onnx")
    network = recognise(open_graph(small_model))
    assert network.front_end is not None
    assert {prop.key: prop.value for prop in model.metadata_props} == {
        **network.metadata.to_text(),
        "features": feature_settings(network.front_end).to_text(),
        "precision": "fp32",
        "source_sha256": hashlib.sha256(small_model.read_bytes()).hexdigest(),
        "dsconv_version": __version__,
    }
    assert (model.producer_name, model.producer_version) == ("dsconv", __version__)
    opened = open_model(tmp_path / "a.onnx").interface
    assert opened.metadata == network.metadata
    assert opened.features_from == feature_settings(network.front_end)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_lstm_in_standard_ops(precision: str, small_model: Path, tmp_path: Path) -> None:
    """One LSTM node, nothing of a runtime's own, in a version that every runtime knows."""
    model = convert(small_model, tmp_path / "a.onnx", precision=precision)
    assert [(opset.domain, opset.version >= 17) for opset in model.opset_import] == [("", True)]
    ops = [node.op_type for node in model.graph.node]
    assert ops.count("LSTM") == 1
    assert {node.domain for node in model.graph.node} == {""}
    assert len({node.name for node in model.graph.node}) == len(ops)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_weights_are_stored_once(precision: str, small_model: Path, tmp_path: Path) -> None:
    """As many numbers as the graph has, and a second bias of the LSTM, which ONNX wants."""
    model = convert(small_model, tmp_path / "a.onnx", precision=precision)
    kinds = {"fp32": onnx.TensorProto.FLOAT, "fp16": onnx.TensorProto.FLOAT16}
    matrices = [tensor for tensor in model.graph.initializer if np.prod(tensor.dims) >= 900]
    assert {tensor.data_type for tensor in matrices} == {kinds[precision]}
    stored = sum(int(np.prod(tensor.dims)) for tensor in matrices)
    assert stored == 494 * 32 + 3 * 32 * 32 + 64 * 128 + 32 * 29


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_same_input_gives_the_same_bytes(
    precision: str, small_model: Path, tmp_path: Path
) -> None:
    """Nothing of the time or the folder gets into the file."""
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.pb"
    copy.write_bytes(small_model.read_bytes())
    for source, name in ((small_model, "a.onnx"), (copy, "b.onnx")):
        convert(source, tmp_path / name, precision=precision)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_package_gives_the_same_model(small_model: Path, tmp_path: Path) -> None:
    """Only the hash tells which container it came from."""
    package = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    data = {}
    for source, name in ((small_model, "pb.onnx"), (package, "pbmm.onnx")):
        convert(source, tmp_path / name)
        digest = hashlib.sha256(source.read_bytes()).hexdigest().encode()
        written = (tmp_path / name).read_bytes()
        assert written.count(digest) == 1
        data[name] = written.replace(digest, b"")
    assert data["pb.onnx"] == data["pbmm.onnx"]


def test_a_conversion_needs_no_tensorflow(small_model: Path, tmp_path: Path) -> None:
    """Nor any converter, nor the runtime."""
    program = (
        "import sys\n"
        "from dsconv.convert.registry import TARGETS\n"
        "from dsconv.convert.run import convert_file\n"
        "convert_file(TARGETS['onnx'], *sys.argv[1:])\n"
        "print({'tensorflow', 'tf2onnx', 'onnxruntime'} & {n.split('.')[0] for n in sys.modules})\n"
    )
    command = [sys.executable, "-c", program, str(small_model), str(tmp_path / "a.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_file_is_beside_the_graph_by_default(small_model: Path, tmp_path: Path) -> None:
    """Its suffix is exchanged, its size and target are told, and no other file is there."""
    source = tmp_path / "output_graph.pb"
    source.write_bytes(small_model.read_bytes())
    conversion = convert_file(ONNX, source)
    assert (conversion.target, conversion.source) == ("onnx", source)
    assert conversion.output == tmp_path / "output_graph.onnx"
    assert conversion.bytes == conversion.output.stat().st_size
    assert conversion.notes == ()
    assert {path.name for path in tmp_path.iterdir()} == {"output_graph.pb", "output_graph.onnx"}


def test_a_missing_package_is_named(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that installs it, and nothing left behind."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ToolkitError, match=r"not installed; install it with `pip install 'dsconv"):
        convert_file(ONNX, small_model, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", ["ValidationError", "InferenceError"])
def test_what_the_checker_refuses_is_not_left_behind(
    error: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is checked before it appears, and an older one stays."""
    module = onnx.checker if error == "ValidationError" else onnx.shape_inference

    def refuse(*_: object, **__: object) -> None:
        raise getattr(module, error)("no good")

    output = tmp_path / "a.onnx"
    output.write_text("mine")
    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ToolkitError, match="checker refuses the result: no good"):
        convert_file(ONNX, small_model, output, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert output.read_text() == "mine"


def test_a_refusal_of_the_checker_is_one_line(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like every message of dsconv's."""

    def refuse(*_: object, **__: object) -> None:
        raise onnx.checker.ValidationError("no good\n\n==> Context: Bad node spec")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ToolkitError) as caught:
        convert_file(ONNX, small_model, tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)


def test_a_file_is_checked_as_it_is_written(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In full, and by its path, so that any size can be checked."""
    seen = []

    def check(path: str, full_check: bool) -> None:
        seen.append((Path(path).read_bytes(), full_check))

    monkeypatch.setattr(onnx.checker, "check_model", check)
    convert_file(ONNX, small_model, tmp_path / "a.onnx")
    assert seen == [((tmp_path / "a.onnx").read_bytes(), True)]


def test_swapped_states_stay_swapped(small_model: Path, tmp_path: Path) -> None:
    """A graph that gives its states under each other's names gives a model that does so too."""
    swap = {"new_state_c": "new_state_h", "new_state_h": "new_state_c"}
    source = saved(renamed(open_graph(small_model), swap), tmp_path / "a.pb")
    convert(source, tmp_path / "a.onnx")
    model, reference = open_model(tmp_path / "a.onnx"), open_model(source)
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(1, 16, 19, 26)).astype(np.float32)
    c, h = (rng.normal(size=(1, 32)).astype(np.float32) for _ in range(2))
    for length in (0, 5, 16):
        call = Call(windows, length, c, h)
        for found, expected in zip(answers(model, call), answers(reference, call), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
