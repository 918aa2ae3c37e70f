"""What stands in a TFLite file: the interface of the exporter, in ops that old runtimes know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.names import FEATURES
from dsconv.acoustic.recognise import recognise
from dsconv.convert.tflite.options import LstmForm
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.toolkits import import_litert_schema
from dsconv.runtime.tflite import TfliteModel
from tests.acoustic.edits import Edit, removed, renamed
from tests.acoustic.test_recognise import EXPORTS, INTERFACE
from tests.convert.calls import OUTPUTS
from tests.convert.conversions import convert, saved

EXPORTED = {
    "deepspeech-0.9.3-static.pb": "deepspeech-0.9.3-tflite.tflite",
    "coqui-1.4.0-static.pb": "coqui-1.4.0-tflite.tflite",
}
"""Graphs, and what their exporters' own converter made of the same weights."""

FORMS: tuple[LstmForm, ...] = ("loop", "unrolled")
WAYS: list[dict[str, Any]] = [
    *(
        {"lstm": form, "precision": precision}
        for form in FORMS
        for precision in ("int8", "fp16", "fp32")
    ),
    {"steps": DYNAMIC},
    {"steps": 5, "lengths": "input"},
    {"steps": DYNAMIC, "lengths": "input", "precision": "fp32"},
    {"front_end": True},
]

VERSIONS = {
    "ADD": 2, "CAST": 1, "CONCATENATION": 3, "CUSTOM": 1, "DEQUANTIZE": 4, "FILL": 2,
    "FULLY_CONNECTED": 3, "GATHER": 3, "LESS": 2, "LOGISTIC": 3, "MAXIMUM": 4, "MEAN": 2,
    "MINIMUM": 4, "MUL": 4, "PACK": 3, "PAD": 2, "RANGE": 1, "RESHAPE": 1, "RSQRT": 1,
    "SELECT": 2, "SHAPE": 1, "SOFTMAX": 3, "SPLIT": 4, "SQUARED_DIFFERENCE": 1, "STRIDED_SLICE": 4,
    "SUB": 3, "TANH": 3, "WHILE": 1, "ZEROS_LIKE": 1,
}  # fmt: skip
"""The last version of each op that TensorFlow 2.3 has, but for FULLY_CONNECTED.

Of that, DeepSpeech 0.9.3 refuses version 9; 3 is what the exporter wrote.
Source: ``runtime_version.cc`` of TensorFlow Lite.
"""


def read(path: Path) -> Any:
    """A file as objects of the schema's classes."""
    return import_litert_schema().ModelT.InitFromPackedBuf(path.read_bytes(), 0)


def op_name(code: Any) -> str:
    """The name of an op in the schema."""
    numbers: dict[str, Any] = dict(vars(import_litert_schema().BuiltinOperator))
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return next(name for name, value in numbers.items() if value == number)


def ops(model: Any, graph: Any) -> list[str]:
    """The names of the ops of a subgraph, in order."""
    return [op_name(model.operatorCodes[one.opcodeIndex]) for one in graph.operators]


def described(graph: Any, numbers: Any) -> list[tuple[str, int, list[int] | None]]:
    """Tensors by name, type and shape."""
    found = [graph.tensors[number] for number in numbers]
    return [
        (one.name.decode(), one.type, None if one.shape is None else one.shape.tolist())
        for one in found
    ]


@pytest.mark.models
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXPORTED)
def test_inputs_and_outputs_are_the_exporters(
    name: str, form: LstmForm, models: Path, tmp_path: Path
) -> None:
    """Names, order, types and shapes; the features' shape, which it left open, is told.

    Coqui's exporter leaves two layers among the outputs, which nothing reads.
    """
    ours = read(convert("tflite", models / name, tmp_path / "a", lstm=form)).subgraphs[0]
    theirs = read(models / EXPORTED[name]).subgraphs[0]
    assert described(ours, ours.inputs) == described(theirs, theirs.inputs)
    expected = described(theirs, theirs.outputs)
    index = next(index for index, (output, *_) in enumerate(expected) if output == FEATURES)
    expected[index] = (FEATURES, expected[index][1], [1, 26])
    expected = [tensor for tensor in expected if not tensor[0].startswith("Minimum_")]
    assert described(ours, ours.outputs) == expected
    assert expected[0][2] == [16, 29]


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTED)
def test_metadata_is_the_exporters(name: str, models: Path, tmp_path: Path) -> None:
    """The same numbers and texts; the alphabet's labels stand in DeepSpeech's order."""
    ours = TfliteModel(convert("tflite", models / name, tmp_path / "a"))
    theirs = TfliteModel(models / EXPORTED[name])
    assert ours.interface.metadata == theirs.interface.metadata
    names = [spec.name for spec in theirs.interface.outputs if spec.name.startswith("metadata_")]
    if name.startswith("coqui"):
        names.remove("metadata_alphabet")
    found, expected = ours.call({}, names), theirs.call({}, names)
    for output in names:
        assert found[output].tolist() == expected[output].tolist(), output


@pytest.mark.parametrize("asked", WAYS, ids=str)
def test_metadata_comes_out_of_ops_the_texts_last(
    asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """The original runtimes run the op after an output, and prepare no op after a text's."""
    model = read(convert("tflite", small_model, tmp_path / "a", **asked))
    graph, types = model.subgraphs[0], import_litert_schema().TensorType
    made_by = {one: index for index, op in enumerate(graph.operators) for one in op.outputs}
    texts: list[int] = []
    others: list[int] = []
    for number in graph.outputs:
        index = made_by[number]
        is_text = graph.tensors[number].type == types.STRING
        (texts if is_text else others).append(index)
        if graph.tensors[number].name.startswith(b"metadata_"):
            assert ops(model, graph)[index] == "RESHAPE"
    assert len(texts) == 2
    assert sorted(texts) == list(range(len(graph.operators) - 2, len(graph.operators)))
    assert max(others) < min(texts)


def versions(path: Path) -> dict[str, int]:
    """The last version of each op in a file."""
    found: dict[str, int] = {}
    for code in read(path).operatorCodes:
        found[op_name(code)] = max(found.get(op_name(code), 0), code.version)
    return found


@pytest.mark.parametrize("asked", WAYS, ids=str)
def test_ops_are_those_of_tensorflow_2_3(
    asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """No op and no version of an op that the last DeepSpeech does not have.

    It reads the number of an op from a field of one byte, which newer runtimes pass over.
    """
    path = convert("tflite", small_model, tmp_path / "a", **asked)
    for name, version in versions(path).items():
        assert version <= VERSIONS[name], name
    for code in read(path).operatorCodes:
        assert code.deprecatedBuiltinCode == code.builtinCode < 127


@pytest.mark.models
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [*EXPORTED, "deepspeech-0.9.3-ln-static.pb"])
def test_versions_are_at_most_the_exporters(
    name: str, form: LstmForm, models: Path, tmp_path: Path
) -> None:
    """Where the exporter's file has the op; layer normalization has ops of its own."""
    found = versions(convert("tflite", models / name, tmp_path / "a", lstm=form))
    exported = versions(models / EXPORTED.get(name, "deepspeech-0.9.3-tflite.tflite"))
    for op, version in found.items():
        assert version <= min(exported.get(op, 99), VERSIONS[op]), op
    assert found["FULLY_CONNECTED"] == exported["FULLY_CONNECTED"] == 3


@pytest.mark.parametrize("asked", WAYS, ids=str)
def test_a_matrix_has_one_scale(asked: dict[str, Any], small_model: Path, tmp_path: Path) -> None:
    """The original runtimes refuse a scale for each output."""
    model, types = read(convert("tflite", small_model, tmp_path / "a", **asked)), set()
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        types.add(tensor.type)
        if tensor.quantization is not None:
            assert (len(tensor.quantization.scale), tensor.quantization.zeroPoint.tolist()) == (
                1,
                [0],
            )
    is_int8 = asked.get("precision", "int8") == "int8"
    assert (import_litert_schema().TensorType.INT8 in types) == is_int8


@pytest.mark.parametrize("asked", WAYS, ids=str)
def test_weights_are_stored_once(asked: dict[str, Any], small_model: Path, tmp_path: Path) -> None:
    """As many numbers as the graph has, in either form."""
    model = read(convert("tflite", small_model, tmp_path / "a", **asked))
    stored = [
        int(np.prod(tensor.shape))
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.buffer and len(tensor.shape) == 2
    ]
    matrices = [size for size in stored if size > 500]
    assert sum(matrices) == 494 * 32 + 3 * 32 * 32 + 64 * 128 + 32 * 29


@pytest.mark.parametrize("asked", [way for way in WAYS if way.get("lstm") != "unrolled"], ids=str)
def test_one_loop_around_one_recurrent_kernel(
    asked: dict[str, Any], small_model: Path, tmp_path: Path
) -> None:
    """The product inside the loop is the recurrence alone, and nothing is looped but it."""
    model = read(convert("tflite", small_model, tmp_path / "a", **asked))
    main, condition, body = model.subgraphs
    assert (ops(model, main).count("WHILE"), ops(model, condition)) == (1, ["LESS"])
    assert ops(model, body).count("FULLY_CONNECTED") == 1
    kernels = [one for one in body.tensors if one.shape.tolist() == [128, 32] and one.buffer]
    assert len(kernels) == 1
    assert not [one for one in main.tensors if one.name == kernels[0].name]
    assert ops(model, main).count("FULLY_CONNECTED") == 6


@pytest.mark.parametrize("steps", [1, 16])
def test_steps_without_a_loop(steps: int, small_model: Path, tmp_path: Path) -> None:
    """Unrolled, there is one graph, and in it a product for each step and each layer."""
    model = read(convert("tflite", small_model, tmp_path / "a", lstm="unrolled", steps=steps))
    (main,) = model.subgraphs
    assert ops(model, main).count("FULLY_CONNECTED") == 5 + steps
    assert "WHILE" not in ops(model, main)


def test_names_are_those_of_the_graph(small_graph: Graph, tmp_path: Path) -> None:
    """Whatever the graph calls its inputs and outputs, the model calls them too."""
    graph = renamed(small_graph, {name: f"my/{name}" for name in INTERFACE})
    source = saved(graph, tmp_path / "a.pb")
    main = read(convert("tflite", source, tmp_path / "a", lengths="input")).subgraphs[0]
    found = [name for name, *_ in described(main, [*main.inputs, *main.outputs])]
    assert {f"my/{name}" for name in INTERFACE} <= set(found)
    assert len(set(found)) == len(found)


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_exports_keep_what_they_know(name: str, models: Path, tmp_path: Path) -> None:
    """What a graph says of itself, the model says; what it does not say is not made up."""
    network = recognise(open_graph(models / name))
    interface = TfliteModel(convert("tflite", models / name, tmp_path / "a", steps=16)).interface
    assert interface.metadata == network.metadata
    assert interface.metadata.version == EXPORTS[name].version
    assert (interface.metadata.beam_width is None) == (EXPORTS[name].version < 6)
    assert interface.classes == EXPORTS[name].classes
    assert [spec.name for spec in interface.outputs[:4]] == [*OUTPUTS, FEATURES]


@pytest.mark.parametrize(
    ("edit", "missing"),
    [
        (removed("metadata_alphabet"), {"metadata_alphabet"}),
        (removed("metadata_beam_width"), {"metadata_beam_width"}),
        (removed("metadata_alphabet", "metadata_language"),
         {"metadata_alphabet", "metadata_language"}),
        (lambda graph: extract(graph, OUTPUTS), {FEATURES, "metadata_version"}),
    ],
    ids=["alphabet", "beam-width", "texts", "all"],
)  # fmt: skip
def test_graphs_that_say_less(edit: Edit, missing: set[str], tmp_path: Path) -> None:
    """Without an alphabet, a beam width, texts or a front end there are fewer outputs."""
    full = TfliteModel(convert("tflite", MODEL, tmp_path / "full"))
    source = saved(edit(open_graph(MODEL)), tmp_path / "a.pb")
    model = TfliteModel(convert("tflite", source, tmp_path / "a"))
    outputs, expected = ({spec.name for spec in one.interface.outputs} for one in (model, full))
    assert missing <= expected - outputs
    assert outputs <= expected
    assert ("input_samples" in {spec.name for spec in model.interface.inputs}) == (
        FEATURES not in missing
    )
    windows = np.random.default_rng(9).normal(size=(1, 16, 19, 26)).astype(np.float32)
    found, expected_value = (one.call({"input_node": windows}, OUTPUTS) for one in (model, full))
    for name in OUTPUTS:
        np.testing.assert_array_equal(found[name], expected_value[name])
