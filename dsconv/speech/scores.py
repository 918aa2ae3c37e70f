"""Word and character error rates."""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.errors import ToolkitError


@dataclass(frozen=True)
class ErrorRates:
    """Edits per word and per character of the reference; 0 is the same text."""

    wer: float
    cer: float


def error_rates(reference: str, hypothesis: str) -> ErrorRates:
    """The error rates of one text. Raises ToolkitError if jiwer is not installed.

    Against an empty reference the rates are 0 for an empty text and 1 for any other.
    """
    try:
        import jiwer
    except ImportError:
        raise ToolkitError(
            "error rates need jiwer; install it with `pip install 'dsconv[speech]'`."
        ) from None
    reference, hypothesis = (" ".join(text.split()) for text in (reference, hypothesis))
    if not reference:
        rate = float(bool(hypothesis))
        return ErrorRates(rate, rate)
    return ErrorRates(
        float(jiwer.wer(reference, hypothesis)), float(jiwer.cer(reference, hypothesis))
    )
