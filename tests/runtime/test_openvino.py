"""OpenVINO IRs on the CPU: the numbers of the graph in full precision, and the metadata."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from dsconv.acoustic.metadata import Metadata, read_metadata
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.runtime.model import State, TensorSpec
from dsconv.runtime.openvino import RT_INFO, open_openvino_model
from dsconv.runtime.stream import Stream
from tests.runtime.networks import write_onnx
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip, state_bound
from tests.runtime.test_onnx import METADATA, SAMPLES
from tests.runtime.toolkits import results_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    transformations = pytest.importorskip("openvino._offline_transformations")

STATES = {"previous_state_c": "new_state_c", "previous_state_h": "new_state_h"}


def write_openvino(
    folder: Path,
    graph: Graph,
    frames: int | str,
    metadata: Metadata,
    *,
    stateful: bool = False,
    half: bool = False,
) -> Path:
    """Write the network of a graph as an IR; `stateful` keeps the states inside.

    The ONNX model is read, not given to `convert_model`, which reports each use over the network.
    """
    source = write_onnx(folder / "network.onnx", graph, frames, metadata)
    model = openvino.Core().read_model(source)
    if stateful:
        transformations.apply_make_stateful_transformation(model, STATES)
    for key, value in metadata.to_text().items():
        model.set_rt_info(value, [RT_INFO, key])
    path = folder / "network.xml"
    openvino.save_model(model, path, compress_to_fp16=half)
    return path


@pytest.mark.parametrize("frames", [16, "frames"])
@pytest.mark.parametrize("weights", ["trained", "random"])
def test_speech_gives_the_numbers_of_the_graph(
    frames: int | str, weights: str, small_graph: Graph, tmp_path: Path
) -> None:
    """A clip, chunk by chunk, for 16 frames per call and for any number."""
    graph = open_graph(MODEL) if weights == "trained" else small_graph
    reference = NumpyGraphModel(graph)
    model = open_openvino_model(write_openvino(tmp_path, graph, frames, read_metadata(graph)))
    features = clip_features(model, packaged_speech(SAMPLES))
    np.testing.assert_array_equal(features, clip_features(reference, packaged_speech(SAMPLES)))
    expected, expected_states = run_clip(reference, features)
    found, states = run_clip(model, features)
    assert distance(found, expected) < 1e-5
    assert distance(states, expected_states) < state_bound(expected_states)
    again, _ = run_clip(model, features)
    np.testing.assert_array_equal(again, found)


def test_the_cpu_computes_in_full_precision(
    small_graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the CPU can bfloat16 the plugin would use it, unless it is told not to."""
    compiled = results_of(monkeypatch, openvino.Core, "compile_model")
    open_openvino_model(write_openvino(tmp_path, small_graph, 16, Metadata()))
    half = open_openvino_model(write_openvino(tmp_path, small_graph, 16, Metadata(), half=True))
    assert half.interface.precision == "fp16"
    hints = [each.get_property("INFERENCE_PRECISION_HINT") for each in compiled]
    assert hints == [openvino.Type.f32] * 2


@pytest.mark.parametrize("frames", [16, "frames"])
def test_interface(frames: int | str, small_graph: Graph, tmp_path: Path) -> None:
    """Names and sizes of the graph; a dynamic dimension is -1."""
    interface = open_openvino_model(
        write_openvino(tmp_path, small_graph, frames, Metadata())
    ).interface
    steps = 16 if frames == 16 else DYNAMIC
    assert (interface.format, interface.precision) == ("openvino", "fp32")
    assert interface.runtime.startswith("openvino 20")
    assert interface.windows == TensorSpec("input_node", "float32", (1, steps, 19, 26))
    assert (interface.steps, interface.context, interface.features) == (steps, 9, 26)
    assert interface.classes == 29
    assert set(interface.states) == {
        State("previous_state_c", "new_state_c", (1, 32)),
        State("previous_state_h", "new_state_h", (1, 32)),
    }
    assert interface.lengths is None
    assert interface.samples is None
    assert interface.features_from is None


@pytest.mark.parametrize("metadata", METADATA, ids=["none", "odd"])
def test_metadata_comes_back(metadata: Metadata, small_graph: Graph, tmp_path: Path) -> None:
    """Through the XML also an alphabet of quotes, letters of several bytes, bytes of no text."""
    model = open_openvino_model(write_openvino(tmp_path, small_graph, 16, metadata))
    assert model.interface.metadata == metadata


def test_metadata_of_the_graph_comes_back(small_graph: Graph, tmp_path: Path) -> None:
    """The exporter's own, alphabet and long language included."""
    metadata = read_metadata(small_graph)
    interface = open_openvino_model(write_openvino(tmp_path, small_graph, 16, metadata)).interface
    assert interface.metadata == metadata
    assert metadata.alphabet is not None
    assert interface.feature_settings == NumpyGraphModel(small_graph).interface.features_from


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
def test_precision_is_that_of_the_stored_weights(
    half: bool, small_graph: Graph, tmp_path: Path
) -> None:
    """Half of the bytes are seen as such, and cost as little as they should."""
    model = open_openvino_model(write_openvino(tmp_path, small_graph, 16, Metadata(), half=half))
    assert model.interface.precision == ("fp16" if half else "fp32")
    windows = np.random.default_rng(8).normal(size=(16, 19, 26)).astype(np.float32)
    found = Stream(model).run(windows).probabilities
    expected = Stream(NumpyGraphModel(small_graph)).run(windows).probabilities
    assert distance(found, expected) < (1e-3 if half else 1e-5)


def test_states_inside_the_model(tmp_path: Path) -> None:
    """A stateful IR takes and gives no states, and carries them until a reset."""
    graph = open_graph(MODEL)
    path = write_openvino(tmp_path, graph, 16, read_metadata(graph), stateful=True)
    model = open_openvino_model(path)
    assert model.interface.states == ()
    assert [spec.name for spec in model.interface.inputs] == ["input_node"]
    features = clip_features(model, packaged_speech(SAMPLES))
    expected, _ = run_clip(NumpyGraphModel(graph), features)
    found, states = run_clip(model, features)
    assert not states.size
    assert distance(found, expected) < 1e-5
    again, _ = run_clip(model, features)
    np.testing.assert_array_equal(again, found)


def test_a_reset_forgets_the_states_inside(small_graph: Graph, tmp_path: Path) -> None:
    """The same windows give other scores in the second call, and the first again after a reset."""
    path = write_openvino(tmp_path, small_graph, 16, Metadata(), stateful=True)
    stream = Stream(open_openvino_model(path))
    windows = np.random.default_rng(7).normal(size=(16, 19, 26)).astype(np.float32)
    first, second = stream.run(windows), stream.run(windows)
    assert first.states is None
    assert distance(first.probabilities, second.probabilities) > 1e-4
    stream.reset()
    np.testing.assert_array_equal(stream.run(windows).probabilities, first.probabilities)


def test_results_are_not_overwritten_by_the_next_call(small_graph: Graph, tmp_path: Path) -> None:
    """The plugin reuses its memory; what a call returned stays."""
    stream = Stream(open_openvino_model(write_openvino(tmp_path, small_graph, 16, Metadata())))
    first = stream.run(np.ones((16, 19, 26), np.float32))
    kept = first.probabilities.copy()
    stream.run(np.zeros((16, 19, 26), np.float32))
    np.testing.assert_array_equal(first.probabilities, kept)


def test_a_short_chunk_leaves_no_states(small_graph: Graph, tmp_path: Path) -> None:
    """Sixteen steps and no lengths: the model ran on into the padding."""
    stream = Stream(open_openvino_model(write_openvino(tmp_path, small_graph, 16, Metadata())))
    chunk = stream.run(np.zeros((5, 19, 26), np.float32))
    assert (chunk.probabilities.shape, chunk.states) == ((5, 29), None)


@pytest.mark.parametrize("damage", ["cut", "no weights"])
def test_a_damaged_file_is_a_model_error(damage: str, small_graph: Graph, tmp_path: Path) -> None:
    """One line with the file and OpenVINO's reason."""
    path = write_openvino(tmp_path, small_graph, 16, Metadata())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    else:
        path.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match="network.xml: OpenVINO cannot open it: .") as caught:
        open_openvino_model(path)
    assert "\n" not in str(caught.value)


def test_a_call_that_fails_is_a_toolkit_error(small_graph: Graph, tmp_path: Path) -> None:
    """Windows of another size than the model's: one line with a reason."""
    stream = Stream(open_openvino_model(write_openvino(tmp_path, small_graph, 16, Metadata())))
    with pytest.raises(ToolkitError, match=r"OpenVINO failed: .*\w") as caught:
        stream.run(np.zeros((16, 3, 26), np.float32))
    assert "\n" not in str(caught.value)


def test_another_network_is_refused(small_graph: Graph, tmp_path: Path) -> None:
    """Without the output of the scores there is nothing to run."""
    path = write_openvino(tmp_path, small_graph, 16, Metadata())
    path.write_text(path.read_text("utf-8").replace('"logits"', '"scores"'), "utf-8")
    with pytest.raises(ConversionError, match="no output 'logits'"):
        open_openvino_model(path)


def test_nothing_is_reported_over_the_network() -> None:
    """OpenVINO's telemetry is switched off before OpenVINO is imported."""
    program = (
        "import sys\n"
        "from dsconv.formats.toolkits import import_openvino\n"
        "import_openvino()\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
