"""What a numeric difference looks like: where to search for its cause."""

from __future__ import annotations

from dsconv.inspect.parity.numbers import Difference

# The first frame starts from zero states: what only shows in these frames is carried.
_EARLY = 2
# What a mistake in a conversion does not leave.
_SAME_CLASSES = 0.95


def diagnose(
    differences: list[Difference], chunk_ends: list[int], *, rounded: bool = False
) -> str | None:
    """A sentence on the first difference above its tolerance; None if all pass.

    `chunk_ends` are the numbers of frames after each call; `rounded` tells that the candidate's
    weights are of a lower precision.
    """
    failed = [difference for difference in differences if not difference.passed]
    if not failed:
        return None
    names = ", ".join(difference.tensor for difference in failed)
    worst = failed[0]
    if worst.tensor == "mfccs":
        return f"{names} differ: the front end (samples to features) is another"
    not_finite = sum(difference.not_finite for difference in failed)
    if not_finite:
        return f"{names}: {not_finite:,} numbers are not finite"
    frame = worst.divergence.frame if worst.divergence else 0
    scores = next((d for d in differences if d.tensor == "probabilities"), None)
    agreement = scores.argmax_agreement if scores else None
    if rounded and agreement is not None and agreement >= _SAME_CLASSES:
        return (
            f"{names} differ from frame {frame} on, but {agreement:.1%} of the frames have the "
            "same likeliest class: the rounding of the weights, on speech that is not this model's"
        )
    onset = scores.onset if scores else None
    return f"{names} differ from frame {frame} on{_cause(onset, chunk_ends)}"


def _cause(onset: int | None, chunk_ends: list[int]) -> str:
    """What the first frame with any trace of the difference tells."""
    if onset is None:
        return ", by little more than rounding"
    if onset == 0:
        return ", with traces in frame 0: weights differ, or gates of the LSTM are in another order"
    if onset in chunk_ends:
        return (
            f", with traces from frame {onset} on, the first of a call: the states are not fed "
            "back from call to call"
        )
    if onset <= _EARLY:
        return (
            f", with traces from frame {onset} on: what the LSTM carries from frame to frame "
            "differs (forget gate or forget_bias)"
        )
    return f", with traces from frame {onset} on: a weight differs, or the precision"
