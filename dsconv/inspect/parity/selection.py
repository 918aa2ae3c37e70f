"""Of very many clips and findings, those that are worth a reader's time, in their own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from dsconv.inspect.parity.result import CandidateResult, ClipInfo, ClipResult, Validation
from dsconv.inspect.parity.transcripts import TranscriptComparison

Item = TypeVar("Item")


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
    """As many items as are wanted: the largest, in the order in which all of them stand."""
    by_size = sorted(range(len(items)), key=lambda place: size(items[place]), reverse=True)
    return [items[place] for place in sorted(by_size[:most])]
