"""The exporters' TFLite models, run by LiteRT: what they say of themselves, and what they hear."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.names import FEATURES
from dsconv.errors import ModelError
from dsconv.runtime.model import State
from dsconv.runtime.stream import Stream, front_end_features
from dsconv.runtime.tflite import TfliteModel, open_tflite_model
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import DEFAULT_BEAM, beam_transcript
from dsconv.speech.features import features
from dsconv.speech.framing import sample_windows
from dsconv.speech.settings import FeatureSettings, MfccSettings, SpectrogramSettings
from tests.runtime.speech import TEXT, clip_features, distance, original_clip, run_clip

ORIGINALS = ["deepspeech-0.9.3-tflite.tflite", "coqui-1.4.0-tflite.tflite"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", params=ORIGINALS)
def model(request: pytest.FixtureRequest, models: Path) -> TfliteModel:
    """Each of the original models in turn."""
    return open_tflite_model(models / request.param)


def test_metadata_comes_out_of_the_model(model: TfliteModel, models: Path) -> None:
    """What the exporter wrote stands in outputs of the graph."""
    metadata = model.interface.metadata
    assert (metadata.version, metadata.sample_rate, metadata.beam_width) == (6, 16000, 500)
    assert (metadata.feature_win_len, metadata.feature_win_step) == (32, 20)
    assert metadata.alphabet == Alphabet.from_file(models / "alphabet.txt")
    assert metadata.language is not None
    assert metadata.language.startswith("<language the model was trained on")


def test_interface_of_the_exporters(model: TfliteModel) -> None:
    """Sixteen frames per call, states that go in and come out, and no lengths."""
    interface = model.interface
    assert (interface.format, interface.precision, interface.steps) == ("tflite", "int8", 16)
    assert interface.runtime.startswith("LiteRT ")
    assert (interface.context, interface.features, interface.classes) == (9, 26, 29)
    assert not interface.gives_logits
    assert interface.lengths is None
    assert interface.states == (
        State("previous_state_c", "new_state_c", (1, 100)),
        State("previous_state_h", "new_state_h", (1, 100)),
    )
    assert interface.samples is not None
    assert (interface.samples.name, interface.samples.shape) == ("input_samples", (512,))


def test_feature_settings_come_from_the_ops(model: TfliteModel) -> None:
    """The parameters of the front end stand in the options of its two custom ops."""
    expected = FeatureSettings(
        SpectrogramSettings(512, 320, magnitude_squared=True),
        MfccSettings(16000.0, 26, 40, 20.0, 8000.0),
    )
    assert model.interface.features_from == model.interface.feature_settings == expected


def test_front_end_gives_dsconvs_features(model: TfliteModel, models: Path) -> None:
    """The custom ops compute what dsconv computes in their place."""
    settings = model.interface.feature_settings
    assert isinstance(settings, FeatureSettings)
    samples = original_clip(models, model.interface)
    windows = sample_windows(samples, settings.window, settings.step)
    expected = features(windows, settings)
    found = front_end_features(model, windows)
    assert (found.shape, found.dtype.name) == ((146, 26), "float32")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(clip_features(model, samples), expected)


def test_speech_is_heard(model: TfliteModel, models: Path) -> None:
    """The transcript is the text that the original runtimes give, to the letter."""
    alphabet = model.interface.metadata.alphabet
    assert alphabet is not None
    clip = clip_features(model, original_clip(models, model.interface))
    probabilities, _ = run_clip(model, clip)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    pytest.importorskip("fast_ctc_decode", reason="beam search needs fast-ctc-decode")
    assert beam_transcript(probabilities, alphabet, DEFAULT_BEAM) == TEXT


def test_a_clip_starts_anew(model: TfliteModel, models: Path) -> None:
    """The same clip gives the same bits, whatever was run and asked for in between."""
    clip = clip_features(model, original_clip(models, model.interface))
    first, _ = run_clip(model, clip)
    front_end_features(model, np.ones((1, 512), np.float32))
    second, _ = run_clip(model, clip)
    np.testing.assert_array_equal(first, second)
    assert distance(first[16:32], run_clip(model, clip[16:32])[0]) > 1e-3, "no state is carried"


def test_states_behind_padding_are_unknown(model: TfliteModel) -> None:
    """The model takes no lengths: after a short chunk there are no states to compare."""
    stream = Stream(model)
    full = stream.run(np.zeros((16, 19, 26), np.float32))
    assert full.states is not None
    assert {name: state.shape for name, state in full.states.items()} == {
        "new_state_c": (100,),
        "new_state_h": (100,),
    }
    assert stream.run(np.zeros((5, 19, 26), np.float32)).states is None


def test_results_are_not_overwritten_by_the_next_call(model: TfliteModel) -> None:
    """LiteRT reuses its memory; what a call returned stays."""
    samples = model.interface.samples
    assert samples is not None
    first = model.call({samples.name: np.ones(512, np.float32)}, [FEATURES])[FEATURES]
    kept = first.copy()
    model.call({samples.name: np.zeros(512, np.float32)}, [FEATURES])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", ORIGINALS)
def test_litert_greets_nobody(name: str, models: Path) -> None:
    """Neither its greetings nor its delegate's reach the terminal, from a process's first model."""
    program = (
        "import sys, numpy\n"
        "from dsconv.runtime.registry import open_model\n"
        "from dsconv.runtime.stream import Stream\n"
        "Stream(open_model(sys.argv[1])).run(numpy.zeros((16, 19, 26), numpy.float32))\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(models / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stderr_works_after_a_model_was_opened(
    models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is silent only while LiteRT opens a file, also one that it refuses."""
    open_tflite_model(models / ORIGINALS[0])
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes((models / ORIGINALS[0]).read_bytes()[:1000])
    with pytest.raises(ModelError):
        open_tflite_model(damaged)
    assert capfd.readouterr() == ("", "")
    os.write(2, b"still there\n")
    assert capfd.readouterr().err == "still there\n"


def test_opening_leaves_no_file_open(models: Path) -> None:
    """The copy of stderr that silence takes is closed again."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("the system does not list open files")
    open_tflite_model(models / ORIGINALS[0])
    before = len(list(folder.iterdir()))
    for _ in range(3):
        open_tflite_model(models / ORIGINALS[0])
    assert len(list(folder.iterdir())) == before


@pytest.mark.parametrize("length", [12, 1000, 100_000, -1])
def test_a_file_that_was_cut_off_is_a_model_error(
    length: int, models: Path, tmp_path: Path
) -> None:
    """The message is one line with the file and LiteRT's reason."""
    path = tmp_path / "cut.tflite"
    path.write_bytes((models / ORIGINALS[0]).read_bytes()[:length])
    with pytest.raises(ModelError, match="cut.tflite: LiteRT cannot open it: .*buffer") as caught:
        open_tflite_model(path)
    assert "\n" not in str(caught.value)


def test_a_file_with_changed_bytes_is_a_model_error(models: Path, tmp_path: Path) -> None:
    """Its head, which points to everything else, does not survive a change."""
    data = bytearray((models / ORIGINALS[0]).read_bytes())
    data[8:64] = random.Random(0).randbytes(56)
    path = tmp_path / "changed.tflite"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="changed.tflite: LiteRT cannot open it"):
        open_tflite_model(path)


def test_the_release_size_opens_too(models: Path) -> None:
    """n_hidden 2048: the same interface around larger states."""
    found: Any = open_tflite_model(models / "deepspeech-0.9.3-2048.tflite").interface
    assert (found.precision, found.steps, found.states[0].shape) == ("int8", 16, (1, 2048))
