"""The second level: the numbers over a whole clip, and what their differences look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dsconv.inspect.parity.tolerances import Tolerance
from dsconv.inspect.parity.trace import Trace
from dsconv.speech.features import FloatArray

# Below this a probability's logarithm says nothing; above that the logarithms differ for a reason.
_SMALLEST = 1e-12
_LOG_NOISE = 1e-3
# The first frame starts from zero states: what only shows in these frames is carried.
_EARLY = 2
# A mistake in a conversion leaves fewer frames with the same likeliest class.
_SAME_CLASSES = 0.95


@dataclass(frozen=True)
class Divergence:
    """The first frame whose difference is above the tolerance.

    `excess` is what it is above; `margin` is by how much the reference's likeliest class leads
    there, None for other tensors than probabilities.
    """

    frame: int
    difference: float
    excess: float
    margin: float | None


@dataclass(frozen=True)
class Difference:
    """How far a tensor is from the reference's, over one clip or several.

    `needed` is the smallest tolerance that would have passed. `windows` are the largest differences
    of each call of the reference for one clip, of a state those at the ends where both are exact.
    `argmax_agreement` is the share of the frames with the same likeliest class; `onset` is the
    first frame in which the probabilities' logarithms differ, which they do long before the
    probabilities themselves.
    """

    tensor: str
    tolerance: float
    max_abs: float
    mean_abs: float
    values: int
    above: int
    not_finite: int
    argmax_agreement: float | None
    onset: int | None
    divergence: Divergence | None
    windows: list[float]

    @property
    def needed(self) -> float:
        """The smallest tolerance that would have passed."""
        return self.max_abs if not self.not_finite else float("inf")

    @property
    def passed(self) -> bool:
        """Whether every number is finite and within the tolerance."""
        return self.above == 0 and self.not_finite == 0

    @property
    def at_any_precision(self) -> bool:
        """Whether no precision of the weights explains it: features, and what is not finite."""
        return self.tensor == "mfccs" or self.not_finite > 0


def compare_traces(reference: Trace, candidate: Trace, tolerance: Tolerance) -> list[Difference]:
    """The differences of the probabilities, and of each state where both are exact."""
    differences = [_probabilities(reference, candidate, tolerance.probabilities)]
    common = np.intersect1d(reference.state_ends, candidate.state_ends)
    rows = np.isin(reference.state_ends, common), np.isin(candidate.state_ends, common)
    for name, expected in reference.states.items():
        found = candidate.states.get(name)
        if found is not None and len(common):
            allowed = tolerance.of_states(float(np.abs(expected).max()))
            pair = expected[rows[0]], found[rows[1]]
            difference = _difference(name, *pair, allowed, common - 1)
            windows = [float(value) for value in _absolute(*pair).max(axis=1, initial=0.0)]
            differences.append(replace(difference, windows=windows))
    return differences


def common_state_ends(reference: Trace, candidate: Trace) -> list[int]:
    """The numbers of frames after which the states of both are exact."""
    return [int(end) for end in np.intersect1d(reference.state_ends, candidate.state_ends)]


def compare_features(
    reference: FloatArray, candidate: FloatArray, tolerance: Tolerance
) -> Difference:
    """The difference of the features of the same windows."""
    return _difference("mfccs", reference, candidate, tolerance.mfccs, np.arange(len(reference)))


def frame_differences(reference: Trace, candidate: Trace) -> list[float]:
    """The largest difference of the probabilities in each frame."""
    rows = _absolute(reference.probabilities, candidate.probabilities).max(axis=1)
    return [float(value) for value in rows]


def merged(differences: Iterable[Difference]) -> Difference:
    """The differences of one tensor over several clips as one.

    Tolerance, largest difference and divergence are those of the clip farthest from passing.
    """
    parts = list(differences)
    worst = max(parts, key=lambda part: part.max_abs / part.tolerance)
    values = sum(part.values for part in parts)
    agreements = [p.argmax_agreement * p.values for p in parts if p.argmax_agreement is not None]
    return Difference(
        tensor=worst.tensor,
        tolerance=worst.tolerance,
        max_abs=worst.max_abs,
        mean_abs=sum(part.mean_abs * part.values for part in parts) / max(1, values),
        values=values,
        above=sum(part.above for part in parts),
        not_finite=sum(part.not_finite for part in parts),
        argmax_agreement=sum(agreements) / values if agreements else None,
        onset=worst.onset,
        divergence=worst.divergence,
        windows=[],
    )


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
            "same likeliest class; the weights are not read back, so whether the precision does it "
            "or an error is not known"
        )
    onset = scores.onset if scores else None
    return f"{names} differ from frame {frame} on{_cause(onset, chunk_ends)}"


def _cause(onset: int | None, chunk_ends: list[int]) -> str:
    """What the first frame with any trace of the difference tells."""
    if onset is None:
        return ", while the probabilities do not show it"
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


def _probabilities(reference: Trace, candidate: Trace, tolerance: float) -> Difference:
    expected, found = reference.probabilities, candidate.probabilities
    frames = np.arange(len(expected))
    difference = _difference("probabilities", expected, found, tolerance, frames)
    largest = _absolute(expected, found).max(axis=1)
    starts = np.concatenate([[0], reference.ends[:-1]]).astype(int)
    windows = np.maximum.reduceat(largest, starts) if len(reference.ends) else largest
    agreement = float((expected.argmax(axis=1) == found.argmax(axis=1)).mean())
    return Difference(
        **{
            **vars(difference),
            "argmax_agreement": agreement,
            "onset": _onset(expected, found),
            "divergence": _with_margin(difference.divergence, expected),
            "windows": [float(value) for value in windows],
        }
    )


def _difference(
    tensor: str,
    expected: FloatArray,
    found: FloatArray,
    tolerance: float,
    frames: NDArray[np.int64],
) -> Difference:
    """Compare rows; `frames` are the frames that they belong to."""
    absolute = _absolute(expected, found)
    finite = np.isfinite(found) & np.isfinite(expected)
    rows = absolute.max(axis=1, initial=0.0)
    bad = np.flatnonzero(~(rows <= tolerance))
    first = None
    if len(bad):
        row = int(bad[0])
        worst = float(rows[row])
        first = Divergence(int(frames[row]), worst, worst - tolerance, None)
    return Difference(
        tensor=tensor,
        tolerance=tolerance,
        max_abs=float(absolute.max(initial=0.0)),
        mean_abs=float(absolute.mean()) if absolute.size else 0.0,
        values=int(absolute.size),
        above=int((absolute > tolerance).sum()),
        not_finite=int((~finite).sum()),
        argmax_agreement=None,
        onset=None,
        divergence=first,
        windows=[],
    )


def _absolute(expected: FloatArray, found: FloatArray) -> NDArray[np.float64]:
    """Absolute differences; infinite where either has no finite number."""
    absolute = np.abs(expected.astype(np.float64) - found.astype(np.float64))
    return np.asarray(np.where(np.isfinite(absolute), absolute, np.inf))


def _onset(expected: FloatArray, found: FloatArray) -> int | None:
    logarithms = [np.log(np.clip(scores, _SMALLEST, None)) for scores in (expected, found)]
    rows = np.abs(logarithms[0] - logarithms[1]).max(axis=1)
    above = np.flatnonzero(~(rows <= _LOG_NOISE))
    return int(above[0]) if len(above) else None


def _with_margin(divergence: Divergence | None, expected: FloatArray) -> Divergence | None:
    if divergence is None:
        return None
    second, first = np.sort(expected[divergence.frame])[-2:]
    return Divergence(
        divergence.frame, divergence.difference, divergence.excess, float(first - second)
    )
