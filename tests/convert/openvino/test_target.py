"""What an IR holds and says about itself, and conversions that do not come to an end."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import ExportSettings, export_chunks
from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import OutputError, ToolkitError
from dsconv.fixtures.random_model import random_weights
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.storage import write_chunks
from dsconv.formats.toolkits import import_openvino
from dsconv.runtime.openvino import RT_INFO
from dsconv.runtime.registry import open_model
from dsconv.speech.alphabet import Alphabet
from dsconv.version import __version__
from tests.acoustic.edits import renamed
from tests.convert.conversions import convert, saved
from tests.runtime.speech import distance

try:
    openvino = import_openvino()
except ToolkitError:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)

OPENVINO = TARGETS["openvino"]
GIVEN = ["input_node", "input_lengths", "previous_state_c", "previous_state_h"]
MADE = ["logits", "new_state_c", "new_state_h"]


def read(source: Path, output: Path, **asked: Any) -> Any:
    """The IR of a graph, read back from its files."""
    return openvino.Core().read_model(str(convert("openvino", source, output, **asked)))


def shapes(ports: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and sizes of inputs or outputs by their only names; -1 is any size."""
    found = {}
    for port in ports:
        (name,) = port.names
        sizes = tuple(-1 if size.is_dynamic else size.get_length() for size in port.partial_shape)
        found[name] = (port.element_type.get_type_name(), sizes)
    return found


def all_ops(model: Any) -> list[Any]:
    """The ops of a model and of the bodies of its loops."""
    found = []
    for op in model.get_ops():
        found.append(op)
        if op.get_type_name() in ("TensorIterator", "Loop"):
            found += all_ops(op.get_function())
    return found


@pytest.mark.parametrize("states", ["io", "internal"])
@pytest.mark.parametrize("lengths", ["frozen", "input"])
@pytest.mark.parametrize("steps", [16, 1, DYNAMIC])
def test_inputs_and_outputs_are_the_graphs(
    steps: int, lengths: str, states: str, small_model: Path, tmp_path: Path
) -> None:
    """Same names, without TensorFlow's ``:0``, types and shapes; none that were not asked for."""
    model = read(small_model, tmp_path / "a", steps=steps, lengths=lengths, states=states)
    state = ("f32", (1, 32))
    given: dict[str, Any] = {"input_node": ("f32", (1, steps, 19, 26))}
    if lengths == "input":
        given["input_lengths"] = ("i32", (1,))
    made: dict[str, Any] = {"logits": ("f32", (steps, 1, 29))}
    if states == "io":
        given |= dict.fromkeys(GIVEN[2:], state)
        made |= dict.fromkeys(MADE[1:], state)
    assert shapes(model.inputs) == given
    assert shapes(model.outputs) == made
    assert len(model.get_sinks()) == (2 if states == "internal" else 0)


def test_names_are_those_of_the_graph(small_model: Path, tmp_path: Path) -> None:
    """Whatever the graph calls its inputs and outputs, the model calls them too."""
    graph = renamed(open_graph(small_model), {name: f"my/{name}" for name in GIVEN + MADE})
    model = read(saved(graph, tmp_path / "a.pb"), tmp_path / "a", lengths="input")
    assert set(shapes(model.inputs)) == {f"my/{name}" for name in GIVEN}
    assert set(shapes(model.outputs)) == {f"my/{name}" for name in MADE}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("input_node", "windows"),
        ("logits", "scores"),
        ("previous_state_c", "lstm/R"),
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
    model = read(source, tmp_path / "a", lengths="input", steps=DYNAMIC)
    assert new in {**shapes(model.inputs), **shapes(model.outputs)}
    openvino.Core().compile_model(model, "CPU")


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_friendly_names_say_where(steps: int, small_model: Path, tmp_path: Path) -> None:
    """Inputs and outputs by the graph's names, the rest by layer; none twice, none counted."""
    model = read(small_model, tmp_path / "a", lengths="input", steps=steps)
    assert [op.get_friendly_name() for op in model.get_parameters()] == GIVEN
    sources = [op.input_value(0).get_node().get_friendly_name() for op in model.get_results()]
    assert sorted(sources) == MADE
    names = [op.get_friendly_name() for op in model.get_ops()]
    assert len(set(names)) == len(names)
    types = {op.get_type_name() for op in all_ops(model)}
    assert not [op for op in all_ops(model) if op.get_friendly_name().split("_")[0] in types]
    assert {"layer_1/weights", "layer_6/bias", "lstm/W"} < set(names)
    assert model.get_friendly_name() == "acoustic"


def test_properties_say_where_it_comes_from(small_model: Path, tmp_path: Path) -> None:
    """The exporter's metadata, how features are made, the source's hash and dsconv's version."""
    model = read(small_model, tmp_path / "a")
    network = recognise(open_graph(small_model))
    assert network.front_end is not None
    keys = model.get_rt_info([RT_INFO]).astype(dict)
    assert {key: model.get_rt_info([RT_INFO, key]).astype(str) for key in keys} == {
        **network.metadata.to_text(),
        "features": feature_settings(network.front_end).to_text(),
        "precision": "fp32",
        "source_sha256": hashlib.sha256(small_model.read_bytes()).hexdigest(),
        "dsconv_version": __version__,
    }
    opened = open_model(tmp_path / "a.xml").interface
    assert opened.metadata == network.metadata
    assert opened.features_from == feature_settings(network.front_end)


@pytest.mark.parametrize(
    "language",
    ["a \"quoted\" 'one' <&amp;> ]]>", " two\nlines\tand\r\nspaces ", "ünï 漢字 \U0001f600", ""],
    ids=["markup", "white", "unicode", "empty"],
)
def test_odd_metadata_survives_the_xml(language: str, tmp_path: Path) -> None:
    """The language is free text, and labels may be any bytes."""
    alphabet = Alphabet((b'"', b"\n", b"'", "ß".encode(), b"\xff", b"\x00", b"<", b" "))
    settings = ExportSettings(alphabet, language=language)
    source = tmp_path / "a.pb"
    with source.open("wb") as file:
        write_chunks(file, export_chunks(random_weights(8, settings, 0), settings))
    opened = open_model(convert("openvino", source, tmp_path / "a")).interface
    assert opened.metadata.language == language
    assert opened.metadata == open_model(source).interface.metadata


def test_a_graph_without_metadata_and_front_end(small_model: Path, tmp_path: Path) -> None:
    """What the graph does not say is left out; the rest is there."""
    source = saved(extract(open_graph(small_model), MADE), tmp_path / "a.pb")
    model = read(source, tmp_path / "a")
    keys = set(model.get_rt_info([RT_INFO]).astype(dict))
    assert keys == {"precision", "source_sha256", "dsconv_version"}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("steps", [16, 64, DYNAMIC])
def test_weights_stand_once(steps: int, precision: str, tmp_path: Path) -> None:
    """However often a weight is used: model and .bin hold it once, and next to nothing more."""
    (source,) = write_random_model(tmp_path, 128)
    path = convert("openvino", source, tmp_path / "a", steps=steps, precision=precision)
    network = recognise(open_graph(source))
    features, lstm = network.before[0].weights, network.lstm
    others = [layer.weights for layer in network.layers if layer.weights is not features]
    sizes = {"fp32": (4, 4), "fp16": (2, 2), "int8": (2, 1)}[precision]
    weights = features.size * sizes[0]
    weights += sum(tensor.size for tensor in (*others, lstm.kernel)) * sizes[1]
    small = sum(layer.bias.nbytes for layer in network.layers) + lstm.bias.nbytes
    if precision == "int8":
        # A scale for each output of what is in integers; the LSTM has two matrices.
        small += small - network.before[0].bias.nbytes + lstm.bias.nbytes
    # The rest is indices and shapes, some of them for each step.
    assert 0 <= path.with_suffix(".bin").stat().st_size - weights - small < 2048
    ops = all_ops(openvino.Core().read_model(str(path)))
    constants = [op.get_data().nbytes for op in ops if op.get_type_name() == "Constant"]
    assert 0 <= sum(constants) - weights - small < 4096


@pytest.mark.parametrize("states", ["io", "internal"])
@pytest.mark.parametrize("lengths", ["frozen", "input"])
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_only_ops_that_run_fast(
    steps: int, lengths: str, states: str, small_model: Path, tmp_path: Path
) -> None:
    """No LSTM op and no Loop: unrolled, or one TensorIterator for any number of frames."""
    model = read(small_model, tmp_path / "a", steps=steps, lengths=lengths, states=states)
    ops = Counter(op.get_type_name() for op in all_ops(model))
    assert not {"LSTMSequence", "LSTMCell", "Loop", "If"} & set(ops)
    assert ops["TensorIterator"] == (1 if steps == DYNAMIC else 0)
    assert ops["ReadValue"] == ops["Assign"] == (2 if states == "internal" else 0)
    opsets = {op.get_type_info().version_id for op in all_ops(model)}
    assert opsets <= {f"opset{number}" for number in range(1, 14)}


FROZEN = "input_lengths is frozen, all frames of a call are valid"


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        ({}, [f"{FROZEN}: input_lengths->[16]."]),
        ({"steps": 5}, [f"{FROZEN}: input_lengths->[5]."]),
        ({"steps": DYNAMIC}, [f"{FROZEN}."]),
        ({"lengths": "input"}, []),
        (
            {"lengths": "input", "states": "internal"},
            ["the states stay inside; reset_state() of"],
        ),
        ({"states": "internal"}, ["input_lengths->[16]", "reset_state()"]),
        ({"front_end": True}, []),
    ],
)
def test_what_differs_from_the_graph_is_noted(
    asked: dict[str, Any], notes: list[str], small_model: Path, tmp_path: Path
) -> None:
    """Frozen lengths as users of ``mo`` know them; states inside and how to reset them."""
    conversion = convert_file(OPENVINO, small_model, tmp_path / "a.xml", options=Options(**asked))
    assert len(conversion.notes) == len(notes)
    for note, expected in zip(conversion.notes, notes, strict=True):
        assert expected in note


CONVERT = (
    "import sys\n"
    "from dsconv.convert.options import Options\n"
    "from dsconv.convert.registry import TARGETS\n"
    "from dsconv.convert.run import convert_file\n"
    "source, output, steps = sys.argv[1:]\n"
    "convert_file(TARGETS['openvino'], source, output, options=Options(steps=int(steps)))\n"
)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_the_same_input_gives_the_same_bytes(
    steps: int, precision: str, small_model: Path, tmp_path: Path
) -> None:
    """From another folder, after other conversions, in the same process."""
    copy = tmp_path / "elsewhere" / "copy.pb"
    copy.parent.mkdir()
    copy.write_bytes(small_model.read_bytes())
    convert("openvino", small_model, tmp_path / "a", steps=steps, precision=precision)
    convert("openvino", small_model, tmp_path / "between", states="internal")
    convert("openvino", copy, copy.with_name("b"), steps=steps, precision=precision)
    for suffix in (".xml", ".bin"):
        first = (tmp_path / "a").with_suffix(suffix).read_bytes()
        assert copy.with_name("b").with_suffix(suffix).read_bytes() == first


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_every_process_gives_the_same_bytes(steps: int, small_model: Path, tmp_path: Path) -> None:
    """Nothing hangs on the order of hashes or on what ran before."""
    convert("openvino", small_model, tmp_path / "0", steps=steps)
    for seed in ("1", "2"):
        output = str(tmp_path / f"{seed}.xml")
        command = [sys.executable, "-c", CONVERT, str(small_model), output, str(steps)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for suffix in (".xml", ".bin"):
            expected = (tmp_path / f"0{suffix}").read_bytes()
            assert (tmp_path / f"{seed}{suffix}").read_bytes() == expected


def test_a_package_gives_the_same_model(small_model: Path, tmp_path: Path) -> None:
    """Only the hash tells which container it came from."""
    package = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    texts = []
    for source in (small_model, package):
        path = convert("openvino", source, tmp_path / source.suffix[1:])
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        assert path.read_text("utf-8").count(digest) == 1
        texts.append(path.read_text("utf-8").replace(digest, ""))
    assert texts[0] == texts[1]
    assert (tmp_path / "pb.bin").read_bytes() == (tmp_path / "pbmm.bin").read_bytes()


def test_a_conversion_needs_no_tensorflow(small_model: Path, tmp_path: Path) -> None:
    """Nor any other toolkit, nor OpenVINO's telemetry."""
    program = CONVERT + (
        "loaded = {name.split('.')[0] for name, module in sys.modules.items() if module}\n"
        "print(loaded & {'tensorflow', 'onnx', 'onnxruntime', 'openvino_telemetry'})\n"
    )
    command = [sys.executable, "-c", program, str(small_model), str(tmp_path / "a.xml"), "16"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert done.stderr == ""


def test_the_files_are_beside_the_graph_by_default(small_model: Path, tmp_path: Path) -> None:
    """The suffix is exchanged, the size is that of both files, and no other file is there."""
    source = tmp_path / "output_graph.pb"
    source.write_bytes(small_model.read_bytes())
    conversion = convert_file(OPENVINO, source)
    assert (conversion.target, conversion.source) == ("openvino", source)
    assert conversion.output == tmp_path / "output_graph.xml"
    written = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(written) == {"output_graph.pb", "output_graph.xml", "output_graph.bin"}
    assert conversion.bytes == written["output_graph.xml"] + written["output_graph.bin"]


@pytest.mark.parametrize("name", ["a.xml", "a.bin"])
def test_existing_outputs_are_kept_unless_forced(
    name: str, small_model: Path, tmp_path: Path
) -> None:
    """Each of the two files alone is a reason to refuse; --force replaces both."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=f"{name} exists; pass --force"):
        convert_file(OPENVINO, small_model, tmp_path / "a.xml")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    convert_file(OPENVINO, small_model, tmp_path / "a.xml", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "a.xml"]
    assert open_model(tmp_path / "a.xml").interface.steps == 16


def test_a_missing_package_is_named(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that installs it, and nothing left behind."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ToolkitError, match=r"install it with `pip install 'dsconv\[openvino\]'`"):
        convert_file(OPENVINO, small_model, tmp_path / "a.xml")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_failure(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is half written does not appear, and older files stay as they were."""

    def fail(_: object, path: str, **__: object) -> None:
        Path(path).write_text("half")
        raise RuntimeError("no room")

    monkeypatch.setattr(openvino, "save_model", fail)
    for force in (False, True):
        with pytest.raises(ToolkitError, match="OpenVINO could not write the result: no room"):
            convert_file(OPENVINO, small_model, tmp_path / "a.xml", force=force)
        assert sorted(path.name for path in tmp_path.iterdir()) == (["a.xml"] if force else [])
        (tmp_path / "a.xml").write_text("mine")
    assert (tmp_path / "a.xml").read_text() == "mine"


@pytest.mark.parametrize("name", ["a", "a.ir", "a.XML", "a.bin"])
def test_a_name_that_openvino_cannot_write(name: str, small_model: Path, tmp_path: Path) -> None:
    """It is refused before any work, in one line that says which name to choose."""
    with pytest.raises(OutputError, match=f"{name} .*choose one that ends in .xml") as caught:
        convert_file(OPENVINO, small_model, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_spaces_and_letters_in_paths(small_model: Path, tmp_path: Path) -> None:
    """Paths may hold what file systems allow; only the last suffix is exchanged."""
    folder = tmp_path / "ünï 漢字.xml"
    folder.mkdir()
    conversion = convert_file(OPENVINO, small_model, folder / "a b.v1.xml")
    assert sorted(path.name for path in folder.iterdir()) == ["a b.v1.bin", "a b.v1.xml"]
    assert open_model(conversion.output).interface.steps == 16


@pytest.mark.parametrize("steps", [16, DYNAMIC])
def test_swapped_states_stay_swapped(steps: int, small_model: Path, tmp_path: Path) -> None:
    """A graph that gives its states under each other's names gives a model that does so too."""
    swap = {"new_state_c": "new_state_h", "new_state_h": "new_state_c"}
    graph = set_steps(renamed(open_graph(small_model), swap), steps)
    source = saved(graph, tmp_path / "a.pb")
    rng = np.random.default_rng(3)
    fed: Any = {"input_node": rng.normal(size=(1, 16, 19, 26)).astype(np.float32)}
    fed |= {name: rng.normal(size=(1, 32)).astype(np.float32) for name in GIVEN[2:]}
    expected = open_model(source).call({**fed, "input_lengths": np.array([16], np.int32)}, MADE)
    found = open_model(convert("openvino", source, tmp_path / "a")).call(fed, MADE)
    for name in MADE:
        assert distance(found[name], expected[name]) < 1e-5
