"""Models that take the samples of a whole clip say what features-then-model says.

ONNX computes the spectrum in float64, as the original op does. OpenVINO's CPU plugin has float32
only: it is as good for speech, offset or not, silence, constants and noise, but not where a signal
leaves most of the spectrum empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM, ExportSettings, export_chunks
from dsconv.acoustic.front_end import feature_settings
from dsconv.acoustic.network import Network
from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Options, Precision
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ConversionError
from dsconv.fixtures.demo_model import ALPHABET, clips
from dsconv.fixtures.random_model import random_weights
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.storage import write_chunks
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.runtime.model import Model, TensorSpec
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, hear
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import beam_transcript
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import sample_windows
from dsconv.speech.wav import Samples, read_wav
from tests.acoustic.edits import attributes, constant, edits
from tests.acoustic.test_recognise import EXPORTS
from tests.convert.conversions import convert, converted, saved
from tests.runtime.speech import TEXT, distance, original_clip

BUILT = ("onnx", "openvino")
EVERY = (*BUILT, "coreml")
"""Core ML takes no clip of less than a frame; its numbers are looked at in its own tests."""

LIMIT = 1e-4
"""How far the probabilities may be from those of features-then-model."""

STATIC = "deepspeech-0.9.3-static.pb"
WINDOWS = {"25/10 ms": (25, 10, 16000), "20/30 ms": (20, 30, 16000), "32/20 ms": (32, 20, 8000)}
"""Windows that no power of two fits, a step longer than the window, and another rate."""


def said(model: Model, samples: Samples) -> FloatArray:
    """The probabilities of a clip [frames, classes]."""
    chunks = Stream(model).run_clip(hear(model, samples))
    return np.concatenate([chunk.probabilities for chunk in chunks])


def differences(
    reference: Model, models: Mapping[str, Model], signals: Mapping[str, Samples]
) -> dict[str, dict[str, float]]:
    """How far each model is from the reference over each signal; all have its frames."""
    found: dict[str, dict[str, float]] = {target: {} for target in models}
    for what, samples in signals.items():
        expected = said(reference, samples)
        settings = reference.interface.feature_settings
        assert len(expected) == len(sample_windows(samples, settings.window, settings.step))
        for target, model in models.items():
            found[target][what] = distance(said(model, samples), expected)
    return found


def front_end_models(source: Path, folder: Path) -> dict[str, Model]:
    """The models of both targets that take samples."""
    folder.mkdir(exist_ok=True)
    return {
        target: converted(target, source, folder / source.stem, front_end=True) for target in BUILT
    }


def exported(weights: Mapping[str, FloatArray], path: Path, windows: tuple[int, int, int]) -> Path:
    """A graph as the exporter writes it, with window and step in ms and a rate."""
    length, step, rate = windows
    settings = ExportSettings(
        Alphabet.from_file(ALPHABET),
        feature_win_len=length,
        feature_win_step=step,
        sample_rate=rate,
    )
    with path.open("wb") as file:
        write_chunks(file, export_chunks(weights, settings))
    return path


def small_weights() -> dict[str, FloatArray]:
    """Random weights of 32 cells."""
    return random_weights(32, ExportSettings(Alphabet.from_file(ALPHABET)), seed=0)


def weights_of(network: Network) -> dict[str, FloatArray]:
    """The weights of a graph, to be exported anew."""
    weights = {f"{LSTM}/kernel": network.lstm.kernel, f"{LSTM}/bias": network.lstm.bias}
    for layer in network.layers:
        weights |= {f"{layer.name}/weights": layer.weights, f"{layer.name}/bias": layer.bias}
    return {name: np.asarray(tensor.array(), np.float32) for name, tensor in weights.items()}


def report(what: str, found: dict[str, dict[str, float]]) -> None:
    """Print the largest difference of each model."""
    for target, values in found.items():
        worst = max(values, key=values.__getitem__)
        print(f"{what} {target}: {values[worst]:.1e} ({worst})")


def plain_signals(rate: int) -> dict[str, Samples]:
    """A second of what is not speech, and of which no bin is left empty by chance."""
    noise = np.random.default_rng(1).integers(-32768, 32768, rate).astype(np.int16)
    click = np.zeros(rate, np.int16)
    click[rate // 2] = 32767
    return {
        "silence": np.zeros(rate, np.int16),
        "click": click,
        "noise": noise,
        "silence, then noise": np.concatenate([np.zeros(rate // 2, np.int16), noise // 100]),
        "least noise": (noise % 3 - 1).astype(np.int16),
    }


def constant_signals(rate: int) -> dict[str, Samples]:
    """Samples that do not change, also with an end inside a frame, or as fast as they can."""
    values = {"0.5": 16384, "-1.0": -32768, "one step": 1}
    signals: dict[str, Samples] = {}
    for what, value in values.items():
        signals[what] = np.full(rate, value, np.int16)
    signals["edge"] = np.full(511 * rate // 16000, 16384, np.int16)
    signals["nyquist"] = np.where(np.arange(rate) % 2, -32768, 32767).astype(np.int16)
    return signals


def lengths_around(window: int, step: int) -> list[int]:
    """Lengths of clips at which the number of frames changes, or does not."""
    around = [window - 1, window, window + 1, window + step - 1, window + step, window + step + 1]
    return [0, 1, step, 511, 512, 513, 12345, *around]


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_speech_says_the_same(name: str, models: Path, tmp_path: Path) -> None:
    """The clip that a model was trained on, and the packaged clips."""
    reference = open_model(models / name)
    rate = EXPORTS[name].rate
    speech = {clip.wav.name: read_wav(clip.wav, rate, resample=True) for clip in clips()}
    speech["LDC93S1"] = original_clip(models, reference.interface)
    found = differences(reference, front_end_models(models / name, tmp_path), speech)
    report(name, found)
    assert all(value < LIMIT for values in found.values() for value in values.values())


@pytest.mark.models
@pytest.mark.parametrize("name", EXPORTS)
def test_odd_signals_say_the_same(name: str, models: Path, tmp_path: Path) -> None:
    """Silence, constants and their edges, a click, Nyquist's square and noise."""
    reference, rate = open_model(models / name), EXPORTS[name].rate
    signals = {**plain_signals(rate), **constant_signals(rate)}
    found = differences(reference, front_end_models(models / name, tmp_path), signals)
    report(name, found)
    assert all(value < LIMIT for values in found.values() for value in values.values()), found


@pytest.mark.models
@pytest.mark.parametrize("name", [STATIC, "deepspeech-0.9.3-8k-static.pb"])
def test_clips_of_any_length(name: str, models: Path, tmp_path: Path) -> None:
    """No sample, one, and the lengths around those at which another frame begins."""
    reference, rate = open_model(models / name), EXPORTS[name].rate
    settings = reference.interface.feature_settings
    noise = plain_signals(rate)["noise"]
    signals = {
        str(length): np.resize(noise, length)
        for length in lengths_around(settings.window, settings.step)
    }
    found = differences(reference, front_end_models(models / name, tmp_path), signals)
    report(name, found)
    assert all(value < LIMIT for values in found.values() for value in values.values()), found


@pytest.mark.parametrize("windows", WINDOWS)
def test_other_windows_say_the_same(windows: str, tmp_path: Path) -> None:
    """Windows, steps and rates of other exports, in clips of any length."""
    length, step, rate = WINDOWS[windows]
    source = exported(small_weights(), tmp_path / "small.pb", WINDOWS[windows])
    reference = open_model(source)
    settings = reference.interface.feature_settings
    assert (settings.window, settings.step) == (length * rate // 1000, step * rate // 1000)
    signals = plain_signals(rate)
    for count in lengths_around(settings.window, settings.step):
        signals[f"{count} samples"] = np.resize(signals["noise"], count)
    found = differences(reference, front_end_models(source, tmp_path), signals)
    report(windows, found)
    assert all(value < LIMIT for values in found.values() for value in values.values()), found


@pytest.mark.models
@pytest.mark.parametrize("windows", WINDOWS)
def test_speech_in_other_windows(windows: str, models: Path, tmp_path: Path) -> None:
    """Trained weights, which hear more than random ones, after other windows."""
    weights = weights_of(recognise(open_graph(models / STATIC)))
    source = exported(weights, tmp_path / "trained.pb", WINDOWS[windows])
    reference = open_model(source)
    clip = original_clip(models, reference.interface)
    signals = {"LDC93S1": clip, **plain_signals(WINDOWS[windows][2])}
    found = differences(reference, front_end_models(source, tmp_path), signals)
    report(windows, found)
    assert all(value < LIMIT for values in found.values() for value in values.values()), found


@pytest.mark.models
def test_constants_in_other_windows(models: Path, tmp_path: Path) -> None:
    """A constant in a window of 400 samples, whose spectrum has 512 places and no empty one."""
    weights = weights_of(recognise(open_graph(models / STATIC)))
    source = exported(weights, tmp_path / "trained.pb", WINDOWS["25/10 ms"])
    signals = constant_signals(16000)
    del signals["nyquist"]
    found = differences(open_model(source), front_end_models(source, tmp_path), signals)
    report("25/10 ms", found)
    assert all(value < LIMIT for values in found.values() for value in values.values()), found


@pytest.mark.models
@pytest.mark.parametrize("target", BUILT)
@pytest.mark.parametrize("offset", [100, 1000, 8000])
def test_speech_with_an_offset(offset: int, target: str, models: Path, tmp_path: Path) -> None:
    """As cheap recorders make it: each sample is too high, and what is quiet is a constant."""
    reference = open_model(models / STATIC)
    spoken = read_wav(models / "new-home-in-the-stars-16k.wav", 16000).astype(np.int32)
    signals = {f"offset {offset}": np.clip(spoken + offset, -32768, 32767).astype(np.int16)}
    model = {target: converted(target, models / STATIC, tmp_path / "a", front_end=True)}
    found = differences(reference, model, signals)
    report(STATIC, found)
    assert found[target][f"offset {offset}"] < LIMIT


@pytest.mark.models
@pytest.mark.parametrize("windows", ["32/20 ms", "25/10 ms"])
@pytest.mark.parametrize("name", [STATIC, "deepspeech-0.6.1-static.pb"])
def test_tones_that_leave_bins_empty(name: str, windows: str, models: Path, tmp_path: Path) -> None:
    """In step with the frame nothing lies between their multiples: ONNX finds nothing there.

    OpenVINO finds the rest of float32, and may say anything; the figure is printed.
    """
    source = models / name
    if windows != "32/20 ms":
        weights = weights_of(recognise(open_graph(source)))
        source = exported(weights, tmp_path / "trained.pb", WINDOWS[windows])
    time = np.arange(16000)
    signals = {"square of 32": np.where(time % 32 < 16, 16384, -16384).astype(np.int16)}
    for period in (2, 4, 8, 16, 32, 64, 128, 256, 512):
        tone = np.sin(2 * np.pi * time / period + 0.1)
        signals[f"period {period}"] = np.rint(16384 * tone).astype(np.int16)
    found = differences(open_model(source), front_end_models(source, tmp_path / "a"), signals)
    report(f"{name} {windows}", found)
    assert max(found["onnx"].values()) < LIMIT
    assert max(found["openvino"].values()) <= 1


@pytest.mark.models
@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("name", [STATIC, "deepspeech-0.9.3-8k-static.pb"])
def test_fewer_bits_behind_the_front_end(
    name: str, precision: Precision, models: Path, tmp_path: Path
) -> None:
    """The weights of the network alone are rounded; the text is the reference's."""
    reference = open_model(models / name)
    alphabet, clip = reference.interface.alphabet, original_clip(models, reference.interface)
    assert alphabet is not None
    expected = said(reference, clip)
    for target in BUILT:
        asked: dict[str, Any] = {"front_end": True, "precision": precision}
        found = said(converted(target, models / name, tmp_path / target, **asked), clip)
        print(f"{name} {target} {precision}: {distance(found, expected):.1e}")
        assert 1e-5 < distance(found, expected) < TOLERANCES[precision].probabilities
        assert beam_transcript(found, alphabet, 500) == TEXT


@pytest.mark.parametrize("target", EVERY)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precision_is_that_of_the_network(precision: str, target: str, tmp_path: Path) -> None:
    """A small model too is judged by the tolerances of what was asked for."""
    (source,) = write_random_model(tmp_path, 128)
    asked: dict[str, Any] = {"front_end": True, "precision": precision}
    model = converted(target, source, tmp_path / "a", **asked)
    assert model.interface.precision == precision


@pytest.mark.parametrize("target", BUILT)
def test_samples_in_probabilities_out(target: str, small_model: Path, tmp_path: Path) -> None:
    """One input and one output by the graph's names; the rest stays inside, without a note."""
    output = tmp_path / f"a{TARGETS[target].suffix_for(Options())}"
    options = Options(front_end=True)
    assert convert_file(TARGETS[target], small_model, output, options=options).notes == ()
    interface = open_model(output).interface
    assert interface.inputs == (TensorSpec("input_samples", "float32", (-1,)),)
    assert interface.outputs == (TensorSpec("logits", "float32", (-1, 1, 29)),)
    assert (interface.windows, interface.lengths, interface.states) == (None, None, ())
    reference = open_model(small_model).interface
    assert interface.metadata == reference.metadata
    assert interface.features_from == reference.features_from


@pytest.mark.parametrize("target", EVERY)
def test_steps_of_the_graph_mean_nothing(target: str, small_model: Path, tmp_path: Path) -> None:
    """A graph of 16 frames a call, one of any number, and a package: one model, twice the same."""
    graph = set_steps(open_graph(small_model), DYNAMIC)
    package = convert_file(TARGETS["pbmm"], small_model, tmp_path / "a.pbmm").output
    noise = plain_signals(16000)["noise"]
    expected = said(converted(target, small_model, tmp_path / "16", front_end=True), noise)
    for path in (saved(graph, tmp_path / "any.pb"), package):
        asked: dict[str, Any] = {"front_end": True, "steps": DYNAMIC, "lengths": "frozen"}
        model = converted(target, path, tmp_path / path.stem, **asked)
        np.testing.assert_array_equal(said(model, noise), expected)


@pytest.mark.parametrize("target", EVERY)
def test_clips_of_one_model_do_not_mix(target: str, small_model: Path, tmp_path: Path) -> None:
    """Each call is a clip of its own, however long the one before was."""
    model = converted(target, small_model, tmp_path / "a", front_end=True)
    noise = plain_signals(16000)["noise"]
    first, short = said(model, noise), said(model, noise[:700])
    assert (len(first), len(short)) == (50, 2)
    np.testing.assert_array_equal(said(model, noise), first)
    np.testing.assert_array_equal(said(model, noise[:700]), short)


@pytest.mark.parametrize("target", EVERY)
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"steps": 16}, "--n-steps does not go with --front-end"),
        ({"input_shape": (1, -1, 19, 26)}, "--input-shape does not go with --front-end"),
        ({"lengths": "input"}, "--lengths input does not go with --front-end"),
        ({"states": "internal"}, "--states"),
    ],
    ids=["steps", "shape", "lengths", "states"],
)
def test_what_makes_no_sense_for_whole_clips(
    asked: dict[str, Any], says: str, target: str, small_model: Path, tmp_path: Path
) -> None:
    """Refused in one line that names the option, before anything is written."""
    with pytest.raises(ConversionError, match=f"output_graph.pb: .*{says}") as caught:
        convert(target, small_model, tmp_path / "a", front_end=True, **asked)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", EVERY)
def test_a_graph_without_a_front_end(target: str, small_model: Path, tmp_path: Path) -> None:
    """It cannot be told how features are made; without the option it converts."""
    graph = extract(open_graph(small_model), ["logits", "new_state_c", "new_state_h"])
    source = saved(graph, tmp_path / "network.pb")
    with pytest.raises(ConversionError, match="no front end.*leave out --front-end"):
        convert(target, source, tmp_path / "a", front_end=True)
    assert [path.name for path in tmp_path.iterdir()] == ["network.pb"]
    convert(target, source, tmp_path / "a")


@pytest.mark.parametrize("target", EVERY)
def test_a_front_end_of_other_features(target: str, small_model: Path, tmp_path: Path) -> None:
    """A front end that makes fewer features than the network takes is not built in."""
    edit = edits(attributes("Mfcc", dct_coefficient_count=13), constant("Reshape/shape", [-1, 13]))
    source = saved(edit(open_graph(small_model)), tmp_path / "other.pb")
    with pytest.raises(ConversionError, match="13 features a frame where its network takes 26"):
        convert(target, source, tmp_path / "a", front_end=True)


@pytest.mark.parametrize("magnitude_squared", [True, False])
@pytest.mark.parametrize("target", EVERY)
def test_other_parameters_of_the_front_end(
    target: str, magnitude_squared: bool, small_model: Path, tmp_path: Path
) -> None:
    """Magnitudes that are not squared, another band, fewer channels: all is read from the graph."""
    graph = attributes("AudioSpectrogram", magnitude_squared=magnitude_squared)(
        open_graph(small_model)
    )
    band = {"lower_frequency_limit": 300.0, "upper_frequency_limit": 3400.0}
    graph = attributes("Mfcc", filterbank_channel_count=30, **band)(graph)
    source = saved(graph, tmp_path / "other.pb")
    network = recognise(open_graph(source))
    assert network.front_end is not None
    assert feature_settings(network.front_end).mfcc.channels == 30
    model = {target: converted(target, source, tmp_path / "a", front_end=True)}
    found = differences(open_model(source), model, plain_signals(16000))
    assert max(found[target].values()) < LIMIT, found


@pytest.mark.parametrize("target", EVERY)
def test_filters_above_half_of_the_rate(target: str, small_model: Path, tmp_path: Path) -> None:
    """The original op refuses such parameters, so no model is made of them."""
    graph = attributes("Mfcc", upper_frequency_limit=9000.0)(open_graph(small_model))
    source = saved(graph, tmp_path / "other.pb")
    with pytest.raises(ConversionError, match="filters reach 9000 Hz"):
        convert(target, source, tmp_path / "a", front_end=True)
