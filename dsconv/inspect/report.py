"""The result of an inspection: one schema for every format.

`SCHEMA_VERSION` changes when a field changes its meaning or goes away; new fields do not change it.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from dsconv.inspect.identity import Identity

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. Sizes of -1 are open; `shape` is None where the file does not tell.

    Where the file says which sizes it takes, `ranges` are the least and the largest size of each
    dimension (-1: no limit), or `shapes` all shapes.
    """

    name: str
    dtype: str
    shape: list[int] | None
    ranges: list[list[int]] | None = None
    shapes: list[list[int]] | None = None


@dataclass(frozen=True)
class StateInfo:
    """A state that is carried from call to call: a pair of input and output, or a variable.

    A variable, which is kept inside, has its name as both; `dtype` is None where it is not told.
    """

    input: str
    output: str | None
    shape: list[int] | None
    dtype: str | None = None


@dataclass(frozen=True)
class WeightInfo:
    """A constant tensor: its shape and parameters once unpacked, the bytes as they are stored.

    `compression` says how it is compressed, as ``4-bit linear, per block``.
    """

    name: str
    dtype: str
    shape: list[int]
    parameters: int
    bytes: int
    compression: str | None = None


@dataclass(frozen=True)
class TargetInfo:
    """A format to convert to; `refusal` says why not."""

    target: str
    refusal: str | None


@dataclass(frozen=True)
class CoreMlInfo:
    """What only Core ML models say. Texts are empty where their author wrote none.

    `kind` is ``mlprogram`` or ``neuralnetwork``; `opset` and `functions` are those of a program;
    `deployment_target` names the first systems that open this specification version, None if
    dsconv does not know it; `properties` are the user-defined ones but for the exporter's metadata.
    """

    kind: str
    specification_version: int
    deployment_target: str | None
    opset: str | None
    functions: list[str]
    author: str
    license: str
    version: str
    short_description: str
    properties: dict[str, str]


@dataclass(frozen=True)
class Inspection:
    """All that is known about a model file. `bytes` and `sha256` are those of the file.

    Of a folder `bytes` are those of all its files, and `sha256` is the one that dsconv.digest
    defines. `compression` lists the ways in which weights are compressed, the one with the most
    parameters first.
    """

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
    compression: list[str] = field(default_factory=list)
    core_ml: CoreMlInfo | None = None

    def to_json(self) -> dict[str, Any]:
        """The inspection as plain values."""
        return asdict(self)
