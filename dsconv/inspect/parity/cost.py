"""What a precision costs: how far transcripts are from those of the float graph. No verdict.

It says nothing of whether a file is right, and fails only where the user has set a limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dsconv.errors import ModelError
from dsconv.inspect.parity.result import Cost, Finding, Severity
from dsconv.inspect.parity.transcripts import TranscriptComparison
from dsconv.speech.corpus import ClipSource
from dsconv.speech.rates import Edits, wer_increase

LEVEL = "cost"


@dataclass(frozen=True)
class Limits:
    """The costs from which on a file fails; None for no limit."""

    max_cer: float | None = None
    max_wer_increase: float | None = None

    def check(self, clips: Sequence[ClipSource]) -> None:
        """Raise ModelError for a limit that no clip can tell of."""
        if self.max_wer_increase is not None and all(clip.transcript is None for clip in clips):
            raise ModelError(
                "--max-wer-increase needs the true text of a clip, and none has one; put it into a "
                ".txt beside the WAV, or pass a CSV with transcripts."
            )

    def exceeded(self, cost: Cost) -> Iterator[Finding]:
        """A failure for each limit that is exceeded."""
        if self.max_cer is not None and cost.cer is not None and cost.cer > self.max_cer:
            message = (
                f"the CER to the reference's transcripts is {cost.cer:.4f}, more than --max-cer "
                f"{self.max_cer:g}"
            )
            yield Finding(LEVEL, Severity.FAILURE, message)
        limit, increase = self.max_wer_increase, cost.wer_increase
        if limit is not None and increase is not None and increase.value > limit:
            message = (
                f"the WER is {increase.value:+.4f} above the reference's, more than "
                f"--max-wer-increase {limit:g}"
            )
            yield Finding(LEVEL, Severity.FAILURE, message)


def cost_of(
    transcripts: Sequence[TranscriptComparison], pairs: Sequence[tuple[Edits, Edits]]
) -> Cost:
    """The cost over all clips; `pairs` are the reference's and the candidate's edits of a clip."""
    characters = [len(" ".join(each.reference.beam.split())) for each in transcripts]
    edits = sum(
        each.to_reference.cer * count for each, count in zip(transcripts, characters, strict=True)
    )
    total = sum(characters)
    return Cost(
        cer=edits / total if total else (float(edits > 0) if transcripts else None),
        wer_increase=wer_increase(pairs) if pairs else None,
    )
