"""The result over all clips, and those of very many that are worth a reader's time.

`SCHEMA_VERSION` is that of its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from dsconv.inspect.notebook import table_html
from dsconv.inspect.parity.pictures import ClipPicture
from dsconv.inspect.parity.result import CandidateResult, ClipInfo, ClipResult, ModelInfo
from dsconv.inspect.parity.transcripts import TranscriptComparison
from dsconv.speech.rates import CorpusRates

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA_VERSION = 1

Item = TypeVar("Item")


@dataclass(frozen=True)
class Validation:
    """Candidates beside their reference.

    `pictures` show a few clips frame by frame; they are no part of the JSON.
    `reference_error_rates` are the reference's, to the expected transcripts of all clips.
    """

    reference: ModelInfo
    clips: list[ClipInfo]
    candidates: list[CandidateResult]
    pictures: list[ClipPicture] = field(default_factory=list)
    reference_error_rates: CorpusRates | None = None

    @property
    def passed(self) -> bool:
        """Whether every candidate passes."""
        return all(candidate.passed for candidate in self.candidates)

    def _repr_html_(self) -> str:
        return table_html(render(self))

    def to_json(self) -> dict[str, Any]:
        """The validation as plain values; numbers that are not finite are null."""
        rates = asdict(self.reference_error_rates) if self.reference_error_rates else None
        return {
            "schema_version": SCHEMA_VERSION,
            "passed": self.passed,
            "reference": asdict(self.reference) | {"error_rates": rates},
            "clips": [asdict(clip) for clip in self.clips],
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }


def render(validation: Validation) -> RenderableType:
    """A validation as people read it: tables that fit 80 columns, one verdict a candidate."""
    from dsconv.inspect.parity.text import render_results

    return render_results(
        validation.reference,
        validation.clips,
        validation.candidates,
        validation.reference_error_rates,
    )


def worst_results(candidate: CandidateResult, most: int) -> list[ClipResult]:
    """The clips in which a candidate uses up the largest share of its tolerance."""
    return _largest(candidate.clips, lambda clip: (clip.severity,), most)


def worst_clips(validation: Validation, most: int) -> list[ClipInfo]:
    """The clips in which any candidate uses up the largest share of its tolerance."""
    severities: dict[str, float] = {}
    for clip in (clip for candidate in validation.candidates for clip in candidate.clips):
        severities[clip.clip] = max(severities.get(clip.clip, 0.0), clip.severity)
    return _largest(validation.clips, lambda clip: (severities.get(clip.name, 0.0),), most)


def farthest_transcripts(candidate: CandidateResult, most: int) -> list[TranscriptComparison]:
    """The transcripts that are farthest from the reference's, by words, then by characters."""
    return _largest(
        candidate.transcripts, lambda one: (one.to_reference.wer, one.to_reference.cer), most
    )


def _largest(
    items: Sequence[Item], size: Callable[[Item], tuple[float, ...]], most: int
) -> list[Item]:
    """So many items at most: the largest, in the order in which all of them stand."""
    by_size = sorted(range(len(items)), key=lambda index: size(items[index]), reverse=True)
    return [items[index] for index in sorted(by_size[:most])]
