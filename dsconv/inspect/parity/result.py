"""The result of a validation; `SCHEMA_VERSION` is that of its JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dsconv.inspect.parity.finding import Finding, Severity
from dsconv.inspect.parity.numbers import Difference, merged
from dsconv.inspect.parity.tolerances import Tolerance
from dsconv.inspect.parity.transcripts import TranscriptComparison

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ModelInfo:
    """A model that took part, or the file of a run that was made elsewhere."""

    path: str
    sha256: str
    format: str
    runtime: str
    precision: str


@dataclass(frozen=True)
class ClipInfo:
    """A clip that was run."""

    name: str
    seconds: float
    frames: int
    text: str | None


@dataclass(frozen=True)
class ClipResult:
    """A candidate's differences over one clip.

    `frame_differences` are the largest differences of the probabilities in each frame.
    """

    clip: str
    differences: list[Difference]
    frame_differences: list[float]


@dataclass
class CandidateResult:
    """All that validation has to say of a candidate."""

    model: ModelInfo
    tolerance: Tolerance
    findings: list[Finding] = field(default_factory=list)
    clips: list[ClipResult] = field(default_factory=list)
    transcripts: list[TranscriptComparison] = field(default_factory=list)

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
                    "frame_differences": clip.frame_differences,
                }
                for clip in self.clips
            ],
            "transcripts": [asdict(t) | {"equal": t.equal} for t in self.transcripts],
        }
        finite: dict[str, Any] = _finite(values)
        return finite


@dataclass(frozen=True)
class Validation:
    """Candidates beside their reference."""

    reference: ModelInfo
    clips: list[ClipInfo]
    candidates: list[CandidateResult]

    @property
    def passed(self) -> bool:
        """Whether every candidate passes."""
        return all(candidate.passed for candidate in self.candidates)

    def to_json(self) -> dict[str, Any]:
        """The validation as plain values; numbers that are not finite are null."""
        return {
            "schema_version": SCHEMA_VERSION,
            "passed": self.passed,
            "reference": asdict(self.reference),
            "clips": [asdict(clip) for clip in self.clips],
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }


def _difference_json(difference: Difference) -> dict[str, Any]:
    return asdict(difference) | {"needed": difference.needed, "passed": difference.passed}


def _finite(value: Any) -> Any:
    """JSON knows no infinity and no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
