"""Core ML models that take the samples of a whole clip say what features-then-model says.

Everything is float32 there: it is as good for speech and noise as the original's float64, but not
where a signal leaves most of the spectrum empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import ExportSettings, export_chunks
from dsconv.convert.coreml.options import CoreMlFormat
from dsconv.errors import ConversionError
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.fixtures.random_model import random_weights
from dsconv.fixtures.write import write_random_model
from dsconv.formats.coreml.network import FLOAT32, Network, read_weights
from dsconv.formats.coreml.network_schema import (
    ConvolutionLayerParams,
    InnerProductLayerParams,
)
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.storage import write_chunks
from dsconv.inspect.parity.tolerances import FRONT_END, TOLERANCES
from dsconv.runtime.model import Model, TensorSpec
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, hear
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import beam_transcript
from dsconv.speech.features import FloatArray
from dsconv.speech.wav import Samples
from tests.acoustic.edits import attributes
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.conversions import require_toolkits, saved
from tests.convert.coreml.forms import FORMATS, core_ml_file, core_ml_model
from tests.reference import import_graph, run_graph
from tests.runtime.speech import TEXT, distance, original_clip

STATIC = "deepspeech-0.9.3-static.pb"
LENGTHS = (192, 193, 511, 512, 513, 831, 832, 833, 5000)
"""Samples of clips at 16 kHz: the least, and those around which the number of frames changes."""


@pytest.fixture(autouse=True, scope="module")
def toolkit() -> None:
    """Core ML Tools write what is run here."""
    require_toolkits("coreml")


def said(model: Model, samples: Samples) -> FloatArray:
    """The probabilities of a clip [frames, classes]."""
    chunks = Stream(model).run_clip(hear(model, samples))
    return np.concatenate([chunk.probabilities for chunk in chunks])


def noise(samples: int, loud: int = 32768) -> Samples:
    """Samples that say nothing."""
    return np.random.default_rng(1).integers(-loud, loud, samples).astype(np.int16)


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_speech_says_the_same(name: str, models: Path, tmp_path: Path) -> None:
    """The clip that a model was trained on, noise and silence, in both formats."""
    reference = open_model(models / name)
    clip = original_clip(models, reference.interface)
    for style in FORMATS:
        model = core_ml_model(models / name, tmp_path / style, front_end=True, format=style)
        signals = {
            "speech": clip,
            "noise": noise(16000),
            "whisper": noise(16000, 300),
            "silence": np.zeros(16000, np.int16),
        }
        for what, samples in signals.items():
            found = distance(said(model, samples), said(reference, samples))
            print(name, style, what, f"{found:.1e}")
            assert found < FRONT_END, what


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("style", FORMATS)
def test_speech_equals_tensorflow(
    style: CoreMlFormat, models: Path, tensorflow: Any, tmp_path: Path
) -> None:
    """Features by the original ops, window by window, and the network over all of them."""
    source = models / "deepspeech-0.9.3-dynamic.pb"
    reference = open_model(source)
    clip = original_clip(models, reference.interface)
    padded = np.zeros(-(-(len(clip) - 512) // 320) * 320 + 512, np.float32)
    padded[: len(clip)] = clip / 32768
    graph = open_graph(source)
    starts = range(0, len(padded) - 511, 320)
    cut = [padded[start : start + 512] for start in starts]
    made = np.concatenate(features_by_tensorflow(tensorflow, graph, cut))
    rows = np.concatenate([np.zeros((9, 26)), made, np.zeros((9, 26))]).astype(np.float32)
    windows = np.stack([rows[n : n + 19] for n in range(len(made))])[None]
    zeros = np.zeros((1, 100), np.float32)
    fed = {
        "input_node": windows,
        "input_lengths": np.array([windows.shape[1]], np.int32),
        "previous_state_c": zeros,
        "previous_state_h": zeros,
    }
    (expected,) = run_graph(tensorflow, graph, fed, ["logits"])
    found = said(core_ml_model(source, tmp_path / "a", front_end=True, format=style), clip)
    assert distance(found, expected[: len(found), 0]) < FRONT_END
    assert len(expected) == len(found)


def features_by_tensorflow(tensorflow: Any, graph: Any, windows: list[FloatArray]) -> list[Any]:
    """What the graph's own front end makes of each window."""
    with tensorflow.compat.v1.Session(graph=import_graph(tensorflow, graph)) as session:
        return [session.run("mfccs:0", {"input_samples:0": window}) for window in windows]


@pytest.mark.parametrize("style", FORMATS)
def test_clips_of_any_length(style: CoreMlFormat, small_model: Path, tmp_path: Path) -> None:
    """As many frames as the features have, the last one filled up."""
    reference = open_model(small_model)
    model = core_ml_model(small_model, tmp_path / "a", front_end=True, format=style)
    for length in LENGTHS:
        expected, found = (said(each, noise(length)) for each in (reference, model))
        assert distance(found, expected) < FRONT_END, length


@pytest.mark.models
@pytest.mark.parametrize("style", FORMATS)
def test_originals_hear_clips_of_any_length(
    style: CoreMlFormat, models: Path, tmp_path: Path
) -> None:
    """Trained weights, which hear more than random ones."""
    reference = open_model(models / STATIC)
    model = core_ml_model(models / STATIC, tmp_path / "a", front_end=True, format=style)
    clip = original_clip(models, reference.interface)[12000:]
    for length in LENGTHS:
        expected, found = (said(each, clip[:length]) for each in (reference, model))
        assert distance(found, expected) < FRONT_END, length


@pytest.mark.parametrize("style", FORMATS)
def test_too_short_and_too_long_a_clip(
    style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """One line that names the input and what was fed; its bounds are in the file."""
    asked: dict[str, Any] = {"front_end": True, "format": style, "max_steps": 3}
    model = core_ml_model(small_model, tmp_path / "a", **asked)
    assert len(said(model, noise(512 + 2 * 320 - 1))) == 3
    # One sample more would make a fourth frame.
    for length in (0, 1, 191, 512 + 2 * 320):
        with pytest.raises(ConversionError, match=rf"'input_samples' .*\[{length}\]") as caught:
            said(model, noise(length))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("style", FORMATS)
def test_samples_in_probabilities_out(
    style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """One input and one output by the graph's names; the rest stays inside."""
    interface = core_ml_model(small_model, tmp_path / "a", front_end=True, format=style).interface
    assert interface.inputs == (TensorSpec("input_samples", "float32", (-1,)),)
    assert [spec.name for spec in interface.outputs] == ["logits"]
    assert (interface.windows, interface.lengths, interface.states) == (None, None, ())
    assert interface.classes == 29
    reference = open_model(small_model).interface
    assert interface.metadata == reference.metadata
    assert interface.features_from == reference.features_from


def test_clips_of_one_model_do_not_mix(small_model: Path, tmp_path: Path) -> None:
    """Each call is a clip of its own, however long the one before was."""
    model = core_ml_model(small_model, tmp_path / "a", front_end=True)
    first, short = said(model, noise(16000)), said(model, noise(700))
    assert (len(first), len(short)) == (50, 2)
    np.testing.assert_array_equal(said(model, noise(16000)), first)


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize(
    ("window", "step", "rate"), [(25, 10, 16000), (20, 30, 16000), (32, 20, 8000)]
)
def test_other_windows_say_the_same(
    window: int, step: int, rate: int, style: CoreMlFormat, tmp_path: Path
) -> None:
    """A window that no power of two fits, a step longer than the window, another rate."""
    settings = ExportSettings(
        Alphabet.from_file(ALPHABET),
        feature_win_len=window,
        feature_win_step=step,
        sample_rate=rate,
    )
    source = tmp_path / "small.pb"
    with source.open("wb") as file:
        write_chunks(file, export_chunks(random_weights(32, settings, seed=0), settings))
    reference = open_model(source)
    model = core_ml_model(source, tmp_path / "a", front_end=True, format=style)
    size, hop = window * rate // 1000, step * rate // 1000
    for length in (max(size - hop, 1), size, size + 1, size + hop, size + hop + 1, 8000):
        expected, found = (said(each, noise(length)) for each in (reference, model))
        assert distance(found, expected) < FRONT_END, length


@pytest.mark.parametrize("style", FORMATS)
def test_other_parameters_of_the_front_end(
    style: CoreMlFormat, small_model: Path, tmp_path: Path
) -> None:
    """Magnitudes that are not squared, another band, fewer channels: all is read from the graph."""
    graph = attributes("AudioSpectrogram", magnitude_squared=False)(open_graph(small_model))
    band = {"lower_frequency_limit": 300.0, "upper_frequency_limit": 3400.0}
    graph = attributes("Mfcc", filterbank_channel_count=30, **band)(graph)
    source = saved(graph, tmp_path / "other.pb")
    model = core_ml_model(source, tmp_path / "a", front_end=True, format=style)
    expected = said(open_model(source), noise(16000))
    assert distance(said(open_model(small_model), noise(16000)), expected) > 1e-3
    assert distance(said(model, noise(16000)), expected) < FRONT_END


@pytest.mark.models
@pytest.mark.parametrize(
    "asked",
    [
        {"precision": "fp16"},
        {"precision": "int8"},
        {"palette_bits": 6},
        {"precision": "fp16", "format": "neuralnetwork"},
        {"precision": "int8", "format": "neuralnetwork"},
    ],
    ids=["fp16", "int8", "palette6", "fp16-neuralnetwork", "int8-neuralnetwork"],
)
@pytest.mark.parametrize("name", [STATIC, "deepspeech-0.9.3-8k-static.pb"])
def test_fewer_bits_behind_the_front_end(
    name: str, asked: dict[str, Any], models: Path, tmp_path: Path
) -> None:
    """The weights of the network alone are rounded; the text is the reference's."""
    reference = open_model(models / name)
    alphabet, clip = reference.interface.alphabet, original_clip(models, reference.interface)
    assert alphabet is not None
    expected = said(reference, clip)
    model = core_ml_model(models / name, tmp_path / "a", front_end=True, **asked)
    found = said(model, clip)
    print(name, asked, f"{distance(found, expected):.1e}")
    assert 1e-5 < distance(found, expected) < TOLERANCES[model.interface.precision].probabilities
    assert beam_transcript(found, alphabet, 64) == TEXT


def test_weights_of_the_front_end_of_a_neural_network(tmp_path: Path) -> None:
    """They are not compressed with those of the network."""
    (source,) = write_random_model(tmp_path, 32)
    for precision in ("fp16", "int8"):
        asked: dict[str, Any] = {"precision": precision, "format": "neuralnetwork"}
        file = core_ml_file(source, tmp_path / precision, front_end=True, **asked)
        layers = list(Network(file.body).all_layers())
        own = [layer for layer in layers if layer.name.startswith("front_end_")]
        parameters = [layer.parameters for layer in own]
        products = [each for each in parameters if isinstance(each, InnerProductLayerParams)]
        # The toolkit gives convolutions names of its own; the first one makes the spectrum.
        spectrum = next(layer for layer in layers if layer.kind == "convolution")
        assert isinstance(spectrum.parameters, ConvolutionLayerParams)
        assert len(products) == 2
        for message in (spectrum.parameters.weights, *(each.weights for each in products)):
            assert read_weights(message).form == FLOAT32, (precision, spectrum.name)
