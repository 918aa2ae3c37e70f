"""Validation of the original exports against each other, and what it reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ModelError
from dsconv.fixtures import demo_model
from dsconv.fixtures.write import write_demo_model
from dsconv.inspect.parity.numbers import compare_traces
from dsconv.inspect.parity.tolerances import TOLERANCES, coarser
from dsconv.inspect.parity.trace import Trace, TraceFile
from dsconv.inspect.parity.validate import ValidationOptions, validate_models
from dsconv.inspect.parity.validation import Validation
from dsconv.speech.corpus import find_clips

CLIPS = find_clips([demo_model.SPEECH])
NARROW = ValidationOptions(beam=8)
"""A narrow search, which takes no time, where the text says nothing."""


def against_originals(models: Path, *names: str, **options: Any) -> Validation:
    """The 0.9.3 export beside others, over the clip that they learnt."""
    clips = find_clips([models / "LDC93S1_pcms16le_1_16000.wav"])
    return validate_models(
        models / "deepspeech-0.9.3-static.pb",
        [models / name for name in names],
        clips,
        ValidationOptions(**options),
    )


@pytest.mark.models
def test_dynamic_export_is_the_same(models: Path) -> None:
    """The exporter's own dynamic graph differs by nothing, states included."""
    result = against_originals(models, "deepspeech-0.9.3-dynamic.pb").candidates[0]
    assert result.verdict == "pass"
    assert {d.tensor for d in result.differences} == {
        "mfccs",
        "probabilities",
        "new_state_c",
        "new_state_h",
    }
    assert all(difference.max_abs < 1e-6 for difference in result.differences)
    assert result.transcripts[0].candidate.beam.startswith("she had your dark suit")
    assert result.transcripts[0].candidate.greedy.startswith("she ha your dark sit")


@pytest.mark.models
def test_int8_export_passes_as_int8(models: Path) -> None:
    """The exporter's TFLite file is within the tolerance of its precision."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    result = against_originals(models, "deepspeech-0.9.3-tflite.tflite").candidates[0]
    assert (result.verdict, result.model.precision) == ("pass", "int8")
    by_tensor = {difference.tensor: difference for difference in result.differences}
    assert 1e-3 < by_tensor["probabilities"].max_abs < 6e-2
    assert by_tensor["mfccs"].max_abs < 1e-6
    assert by_tensor["probabilities"].needed == by_tensor["probabilities"].max_abs


@pytest.mark.models
def test_other_rate_fails_by_structure(models: Path) -> None:
    """The 8 kHz export cannot be fed the same speech, and that is said."""
    validation = against_originals(models, "deepspeech-0.9.3-8k-static.pb")
    (result,) = validation.candidates
    assert not validation.passed
    first = next(finding.message for finding in result.findings if finding.failed)
    assert first == "sample rate: 8000 Hz, the reference has 16000 Hz"
    assert not result.clips


@pytest.mark.models
@pytest.mark.tensorflow
def test_tensorflow_as_reference(models: Path, tensorflow: object) -> None:
    """TensorFlow running the graph passes for the reference, and is named."""
    assert tensorflow
    validation = against_originals(models, "deepspeech-0.9.3-dynamic.pb", tensorflow=True)
    assert validation.reference.runtime.startswith("tensorflow 2.")
    assert validation.passed


def test_package_passes_on_the_packaged_speech(tmp_path: Path) -> None:
    """Every clip gives its own text, from the graph and from its package."""
    model, *_ = write_demo_model(tmp_path)
    package = convert_file(TARGETS["pbmm"], model).output
    validation = validate_models(model, [package], CLIPS, ValidationOptions())
    (result,) = validation.candidates
    assert result.verdict == "pass"
    assert len(result.transcripts) == len(CLIPS)
    for transcript in result.transcripts:
        assert transcript.candidate.beam == transcript.truth
        assert transcript.candidate_to_truth is not None
        assert transcript.candidate_to_truth.wer == 0


def test_json_is_plain_and_complete(tmp_path: Path) -> None:
    """The report goes through JSON, with the figures of each window."""
    model, *_ = write_demo_model(tmp_path)
    values = validate_models(model, [model], CLIPS[:1], NARROW).to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["schema_version"] == 1
    clip = values["candidates"][0]["clips"][0]
    frames = values["clips"][0]["frames"]
    assert len(clip["frame_differences"]) == frames
    windows = next(d for d in clip["differences"] if d["tensor"] == "probabilities")["windows"]
    assert len(windows) == -(-frames // 16)


def test_runs_made_elsewhere_are_one_more_column(tmp_path: Path) -> None:
    """What --save-io kept passes; changed numbers, missing clips and other files do not."""
    kept = TraceFile()
    reference = validate_models(demo_model.MODEL, [], CLIPS[:2], NARROW, save_to=kept)
    path = tmp_path / "io.npz"
    kept.save(path, "a phone", "fp32")
    (result,) = validate_models(demo_model.MODEL, [], CLIPS[:2], NARROW, recorded=[path]).candidates
    assert (result.verdict, result.model.runtime) == ("pass", "a phone")
    assert {d.tensor for d in result.differences} == {
        "probabilities",
        "new_state_c",
        "new_state_h",
    }
    with np.load(path) as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    name = f"{CLIPS[0].name}/probabilities"
    assert arrays[f"{CLIPS[0].name}/features"].shape == (reference.clips[0].frames, 26)
    np.savez(path, **(arrays | {name: arrays[name] + np.float32(1e-3)}))
    changed = validate_models(demo_model.MODEL, [], CLIPS[:2], NARROW, recorded=[path])
    assert not changed.passed
    del arrays[name]
    np.savez(path, **arrays)
    with pytest.raises(ModelError, match="holds no run over"):
        validate_models(demo_model.MODEL, [], CLIPS[:2], NARROW, recorded=[path])
    path.write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(ModelError, match="was not written by --save-io"):
        validate_models(demo_model.MODEL, [], CLIPS[:2], NARROW, recorded=[path])


def test_progress_goes_from_nothing_to_all() -> None:
    """The share of the work only grows, and ends at 1."""
    shares: list[float] = []
    validate_models(demo_model.MODEL, [demo_model.MODEL], CLIPS[:2], NARROW, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) > 20


def trace(probabilities: object, ends: list[int], states: list[list[float]]) -> Trace:
    return Trace(
        np.array(probabilities, np.float32),
        np.array(ends),
        np.array(ends),
        {"new_state_c": np.array(states, np.float32)},
    )


def test_numbers_of_a_small_example() -> None:
    """Every figure of a difference, on numbers that can be counted by hand."""
    expected = trace([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [2, 3], [[1, 2], [3, 4]])
    found = trace([[0.9, 0.1], [0.3, 0.7], [0.4, 0.6]], [1, 2, 3], [[9, 9], [1, 2], [3, 4.5]])
    scores, states = compare_traces(expected, found, TOLERANCES["int8"])
    assert scores.max_abs == pytest.approx(0.2)
    assert scores.mean_abs == pytest.approx(0.1)
    assert (scores.values, scores.above, scores.not_finite) == (6, 4, 0)
    assert scores.argmax_agreement == pytest.approx(2 / 3)
    assert scores.divergence is not None
    assert scores.divergence.frame == 1
    assert scores.divergence.excess == pytest.approx(0.1 - 6e-2)
    assert scores.divergence.margin == pytest.approx(0.6)
    assert scores.onset == 1
    assert scores.windows == pytest.approx([0.1, 0.2])
    assert not scores.passed
    assert (states.max_abs, states.values, states.passed) == (0.5, 4, True)


def test_states_are_compared_where_both_are_exact() -> None:
    """Calls of another length give states at other frames; only common ones count."""
    expected = trace([[1, 0]] * 4, [2, 4], [[0, 0], [1, 1]])
    found = trace([[1, 0]] * 4, [3, 4], [[7, 7], [1, 1]])
    states = compare_traces(expected, found, TOLERANCES["fp32"])[1]
    assert (states.max_abs, states.values) == (0, 2)


def test_large_states_have_a_relative_tolerance() -> None:
    """Up to 25 the tolerance is the table's; beyond, it grows with the reference's states."""
    tolerance = TOLERANCES["fp32"]
    assert tolerance.of_states(3) == tolerance.of_states(25) == 1e-4
    assert tolerance.of_states(100) == pytest.approx(4e-4)


def test_the_coarser_precision_counts() -> None:
    """An int8 reference cannot be held to fp32."""
    assert coarser("fp32", "int8") == coarser("int8", "fp16") == "int8"
