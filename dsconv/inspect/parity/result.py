"""What a validation finds of a candidate, clip by clip and in all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from dsconv.formats.table import FORMATS
from dsconv.inspect.parity.judge import Judged
from dsconv.inspect.parity.numbers import Difference, merged
from dsconv.inspect.parity.tolerances import Tolerance
from dsconv.inspect.parity.transcripts import TranscriptComparison
from dsconv.speech.rates import CorpusRates, Estimate

_SHOWN_FINDINGS = 10

NETWORK = "network"
"""The level of findings on what a file computes with its weights."""

SPEECH = "speech"
"""The level of findings on the speech itself."""


class Severity(Enum):
    """What a finding means for the verdict."""

    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """A difference at one of the levels: structure, numbers or transcripts."""

    level: str
    severity: Severity
    message: str

    @property
    def failed(self) -> bool:
        """Whether the candidate fails for it."""
        return self.severity is Severity.FAILURE


# Formats whose own runtime is not on every system, for which dsconv has an evaluator.
_EVALUATED = [each.key for each in FORMATS if each.open_evaluated]


@dataclass(frozen=True)
class ModelInfo:
    """A model that took part, or the file of a run that was made elsewhere.

    `bytes` are those of all files of the model, None for such a run.
    """

    path: str
    sha256: str
    format: str
    runtime: str
    precision: str
    bytes: int | None = None


@dataclass(frozen=True)
class ClipInfo:
    """A clip that was run: seconds of speech, and its expected transcript if there is one.

    `run_seconds` are those that the reference took.
    """

    name: str
    seconds: float
    frames: int
    text: str | None
    run_seconds: float | None = None


@dataclass(frozen=True)
class ClipResult:
    """A candidate's differences over one clip.

    `frame_differences` are the largest differences of the probabilities in each frame. The
    `windows` of the states' differences end after `state_ends` frames. `run_seconds` are the
    seconds that the candidate took, None where nobody knows.
    """

    clip: str
    differences: list[Difference]
    frame_differences: Sequence[float]
    state_ends: list[int] = field(default_factory=list)
    run_seconds: float | None = None

    @property
    def severity(self) -> float:
        """The largest share of a tolerance that is used up; infinite if a number is not finite."""
        return max((d.needed / d.tolerance for d in self.differences), default=0.0)


@dataclass(frozen=True)
class Distance:
    """The largest and the mean absolute difference of probabilities over so many frames."""

    largest: float
    mean: float
    frames: int

    @classmethod
    def over(cls, parts: Sequence[Distance]) -> Distance | None:
        """That over several clips; None over none."""
        if not parts:
            return None
        frames = sum(part.frames for part in parts)
        mean = sum(part.mean * part.frames for part in parts) / max(1, frames)
        return cls(max(part.largest for part in parts), mean, frames)


@dataclass(frozen=True)
class Cost:
    """What a candidate's precision costs.

    `cer` is that of its transcripts to the reference's, None without an alphabet; `wer_increase` by
    how much its WER to the expected transcripts is above the reference's, clip by clip the same
    speech; None where no transcript is expected. `exporters_way` is what int8 would cost in the
    files of the original exporter, None for other precisions and where that is not known.
    """

    cer: float | None
    wer_increase: Estimate | None
    exporters_way: Distance | None = None


@dataclass
class CandidateResult:
    """All that validation found of a candidate.

    `error_rates` are to the expected transcripts of all clips that have one; None without any.
    `judged` is None where its weights cannot be read back; then `tolerance` decides.
    """

    model: ModelInfo
    tolerance: Tolerance
    findings: list[Finding] = field(default_factory=list)
    clips: list[ClipResult] = field(default_factory=list)
    transcripts: list[TranscriptComparison] = field(default_factory=list)
    error_rates: CorpusRates | None = None
    judged: Judged | None = None
    cost: Cost | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not any(finding.failed for finding in self.findings)

    @property
    def verdict(self) -> str:
        """``pass``, ``warning`` (it passes, but look at it) or ``fail``."""
        if not self.passed:
            return "fail"
        warned = any(finding.severity is Severity.WARNING for finding in self.findings)
        return "warning" if warned else "pass"

    @property
    def differences(self) -> list[Difference]:
        """Each tensor's differences over all clips."""
        by_tensor: dict[str, list[Difference]] = {}
        for clip in self.clips:
            for difference in clip.differences:
                by_tensor.setdefault(difference.tensor, []).append(difference)
        return [merged(parts) for parts in by_tensor.values()]

    @property
    def line(self) -> str:
        """The verdict in one line, and what ran the candidate where that is not its own runtime."""
        # The states as one, by that which is nearest to its tolerance; what passes at once is left
        # out.
        shown: dict[str, Difference] = {}
        for difference in sorted(self.differences, key=lambda d: d.needed / d.tolerance):
            if difference.tensor != "mfccs" or not difference.passed:
                name = "states" if "state" in difference.tensor else difference.tensor
                shown[name] = difference
        figures = [
            f"{name} {shown[name].max_abs:.1e}"
            + ("" if self.judged else f" of {shown[name].tolerance:.0e}")
            for name in ("mfccs", "probabilities", "states")
            if name in shown
        ]
        if self.transcripts:
            equal = sum(transcript.equal for transcript in self.transcripts)
            figures.append(f"{equal} of {len(self.transcripts)} texts")
        right = f"{self.judged.word}; cost: " if self.judged else ""
        line = f"{self.verdict}: {right}{', '.join(figures)}" if figures else self.verdict
        evaluated = self.model.format in _EVALUATED
        return f"{line}\nrun by {self.model.runtime}" if evaluated else line

    @property
    def remarks(self) -> list[str]:
        """What speaks against the candidate and what was not exercised, a line each."""
        return finding_lines(
            f
            for f in self.findings
            if f.severity is not Severity.NOTE or f.level in (NETWORK, SPEECH)
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain values; numbers that are not finite are null."""
        values = {
            **asdict(self.model),
            "verdict": self.verdict,
            "passed": self.passed,
            "tolerance": asdict(self.tolerance),
            "findings": [
                {"level": f.level, "severity": f.severity.value, "message": f.message}
                for f in self.findings
            ],
            "differences": [_difference_json(difference) for difference in self.differences],
            "clips": [
                {
                    "clip": clip.clip,
                    "differences": [_difference_json(d) for d in clip.differences],
                    "frame_differences": list(clip.frame_differences),
                    "state_ends": clip.state_ends,
                    "run_seconds": clip.run_seconds,
                }
                for clip in self.clips
            ],
            "transcripts": [asdict(t) | {"equal": t.equal} for t in self.transcripts],
            "error_rates": asdict(self.error_rates) if self.error_rates else None,
            "judged": self.judged.to_json() if self.judged else None,
            "cost": asdict(self.cost) if self.cost else None,
        }
        finite: dict[str, Any] = _finite(values)
        return finite


def first_findings(
    findings: Iterable[Finding],
) -> tuple[list[Finding], list[tuple[Severity, str, int]]]:
    """The first ten findings of each severity and level, and how many more there are of which."""
    shown: list[Finding] = []
    counts: Counter[tuple[Severity, str]] = Counter()
    for finding in findings:
        kind = finding.severity, finding.level
        counts[kind] += 1
        if counts[kind] <= _SHOWN_FINDINGS:
            shown.append(finding)
    more = [
        (*kind, count - _SHOWN_FINDINGS)
        for kind, count in counts.items()
        if count > _SHOWN_FINDINGS
    ]
    return shown, more


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """A line for each finding; of those of one level and severity that are many, the first few."""
    shown, more = first_findings(findings)
    return [
        *(f"{each.severity.value}, {each.level}: {each.message}" for each in shown),
        *(f"{kind.value}, {level}: {n:,} more; --json lists them all" for kind, level, n in more),
    ]


def _difference_json(difference: Difference) -> dict[str, Any]:
    return asdict(difference) | {"needed": difference.needed, "passed": difference.passed}


def _finite(value: Any) -> Any:
    """JSON knows no infinity and no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
