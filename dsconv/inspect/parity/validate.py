"""Validate models against their reference, at three levels.

Both are fed the reference's features of the same speech, so that a difference of the front ends is
told apart from one of the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dsconv.acoustic.overrides import Overrides
from dsconv.digest import Digest
from dsconv.errors import ModelError
from dsconv.inspect.parity.diagnosis import diagnose
from dsconv.inspect.parity.finding import Finding, Severity
from dsconv.inspect.parity.numbers import (
    Difference,
    compare_features,
    compare_traces,
    frame_differences,
)
from dsconv.inspect.parity.result import (
    CandidateResult,
    ClipInfo,
    ClipResult,
    ModelInfo,
    Validation,
)
from dsconv.inspect.parity.structure import compare_structure
from dsconv.inspect.parity.tolerances import TOLERANCES, coarser, tolerance_of
from dsconv.inspect.parity.trace import RecordedRun, Trace, TraceFile, run_trace
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
from dsconv.speech.wav import read_wav

_FRONT_END_WINDOWS = 64
"""Windows of a clip whose features are compared: each takes a call of the whole model."""


@dataclass(frozen=True)
class Options:
    """How to validate.

    `beam` None takes the reference's own width. `strict` makes another transcript a failure at
    reduced precision too. `tensorflow` runs a reference graph in TensorFlow, `evaluated` a Core ML
    model in numpy also where Core ML could run it. `overrides` are what the user knows better than
    the reference's file.
    """

    beam: int | None = None
    strict: bool = False
    resample: bool = False
    tensorflow: bool = False
    evaluated: bool = False
    overrides: Overrides | None = None


def validate_models(
    reference: Path,
    candidates: Sequence[Path],
    clips: Sequence[ClipSource],
    options: Options,
    *,
    recorded: Sequence[Path] = (),
    save_to: TraceFile | None = None,
    progress: Callable[[float], object] = float,
) -> Validation:
    """Compare candidates, and runs `recorded` elsewhere, with the reference over the clips.

    What the reference is fed and says is kept in `save_to`. `progress` is called with the share of
    the work that is done. Raises the errors of opening a model or a recording.
    """
    base = _Reference(reference, options)
    contestants: list[_Contestant] = [_Candidate(path, base) for path in candidates]
    contestants += [_Recorded(path, base) for path in recorded]
    share = 1 / max(1, len(clips) * (1 + len(contestants)))
    infos = []
    for number, source in enumerate(clips):
        start = number * share * (1 + len(contestants))
        clip = base.run(source, _part(progress, start, share))
        infos.append(clip.info)
        if save_to is not None:
            save_to.add(source.name, clip.speech, clip.trace)
        for place, contestant in enumerate(contestants, 1):
            contestant.add(clip, _part(progress, start + place * share, share))
    return Validation(base.info, infos, [contestant.result for contestant in contestants])


def _part(
    progress: Callable[[float], object], start: float, share: float
) -> Callable[[float], object]:
    """Progress of a part of the work as progress of all of it."""
    return lambda done: progress(start + done * share)


@dataclass(frozen=True)
class _Clip:
    """A clip as the reference heard it."""

    source: ClipSource
    info: ClipInfo
    speech: Speech
    trace: Trace
    transcript: Transcript | None


class _Reference:
    """The model that the others are compared to."""

    def __init__(self, path: Path, options: Options) -> None:
        self.options = options
        self.model = open_model(
            path,
            tensorflow=options.tensorflow,
            evaluated=options.evaluated,
            overrides=options.overrides,
        )
        self.interface = self.model.interface
        self.info = _model_info(path, self.model)
        self.steps = default_steps(self.interface, USUAL_STEPS)
        self.beam = options.beam or self.interface.metadata.beam_width or DEFAULT_BEAM
        self._stream = Stream(self.model)

    def run(self, source: ClipSource, progress: Callable[[float], object]) -> _Clip:
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
        info = ClipInfo(source.name, len(samples) / rate, len(speech.features), source.text)
        transcript = self.transcript(trace, self.interface.alphabet)
        return _Clip(source, info, speech, trace, transcript)

    def transcript(self, trace: Trace, alphabet: Alphabet | None) -> Transcript | None:
        """The texts of a trace, None without an alphabet."""
        if alphabet is None:
            return None
        return transcribe_probabilities(trace.probabilities, alphabet, self.beam)


class _Contestant(Protocol):
    """What is compared with the reference."""

    result: CandidateResult

    def add(self, clip: _Clip, progress: Callable[[float], object]) -> None:
        """Run a clip and compare."""


class _Candidate:
    """A model that is compared with the reference."""

    def __init__(self, path: Path, base: _Reference) -> None:
        self._base = base
        self._model = open_model(path, evaluated=base.options.evaluated)
        precision = coarser(base.info.precision, self._model.interface.precision)
        takes_samples = self._model.interface.windows is None
        tolerance = tolerance_of(precision, takes_samples=takes_samples)
        self.result = CandidateResult(_model_info(path, self._model), tolerance)
        self.result.findings += compare_structure(base.interface, self._model.interface)
        self._comparable = self.result.passed
        if not self._comparable:
            message = "not compared: the structure differs"
            self.result.findings.append(Finding("numbers", Severity.NOTE, message))

    def add(self, clip: _Clip, progress: Callable[[float], object]) -> None:
        """Run the reference's features, unless the model cannot take them."""
        if not self._comparable:
            return
        trace = run_trace(Stream(self._model), clip.speech, self._base.steps, progress)
        differences = compare_traces(clip.trace, trace, self.result.tolerance)
        if features := self._compare_front_ends(clip):
            differences.insert(0, features)
        alphabet = self._model.interface.alphabet
        _add_clip(self.result, clip, trace, differences, self._base, alphabet)

    def _compare_front_ends(self, clip: _Clip) -> Difference | None:
        """The features of some windows of the clip, if both models make features."""
        models = (self._base.model, self._model)
        if any(not model.interface.makes_features for model in models):
            return None
        settings = self._base.interface.feature_settings
        windows = sample_windows(clip.speech.samples, settings.window, settings.step)
        count = min(len(windows), _FRONT_END_WINDOWS)
        chosen = windows[np.linspace(0, len(windows) - 1, count).astype(int)]
        wanted, found = (front_end_features(model, chosen) for model in models)
        return compare_features(wanted, found, self.result.tolerance)


class _Recorded:
    """A run that was made elsewhere, on a Mac or a phone."""

    def __init__(self, path: Path, base: _Reference) -> None:
        self._base = base
        self._run = RecordedRun(path)
        with Digest(path) as digest:
            info = ModelInfo(
                str(path), digest.hexdigest(), "npz", self._run.runtime, self._run.precision
            )
        self.result = CandidateResult(
            info, TOLERANCES[coarser(base.info.precision, info.precision)]
        )

    def add(self, clip: _Clip, progress: Callable[[float], object]) -> None:
        """Compare what was said there."""
        trace = self._run.trace(clip.source.name, len(clip.speech.features))
        progress(1.0)
        differences = compare_traces(clip.trace, trace, self.result.tolerance)
        _add_clip(self.result, clip, trace, differences, self._base, None)


def _add_clip(
    result: CandidateResult,
    clip: _Clip,
    trace: Trace,
    differences: list[Difference],
    base: _Reference,
    alphabet: Alphabet | None,
) -> None:
    """Add a clip's numbers and transcripts, and what there is to say about them."""
    frames = frame_differences(clip.trace, trace)
    result.clips.append(ClipResult(clip.source.name, differences, frames))
    exact = result.tolerance.equal_texts
    if cause := diagnose(differences, clip.trace.ends.tolist(), rounded=not exact):
        message = f"{clip.source.name}: {cause}"
        result.findings.append(Finding("numbers", Severity.FAILURE, message))
    if clip.transcript is None or any(difference.not_finite for difference in differences):
        return
    text = base.transcript(trace, alphabet or base.interface.alphabet)
    assert text is not None
    compared = compare_transcripts(clip.source.name, clip.transcript, text, clip.source.text)
    result.transcripts.append(compared)
    if not compared.equal:
        result.findings.append(
            Finding(
                "transcripts",
                Severity.FAILURE if exact or base.options.strict else Severity.WARNING,
                f"{clip.source.name}: another text, CER {compared.to_reference.cer:.3f} to the "
                f"reference's: {compared.candidate.beam!r}",
            )
        )


def _model_info(path: Path, model: Model) -> ModelInfo:
    interface = model.interface
    with Digest(path) as digest:
        return ModelInfo(
            str(path),
            digest.hexdigest(),
            interface.format,
            interface.runtime,
            interface.precision,
        )
