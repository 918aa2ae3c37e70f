"""A reference, and what is compared with it: models, and runs that were made elsewhere.

All are fed the reference's features of the same speech, so that a difference of the front ends is
told apart from one of the networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dsconv.acoustic.source import Source
from dsconv.errors import ModelError
from dsconv.formats.digest import Digest
from dsconv.formats.disk_size import disk_size
from dsconv.inspect.parity.diagnosis import diagnose
from dsconv.inspect.parity.finding import Finding, Severity
from dsconv.inspect.parity.numbers import (
    Difference,
    common_state_ends,
    compare_features,
    compare_traces,
    frame_differences,
)
from dsconv.inspect.parity.options import Options
from dsconv.inspect.parity.outcome import Comparison, ContestantInfo
from dsconv.inspect.parity.result import ClipInfo, ClipResult, ModelInfo
from dsconv.inspect.parity.structure import compare_structure
from dsconv.inspect.parity.tolerances import TOLERANCES, Tolerance, coarser, tolerance_of
from dsconv.inspect.parity.trace import RecordedRun, Trace, run_trace
from dsconv.inspect.parity.transcripts import (
    Transcript,
    compare_transcripts,
    transcribe_probabilities,
)
from dsconv.runtime.model import Model, default_steps
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import USUAL_STEPS, Speech, Stream, front_end_features, hear
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.corpus import ClipSource
from dsconv.speech.decode import DEFAULT_BEAM
from dsconv.speech.framing import sample_windows
from dsconv.speech.scores import Edits, count_edits
from dsconv.speech.wav import read_wav

_FRONT_END_WINDOWS = 64
"""Windows of a clip whose features are compared: each takes a call of the whole model."""


@dataclass(frozen=True)
class HeardClip:
    """A clip as the reference heard it. `edits` are those to what was said, if that is known."""

    source: ClipSource
    info: ClipInfo
    speech: Speech
    trace: Trace
    transcript: Transcript | None
    edits: Edits | None


class Reference:
    """The model that the others are compared to."""

    def __init__(self, source: Source, options: Options) -> None:
        self.options = options
        self.model = open_model(
            source,
            tensorflow=options.tensorflow,
            evaluated=options.evaluated,
            overrides=options.overrides,
        )
        self.interface = self.model.interface
        self.info = _model_info(source, self.model)
        self.steps = default_steps(self.interface, USUAL_STEPS)
        self.beam = options.beam or self.interface.metadata.beam_width or DEFAULT_BEAM
        self._stream = Stream(self.model)

    def run(self, source: ClipSource, progress: Callable[[float], object]) -> HeardClip:
        """Run a clip, and transcribe it if the model has an alphabet."""
        rate = self.interface.feature_settings.sample_rate
        samples = read_wav(source.wav, rate, resample=self.options.resample)
        speech = hear(self.model, samples)
        trace = run_trace(self._stream, speech, self.steps, progress)
        if not np.isfinite(trace.probabilities).all():
            raise ModelError(
                f"{self.info.path} says what is no number (NaN) on {source.name}: its weights are "
                "damaged, so nothing can be compared with it."
            )
        info = ClipInfo(
            source.name, len(samples) / rate, len(speech.features), source.text, trace.seconds
        )
        transcript = self.transcript(trace, self.interface.alphabet)
        return HeardClip(source, info, speech, trace, transcript, _edits(source, transcript))

    def transcript(self, trace: Trace, alphabet: Alphabet | None) -> Transcript | None:
        """The texts of a trace, None without an alphabet."""
        if alphabet is None:
            return None
        return transcribe_probabilities(trace.probabilities, alphabet, self.beam)


class Contestant(Protocol):
    """What is compared with the reference."""

    info: ContestantInfo

    def compare(
        self, clip: HeardClip, progress: Callable[[float], object]
    ) -> tuple[Comparison, Trace] | None:
        """Run a clip and compare; gives also what was said, None if it was not run."""


class Candidate:
    """A model that is compared with the reference."""

    def __init__(self, path: Path, base: Reference) -> None:
        self._base = base
        self._model = open_model(path, evaluated=base.options.evaluated)
        precision = coarser(base.info.precision, self._model.interface.precision)
        takes_samples = self._model.interface.windows is None
        tolerance = tolerance_of(precision, takes_samples=takes_samples)
        findings = compare_structure(base.interface, self._model.interface)
        self._comparable = not any(finding.failed for finding in findings)
        if not self._comparable:
            message = "not compared: the structure differs"
            findings.append(Finding("numbers", Severity.NOTE, message))
        self.info = ContestantInfo(_model_info(Source(path), self._model), tolerance, findings)

    def compare(
        self, clip: HeardClip, progress: Callable[[float], object]
    ) -> tuple[Comparison, Trace] | None:
        """Run the reference's features, unless the model cannot take them."""
        if not self._comparable:
            return None
        trace = run_trace(Stream(self._model), clip.speech, self._base.steps, progress)
        tolerance = self.info.tolerance
        differences = compare_traces(clip.trace, trace, tolerance)
        if features := self._compare_front_ends(clip):
            differences.insert(0, features)
        alphabet = self._model.interface.alphabet
        return _comparison(tolerance, clip, trace, differences, self._base, alphabet), trace

    def _compare_front_ends(self, clip: HeardClip) -> Difference | None:
        """The features of some windows of the clip, if both models make features."""
        models = (self._base.model, self._model)
        if any(not model.interface.makes_features for model in models):
            return None
        settings = self._base.interface.feature_settings
        windows = sample_windows(clip.speech.samples, settings.window, settings.step)
        count = min(len(windows), _FRONT_END_WINDOWS)
        chosen = windows[np.linspace(0, len(windows) - 1, count).astype(int)]
        wanted, found = (front_end_features(model, chosen) for model in models)
        return compare_features(wanted, found, self.info.tolerance)


class Recorded:
    """A run that was made elsewhere, on a Mac or a phone."""

    def __init__(self, path: Path, base: Reference) -> None:
        self._base = base
        self._run = RecordedRun(path)
        with Digest(path) as digest:
            info = ModelInfo(
                str(path), digest.hexdigest(), "npz", self._run.runtime, self._run.precision
            )
        tolerance = TOLERANCES[coarser(base.info.precision, info.precision)]
        self.info = ContestantInfo(info, tolerance, [])

    def compare(
        self, clip: HeardClip, progress: Callable[[float], object]
    ) -> tuple[Comparison, Trace] | None:
        """Compare what was said there."""
        trace = self._run.trace(clip.source.name, len(clip.speech.features))
        progress(1.0)
        tolerance = self.info.tolerance
        differences = compare_traces(clip.trace, trace, tolerance)
        return _comparison(tolerance, clip, trace, differences, self._base, None), trace


def _comparison(
    tolerance: Tolerance,
    clip: HeardClip,
    trace: Trace,
    differences: list[Difference],
    base: Reference,
    alphabet: Alphabet | None,
) -> Comparison:
    """A clip's numbers and transcripts, and what there is to say about them."""
    name = clip.source.name
    frames = frame_differences(clip.trace, trace)
    ends = common_state_ends(clip.trace, trace)
    result = ClipResult(name, differences, frames, ends, trace.seconds)
    exact = tolerance.equal_texts
    findings = []
    if cause := diagnose(differences, clip.trace.ends.tolist(), rounded=not exact):
        findings.append(Finding("numbers", Severity.FAILURE, f"{name}: {cause}"))
    if clip.transcript is None or any(difference.not_finite for difference in differences):
        return Comparison(result, findings, None, None)
    text = base.transcript(trace, alphabet or base.interface.alphabet)
    assert text is not None
    compared = compare_transcripts(name, clip.transcript, text, clip.source.text)
    if not compared.equal:
        findings.append(
            Finding(
                "transcripts",
                Severity.FAILURE if exact or base.options.strict else Severity.WARNING,
                f"{name}: another text, CER {compared.to_reference.cer:.3f} to the "
                f"reference's: {compared.candidate.beam!r}",
            )
        )
    return Comparison(result, findings, compared, _edits(clip.source, text))


def _edits(source: ClipSource, transcript: Transcript | None) -> Edits | None:
    """The edits of a transcript to what was said, None where one of them is not known."""
    if source.text is None or transcript is None:
        return None
    return count_edits(source.text, transcript.beam)


def _model_info(source: Source, model: Model) -> ModelInfo:
    interface = model.interface
    with source.digest as digest:
        return ModelInfo(
            str(source.path),
            digest.hexdigest(),
            interface.format,
            interface.runtime,
            interface.precision,
            _model_size(source.path),
        )


def _model_size(path: Path) -> int:
    """The bytes of a model: one file, a folder, or the two files of an IR."""
    weights = path.with_suffix(".bin")
    if path.suffix == ".xml" and weights.is_file():
        return disk_size(path, weights)
    return disk_size(path)
