"""The front end inside TFLite models: the exporter's for a window, and one for whole clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Precision
from dsconv.convert.tflite.options import LstmForm
from dsconv.fixtures.demo_model import MODEL, clips
from dsconv.formats.graphdef.graph import open_graph
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model, TensorSpec
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import front_end_features
from dsconv.runtime.tflite import TfliteModel
from dsconv.speech.decode import beam_transcript
from dsconv.speech.features import FloatArray, features
from dsconv.speech.framing import chunks, sample_windows
from dsconv.speech.settings import FeatureSettings
from dsconv.speech.wav import Samples, read_wav
from tests.acoustic.edits import attributes
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.calls import Call, Reference
from tests.convert.conversions import convert, saved
from tests.convert.test_front_end import (
    LIMIT,
    STATIC,
    WINDOWS,
    constant_signals,
    exported,
    lengths_around,
    plain_signals,
    said,
    weights_of,
)
from tests.runtime.speech import TEXT, clip_features, distance, original_clip, packaged_speech

RATES = [STATIC, "deepspeech-0.9.3-8k-static.pb"]
FORMS: tuple[LstmForm, ...] = ("loop", "unrolled")


def converted(source: Path, output: Path, **asked: Any) -> TfliteModel:
    """The model of a graph that takes the samples of a clip, in float32 unless asked otherwise."""
    asked = {"precision": "fp32", "front_end": True, **asked}
    return TfliteModel(convert("tflite", source, output, **asked))


def farthest(reference: Model, model: Model, signals: dict[str, Samples]) -> float:
    """How far a model is from features-then-model where it is farthest; all have its frames."""
    found = {}
    for what, samples in signals.items():
        found[what] = distance(said(model, samples), said(reference, samples))
    worst = max(found, key=found.__getitem__)
    print(f"{found[worst]:.1e} ({worst})")
    return found[worst]


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", RATES)
def test_a_clip_equals_tensorflow(name: str, models: Path, tensorflow: Any, tmp_path: Path) -> None:
    """From samples to probabilities, as TensorFlow says of the features, 16 frames a call."""
    reference = open_model(models / name)
    clip = original_clip(models, reference.interface)
    graph, expected = Reference(tensorflow, open_graph(models / name)), []
    states = [np.zeros((1, 100), np.float32)] * 2
    for windows in chunks(clip_features(reference, clip), 9, 16):
        padded = np.zeros((1, 16, 19, 26), np.float32)
        padded[0, : len(windows)] = windows
        probabilities, *states = graph.run(Call(padded, len(windows), *states))
        expected.append(probabilities[: len(windows), 0])
    found = said(converted(models / name, tmp_path / "a"), clip)
    assert distance(found, np.concatenate(expected)) < LIMIT


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_speech_says_the_same(name: str, models: Path, tmp_path: Path) -> None:
    """The clip that a model was trained on, and the packaged clips, one after the other."""
    reference, rate = open_model(models / name), EXPORTS[name].rate
    speech = {clip.wav.name: read_wav(clip.wav, rate, resample=True) for clip in clips()}
    speech["LDC93S1"] = original_clip(models, reference.interface)
    assert farthest(reference, converted(models / name, tmp_path / "a"), speech) < LIMIT


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_odd_signals_say_the_same(name: str, models: Path, tmp_path: Path) -> None:
    """Silence, constants, a click, Nyquist's square and noise, also where the features are -250."""
    reference, rate = open_model(models / name), EXPORTS[name].rate
    signals = {**plain_signals(rate), **constant_signals(rate)}
    assert farthest(reference, converted(models / name, tmp_path / "a"), signals) < LIMIT


@pytest.mark.models
@pytest.mark.parametrize("name", RATES)
def test_clips_of_any_length(name: str, models: Path, tmp_path: Path) -> None:
    """No sample, which is a frame of silence, one, and lengths where another frame begins."""
    reference = open_model(models / name)
    settings = reference.interface.feature_settings
    assert isinstance(settings, FeatureSettings)
    lengths = lengths_around(settings.window, settings.step)
    signals = {str(length): packaged_speech(length) for length in lengths}
    model = converted(models / name, tmp_path / "a")
    assert farthest(reference, model, signals) < LIMIT
    empty = said(model, np.zeros(0, np.int16))
    np.testing.assert_array_equal(empty, said(model, np.zeros(1, np.int16)))


def test_the_first_clip_may_be_empty(small_model: Path, tmp_path: Path) -> None:
    """A model that has heard nothing yet hears nothing."""
    model = converted(small_model, tmp_path / "a")
    assert said(model, np.zeros(0, np.int16)).shape == (1, 29)


@pytest.mark.parametrize("windows", WINDOWS)
def test_other_windows_say_the_same(windows: str, tmp_path: Path) -> None:
    """Trained weights after windows, steps and rates of other exports, in clips of any length."""
    weights = weights_of(recognise(open_graph(MODEL)))
    source = exported(weights, tmp_path / "trained.pb", WINDOWS[windows])
    reference = open_model(source)
    settings, rate = reference.interface.feature_settings, WINDOWS[windows][2]
    signals = {**plain_signals(rate), **constant_signals(rate)}
    for count in lengths_around(settings.window, settings.step):
        signals[f"{count} samples"] = np.resize(signals["noise"], count)
    assert farthest(reference, converted(source, tmp_path / "a"), signals) < LIMIT


@pytest.mark.parametrize("magnitude_squared", [True, False])
def test_other_parameters_of_the_front_end(magnitude_squared: bool, tmp_path: Path) -> None:
    """Magnitudes that are not squared, another band, fewer channels: all is read from the graph."""
    graph = attributes("AudioSpectrogram", magnitude_squared=magnitude_squared)(open_graph(MODEL))
    band = {"lower_frequency_limit": 300.0, "upper_frequency_limit": 3400.0}
    graph = attributes("Mfcc", filterbank_channel_count=30, **band)(graph)
    source = saved(graph, tmp_path / "other.pb")
    reference, model = open_model(source), converted(source, tmp_path / "a")
    assert model.interface.features_from == reference.interface.features_from
    assert farthest(reference, model, plain_signals(16000)) < LIMIT


@pytest.mark.models
@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("name", RATES)
def test_fewer_bits_behind_the_front_end(
    name: str, precision: Precision, models: Path, tmp_path: Path
) -> None:
    """The weights of the network alone are rounded; the text is the reference's."""
    reference = open_model(models / name)
    alphabet, clip = reference.interface.alphabet, original_clip(models, reference.interface)
    assert alphabet is not None
    model = converted(models / name, tmp_path / "a", precision=precision)
    assert model.interface.precision == precision
    found, expected = said(model, clip), said(reference, clip)
    assert 1e-5 < distance(found, expected) < TOLERANCES[precision].probabilities
    pytest.importorskip("fast_ctc_decode", reason="beam search needs fast-ctc-decode")
    assert beam_transcript(found, alphabet, 500) == TEXT


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_samples_in_probabilities_out(precision: str, small_model: Path, tmp_path: Path) -> None:
    """One input; the probabilities and the exporter's metadata come out, the rest stays inside."""
    interface = converted(small_model, tmp_path / "a", precision=precision).interface
    assert interface.inputs == (TensorSpec("input_samples", "float32", (-1,)),)
    assert interface.outputs[0] == TensorSpec("logits", "float32", (-1, 29))
    assert all(spec.name.startswith("metadata_") for spec in interface.outputs[1:])
    assert (interface.windows, interface.lengths, interface.states) == (None, None, ())
    reference = open_model(small_model).interface
    assert interface.metadata == reference.metadata
    assert interface.features_from == reference.features_from


def test_clips_of_one_model_do_not_mix(small_model: Path, tmp_path: Path) -> None:
    """Each call is a clip of its own, however long the one before was."""
    model = converted(small_model, tmp_path / "a")
    noise = plain_signals(16000)["noise"]
    first, short = said(model, noise), said(model, noise[:700])
    assert (len(first), len(short)) == (50, 2)
    np.testing.assert_array_equal(said(model, noise), first)
    np.testing.assert_array_equal(said(model, noise[:700]), short)


def window_features(model: TfliteModel, samples: Samples) -> tuple[FloatArray, FloatArray]:
    """The features of a clip that the model makes a window at a time, and dsconv's own."""
    settings = model.interface.feature_settings
    assert isinstance(settings, FeatureSettings)
    windows = sample_windows(samples, settings.window, settings.step)
    return front_end_features(model, windows), features(windows, settings)


@pytest.mark.models
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXPORTS)
def test_windows_give_dsconvs_features(
    name: str, form: LstmForm, models: Path, tmp_path: Path
) -> None:
    """`input_samples` to `mfccs`, as the original runtimes ask for them, beside the network."""
    asked: dict[str, Any] = {"front_end": False, "lstm": form, "steps": 16}
    model = converted(models / name, tmp_path / "a", **asked)
    assert model.interface.features_from == open_model(models / name).interface.features_from
    for samples in (original_clip(models, model.interface), plain_signals(16000)["silence"]):
        found, expected = window_features(model, samples)
        assert distance(found, expected) < 1e-5


@pytest.mark.parametrize("asked", [{}, {"steps": -1}, {"lengths": "input"}], ids=str)
def test_windows_beside_any_network(asked: dict[str, Any], tmp_path: Path) -> None:
    """Whatever the network is asked to be, the features of a window come out."""
    model = converted(MODEL, tmp_path / "a", front_end=False, **asked)
    found, expected = window_features(model, packaged_speech(5000))
    assert (found.shape, distance(found, expected) < 1e-5) == ((16, 26), True)
