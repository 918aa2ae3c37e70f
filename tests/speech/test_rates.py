"""Error rates count edits per word and per character of the reference."""

import sys

import pytest

from dsconv.errors import ToolkitError
from dsconv.speech.rates import ErrorRates, error_rates


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wer", "cer"),
    [
        ("she had your suit", "she had your suit", 0.0, 0.0),
        ("she had your suit", "she had your suet", 1 / 4, 1 / 17),
        ("she had your suit", "she had suit", 1 / 4, 5 / 17),
        ("she had your suit", "she had all your suit", 1 / 4, 4 / 17),
        ("she had", "", 1.0, 1.0),
        ("a", "b c d", 3.0, 5.0),
        ("süß", "suß", 1.0, 1 / 3),
    ],
    ids=["equal", "changed", "left-out", "put-in", "nothing-heard", "more-than-one", "umlaut"],
)
def test_edits(reference: str, hypothesis: str, wer: float, cer: float) -> None:
    """Changes, gaps and additions count one each, divided by the size of the reference."""
    pytest.importorskip("jiwer")
    rates = error_rates(reference, hypothesis)
    assert rates.wer == pytest.approx(wer)
    assert rates.cer == pytest.approx(cer)
    assert (type(rates.wer), type(rates.cer)) == (float, float)


@pytest.mark.parametrize("reference", ["", " ", "\n"])
@pytest.mark.parametrize(("hypothesis", "rate"), [("", 0.0), (" ", 0.0), ("she", 1.0)])
def test_empty_reference(reference: str, hypothesis: str, rate: float) -> None:
    """Against nothing said, nothing heard is right and all else is wrong."""
    pytest.importorskip("jiwer")
    assert error_rates(reference, hypothesis) == ErrorRates(rate, rate)


@pytest.mark.parametrize("reference", ["she", ""])
def test_missing_library_is_named(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the install line is given."""
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(ToolkitError, match=r"pip install 'dsconv\[speech\]'"):
        error_rates(reference, "she")
