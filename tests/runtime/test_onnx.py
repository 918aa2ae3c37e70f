"""ONNX models in ONNX Runtime: the numbers of the graph, and what the file says of itself."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.front_end import usual_settings
from dsconv.acoustic.metadata import Metadata, read_metadata
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.fixtures.demo_model import MODEL
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.runtime.model import State, TensorSpec
from dsconv.runtime.onnx import open_onnx_model
from dsconv.runtime.stream import Stream
from dsconv.speech.alphabet import Alphabet
from tests.runtime.networks import IR_VERSION, OPSET, helper, onnx, write_onnx
from tests.runtime.speech import clip_features, distance, packaged_speech, run_clip, state_bound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

FULL_CHUNKS = 8
SAMPLES = 512 + 320 * (16 * FULL_CHUNKS - 2)

ODD_METADATA = Metadata(
    version=6,
    sample_rate=8000,
    feature_win_len=25,
    feature_win_step=10,
    beam_width=7,
    language="a \"quoted\" <language> & 'more' \u00e9",
    alphabet=Alphabet(("\u00e9".encode(), b'"', b"'", b"\\", b"\n", b"\xff", "\u4e2d".encode())),
)

METADATA = [Metadata(), ODD_METADATA]


@pytest.mark.parametrize("frames", [16, "frames"])
@pytest.mark.parametrize("weights", ["trained", "random"])
def test_speech_gives_the_numbers_of_the_graph(
    frames: int | str, weights: str, small_graph: Graph, tmp_path: Path
) -> None:
    """A clip, chunk by chunk, for 16 frames per call and for any number."""
    graph = open_graph(MODEL) if weights == "trained" else small_graph
    reference = NumpyGraphModel(graph)
    model = open_onnx_model(write_onnx(tmp_path / "a.onnx", graph, frames, read_metadata(graph)))
    features = clip_features(model, packaged_speech(SAMPLES))
    assert len(features) == 16 * FULL_CHUNKS
    np.testing.assert_array_equal(features, clip_features(reference, packaged_speech(SAMPLES)))
    expected, expected_states = run_clip(reference, features)
    found, states = run_clip(model, features)
    assert distance(found, expected) < 1e-5
    assert distance(states, expected_states) < state_bound(expected_states)
    again, _ = run_clip(model, features)
    np.testing.assert_array_equal(again, found)


def test_an_open_size_takes_any_number_of_frames(small_graph: Graph, tmp_path: Path) -> None:
    """Seven frames in one call leave the states after the seventh."""
    model = open_onnx_model(write_onnx(tmp_path / "a.onnx", small_graph, "frames", Metadata()))
    windows = np.random.default_rng(6).normal(size=(7, 19, 26)).astype(np.float32)
    expected, found = Stream(NumpyGraphModel(small_graph)).run(windows), Stream(model).run(windows)
    assert found.states is not None
    assert expected.states is not None
    assert distance(found.probabilities, expected.probabilities) < 1e-5
    for name, state in found.states.items():
        assert distance(state, expected.states[name]) < 1e-4


@pytest.mark.parametrize("frames", [16, "frames"])
def test_interface(frames: int | str, small_graph: Graph, tmp_path: Path) -> None:
    """Names and sizes of the graph; a size that is a name is open."""
    path = write_onnx(tmp_path / "a.onnx", small_graph, frames, Metadata())
    interface = open_onnx_model(path).interface
    steps = 16 if frames == 16 else DYNAMIC
    assert (interface.format, interface.precision) == ("onnx", "fp32")
    assert interface.runtime.startswith("onnxruntime 1.")
    assert interface.windows == TensorSpec("input_node", "float32", (1, steps, 19, 26))
    assert (interface.steps, interface.context, interface.features) == (steps, 9, 26)
    assert interface.classes == 29
    assert interface.states == (
        State("previous_state_c", "new_state_c", (1, 32)),
        State("previous_state_h", "new_state_h", (1, 32)),
    )
    assert interface.lengths is None
    assert interface.samples is None
    assert not interface.gives_logits


@pytest.mark.parametrize("metadata", METADATA, ids=["none", "odd"])
def test_metadata_comes_back(metadata: Metadata, small_graph: Graph, tmp_path: Path) -> None:
    """Also an alphabet of quotes, letters of several bytes, and bytes that are no text."""
    path = write_onnx(tmp_path / "a.onnx", small_graph, 16, metadata)
    assert open_onnx_model(path).interface.metadata == metadata


def test_metadata_of_the_graph_comes_back(small_graph: Graph, tmp_path: Path) -> None:
    """The exporter's own, alphabet and long language included."""
    metadata = read_metadata(small_graph)
    path = write_onnx(tmp_path / "a.onnx", small_graph, 16, metadata)
    found = open_onnx_model(path).interface
    assert found.metadata == metadata
    assert metadata.alphabet is not None
    assert found.features_from is None
    assert found.feature_settings == NumpyGraphModel(small_graph).interface.features_from


def test_features_follow_the_metadata(small_graph: Graph, tmp_path: Path) -> None:
    """Without a front end, the settings are made of the rate and the milliseconds."""
    path = write_onnx(tmp_path / "a.onnx", small_graph, 16, ODD_METADATA)
    settings = open_onnx_model(path).interface.feature_settings
    usual = usual_settings(ODD_METADATA, 26)
    assert settings == usual
    assert (usual.window, usual.step, usual.mfcc.upper_frequency) == (200, 80, 4000)


@pytest.mark.parametrize(
    ("storage", "precision"), [("float32", "fp32"), ("float16", "fp16"), ("int8", "int8")]
)
def test_precision_is_that_of_the_stored_matrices(
    storage: str, precision: str, small_graph: Graph, tmp_path: Path
) -> None:
    """What most of the weights are stored in, not what they are computed in."""
    path = write_onnx(tmp_path / "a.onnx", small_graph, 16, Metadata(), storage)
    model = open_onnx_model(path)
    assert model.interface.precision == precision
    assert Stream(model).run(np.zeros((16, 19, 26), np.float32)).probabilities.shape == (16, 29)


@pytest.mark.parametrize(
    ("constants", "precision"),
    [
        ([], "fp32"),
        ([np.zeros(3, np.float16), np.zeros((2, 2), np.float32)], "fp32"),
        ([np.zeros((2, 3), np.float16), np.zeros(5, np.float32)], "fp16"),
        ([np.zeros((2, 3), np.int8), np.zeros(5, np.float32)], "int8"),
        ([np.zeros((2, 3), np.uint8), np.zeros(5, np.float16)], "int8"),
        ([np.zeros(100, np.int64), np.zeros(1, np.float16)], "fp16"),
        ([np.zeros((2, 2), np.float16), np.zeros((2, 2), np.float16), np.zeros(7, np.float32)],
         "fp16"),
        ([np.zeros(5, np.float64)], "fp32"),
        ([np.zeros((), np.float16)], "fp16"),
    ],
)  # fmt: skip
def test_precision_counts_elements(constants: list[Any], precision: str, tmp_path: Path) -> None:
    """Indices and shapes say nothing, and of the rest the type of most elements counts."""
    path = tiny(tmp_path / "tiny.onnx", constants)
    assert open_onnx_model(path).interface.precision == precision


def test_a_short_chunk_leaves_no_states(small_graph: Graph, tmp_path: Path) -> None:
    """Sixteen steps and no lengths: the model ran on into the padding."""
    stream = Stream(open_onnx_model(write_onnx(tmp_path / "a.onnx", small_graph, 16, Metadata())))
    chunk = stream.run(np.zeros((5, 19, 26), np.float32))
    assert (chunk.probabilities.shape, chunk.states) == ((5, 29), None)


def test_a_damaged_file_is_a_model_error(
    small_graph: Graph, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line with the file and ONNX Runtime's reason, and nothing on the terminal."""
    path = write_onnx(tmp_path / "a.onnx", small_graph, 16, Metadata())
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="a.onnx: ONNX Runtime cannot open it: ") as caught:
        open_onnx_model(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_call_that_fails_is_a_toolkit_error(
    small_graph: Graph, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Windows of another size than the model's: one line, and nothing on the terminal."""
    stream = Stream(open_onnx_model(write_onnx(tmp_path / "a.onnx", small_graph, 16, Metadata())))
    with pytest.raises(ToolkitError, match="ONNX Runtime failed: ") as caught:
        stream.run(np.zeros((16, 3, 26), np.float32))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_another_network_is_refused(tmp_path: Path) -> None:
    """Without the output of the scores, or without the input of the windows."""
    path = tiny(tmp_path / "tiny.onnx", [], output="something")
    with pytest.raises(ConversionError, match="no output 'logits'"):
        open_onnx_model(path)
    path = tiny(tmp_path / "tiny.onnx", [], shape=(1, 3))
    with pytest.raises(ConversionError, match=r"0 inputs of the form \[batch, steps"):
        open_onnx_model(path)


def tiny(
    path: Path,
    constants: list[Any],
    output: str = "logits",
    shape: tuple[int, ...] = (1, 1, 1, 2),
) -> Path:
    """Write a model that gives back its input, beside constants that nothing uses."""
    kind = onnx.TensorProto.FLOAT
    initializers = [
        onnx.numpy_helper.from_array(value, f"constant_{number}")
        for number, value in enumerate(constants)
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input_node"], [output])],
        "tiny",
        [helper.make_tensor_value_info("input_node", kind, shape)],
        [helper.make_tensor_value_info(output, kind, shape)],
        initializers,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    onnx.save(model, str(path))
    return path
