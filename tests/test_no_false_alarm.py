"""A right conversion passes, whatever the model is and however coarse its weights are."""

from __future__ import annotations

from pathlib import Path

import pytest

import dsconv
from dsconv.convert.coreml.options import CoreMlOptions, PaletteBits
from dsconv.convert.registry import TARGETS
from dsconv.fixtures import demo_model
from dsconv.inspect.parity.reference import ValidationOptions
from dsconv.inspect.parity.result import CandidateResult
from tests.convert.conversions import require_toolkits

pytestmark = pytest.mark.models

# Each frozen export, and the sample rate of its own clip where that is not 16 kHz.
EXPORTS = (
    "coqui-1.4.0-static",
    "deepspeech-0.1.1-static",
    "deepspeech-0.2.0-static",
    "deepspeech-0.4.1-nosl",
    "deepspeech-0.4.1-static",
    "deepspeech-0.5.1-static",
    "deepspeech-0.6.1-static",
    "deepspeech-0.9.3-8k-static",
    "deepspeech-0.9.3-bytes-static",
    "deepspeech-0.9.3-dynamic",
    "deepspeech-0.9.3-ln-static",
    "deepspeech-0.9.3-static",
    "more/deepspeech-0.1.1-h64-static",
    "more/deepspeech-0.1.1-nosl",
    "more/deepspeech-0.4.1-ck-static",
    "more/deepspeech-0.5.1-8k-static",
    "more/deepspeech-0.5.1-dynamic",
    "more/deepspeech-0.9.3-8k-ck-static",
)
PRECISIONS = ("fp32", "fp16", "int8")
PALETTES: tuple[PaletteBits, ...] = (8, 6, 4)


def options(precision: str) -> dsconv.Options:
    """Those of a precision, palettes among them."""
    if precision.startswith("palette"):
        bits: PaletteBits = int(precision[-1])  # type: ignore[assignment]
        return dsconv.Options(core_ml=CoreMlOptions(palette_bits=bits))
    return dsconv.Options(precision=precision)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["tflite", "onnx", "openvino", "coreml"])
@pytest.mark.parametrize("name", EXPORTS)
def test_conversions_pass_at_every_precision(
    name: str, target: str, models: Path, tmp_path: Path
) -> None:
    """On the clip that the model knows, and on packaged ones that it does not."""
    require_toolkits(target)
    rate = 8000 if "-8k-" in name else 16000
    # Its own clip, and one of another voice.
    clips = [models / f"LDC93S1_pcms16le_1_{rate}.wav", demo_model.clips()[1].wav]
    source, how = models / f"{name}.pb", ValidationOptions(beam=8, resample=True)
    palettes = [f"palette{bits}" for bits in PALETTES] if target == "coreml" else []
    for precision in (*PRECISIONS, *palettes):
        output = tmp_path / f"{precision}{TARGETS[target].suffix}"
        asked = options(precision)
        dsconv.convert_model(source, target, output, options=asked, validate=False)
        result = dsconv.validate_models(source, [output], clips, options=how).candidates[0]
        assert isinstance(result, CandidateResult)
        assert result.judged is not None, result.remarks
        assert result.passed, (precision, result.remarks)
