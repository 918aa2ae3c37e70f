"""How far a model may be from its reference: the one table of the code and of the docs."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tolerance:
    """The largest absolute difference that passes, and whether the transcripts have to be equal."""

    mfccs: float
    probabilities: float
    states: float
    equal_texts: bool = False

    def of_states(self, largest: float) -> float:
        """The tolerance of a state whose largest absolute value in the reference is given."""
        return self.states * max(1.0, largest / ABSOLUTE_UP_TO)


TOLERANCES = {
    "fp32": Tolerance(mfccs=1e-5, probabilities=1e-5, states=1e-4, equal_texts=True),
    "fp16": Tolerance(mfccs=1e-5, probabilities=5e-3, states=5e-2),
    "int8": Tolerance(mfccs=1e-5, probabilities=6e-2, states=5e-1),
    "palette8": Tolerance(mfccs=1e-5, probabilities=6e-2, states=5e-1),
    "palette6": Tolerance(mfccs=1e-5, probabilities=1.5e-1, states=2.0),
    "palette4": Tolerance(mfccs=1e-5, probabilities=7e-1, states=8.0),
}
"""By the precision of the weights. The states' are for the released models (n_hidden 2048)."""

ABSOLUTE_UP_TO = 25.0
"""Up to this size of the reference's states their tolerance is absolute; beyond it grows with them.

A cell state adds up over time. In small models that learnt a clip by heart it reaches 145; one step
of float32 is 1.5e-5 there, and TensorFlow is 5e-5 from itself (one frame per call or 16).
"""

FRONT_END = 1e-4
"""Tolerance of the probabilities of a model that makes the features inside, in its own arithmetic.

Features reach -250, where one step of float32 is 1.5e-5.
"""


def tolerance_of(precision: str, *, takes_samples: bool = False) -> Tolerance:
    """The tolerance of a model; `takes_samples` of one that is fed samples, not features."""
    tolerance = TOLERANCES[precision]
    if not takes_samples:
        return tolerance
    return replace(tolerance, probabilities=max(tolerance.probabilities, FRONT_END))


def coarser(first: str, second: str) -> str:
    """The precision with the wider tolerance of the two."""
    order = list(TOLERANCES)
    return max(first, second, key=order.index)
