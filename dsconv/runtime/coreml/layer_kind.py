"""What the evaluator knows about a kind of neural network layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dsconv.runtime.coreml.layer_parameters import Parameters
from dsconv.runtime.coreml.layer_weights import FloatArray

Compute: TypeAlias = Callable[
    [Parameters, Sequence[FloatArray]], "FloatArray | tuple[FloatArray, ...]"
]

ANY = 1 << 30
"""Any number of inputs or outputs."""


@dataclass(frozen=True)
class LayerKind:
    """How to compute a kind of layer, from its parameters and inputs.

    `fields` are the names of all its parameters, `inputs` and `outputs` the least and the largest
    number of each. Outputs may be of any type; they become float32, and what has no dimension gets
    one, as every array has in a neural network.
    """

    compute: Compute
    fields: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[int, int] = (1, 1)
    outputs: tuple[int, int] = (1, 1)
