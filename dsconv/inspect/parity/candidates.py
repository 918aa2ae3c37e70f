"""What is compared with a reference: models, and runs that were recorded elsewhere.

All are fed the reference's features of the same speech, so that a difference of the front ends is
told apart from one of the networks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from dsconv.acoustic.source import Source
from dsconv.errors import ModelError
from dsconv.formats.digest import Digest
from dsconv.inspect.parity.judge import Judge, Judged, judge_of
from dsconv.inspect.parity.numbers import (
    Difference,
    common_state_ends,
    compare_features,
    compare_traces,
    diagnose,
    frame_differences,
)
from dsconv.inspect.parity.outcome import CandidateInfo, Comparison
from dsconv.inspect.parity.reference import Reference, ReferenceClip, model_info
from dsconv.inspect.parity.result import (
    NETWORK,
    SPEECH,
    ClipResult,
    Finding,
    ModelInfo,
    Severity,
)
from dsconv.inspect.parity.structure import compare_structure
from dsconv.inspect.parity.tolerances import TOLERANCES, Tolerance, coarser, tolerance_of
from dsconv.inspect.parity.trace import RecordedRun, Trace, run_trace
from dsconv.inspect.parity.transcripts import TranscriptComparison, compare_transcripts, edits_of
from dsconv.progress import Progress
from dsconv.runtime.registry import open_model
from dsconv.runtime.stream import Stream, front_end_features
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.framing import sample_windows

_FRONT_END_WINDOWS = 12
"""Windows of a clip whose features are compared: each takes a call of the whole model."""


class Candidate(Protocol):
    """What is compared with the reference."""

    info: CandidateInfo

    def compare(self, clip: ReferenceClip, progress: Progress) -> tuple[Comparison, Trace] | None:
        """Run a clip and compare; gives the trace too, None if the clip was not run."""


class CandidateModel:
    """A model that is compared with the reference."""

    def __init__(self, path: Path, reference: Reference) -> None:
        self._reference = reference
        source = Source(path)
        self._model = open_model(source, evaluated=reference.options.evaluated)
        precision = coarser(reference.info.precision, self._model.interface.precision)
        takes_samples = self._model.interface.windows is None
        tolerance = tolerance_of(precision, takes_samples=takes_samples)
        findings = compare_structure(reference.interface, self._model.interface)
        self._comparable = not any(finding.failed for finding in findings)
        if not self._comparable:
            message = "not compared: the structure differs"
            findings.append(Finding("numbers", Severity.NOTE, message))
        self._judge = self._find_judge(source, findings) if self._comparable else None
        judged = self._judge.judge() if self._judge else None
        if judged is not None:
            findings += findings_of(judged)
        if reference.speech_note is not None:
            findings.append(Finding(SPEECH, Severity.NOTE, reference.speech_note))
        info = model_info(source, self._model)
        self.info = CandidateInfo(info, tolerance, findings, judged)

    def _find_judge(self, source: Source, findings: list[Finding]) -> Judge | None:
        """What tells whether the weights and the network are right; None if that is not known."""
        network = self._reference.network
        if network is None:
            return None
        judge = judge_of(network, source, self._model, self._reference.interface.feature_settings)
        if isinstance(judge, Judge):
            return judge
        message = f"the weights are not compared, only what they give: {judge}"
        findings.append(Finding("weights", Severity.NOTE, message))
        return None

    def compare(self, clip: ReferenceClip, progress: Progress) -> tuple[Comparison, Trace] | None:
        """Run the reference's features, unless the model cannot take them."""
        if not self._comparable:
            return None
        trace = run_trace(Stream(self._model), clip.speech, self._reference.steps, progress)
        ours, theirs = len(clip.trace.probabilities), len(trace.probabilities)
        if ours != theirs:
            raise ModelError(
                f"{self.info.model.path} gives {theirs} frames of {clip.source.name}, and the "
                f"reference {ours}; it is no model of this graph."
            )
        tolerance = self.info.tolerance
        differences = compare_traces(clip.trace, trace, tolerance)
        if features := self._compare_front_ends(clip):
            differences.insert(0, features)
        alphabet = self._model.interface.alphabet
        judged = self._judge.judge_clip(clip.speech, trace) if self._judge else None
        comparison = _comparison(
            tolerance,
            clip,
            trace,
            differences,
            self._reference,
            alphabet,
            cost_only=self._judge is not None,
        )
        if judged is not None:
            difference, error = judged
            comparison = replace(comparison, replayed=difference)
            if error is not None:
                found = Finding(NETWORK, Severity.FAILURE, f"{clip.source.name}: {error}")
                comparison.findings.insert(0, found)
        if self._model.interface.precision == "int8":
            comparison = replace(comparison, exporters_way=self._reference.exporters_cost(clip))
        return comparison, trace

    def _compare_front_ends(self, clip: ReferenceClip) -> Difference | None:
        """The features of some windows of the clip, if both models make features."""
        models = (self._reference.model, self._model)
        if any(not model.interface.makes_features for model in models):
            return None
        settings = self._reference.interface.feature_settings
        windows = sample_windows(clip.speech.samples, settings.window, settings.step)
        count = min(len(windows), _FRONT_END_WINDOWS)
        chosen = windows[np.linspace(0, len(windows) - 1, count).astype(int)]
        expected, found = (front_end_features(model, chosen) for model in models)
        return compare_features(expected, found, self.info.tolerance)


class RecordedCandidate:
    """A run that was recorded elsewhere, on a Mac or a phone."""

    def __init__(self, path: Path, reference: Reference) -> None:
        self._reference = reference
        self._run = RecordedRun(path)
        with Digest(path) as digest:
            info = ModelInfo(
                str(path), digest.hexdigest(), "npz", self._run.runtime, self._run.precision
            )
        tolerance = TOLERANCES[coarser(reference.info.precision, info.precision)]
        self.info = CandidateInfo(info, tolerance, [])

    def compare(self, clip: ReferenceClip, progress: Progress) -> tuple[Comparison, Trace] | None:
        """Compare the recorded trace."""
        trace = self._run.trace(clip.source.name, len(clip.speech.features))
        progress(1.0)
        tolerance = self.info.tolerance
        differences = compare_traces(clip.trace, trace, tolerance)
        return _comparison(tolerance, clip, trace, differences, self._reference, None), trace


def findings_of(judged: Judged) -> list[Finding]:
    """What was found without any speech: errors, and what no call exercised."""
    weights = {error.sentence for error in judged.audit.errors}
    return [
        *(
            Finding("weights" if each in weights else NETWORK, Severity.FAILURE, each)
            for each in judged.errors
        ),
        *(Finding(NETWORK, Severity.NOTE, each) for each in judged.notes),
    ]


def _comparison(
    tolerance: Tolerance,
    clip: ReferenceClip,
    trace: Trace,
    differences: list[Difference],
    reference: Reference,
    alphabet: Alphabet | None,
    *,
    cost_only: bool = False,
) -> Comparison:
    """A clip's numbers and transcripts, and the findings about them.

    With `cost_only` the numbers and the transcripts are what a precision costs, as something else
    tells whether the candidate is right.
    """
    name = clip.source.name
    frames = frame_differences(clip.trace, trace)
    ends = common_state_ends(clip.trace, trace)
    result = ClipResult(name, differences, frames, ends, trace.seconds)
    exact = tolerance.equal_texts and not cost_only
    findings = []
    if clip.recognition_error is not None:
        findings.append(Finding(NETWORK, Severity.FAILURE, clip.recognition_error))
    # The features are made in float32 whatever the precision is.
    deciding = [each for each in differences if not cost_only or each.at_any_precision]
    if cause := diagnose(deciding, clip.trace.ends.tolist(), rounded=not exact):
        findings.append(Finding("numbers", Severity.FAILURE, f"{name}: {cause}"))
    if clip.transcript is None or any(difference.not_finite for difference in differences):
        return Comparison(result, findings, None, None)
    transcript = reference.transcript(trace, alphabet or reference.interface.alphabet)
    assert transcript is not None
    compared = compare_transcripts(name, clip.transcript, transcript, clip.source.transcript)
    if not compared.equal:
        findings.append(_another_transcript(compared, fails=exact or reference.options.strict))
    return Comparison(result, findings, compared, edits_of(clip.source.transcript, transcript))


def _another_transcript(compared: TranscriptComparison, *, fails: bool) -> Finding:
    return Finding(
        "transcripts",
        Severity.FAILURE if fails else Severity.WARNING,
        f"{compared.clip}: another transcript, CER {compared.to_reference.cer:.3f} to the "
        f"reference's: {compared.candidate.beam!r}",
    )
