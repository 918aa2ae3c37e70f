"""The TFLite runtimes that people ship open what dsconv writes, and transcribe the same."""

from pathlib import Path

import pytest

from dsconv.convert.tflite.options import LstmForm
from dsconv.fixtures import demo_model
from dsconv.formats.graphdef.steps import DYNAMIC
from tests.conftest import Transcribe
from tests.convert.conversions import convert
from tests.convert.test_original_runtime import EXPORTS, SAID, narrowed

pytestmark = pytest.mark.runtimes

RUNTIMES = ("deepspeech-tflite", "stt")
FORMS: tuple[LstmForm, ...] = ("loop", "unrolled")
STATIC = "deepspeech-0.9.3-static.pb"


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("form", FORMS)
def test_demo_model_transcribes_its_clips(
    form: LstmForm, runtime: str, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """Every packaged clip gives its own text, with weights of 8 bits."""
    source = demo_model.MODEL if form == "loop" else narrowed(demo_model.MODEL, tmp_path)
    model = convert("tflite", source, tmp_path / "a", lstm=form)
    clips = demo_model.clips()
    texts = transcribe_originally(runtime, model, *(clip.wav for clip in clips))
    assert texts == [clip.transcript for clip in clips]


@pytest.mark.models
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXPORTS)
def test_exports_transcribe_their_clip(
    name: str,
    form: LstmForm,
    runtime: str,
    models: Path,
    tmp_path: Path,
    transcribe_originally: Transcribe,
) -> None:
    """What the graph says in its runtime, and its exporter's file in these."""
    wav = models / f"LDC93S1_pcms16le_1_{EXPORTS[name]}.wav"
    model = convert("tflite", narrowed(models / name, tmp_path), tmp_path / "a", lstm=form)
    assert transcribe_originally(runtime, model, wav) == [SAID]


@pytest.mark.models
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_other_precisions_run(
    precision: str, runtime: str, models: Path, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """Both runtimes have the products and the halves that these need."""
    wav = models / "LDC93S1_pcms16le_1_16000.wav"
    model = convert("tflite", models / STATIC, tmp_path / "a", precision=precision)
    assert transcribe_originally(runtime, model, wav) == [SAID]


@pytest.mark.models
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("form", FORMS)
def test_other_numbers_of_steps_run(
    form: LstmForm, runtime: str, models: Path, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """The runtimes take the number of frames from the file."""
    wav = models / "LDC93S1_pcms16le_1_16000.wav"
    model = convert("tflite", models / STATIC, tmp_path / "a", lstm=form, steps=8)
    assert transcribe_originally(runtime, model, wav) == [SAID]


@pytest.mark.models
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_one_step_runs(
    precision: str, runtime: str, models: Path, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """It is written without a loop, in which DeepSpeech 0.9.3 crashes."""
    wav = models / "LDC93S1_pcms16le_1_16000.wav"
    model = convert("tflite", models / STATIC, tmp_path / "a", steps=1, precision=precision)
    assert transcribe_originally(runtime, model, wav) == [SAID]


@pytest.mark.models
def test_any_number_of_frames_runs_in_coqui(
    models: Path, tmp_path: Path, transcribe_originally: Transcribe
) -> None:
    """Frame by frame; DeepSpeech 0.9.3 crashes on every loop of a dynamic dimension."""
    wav = models / "LDC93S1_pcms16le_1_16000.wav"
    model = convert("tflite", models / STATIC, tmp_path / "a", steps=DYNAMIC)
    assert transcribe_originally("stt", model, wav) == [SAID]
