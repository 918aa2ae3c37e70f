"""What an inspection is made of: tensors, states, weights, and what only some formats tell."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

FEWEST_ELEMENTS = 8
"""A constant of fewer is a setting of an op, and no weight."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. A dynamic dimension is -1; `shape` is None where the file has none.

    Where the file limits its dynamic dimensions, `ranges` are the least and the largest size of
    each dimension (-1: no limit), or `shapes` all shapes.
    """

    name: str
    dtype: str
    shape: list[int] | None
    ranges: list[list[int]] | None = None
    shapes: list[list[int]] | None = None


@dataclass(frozen=True)
class StateInfo:
    """A state that is carried from call to call: a pair of input and output, or a variable.

    A variable, which is kept inside, has its name as both; `dtype` is None where it is not known.
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
