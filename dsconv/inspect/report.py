"""The result of an inspection: one schema for every format.

`SCHEMA_VERSION` changes when a field changes its meaning or goes away; new fields do not change it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from dsconv.inspect.identity import Identity

SCHEMA_VERSION = 1

FEWEST_ELEMENTS = 8
"""A constant of fewer is a setting of an op, and no weight."""


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


def weight_types(weights: Iterable[WeightInfo]) -> list[str]:
    """The types of weights, the one with the most bytes first."""
    sizes: Counter[str] = Counter()
    for weight in weights:
        sizes[weight.dtype] += weight.bytes
    return [dtype for dtype, _ in sizes.most_common()]


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
class CheckpointInfo:
    """What only checkpoints say, alone or in a SavedModel.

    `prefix` is what the names of its files start with. Of a folder, `chosen_by` is the file in it
    that names this checkpoint, None where there is no choice, and `others` are the prefixes of the
    rest. `missing` names data files that are not there. `step` is the step of the training that
    saved it. `variables` are all of them; the network's own are the inspection's `weights` too.
    `window_values` are the numbers of one input frame. `refusal` says why ``dsconv freeze`` does
    not take it, None if it does.
    """

    prefix: str
    chosen_by: str | None
    others: list[str]
    missing: list[str]
    step: int | None
    variables: list[WeightInfo]
    window_values: int | None
    refusal: str | None


@dataclass(frozen=True)
class SignatureInfo:
    """A way to call a graph: its tensors by the names that a caller gives them."""

    name: str
    method: str
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


@dataclass(frozen=True)
class MetaGraphInfo:
    """A graph of a SavedModel, or that of a .meta file, with what it is for.

    `tensorflow_version` is empty where it is not told.
    """

    tags: list[str]
    tensorflow_version: str
    signatures: list[SignatureInfo]


@dataclass(frozen=True)
class Inspection:
    """All that is known about a model file. `bytes` and `sha256` are those of the file.

    Of a folder, or a model of several files, `bytes` are those of all its files, and `sha256` is
    the one that dsconv.formats.digest defines. `parameters` and `parameter_bytes` are those of all
    `weights`; `compression` lists the ways in which weights are compressed, the one with the most
    parameters first. Of several `meta_graphs` the rest of the inspection is about the one for
    serving, else the first. `next_step` says how to come to a frozen graph from what is none.
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
    parameters: int = field(init=False)
    parameter_bytes: int = field(init=False)
    weights: list[WeightInfo]
    opened_by: list[str]
    not_opened_because: str | None
    converts_to: list[TargetInfo]
    compression: list[str] = field(default_factory=list)
    core_ml: CoreMlInfo | None = None
    checkpoint: CheckpointInfo | None = None
    meta_graphs: list[MetaGraphInfo] = field(default_factory=list)
    next_step: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", sum(each.parameters for each in self.weights))
        object.__setattr__(self, "parameter_bytes", sum(each.bytes for each in self.weights))

    def to_json(self) -> dict[str, Any]:
        """The inspection as plain values."""
        return asdict(self)

    def _repr_html_(self) -> str:
        from dsconv.inspect.notebook import text_html
        from dsconv.inspect.text import render

        return text_html(render(self))
