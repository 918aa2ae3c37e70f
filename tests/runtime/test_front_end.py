"""A model that takes raw samples runs through the same loop as the others."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.fixtures import demo_model
from dsconv.inspect.parity.structure import compare_structure
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, hear
from dsconv.speech.features import cosines, hann, mel_weights
from dsconv.speech.framing import chunks
from dsconv.speech.settings import FeatureSettings
from dsconv.speech.wav import read_wav

CLASSES = 5
CONTEXT = 9


@pytest.fixture(scope="module")
def onnx() -> Any:
    """The onnx package, to make a model with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
        return pytest.importorskip("onnx", reason="onnx is not installed")


def front_end_model(onnx: Any, settings: FeatureSettings, count: int, weights: Any) -> Any:
    """Samples of a clip of `count` frames to probabilities: MFCCs, context, one dense layer."""
    frames = np.arange(count)[:, None] * settings.step + np.arange(settings.window)
    bins = settings.window // 2 + 1
    angles = 2 * np.pi * np.outer(np.arange(settings.window), np.arange(bins)) / settings.window
    taper = hann(settings.window)[:, None]
    around = np.arange(count)[:, None] + np.arange(2 * CONTEXT + 1)
    constants = {
        "frames": frames,
        "cosines": (taper * np.cos(angles)).astype(np.float32),
        "sines": (taper * np.sin(angles)).astype(np.float32),
        "mel": mel_weights(bins, settings.mfcc).astype(np.float32),
        "floor": np.float32(1e-12),
        "dct": cosines(settings.mfcc).astype(np.float32),
        "silence": np.array([CONTEXT, 0, CONTEXT, 0]),
        "around": around,
        "flat": np.array([count, -1]),
        "weights": weights,
        "shape": np.array([count, 1, CLASSES]),
    }
    steps = [
        ("Gather", ["input_samples", "frames"], "windows"),
        ("MatMul", ["windows", "cosines"], "real"),
        ("MatMul", ["windows", "sines"], "imaginary"),
        ("Mul", ["real", "real"], "real2"),
        ("Mul", ["imaginary", "imaginary"], "imaginary2"),
        ("Add", ["real2", "imaginary2"], "power"),
        ("Sqrt", ["power"], "magnitude"),
        ("MatMul", ["magnitude", "mel"], "energies"),
        ("Max", ["energies", "floor"], "floored"),
        ("Log", ["floored"], "logarithms"),
        ("MatMul", ["logarithms", "dct"], "features"),
        ("Pad", ["features", "silence"], "padded"),
        ("Gather", ["padded", "around"], "context"),
        ("Reshape", ["context", "flat"], "rows"),
        ("MatMul", ["rows", "weights"], "scores"),
        ("Softmax", ["scores"], "flat_logits"),
        ("Reshape", ["flat_logits", "shape"], "logits"),
    ]
    make, kinds = onnx.helper, onnx.TensorProto
    samples = (count - 1) * settings.step + settings.window
    graph = make.make_graph(
        [make.make_node(op, inputs, [output]) for op, inputs, output in steps],
        "front_end",
        [make.make_tensor_value_info("input_samples", kinds.FLOAT, [samples])],
        [make.make_tensor_value_info("logits", kinds.FLOAT, [count, 1, CLASSES])],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    return make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)


def test_samples_go_in_and_probabilities_come_out(onnx: Any, tmp_path: Path) -> None:
    """The model's own front end and context give what dsconv's give, through `run_clip`."""
    reference = open_model(demo_model.MODEL)
    settings = reference.interface.feature_settings
    assert isinstance(settings, FeatureSettings)
    samples = read_wav(demo_model.clips()[1].wav, 16000)
    count = 40
    samples = samples[4000 : 4000 + (count - 1) * settings.step + settings.window]
    weights = np.random.default_rng(1).normal(size=(19 * 26, CLASSES)).astype(np.float32) / 50
    path = tmp_path / "front_end.onnx"
    onnx.save(front_end_model(onnx, settings, count, weights), path)
    model = open_model(path)
    assert model.interface.windows is None
    assert model.interface.steps == -1
    speech = hear(reference, samples)
    (chunk,) = Stream(model).run_clip(speech)
    padded = type(speech)(samples, speech.features[:count])
    (windows,) = chunks(padded.features, CONTEXT, count)
    scores = windows.reshape(count, -1) @ weights
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chunk.probabilities, expected, atol=2e-5, rtol=0)
    assert chunk.states is None


def test_structure_is_compared_without_the_windows(onnx: Any, tmp_path: Path) -> None:
    """What stays inside the model is no difference; another number of classes is one."""
    reference = open_model(demo_model.MODEL).interface
    weights = np.zeros((19 * 26, CLASSES), np.float32)
    path = tmp_path / "front_end.onnx"
    settings = reference.feature_settings
    assert isinstance(settings, FeatureSettings)
    onnx.save(front_end_model(onnx, settings, 3, weights), path)
    failures = [
        f.message for f in compare_structure(reference, open_model(path).interface) if f.failed
    ]
    assert failures == ["classes: 5, the reference has 29: another network"]
