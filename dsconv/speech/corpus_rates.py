"""Error rates over many clips, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsconv.speech.scores import Edits

CONFIDENCE = 0.95
RESAMPLES = 2000

_SEED = 0
_FEWEST_CLIPS = 2

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A rate, and the interval that holds it at 95 % confidence; None where one clip was run."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """With three digits, as reports write it."""
        interval = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{interval}"


@dataclass(frozen=True)
class CorpusRates:
    """All edits by all words (`wer`) and by all characters (`cer`) of what was said.

    They are no means of the clips' rates: a clip counts by its length.
    """

    clips: int
    edits: Edits
    wer: Estimate
    cer: Estimate


def corpus_rates(clips: Sequence[Edits]) -> CorpusRates | None:
    """The rates over clips, None if nothing was said in them.

    The interval is that of a bootstrap over clips (Bisani and Ney, 2004): clips are drawn with
    replacement as often as there are clips, 2000 times, with a fixed seed. The draws are the same
    for all models that heard the same clips.
    """
    counts = np.array([_row(edits) for edits in clips], np.int64).reshape(-1, 4)
    sums = counts.sum(axis=0)
    if not (sums[1] and sums[3]):
        return None
    draws = bootstrap_sums(counts)
    return CorpusRates(
        len(clips),
        Edits(*(int(value) for value in sums)),
        _estimate(sums[:2], draws[:, :2]),
        _estimate(sums[2:], draws[:, 2:]),
    )


def bootstrap_sums(counts: IntArray) -> IntArray:
    """The sums [draws, columns] of clips [clips, columns] that are drawn with replacement."""
    clips = len(counts)
    if clips < _FEWEST_CLIPS:
        return np.zeros((0, counts.shape[1]), np.int64)
    generator = np.random.Generator(np.random.PCG64(_SEED))
    sums = [counts[generator.integers(0, clips, clips)].sum(axis=0) for _ in range(RESAMPLES)]
    return np.stack(sums)


def _row(edits: Edits) -> tuple[int, int, int, int]:
    return edits.word_edits, edits.words, edits.character_edits, edits.characters


def _estimate(sums: IntArray, draws: IntArray) -> Estimate:
    """A rate of (edits, units), and the middle 95 % of those drawn; draws without units are out."""
    value = float(sums[0] / sums[1])
    said = draws[draws[:, 1] > 0]
    if not len(said):
        return Estimate(value, None, None)
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(said[:, 0] / said[:, 1], [outside, 1 - outside])
    return Estimate(value, float(low), float(high))
