"""How far a model may be from its reference: the one table of the code and of the docs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """The largest absolute difference that passes."""

    mfccs: float
    probabilities: float
    states: float

    def of_states(self, largest: float) -> float:
        """The tolerance of a state whose largest absolute value in the reference is given."""
        return self.states * max(1.0, largest / ABSOLUTE_UP_TO)


TOLERANCES = {
    "fp32": Tolerance(mfccs=1e-5, probabilities=1e-5, states=1e-4),
    "fp16": Tolerance(mfccs=1e-5, probabilities=5e-3, states=5e-2),
    "int8": Tolerance(mfccs=1e-5, probabilities=6e-2, states=5e-1),
}
"""By the precision of the weights. The states' are for the released models (n_hidden 2048)."""

ABSOLUTE_UP_TO = 25.0
"""Up to this size of the reference's states their tolerance is absolute; beyond it grows with them.

A cell state adds up over time. In small models that learnt a clip by heart it reaches 145; one step
of float32 is 1.5e-5 there, and TensorFlow is 5e-5 from itself (one frame per call or 16).
"""

EXACT = "fp32"
"""The precision at which the transcripts have to be equal."""


def coarser(first: str, second: str) -> str:
    """The precision with the wider tolerance of the two."""
    order = list(TOLERANCES)
    return max(first, second, key=order.index)
