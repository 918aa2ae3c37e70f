"""What counts as an error in a comparison of calls with their replay."""

from __future__ import annotations

import numpy as np

from dsconv.inspect.parity.replay import EXACT, Call, Observed, compare
from dsconv.runtime.network import Answers
from dsconv.speech.features import FloatArray

CALLS, STEPS, CLASSES, CELLS = 9, 4, 5, 3
SCALES = (1e-3, 1.0, 100.0)
"""Logits of networks that say nothing, that are sure, and that are surer than float32 can tell."""


def softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def example(scale: float = 1.0) -> tuple[list[Call], list[Observed], list[Answers]]:
    """Calls whose file gives what the replay gives, but for the rounding of float32."""
    random = np.random.default_rng(3)
    calls, observed, answers = [], [], []
    for _ in range(CALLS):
        logits = random.standard_normal((STEPS, CLASSES)) * scale
        cell, hidden = random.standard_normal((2, CELLS)).astype(np.float32)
        calls.append(Call(np.zeros((STEPS, 1), np.float32), cell, hidden, STEPS))
        noise = 1 + 3e-7 * random.standard_normal(logits.shape)
        observed.append(Observed(softmax(np.asarray(logits * noise, np.float32)), cell, hidden))
        answers.append(Answers(logits.astype(np.float32), cell, hidden))
    return calls, observed, answers


def test_rounding_is_no_error() -> None:
    """Whatever the size of the logits is."""
    for scale in SCALES:
        difference = compare("", *example(scale), EXACT, gives_logits=False)
        assert difference.within(EXACT), difference


def test_one_call_of_many_is_enough() -> None:
    """Its states, or a frame of it: a median would not show them."""
    calls, observed, answers = example()
    cell, hidden = observed[4].cell, observed[4].hidden
    forgotten = Observed(observed[4].scores, np.zeros(CELLS, np.float32), hidden)
    scores = observed[4].scores.copy()
    scores[2] = 1 / CLASSES
    for wrong in (forgotten, Observed(scores, cell, hidden)):
        found = [*observed[:4], wrong, *observed[5:]]
        difference = compare("", calls, found, answers, EXACT, gives_logits=False)
        assert difference.states == 0
        assert difference.logits <= EXACT.logits
        assert not difference.within(EXACT)
