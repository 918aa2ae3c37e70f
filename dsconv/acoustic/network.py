"""The acoustic network in a form that belongs to no toolkit.

`dsconv.acoustic.recognise` reads it from a graph; each target builds it afresh. Weights are
`Tensor`s: they stay in the mapped file until a target asks for their values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dsconv.acoustic.front_end import FrontEnd
from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.names import PROBABILITIES, STATE_C, STATE_H
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.speech.settings import EarlySettings

GATES = ("i", "c", "f", "o")
"""The order of the gates in the columns of a graph's LSTM weights: input, cell, forget, output."""


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalization over the units; `scale` and `offset` are [units]."""

    scale: Tensor
    offset: Tensor
    epsilon: float


@dataclass(frozen=True)
class DenseLayer:
    """``x @ weights + bias``, clipped to 0..clip where there is a clip, then normalized.

    `weights` are [inputs, units], `bias` is [units]. Without `relu` nothing follows the bias.
    """

    name: str
    weights: Tensor
    bias: Tensor
    relu: bool = False
    clip: float | None = None
    norm: LayerNorm | None = None

    @property
    def units(self) -> int:
        """Numbers that come out for a frame."""
        return self.weights.shape[1]


@dataclass(frozen=True)
class Lstm:
    """An LSTM without peepholes and without a clip of the cell.

    ``i, c, f, o = split([x, h] @ kernel + bias)``; the new cell state is
    ``sigmoid(f + forget_bias) * cell + sigmoid(i) * tanh(c)``, the new hidden state
    ``sigmoid(o) * tanh(cell)``. `kernel` is [inputs + cells, 4 * cells], `bias` [4 * cells]; the
    gates stand in the order of `gates`.
    """

    name: str
    kernel: Tensor
    bias: Tensor
    forget_bias: float
    gates: tuple[str, str, str, str] = GATES

    @property
    def cells(self) -> int:
        """The size of the states."""
        return self.kernel.shape[1] // 4

    @property
    def inputs(self) -> int:
        """Numbers that go in for a frame."""
        return self.kernel.shape[0] - self.cells


@dataclass(frozen=True)
class Names:
    """What the graph calls its inputs and outputs; None where it has no such.

    `samples` and `features` are the input and the output of the front end. States that are no
    inputs and outputs have the names that the exporters gave them later.
    """

    windows: str
    lengths: str | None
    previous_c: str = STATE_C[0]
    previous_h: str = STATE_H[0]
    probabilities: str = PROBABILITIES
    new_c: str = STATE_C[1]
    new_h: str = STATE_H[1]
    samples: str | None = None
    features: str | None = None

    @property
    def all(self) -> Iterator[str]:
        """Every name."""
        return (name for name in vars(self).values() if name is not None)


@dataclass(frozen=True)
class Network:
    """Dense layers, an LSTM over the frames, dense layers, scores of classes.

    The input is windows of features [batch, steps, 2 * context + 1, features]; `steps` is -1 for
    any number of frames, `batch` for any number of clips. `softmax` tells whether the scores come
    out as probabilities. The blank of CTC is the last class. With a `backward` LSTM, which reads
    the frames from the last to the first, a clip is taken whole, its windows flat: [batch, steps,
    (2 * context + 1) * features]; the layers after it take the outputs of both, side by side.
    `early` is how features were made outside of a graph that has no front end, None where it does
    not tell.
    """

    names: Names
    batch: int
    steps: int
    context: int
    features: int
    before: tuple[DenseLayer, ...]
    lstm: Lstm
    after: tuple[DenseLayer, ...]
    output: DenseLayer
    softmax: bool
    front_end: FrontEnd | None
    metadata: Metadata
    early: EarlySettings | None = None
    backward: Lstm | None = None

    @property
    def window_values(self) -> int:
        """Numbers in one input frame: its own features and those of the context around it."""
        return (2 * self.context + 1) * self.features

    @property
    def classes(self) -> int:
        """Labels and the blank."""
        return self.output.units

    @property
    def layers(self) -> Iterator[DenseLayer]:
        """All dense layers, in order."""
        yield from self.before
        yield from self.after
        yield self.output
