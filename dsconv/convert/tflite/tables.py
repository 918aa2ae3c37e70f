"""The tables of a TFLite file that dsconv writes, with the fields that it sets.

Source: ``schema.fbs`` of TensorFlow Lite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from flatbuffers import number_types as kinds
from numpy.typing import NDArray

from dsconv.convert.tflite.flatbuffer import Place, Table

_FILE_VERSION = 3
# Runtimes map the file and hand the weights to kernels that want them so.
_BUFFER_ALIGNMENT = 16

Integers = NDArray[np.int32]
_INT, _SECOND_INT, _FIFTH_INT = (Place(number, kinds.Int32Flags) for number in (0, 1, 4))


@dataclass
class Buffer(Table):
    """The bytes of a constant; the first buffer of a model is empty."""

    data: Annotated[NDArray[np.uint8] | None, Place(0, alignment=_BUFFER_ALIGNMENT)] = None


@dataclass
class Quantization(Table):
    """What the integers of a tensor stand for: (value - zero point) * scale."""

    scale: Annotated[NDArray[np.float32], Place(2)]
    zero_point: Annotated[NDArray[np.int64], Place(3)]


@dataclass
class Tensor(Table):
    """A value in a subgraph. `shape_signature` has -1 for open sizes, where there are any."""

    shape: Annotated[Integers, Place(0)]
    type: Annotated[int, Place(1, kinds.Int8Flags)]
    name: Annotated[bytes, Place(3)]
    buffer: Annotated[int, Place(2, kinds.Uint32Flags)] = 0
    quantization: Annotated[Quantization | None, Place(4)] = None
    shape_signature: Annotated[Integers | None, Place(7)] = None
    has_rank: Annotated[bool, Place(8, kinds.BoolFlags)] = False


@dataclass
class OperatorCode(Table):
    """An op that a model uses, in one of its versions."""

    # Runtimes before TensorFlow 2.4 read this field, a byte.
    deprecated_builtin_code: Annotated[int, Place(0, kinds.Int8Flags)]
    builtin_code: Annotated[int, Place(3, kinds.Int32Flags)]
    version: Annotated[int, Place(2, kinds.Int32Flags)] = 1
    custom_code: Annotated[bytes | None, Place(1)] = None


# The options of the ops that have some: their number among all, and the fields that are set.
OPTIONS: Mapping[str, tuple[int, Mapping[str, Place]]] = {
    "ADD": (11, {}),
    "CONCATENATION": (10, {"axis": _INT}),
    "DEQUANTIZE": (38, {}),
    "FULLY_CONNECTED": (8, {"activation": Place(0, kinds.Int8Flags)}),
    "GATHER": (23, {"axis": _INT}),
    "LESS": (41, {}),
    "MAXIMUM": (39, {}),
    "MEAN": (27, {"keep_dims": Place(0, kinds.BoolFlags)}),
    "MINIMUM": (39, {}),
    "MUL": (21, {}),
    "PACK": (59, {"values_count": _INT, "axis": _SECOND_INT}),
    "PAD": (22, {}),
    "RANGE": (73, {}),
    "RESHAPE": (17, {"new_shape": Place(0)}),
    "REVERSE_V2": (81, {}),
    "SELECT": (47, {}),
    "SHAPE": (55, {"out_type": Place(0, kinds.Int8Flags)}),
    "SOFTMAX": (9, {"beta": Place(0, kinds.Float32Flags)}),
    "SPLIT": (35, {"num_splits": _INT}),
    "SQUARED_DIFFERENCE": (76, {}),
    "STRIDED_SLICE": (32, {"end_mask": _SECOND_INT, "shrink_axis_mask": _FIFTH_INT}),
    "SUB": (28, {}),
    "WHILE": (93, {"cond_subgraph_index": _INT, "body_subgraph_index": _SECOND_INT}),
    "ZEROS_LIKE": (67, {}),
}


class OpOptions(Table):
    """The options of an op, whose fields are of a table of their own for each kind of op."""

    def __init__(self, op: str, values: Mapping[str, Any]) -> None:
        self.number, self._fields = OPTIONS[op]
        self._values = values

    def places(self) -> Iterable[tuple[Place, Any]]:
        return ((self._fields[name], value) for name, value in self._values.items())

    @staticmethod
    def of(op: str, values: Mapping[str, Any]) -> OpOptions | None:
        """Those of an op, None for an op that has none."""
        if op in OPTIONS:
            return OpOptions(op, values)
        assert not values
        return None


@dataclass
class Operator(Table):
    """An op between tensors, which are known by their numbers."""

    code: Annotated[int, Place(0, kinds.Uint32Flags)]
    inputs: Annotated[Integers, Place(1)]
    outputs: Annotated[Integers, Place(2)]
    options: Annotated[OpOptions | None, Place(4)] = None
    custom_options: Annotated[NDArray[np.uint8] | None, Place(5)] = None

    def places(self) -> Iterable[tuple[Place, Any]]:
        """The fields, and before the options what they are."""
        number = self.options.number if self.options else 0
        return (*super().places(), (Place(3, kinds.Uint8Flags), number))


@dataclass
class Subgraph(Table):
    """A function: what it takes, computes and gives."""

    name: Annotated[bytes, Place(4)]
    inputs: Annotated[Integers | None, Place(1)] = None
    outputs: Annotated[Integers | None, Place(2)] = None
    tensors: Annotated[list[Tensor], Place(0)] = field(default_factory=list)
    operators: Annotated[list[Operator], Place(3)] = field(default_factory=list)


@dataclass
class Metadata(Table):
    """A text beside the graph, which stands in a buffer."""

    name: Annotated[bytes, Place(0)]
    buffer: Annotated[int, Place(1, kinds.Uint32Flags)]


@dataclass
class Model(Table):
    """The whole file. The first subgraph is the one that is run."""

    version: Annotated[int, Place(0, kinds.Uint32Flags)] = _FILE_VERSION
    description: Annotated[bytes, Place(3)] = b"dsconv"
    codes: Annotated[list[OperatorCode], Place(1)] = field(default_factory=list)
    subgraphs: Annotated[list[Subgraph], Place(2)] = field(default_factory=list)
    buffers: Annotated[list[Buffer], Place(4)] = field(default_factory=lambda: [Buffer()])
    metadata: Annotated[list[Metadata], Place(6)] = field(default_factory=list)
