"""What is in a converted file, read without its toolkit."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import Inspection, render
from dsconv.version import __version__
from tests.convert.conversions import convert, require_toolkits

TARGETS = ("tflite", "openvino", "onnx")


def inspected(target: str, source: Path, folder: Path, **asked: Any) -> Inspection:
    require_toolkits(target)
    name = "_".join(map(str, asked.values())) or "a"
    return inspect_file(convert(target, source, folder / name, **asked))


@pytest.mark.parametrize("target", TARGETS)
def test_the_network_is_that_of_the_graph(target: str, small_model: Path, tmp_path: Path) -> None:
    """Sizes, states, alphabet and audio settings, whatever the format."""
    expected = inspect_file(small_model).identity
    found = inspected(target, small_model, tmp_path, precision="fp32", lengths="input")
    identity = found.identity
    for key in vars(expected).keys() - {"exported_by", "forget_bias"}:
        assert getattr(identity, key) == getattr(expected, key), key
    assert identity.exported_by == f"dsconv {__version__}"
    names = [tensor.name for tensor in found.inputs]
    assert names[0] == "input_node"
    assert {"input_lengths", "previous_state_c", "previous_state_h"} <= set(names)
    types = {tensor.name: tensor.dtype for tensor in (*found.inputs, *found.outputs[:3])}
    assert types.pop("input_lengths") == "int32"
    assert set(types.values()) == {"float32"}
    assert [tensor.name for tensor in found.outputs][:3] == ["logits", "new_state_c", "new_state_h"]
    assert found.metadata["source_sha256"] == hashlib.sha256(small_model.read_bytes()).hexdigest()


@pytest.mark.parametrize("target", TARGETS)
def test_forms_are_told_apart(target: str, small_model: Path, tmp_path: Path) -> None:
    """Any number of steps, 8-bit weights, whole clips of samples."""
    dynamic = inspected(target, small_model, tmp_path, steps=-1, precision="int8").identity
    assert dynamic.steps == -1
    assert not dynamic.takes_lengths or target == "onnx"
    assert dynamic.quantized
    assert "int8" in dynamic.weights
    clips = inspected(target, small_model, tmp_path, front_end=True).identity
    assert clips.network == "LSTM acoustic model of whole clips of samples"
    assert (clips.steps, clips.states, clips.classes) == (None, "none", 29)


def test_states_inside_are_named(small_model: Path, tmp_path: Path) -> None:
    """Of an IR that keeps them."""
    found = inspected("openvino", small_model, tmp_path, states="internal")
    assert found.identity.states == "inside the model"
    assert found.states == []


@pytest.mark.parametrize("target", TARGETS)
def test_ops_and_weights_are_counted(target: str, small_model: Path, tmp_path: Path) -> None:
    """As many parameters as the graph has, but for what a format adds; the ops by their names."""
    found = inspected(target, small_model, tmp_path, precision="fp32")
    parameters = inspect_file(small_model).parameters
    assert parameters <= found.parameters < 1.03 * parameters
    recurrent = {"tflite": "WHILE", "openvino": "MatMul", "onnx": "LSTM"}[target]
    assert found.ops[recurrent] >= 1
    assert found.nodes == sum(found.ops.values())
    lines = render(found).splitlines()[1:]
    assert max(map(len, lines)) <= 80
    assert not any(line.startswith("converts to") for line in lines)


@pytest.mark.parametrize("target", TARGETS)
def test_no_toolkit_is_imported(target: str, small_model: Path, tmp_path: Path) -> None:
    """Neither the format's own nor numpy's: inspecting is for machines without them too."""
    require_toolkits(target)
    path = convert(target, small_model, tmp_path / "a")
    program = (
        "import sys\n"
        "from dsconv.inspect.registry import inspect_file\n"
        "inspect_file(sys.argv[1])\n"
        "print([name for name in ('ai_edge_litert', 'openvino', 'onnx', 'tensorflow')"
        " if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("deepspeech-0.9.3-tflite.tflite", 100),
        ("deepspeech-0.9.3-2048.tflite", 2048),
        ("coqui-1.4.0-tflite.tflite", 100),
    ],
)
def test_tflite_files_of_the_exporters(name: str, hidden: int, models: Path) -> None:
    """Names, sizes, metadata and the front end's ops, and who opens them."""
    found = inspect_file(models / name)
    identity = found.identity
    assert (identity.n_hidden, identity.steps, identity.classes) == (hidden, 16, 29)
    assert identity.exported_by == "DeepSpeech 0.7 to 0.9, or Coqui STT"
    assert (identity.sample_rate, identity.window, identity.beam_width) == (16000, 32, 500)
    assert identity.alphabet is not None
    assert len(identity.alphabet) == 28
    assert found.ops["FULLY_CONNECTED"] == 21
    assert (found.ops["AudioSpectrogram"], found.ops["Mfcc"]) == (1, 1)
    assert found.opened_by == ["deepspeech-tflite 0.9.3", "stt 1.4.0"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"lengths": "input"}, "they feed no lengths"),
        ({"front_end": True}, "they feed windows of features"),
    ],
)
def test_why_no_original_runtime_opens_it(
    asked: dict[str, Any], reason: str, small_model: Path, tmp_path: Path
) -> None:
    """TFLite in other forms than the exporter's is for today's runtime."""
    found = inspected("tflite", small_model, tmp_path, **asked)
    assert (found.opened_by, found.not_opened_because) == ([], reason)
