"""Error rates over a corpus: sums, not means, and intervals that can be counted by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dsconv.speech.rates import Edits, Estimate, corpus_rates, count_edits


def test_a_clip_counts_by_its_length() -> None:
    """Half of 2 words and none of 18 is 1 of 20, not a quarter."""
    rates = corpus_rates([Edits(1, 2, 3, 10), Edits(0, 18, 0, 90)])
    assert rates is not None
    assert rates.clips == 2
    assert rates.edits == Edits(1, 20, 3, 100)
    assert (rates.wer.value, rates.cer.value) == (0.05, 0.03)


def test_interval_of_two_clips() -> None:
    """Of the four draws AA, AB, BA, BB each has a quarter: the outer ones are the interval."""
    rates = corpus_rates([Edits(1, 4, 2, 20), Edits(3, 4, 8, 20)])
    assert rates is not None
    assert rates.wer == Estimate(0.5, 0.25, 0.75)
    assert rates.cer == Estimate(0.25, 0.1, 0.4)


def test_interval_of_clips_of_unequal_length() -> None:
    """The quantiles are those of all 256 draws of four clips, which can be listed."""
    clips = [Edits(0, 10, 0, 50), Edits(2, 4, 6, 20), Edits(1, 7, 3, 30), Edits(5, 5, 25, 25)]
    rates = corpus_rates(clips)
    assert rates is not None
    every = sorted(
        sum(clip.word_edits for clip in draw) / sum(clip.words for clip in draw)
        for draw in itertools.product(clips, repeat=4)
    )
    low, high = np.quantile(every, [0.025, 0.975])
    assert rates.wer.value == 8 / 26
    assert rates.wer.low == pytest.approx(low, abs=0.02)
    assert rates.wer.high == pytest.approx(high, abs=0.05)
    assert rates == corpus_rates(clips)


def test_draws_are_those_of_the_seed() -> None:
    """The interval is that of 2000 draws, written out in plain Python."""
    clips = [Edits(edits, words, edits, words) for edits, words in [(0, 3), (2, 5), (1, 9)]]
    generator = np.random.Generator(np.random.PCG64(0))
    rates = []
    for _ in range(2000):
        drawn = [clips[number] for number in generator.integers(0, 3, 3).tolist()]
        rates.append(sum(c.word_edits for c in drawn) / sum(c.words for c in drawn))
    found = corpus_rates(clips)
    assert found is not None
    assert [found.wer.low, found.wer.high] == np.quantile(rates, [0.025, 0.975]).tolist()


def test_one_clip_has_no_interval() -> None:
    """Nothing can be said about other speech from one clip."""
    rates = corpus_rates([Edits(1, 4, 1, 16)])
    assert rates is not None
    assert rates.wer == Estimate(0.25, None, None)
    assert str(rates.wer) == "0.250"


def test_nothing_said_has_no_rate() -> None:
    """No words, no rate; words added to silence count beside clips with words."""
    assert corpus_rates([]) is None
    assert corpus_rates([Edits(2, 0, 5, 0)]) is None
    rates = corpus_rates([Edits(2, 0, 5, 0), Edits(0, 4, 0, 16)])
    assert rates is not None
    assert rates.wer.value == 0.5


def test_edits_are_counted() -> None:
    """Words and characters, changed, missing and added; spaces count once."""
    pytest.importorskip("jiwer")
    assert count_edits("had  your suit", "has suit") == Edits(2, 3, 6, 13)
    assert count_edits("", "two words") == Edits(2, 0, 9, 0)
