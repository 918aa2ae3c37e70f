"""Weights of fewer bits: how far the results are, how large, and which of them stay exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.recognise import recognise
from dsconv.convert.coreml.front_end import MATRICES
from dsconv.errors import ConversionError
from dsconv.fixtures.write import write_random_model
from dsconv.formats.coreml.file import PROGRAM, CoreMlFile
from dsconv.formats.coreml.network import INT8, QUANTIZED, Network, read_weights
from dsconv.formats.coreml.network_schema import LoadConstantNDLayerParams
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.inspect.parity.validate import Options, validate_models
from dsconv.inspect.registry import inspect_file
from dsconv.runtime.registry import open_model
from dsconv.speech.corpus import find_clips
from tests.acoustic.edits import constant, edits
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import Call, answers, assert_close, speech_windows
from tests.convert.conversions import require_toolkits, saved
from tests.convert.coreml.forms import (
    REDUCED,
    core_ml_file,
    core_ml_model,
    core_ml_path,
    function,
    kinds,
)
from tests.reference import run_graph
from tests.runtime.coreml.test_network import OUTPUTS, feeds_for, write_graph
from tests.runtime.speech import distance

BEAM = 32
"""Of the transcripts; how wide it is makes no difference to the numbers."""


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is run here."""
    require_toolkits("coreml")


def precision_of(form: str) -> str:
    """The row of the tolerances that a form is judged by."""
    return form.split()[0]


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_originals_are_within_the_tolerances(name: str, models: Path, tmp_path: Path) -> None:
    """The whole clip that each was trained on, in every form; and rounded they are."""
    # A palette of 256 values takes longer to find than all the others; one model is enough.
    forms = [form for form in REDUCED if form != "palette8" or "0.6.1" in name]
    candidates = [
        core_ml_path(models / name, tmp_path / form.replace(" ", "-"), **REDUCED[form])
        for form in forms
    ]
    clip = find_clips([models / f"LDC93S1_pcms16le_1_{EXPORTS[name].rate}.wav"])
    validation = validate_models(models / name, candidates, clip, Options(beam=BEAM))
    for form, result in zip(forms, validation.candidates, strict=True):
        print(name, form, *(f"{part.tensor} {part.max_abs:.1e}" for part in result.differences))
        assert result.model.precision == precision_of(form)
        assert result.tolerance is TOLERANCES[precision_of(form)]
        assert result.passed, (form, result.findings)
        assert all(part.max_abs > 1e-5 for part in result.differences)


@pytest.mark.models
@pytest.mark.parametrize("form", ["fp16", "int8", "palette6", "int8 ios16", "int8 neuralnetwork"])
@pytest.mark.parametrize("steps", [16, DYNAMIC])
@pytest.mark.parametrize("name", ["coqui-1.4.0-static.pb"])
def test_every_length_is_close_to_the_graph(
    name: str, steps: int, form: str, models: Path, tmp_path: Path
) -> None:
    """Some frames valid in the middle of a clip; of none the states come back as they went in."""
    reference = open_model(models / name)
    asked: dict[str, Any] = {"steps": steps, "lengths": "input", **REDUCED[form]}
    model = core_ml_model(models / name, tmp_path / "a", **asked)
    windows = speech_windows(models / name, models)
    _, c, h = answers(reference, Call(windows[:, 32:48], 16, *[np.zeros((1, 100), np.float32)] * 2))
    assert min(np.abs(c).max(), np.abs(h).max()) > 0.5
    c, h = (state.astype(np.float16).astype(np.float32) for state in (c, h))
    for length in (0, 1, 8, 15, 16):
        call = Call(windows[:, 48:64], length, c, h)
        found, expected = answers(model, call), answers(reference, call)
        # What is said of frames that are not valid is no result.
        found[0], expected[0] = found[0][:length], expected[0][:length]
        assert_close(found, expected, precision_of(form))
        if length == 0:
            np.testing.assert_array_equal(found[1:], [c, h])


SHARES = {
    "fp16": 2,
    "fp16 ios16": 2,
    "fp16 neuralnetwork": 2,
    "int8": 4,
    "int8 ios16": 4,
    "int8 neuralnetwork": 4,
    "palette6": 16 / 3,
    "palette4": 8,
}
"""How many times smaller weights are than in float32."""


def test_files_shrink_with_the_weights(tmp_path: Path) -> None:
    """By the bits of a weight; the first layer of a program has 16, of a neural network 32."""
    (source,) = write_random_model(tmp_path, 512)
    network = recognise(open_graph(source))
    first, *others = (layer.weights.nbytes for layer in network.layers)
    rest = network.lstm.kernel.nbytes + sum(others)
    full = inspect_file(core_ml_path(source, tmp_path / "fp32")).bytes
    assert first + rest < full < (first + rest) * 1.01
    for form, share in SHARES.items():
        asked = {"lengths": "input", **REDUCED[form]}
        size = inspect_file(core_ml_path(source, tmp_path / form, **asked)).bytes
        print(form, f"{size:,}", f"{full / size:.2f}")
        expected = first / (1 if "neural" in form else 2) + rest / share
        assert expected < size < expected * 1.01 + 60_000, form


COMPRESSED = {
    "int8": "constexpr_blockwise_shift_scale",
    "int8 ios16": "constexpr_affine_dequantize",
    "palette6": "constexpr_lut_to_dense",
}


@pytest.mark.parametrize("front_end", [False, True])
@pytest.mark.parametrize("form", ["int8", "int8 ios16", "palette6"])
def test_what_makes_features_is_not_compressed(form: str, front_end: bool, tmp_path: Path) -> None:
    """The front end's own weights stay float32, the first layer's float16; they are not lists."""
    (source,) = write_random_model(tmp_path, 128)
    file = core_ml_file(source, tmp_path / "a", front_end=front_end, **REDUCED[form])
    ops = kinds(file)
    compressing = {kind for kind in ops if kind.startswith("constexpr")} - {"constexpr_cast"}
    assert len(compressing) == 1, compressing
    kept = {}
    for op in function(file).block.operations:
        for key in ("weight", "weight_ih", "weight_hh"):
            for argument in op.inputs.get(key, ()):
                kept[op.outputs[0].name, key] = maker(file, argument.name)
    exact = {name: kind for (name, _), kind in kept.items() if name.startswith("front_end_")}
    assert set(exact) == (set(MATRICES) if front_end else set())
    assert set(exact.values()) <= {("const", "float32")}
    firsts = [kind for (name, _), kind in kept.items() if name.startswith("layer_1_product")]
    assert firsts == [("constexpr_cast", "float32")]
    others = [k for (name, key), k in kept.items() if name.startswith(("layer_3", "lstm"))]
    assert len(others) == 3
    assert {kind for kind, _ in others} <= compressing | {"const"}
    assert sum(kind in compressing for kind, _ in others) == 3


def maker(file: CoreMlFile, name: str | None) -> tuple[str, str]:
    """The kind of the op that makes a value, and the type of the value."""
    for op in function(file).block.operations:
        for output in op.outputs:
            if output.name == name:
                assert output.type is not None
                return op.kind, output.type.dtype
    raise AssertionError(f"nothing makes {name}")


def test_what_counts_frames_is_not_compressed(small_model: Path, tmp_path: Path) -> None:
    """In a neural network too only weights are rounded: a frame's number is no weight."""
    asked: dict[str, Any] = {"lengths": "input", **REDUCED["int8 neuralnetwork"]}
    file = core_ml_file(small_model, tmp_path / "a", **asked)
    assert file.kind != PROGRAM
    for layer in Network(file.body).all_layers():
        if isinstance(layer.parameters, LoadConstantNDLayerParams):
            assert read_weights(layer.parameters.data).form not in (QUANTIZED, INT8)


@pytest.mark.parametrize("front_end", [False, True])
@pytest.mark.parametrize("form", ["fp16", "fp16 ios16", "int8", "palette6"])
def test_features_are_multiplied_in_float32(
    form: str, front_end: bool, small_model: Path, tmp_path: Path
) -> None:
    """The first products and all before them; only then comes float16."""
    file = core_ml_file(small_model, tmp_path / "a", front_end=front_end, **REDUCED[form])
    half = []
    for op in function(file).block.operations:
        for output in op.outputs:
            assert output.type is not None
            if op.kind != "const" and output.type.dtype == "float16":
                half.append(output.name)
        if op.outputs[0].name.startswith("layer_1_product") and op.kind in ("linear", "conv"):
            # States that come in may be cast at any time.
            assert not [name for name in half if "previous" not in name]
            assert maker(file, op.outputs[0].name) == (op.kind, "float32")
            break
    else:
        raise AssertionError("there is no first product")


def test_a_weight_too_large_for_float16(small_model: Path, tmp_path: Path) -> None:
    """It is refused, not made infinite."""
    weights = np.full((32, 32), 7e4, np.float32)
    graph = constant("layer_2/weights", weights)(open_graph(small_model))
    source = saved(graph, tmp_path / "large.pb")
    for asked in ({"precision": "fp16"}, {"palette_bits": 6}):
        with pytest.raises(ConversionError, match="large.pb: a weight of 70000 is too large"):
            core_ml_path(source, tmp_path / "a", **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["large.pb"]


LEAST = float(np.finfo(np.float16).tiny)
"""What became of an epsilon in float16."""


@pytest.mark.tensorflow
@pytest.mark.parametrize("form", REDUCED)
def test_what_hardly_varies_is_normalized(form: str, tmp_path: Path, tensorflow: Any) -> None:
    """The epsilon is the graph's own in every form: rows vary by less than float16's least number.

    They are nearer to TensorFlow's by far than with the epsilon that float16 has room for.
    """
    graph = open_graph(write_graph(tmp_path / "graph.pb", layer_norm=True))
    scaled = [
        constant(name, np.asarray(graph.tensor(graph[name]).array(), np.float32) * 1e-3)
        for name in ("layer_1/weights", "layer_1/bias")
    ]
    graph = edits(*scaled)(graph)
    feeds = feeds_for(16, 16)
    expected = run_graph(tensorflow, graph, feeds, OUTPUTS)
    epsilons = [node.name for node in graph if node.name.endswith("/batchnorm/add/y")]
    hidden = edits(*(constant(name, LEAST) for name in epsilons))(graph)
    far = run_graph(tensorflow, hidden, feeds, OUTPUTS)
    model = core_ml_model(
        saved(graph, tmp_path / "a.pb"), tmp_path / "a", **{"lengths": "input", **REDUCED[form]}
    )
    found = model.call(feeds, OUTPUTS)
    for name, wanted, other in zip(OUTPUTS, expected, far, strict=True):
        assert distance(found[name], wanted) < distance(other, wanted) / 3, name
