"""Word and character error rates: of one clip, and of many with how far they can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ToolkitError

CONFIDENCE = 0.95
RESAMPLES = 2000

# Fixed, so that the same transcripts have the same interval.
_SEED = 0
# Every draw from a single clip is that clip.
_FEWEST_CLIPS = 2

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ErrorRates:
    """Edits per word and per character of the reference; 0 is the same transcript."""

    wer: float
    cer: float


@dataclass(frozen=True)
class Edits:
    """Changed, missing and added words and characters, and how many the reference has."""

    word_edits: int
    words: int
    character_edits: int
    characters: int

    @property
    def rates(self) -> ErrorRates:
        """Against an empty reference they are 0 for an empty transcript and 1 for any other."""
        if not self.words:
            rate = float(bool(self.word_edits))
            return ErrorRates(rate, rate)
        return ErrorRates(self.word_edits / self.words, self.character_edits / self.characters)


def count_edits(reference: str, hypothesis: str) -> Edits:
    """The edits of a transcript; white space counts as one space. Raises as `error_rates` does."""
    try:
        import jiwer
    except ImportError:
        raise ToolkitError(
            "error rates need jiwer; install it with `pip install 'dsconv[speech]'`."
        ) from None
    reference, hypothesis = (" ".join(text.split()) for text in (reference, hypothesis))
    if not reference:
        return Edits(len(hypothesis.split()), 0, len(hypothesis), 0)
    words = jiwer.process_words(reference, hypothesis)
    characters = jiwer.process_characters(reference, hypothesis)
    return Edits(_edits(words), len(reference.split()), _edits(characters), len(reference))


def error_rates(reference: str, hypothesis: str) -> ErrorRates:
    """The error rates of one transcript. Raises ToolkitError if jiwer is not installed.

    Against an empty reference the rates are 0 for an empty transcript and 1 for any other.
    """
    return count_edits(reference, hypothesis).rates


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
    """All edits by all words (`wer`) and by all characters (`cer`) of the reference.

    They are no means of the clips' rates: a clip counts by its length.
    """

    clips: int
    edits: Edits
    wer: Estimate
    cer: Estimate


def corpus_rates(clips: Sequence[Edits]) -> CorpusRates | None:
    """The rates over clips, None if their references are empty.

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


def wer_increase(pairs: Sequence[tuple[Edits, Edits]]) -> Estimate | None:
    """By how much the second WER of each clip is above the first, over the same draws of clips.

    None if the references are empty.
    """
    more = [(second.word_edits - first.word_edits, first.words) for first, second in pairs]
    counts = np.array(more, np.int64).reshape(-1, 2)
    sums = counts.sum(axis=0)
    return _estimate(sums, bootstrap_sums(counts)) if sums[1] else None


def bootstrap_sums(counts: IntArray) -> IntArray:
    """The sums [draws, columns] of clips [clips, columns] that are drawn with replacement."""
    clips = len(counts)
    if clips < _FEWEST_CLIPS:
        return np.zeros((0, counts.shape[1]), np.int64)
    generator = np.random.Generator(np.random.PCG64(_SEED))
    sums = [counts[generator.integers(0, clips, clips)].sum(axis=0) for _ in range(RESAMPLES)]
    return np.stack(sums)


def _edits(found: Any) -> int:
    return int(found.substitutions + found.deletions + found.insertions)


def _row(edits: Edits) -> tuple[int, int, int, int]:
    return edits.word_edits, edits.words, edits.character_edits, edits.characters


def _estimate(sums: IntArray, draws: IntArray) -> Estimate:
    """A rate of (edits, words or characters), and the middle 95 % of those drawn that have any."""
    value = float(sums[0] / sums[1])
    spoken = draws[draws[:, 1] > 0]
    if not len(spoken):
        return Estimate(value, None, None)
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(spoken[:, 0] / spoken[:, 1], [outside, 1 - outside])
    return Estimate(value, float(low), float(high))
