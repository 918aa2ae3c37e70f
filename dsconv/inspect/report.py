"""The result of an inspection: one schema for every format.

`SCHEMA_VERSION` changes when a field changes its meaning or goes away; new fields do not change it.
"""

from dataclasses import asdict, dataclass
from typing import Any

from dsconv.inspect.identity import Identity

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. Sizes of -1 are open; `shape` is None where the file does not tell."""

    name: str
    dtype: str
    shape: list[int] | None


@dataclass(frozen=True)
class StateInfo:
    """A state that is carried from call to call: a pair of input and output, or a variable."""

    input: str
    output: str | None
    shape: list[int] | None


@dataclass(frozen=True)
class WeightInfo:
    """A constant tensor."""

    name: str
    dtype: str
    shape: list[int]
    parameters: int
    bytes: int


@dataclass(frozen=True)
class TargetInfo:
    """A format to convert to; `refusal` says why not."""

    target: str
    refusal: str | None


@dataclass(frozen=True)
class Inspection:
    """All that is known about a model file. `bytes` and `sha256` are those of the file."""

    path: str
    format: str
    format_label: str
    bytes: int
    sha256: str
    identity: Identity
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    states: list[StateInfo]
    metadata: dict[str, Any]
    nodes: int
    ops: dict[str, int]
    parameters: int
    parameter_bytes: int
    weights: list[WeightInfo]
    opened_by: list[str]
    not_opened_because: str | None
    converts_to: list[TargetInfo]

    def to_json(self) -> dict[str, Any]:
        """The inspection as plain values."""
        return asdict(self)
