"""Probabilities become the text of the best path, or of the most paths."""

import itertools
import sys
from collections import defaultdict

import numpy as np
import pytest

from dsconv.errors import ToolkitError
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import beam_transcript, greedy_transcript, transcript_of
from dsconv.speech.features import FloatArray

LETTERS = Alphabet((b"a", b"b"))
BLANK = 2
BYTES = Alphabet(tuple(bytes([value]) for value in range(1, 256)))


def sure_path(classes: list[int], count: int) -> FloatArray:
    """Probabilities [n, count] that leave no doubt about the class of each frame."""
    return np.eye(count, dtype=np.float32)[np.asarray(classes, np.intp)]


def both(probabilities: FloatArray, alphabet: Alphabet) -> str:
    """The text of both searches, where they have to agree."""
    pytest.importorskip("fast_ctc_decode")
    text = greedy_transcript(probabilities, alphabet)
    assert beam_transcript(probabilities, alphabet, 10) == text
    return text


def exhaustive_texts(probabilities: FloatArray) -> list[tuple[float, list[int]]]:
    """Every sequence of labels with the sum over all its paths, the likeliest first."""
    frames, classes = probabilities.shape
    sums: defaultdict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(classes), repeat=frames):
        labels = tuple(label for label, _ in itertools.groupby(path) if label != classes - 1)
        sums[labels] += float(np.prod([probabilities[i, label] for i, label in enumerate(path)]))
    return sorted(((total, list(labels)) for labels, total in sums.items()), reverse=True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([0], "a"),
        ([BLANK], ""),
        ([BLANK, BLANK, BLANK], ""),
        ([0, 1], "ab"),
        ([0, 0, 0], "a"),
        ([0, BLANK, 0], "aa"),
        ([0, 0, BLANK, BLANK, 0, 0], "aa"),
        ([BLANK, 0, BLANK], "a"),
        ([0, BLANK, 1], "ab"),
        ([0, 1, 0], "aba"),
        ([BLANK, 1, 1, 0, BLANK, 0, 1, BLANK], "baab"),
    ],
)
def test_collapse(path: list[int], text: str) -> None:
    """Repeats are one label unless a blank is between them; blanks are no text."""
    assert both(sure_path(path, 3), LETTERS) == text


def test_no_frames_are_no_text() -> None:
    """The probabilities of no frames at all are decoded too."""
    assert both(np.zeros((0, 3), np.float32), LETTERS) == ""


def test_beam_sums_over_paths() -> None:
    """Two frames where the best path is all blank, but the paths of "a" are likelier together."""
    pytest.importorskip("fast_ctc_decode")
    probabilities = np.array([[0.4, 0.6], [0.4, 0.6]], np.float32)
    alphabet = Alphabet((b"a",))
    assert greedy_transcript(probabilities, alphabet) == ""
    assert beam_transcript(probabilities, alphabet, 10) == "a"


@pytest.mark.parametrize("seed", range(20))
def test_beam_equals_exhaustive_search(seed: int) -> None:
    """A beam that is wide enough finds the likeliest of all texts."""
    pytest.importorskip("fast_ctc_decode")
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), 5).astype(np.float32)
    (best, labels), (second, _), *_ = exhaustive_texts(probabilities)
    assert best > 1.0001 * second
    assert beam_transcript(probabilities, LETTERS, 1000) == transcript_of(LETTERS, labels)


def test_exhaustive_search_is_not_the_best_path() -> None:
    """The examples of the test above are not so simple that a best path would do."""
    examples = (
        np.random.default_rng(seed).dirichlet(np.ones(3), 5).astype(np.float32)
        for seed in range(20)
    )
    assert any(
        greedy_transcript(example, LETTERS)
        != transcript_of(LETTERS, exhaustive_texts(example)[0][1])
        for example in examples
    )


def test_beam_leaves_its_input_alone() -> None:
    """Arrays that are read-only, not contiguous, or of doubles are decoded all the same."""
    pytest.importorskip("fast_ctc_decode")
    probabilities = np.asfortranarray(sure_path([0, BLANK, 1], 3), np.float64)
    probabilities.flags.writeable = False
    assert beam_transcript(probabilities, LETTERS, 10) == "ab"  # type: ignore[arg-type]


def test_labels_of_any_length() -> None:
    """Labels outside of ASCII or of many characters come out whole, and are searched as one."""
    alphabet = Alphabet(tuple(text.encode() for text in (" ", "ß", "語", "sch", "👍🏽", "-", "")))
    blank = len(alphabet.labels)
    path = [2, 0, 3, 3, 1, blank, 1, 0, 4, 5, 6]
    assert both(sure_path(path, blank + 1), alphabet) == "語 schßß 👍🏽-"


def test_equal_texts_are_different_labels() -> None:
    """Two labels with the same text do not collapse into one."""
    assert both(sure_path([0, 1], 3), Alphabet((b"x", b"x"))) == "xx"


def test_blank_is_the_last_class() -> None:
    """Every other class is a label, also the first and the one before the blank."""
    alphabet = Alphabet(tuple(b"abcdefgh"[i : i + 1] for i in range(8)))
    assert both(sure_path([0, 8, 7, 8, 7], 9), alphabet) == "ahh"


@pytest.mark.parametrize("text", ["plain", "Grüße", "日本語", "👍", "ll åå"])
def test_bytes_output(text: str) -> None:
    """Labels that are bytes make letters of several bytes; label i is the byte i + 1."""
    path = list(itertools.chain.from_iterable((byte - 1, 255) for byte in text.encode()))
    assert both(sure_path(path, 256), BYTES) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\xff", "a\ufffd"),
        (b"\xc3", "\ufffd"),
        (b"\xe6\x97a", "\ufffda"),
        (b"\x80b", "\ufffdb"),
    ],
)
def test_invalid_bytes_output(data: bytes, text: str) -> None:
    """Bytes that are no text become replacement characters, and not an error."""
    assert both(sure_path([byte - 1 for byte in data], 256), BYTES) == text


def test_text_of_labels() -> None:
    """Labels are joined as they are; repeats are the caller's."""
    assert transcript_of(LETTERS, [0, 0, 1]) == "aab"
    assert transcript_of(LETTERS, []) == ""


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the install line is given, and the best path still works."""
    monkeypatch.setitem(sys.modules, "fast_ctc_decode", None)
    probabilities = sure_path([0], 3)
    with pytest.raises(ToolkitError, match=r"pip install 'dsconv\[speech\]'"):
        beam_transcript(probabilities, LETTERS, 10)
    assert greedy_transcript(probabilities, LETTERS) == "a"
