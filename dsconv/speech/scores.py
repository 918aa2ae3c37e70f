"""Word and character error rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dsconv.errors import ToolkitError


@dataclass(frozen=True)
class ErrorRates:
    """Edits per word and per character of the reference; 0 is the same text."""

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
        """Against an empty reference the rates are 0 for an empty text and 1 for any other."""
        if not self.words:
            rate = float(bool(self.word_edits))
            return ErrorRates(rate, rate)
        return ErrorRates(self.word_edits / self.words, self.character_edits / self.characters)


def count_edits(reference: str, hypothesis: str) -> Edits:
    """The edits of one text; white space counts as one space. Raises as `error_rates` does."""
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
    """The error rates of one text. Raises ToolkitError if jiwer is not installed.

    Against an empty reference the rates are 0 for an empty text and 1 for any other.
    """
    return count_edits(reference, hypothesis).rates


def _edits(found: Any) -> int:
    return int(found.substitutions + found.deletions + found.insertions)
