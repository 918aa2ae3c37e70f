"""From probabilities to text: best path, and prefix beam search without a language model."""

from __future__ import annotations

import numpy as np

from dsconv.errors import ToolkitError
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.features import FloatArray

DEFAULT_BEAM = 500
"""The width that the original runtimes use for a model that names none."""

# A class this unlikely in a frame is not followed there: no text gains or loses by it, and the
# search takes a third of the time.
_NEGLIGIBLE = 1e-12

# Stand-ins for the labels while they are searched: any label, of any length, is one character then.
_FIRST_CHARACTER = 0x100


def softmax(scores: FloatArray) -> FloatArray:
    """Probabilities of logits along the last dimension, shifted by the largest."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), scores.dtype)


def greedy_transcript(probabilities: FloatArray, alphabet: Alphabet) -> str:
    """The text of the likeliest class of each frame [n, classes], the blank being the last."""
    path = probabilities.argmax(axis=1)
    blank = probabilities.shape[1] - 1
    changed = np.append(True, path[1:] != path[:-1])
    return transcript_of(alphabet, path[changed & (path != blank)].tolist())


def has_beam_search() -> bool:
    """Whether fast-ctc-decode is installed."""
    try:
        import fast_ctc_decode
    except ImportError:
        return False
    return bool(fast_ctc_decode)


def beam_transcript(probabilities: FloatArray, alphabet: Alphabet, beam: int) -> str:
    """The likeliest text over all paths of the frames [n, classes], the blank being the last.

    Raises ToolkitError if fast-ctc-decode is not installed.
    """
    try:
        from fast_ctc_decode import beam_search
    except ImportError:
        raise ToolkitError(
            "beam search needs fast-ctc-decode; install it with `pip install 'dsconv[speech]'`."
        ) from None
    blank_first = np.ascontiguousarray(np.roll(probabilities, 1, axis=1), np.float32)
    classes = probabilities.shape[1]
    characters = [chr(_FIRST_CHARACTER + label) for label in range(classes - 1)]
    found, _ = beam_search(
        blank_first, ["-", *characters], beam_size=beam, beam_cut_threshold=_NEGLIGIBLE
    )
    return transcript_of(alphabet, [ord(character) - _FIRST_CHARACTER for character in found])


def transcript_of(alphabet: Alphabet, labels: list[int]) -> str:
    """The text of a sequence of labels; bytes that are no text are shown as replacements."""
    return b"".join(alphabet.labels[label] for label in labels).decode("utf-8", "replace")
