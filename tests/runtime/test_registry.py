"""A model is opened by what it is, in the runtime of its format, and in no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.metadata import Metadata
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError, DsconvError, ModelError, ToolkitError
from dsconv.fixtures.demo_model import ALPHABET, MODEL, clips
from dsconv.formats.graphdef.edit import cut
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream
from tests.runtime.speech import distance

TOOLKITS = ["tensorflow", "onnxruntime", "openvino", "ai_edge_litert"]

RUN = """
import json, sys
import numpy
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, hear
from dsconv.speech.wav import read_wav
from pathlib import Path

model = open_model(sys.argv[1])
speech = hear(model, read_wav(Path(sys.argv[2]), 16000))
frames = sum(len(chunk.probabilities) for chunk in Stream(model).run_clip(speech))
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps([frames, len(speech.features), sorted(loaded & set(sys.argv[3:]))]))
"""

WINDOWS = np.random.default_rng(9).normal(size=(16, 19, 26)).astype(np.float32)


def hidden(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let imports of modules fail as if they were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("name", ["model.pb", "model.onnx", "no-suffix"])
def test_a_graph_is_opened_by_content(name: str, small_model: Path, tmp_path: Path) -> None:
    """The name of the file says nothing, and may be given as text."""
    path = tmp_path / name
    path.write_bytes(small_model.read_bytes())
    for given in (path, str(path)):
        interface = open_model(given).interface
        assert interface.format == "pb"
        assert interface.runtime == f"numpy {np.__version__}"
        assert (interface.steps, interface.precision, interface.classes) == (16, "fp32", 29)
        assert interface.metadata.sample_rate == 16000


def test_a_package_runs_as_the_graph_does(small_model: Path, tmp_path: Path) -> None:
    """The memory-mappable form gives the same bits."""
    path = convert_file(TARGETS["pbmm"], small_model, tmp_path / "model.pb.bin").output
    package = open_model(path)
    assert package.interface.format == "pbmm"
    found, expected = Stream(package).run(WINDOWS), Stream(open_model(small_model)).run(WINDOWS)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


@pytest.mark.tensorflow
@pytest.mark.parametrize("packaged", [False, True], ids=["pb", "pbmm"])
def test_a_graph_runs_in_tensorflow_if_asked(
    packaged: bool, small_model: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """`tensorflow=True` exchanges the runtime, and the numbers stay."""
    path = small_model
    if packaged:
        path = convert_file(TARGETS["pbmm"], small_model, tmp_path / "model.pbmm").output
    model = open_model(path, tensorflow=True)
    assert model.interface.runtime == f"tensorflow {tensorflow.__version__}"
    assert model.interface.format == ("pbmm" if packaged else "pb")
    found, expected = Stream(model).run(WINDOWS), Stream(open_model(small_model)).run(WINDOWS)
    assert distance(found.probabilities, expected.probabilities) < 1e-6
    assert found.states is not None
    assert expected.states is not None
    for name, state in found.states.items():
        assert distance(state, expected.states[name]) < 1e-6


@pytest.mark.models
@pytest.mark.parametrize("asked", [False, True], ids=["", "tensorflow"])
def test_tflite_is_opened_by_content(asked: bool, models: Path, tmp_path: Path) -> None:
    """A TFLite model runs in LiteRT whatever its name, and whether TensorFlow is asked for."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    path = tmp_path / "model.pb"
    path.write_bytes((models / "deepspeech-0.9.3-tflite.tflite").read_bytes())
    assert open_model(path, tensorflow=asked).interface.format == "tflite"


def test_onnx_is_opened_by_content(small_model: Path, tmp_path: Path) -> None:
    """An ONNX model runs in ONNX Runtime whatever its name."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from tests.runtime.networks import write_onnx

    path = write_onnx(tmp_path / "model.pb", open_graph(small_model), 16, Metadata())
    model = open_model(path)
    assert model.interface.format == "onnx"
    found, expected = Stream(model).run(WINDOWS), Stream(open_model(small_model)).run(WINDOWS)
    assert distance(found.probabilities, expected.probabilities) < 1e-5


def test_openvino_is_opened_by_content(small_model: Path, tmp_path: Path) -> None:
    """An IR is opened by its XML."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from tests.runtime.networks import write_onnx

    source = write_onnx(tmp_path / "model.onnx", open_graph(small_model), 16, Metadata())
    path = tmp_path / "model.xml"
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)
    model = open_model(path)
    assert model.interface.format == "openvino"
    found, expected = Stream(model).run(WINDOWS), Stream(open_model(small_model)).run(WINDOWS)
    assert distance(found.probabilities, expected.probabilities) < 1e-5


def empty_folder(path: Path) -> None:
    """A folder with nothing in it."""
    path.mkdir()


def copied(source: Path) -> Callable[[Path], object]:
    """What copies a file to a path."""
    return lambda path: path.write_bytes(source.read_bytes())


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (copied(ALPHABET), "is a text file, not a frozen graph"),
        (copied(clips()[0].wav), "is a WAV recording, not a frozen graph"),
        (empty_folder, "is a folder, not a frozen graph"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(50)), "is a ZIP archive"),
        (lambda path: path.write_bytes(b"<html>404</html>"), "the download went wrong"),
        (lambda path: path.write_bytes(bytes(range(256))), "file of no format that dsconv knows"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda _: None, "does not exist"),
    ],
    ids=["text", "wav", "folder", "zip", "html", "unknown", "empty", "missing"],
)
def test_foreign_files_are_refused_by_name(
    write: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    """The error says which file it is, and what it is."""
    path = tmp_path / "model.pb"
    write(path)
    with pytest.raises(ModelError, match=says) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensor", "shape", "says"),
    [
        ("transpose", (16, 1, 19, 26), "0 inputs of the form|2 inputs of the form"),
        ("Minimum_3", (16, 32), None),
    ],
)
def test_graphs_that_are_no_acoustic_model_are_refused(
    tensor: str, shape: tuple[int, ...], says: str | None, small_model: Path, tmp_path: Path
) -> None:
    """Two inputs of windows are one too many; another input beside them does no harm."""
    path = tmp_path / "cut.pb"
    with path.open("wb") as file:
        write_graph(file, cut(open_graph(small_model), tensor, shape))
    if says is None:
        assert open_model(path).interface.steps == 16
        return
    with pytest.raises(ConversionError, match=says) as caught:
        open_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.models
def test_an_original_that_is_not_frozen_is_refused(models: Path) -> None:
    """It has no values to run with: the error names the file."""
    with pytest.raises(DsconvError, match="not-frozen-0.1.1.pb"):
        open_model(models / "not-frozen-0.1.1.pb")


def test_without_tensorflow_the_install_line_is_told(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing, how to install it, and how to do without."""
    hidden(monkeypatch, "tensorflow")
    with pytest.raises(ToolkitError, match=r"TensorFlow .*`pip install 'dsconv\[toolkit\]'`"):
        open_model(small_model, tensorflow=True)
    assert open_model(small_model).interface.format == "pb"


def test_without_onnxruntime_the_install_line_is_told(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing, and how to install it."""
    from tests.runtime.networks import write_onnx

    path = write_onnx(tmp_path / "model.onnx", open_graph(small_model), 16, Metadata())
    hidden(monkeypatch, "onnxruntime")
    with pytest.raises(ToolkitError, match=r"ONNX Runtime .*`pip install 'dsconv\[onnx\]'`"):
        open_model(path)


def test_without_openvino_the_install_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing, and how to install it."""
    path = tmp_path / "model.xml"
    path.write_text('<?xml version="1.0"?>\n<net name="network" version="11"></net>\n')
    hidden(monkeypatch, "openvino")
    with pytest.raises(ToolkitError, match=r"OpenVINO .*`pip install 'dsconv\[openvino\]'`"):
        open_model(path)


def test_without_litert_the_install_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is missing, and how to install it; and stderr is back afterwards."""
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(4) + b"TFL3" + bytes(100))
    hidden(monkeypatch, "ai_edge_litert", "ai_edge_litert.interpreter")
    with pytest.raises(ToolkitError, match=r"LiteRT .*`pip install 'dsconv\[tflite\]'`"):
        open_model(path)
    os.write(2, b"back\n")
    assert capfd.readouterr().err == "back\n"


def test_no_toolkit_is_loaded_to_run_a_graph() -> None:
    """A clip through the demo model takes numpy alone, and prints nothing of its own."""
    command = [sys.executable, "-W", "error", "-c", RUN, str(MODEL), str(clips()[1].wav)]
    done = subprocess.run(
        [*command, *TOOLKITS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    frames, features, loaded = json.loads(done.stdout)
    assert frames == features > 100
    assert loaded == []


def test_the_program_above_sees_a_loaded_toolkit() -> None:
    """Its answer is no accident: numpy, which it uses, is found among the modules."""
    command = [sys.executable, "-c", RUN, str(MODEL), str(clips()[1].wav), "numpy", "tensorflow"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)[2] == ["numpy"]
