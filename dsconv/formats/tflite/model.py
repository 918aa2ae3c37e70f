"""A TFLite model as plain objects: subgraphs of operators between tensors, without LiteRT.

The values of constants are views of the mapped file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dsconv.errors import ModelError
from dsconv.formats.storage import Storage
from dsconv.formats.tflite import schema
from dsconv.formats.tflite.flatbuffer import Table
from dsconv.formats.tflite.schema import OPS, OPTIONS, TYPES

_CUSTOM = OPS.index("CUSTOM")


@dataclass(frozen=True)
class Tensor:
    """A value in a subgraph; -1 in its `shape` is a dynamic dimension.

    `data` are the little-endian bytes of a constant, empty for what is fed or computed. Integers
    with `scales` stand for (value - zero point) * scale.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview
    scales: Sequence[float] = ()
    zero_points: Sequence[int] = ()

    @property
    def first_text(self) -> bytes:
        """The first string of a tensor of strings: after their count, each one's start and end."""
        start, end = struct.unpack_from("<2i", self.data, 4)
        return bytes(self.data[start:end])


@dataclass(frozen=True)
class Operator:
    """An op. `inputs` has None where an input is left out.

    `kind` is the name of a builtin op or of a custom one; `options` are those that dsconv knows.
    """

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any]
    custom_options: memoryview

    @property
    def subgraph_indices(self) -> list[int]:
        """The subgraphs that it runs."""
        return [index for name, index in self.options.items() if name.endswith("_subgraph_index")]


@dataclass(frozen=True)
class Subgraph:
    """Operators in the order in which they run."""

    name: str
    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    @property
    def constants(self) -> list[Tensor]:
        """The tensors that have values in the file."""
        return [tensor for tensor in self.tensors if len(tensor.data)]


class TfliteModel:
    """A file. The first subgraph is the one that is run."""

    def __init__(self, view: memoryview) -> None:
        self._model = schema.Model.root(view)
        self._kinds = [_kind(code) for code in self._model.operator_codes]
        self.description = self._model.description
        self.subgraphs = [self._subgraph(each) for each in self._model.subgraphs]

    @property
    def main(self) -> Subgraph:
        """The subgraph that is run."""
        return self.subgraphs[0]

    @cached_property
    def metadata(self) -> dict[str, bytes]:
        """What stands beside the graph, by name."""
        return {each.name: bytes(self._data(each.buffer)) for each in self._model.metadata}

    def _data(self, buffer: int) -> memoryview:
        return self._model.buffers[buffer].data

    def _subgraph(self, graph: schema.SubGraph) -> Subgraph:
        tensors = [self._tensor(index, each) for index, each in enumerate(graph.tensors)]
        return Subgraph(
            graph.name,
            tensors,
            [self._operator(each, tensors) for each in graph.operators],
            [tensors[index] for index in graph.inputs],
            [tensors[index] for index in graph.outputs],
        )

    def _tensor(self, index: int, tensor: schema.Tensor) -> Tensor:
        dtype, _ = TYPES.get(tensor.type, ("?", 0))
        shape = tuple(tensor.shape_signature or tensor.shape)
        data, quantization = self._data(tensor.buffer), tensor.quantization
        if quantization is None:
            return Tensor(index, tensor.name, dtype, shape, data)
        scales, zero_points = quantization.scale, quantization.zero_point
        return Tensor(index, tensor.name, dtype, shape, data, scales, zero_points)

    def _operator(self, operator: schema.Operator, tensors: list[Tensor]) -> Operator:
        kind = self._kinds[operator.opcode_index]
        number, options = OPTIONS.get(kind, (0, Table))
        given = operator.builtin_options if number == operator.builtin_options_type else None
        return Operator(
            kind,
            tuple(tensors[index] if index >= 0 else None for index in operator.inputs),
            tuple(tensors[index] for index in operator.outputs),
            given.read_as(options).values() if given is not None else {},
            operator.custom_options,
        )


@contextmanager
def open_tflite(path: Path) -> Iterator[TfliteModel]:
    """Read a model inside the block. Raises ModelError if what is read there is damaged."""
    storage = Storage.of_file(path)
    try:
        yield TfliteModel(storage.view)
    except (IndexError, OverflowError, TypeError, ValueError, struct.error):
        raise ModelError("the model is damaged; copy or download it again.") from None


def _kind(code: schema.OperatorCode) -> str:
    """The name of an op; files from before TensorFlow 2.4 have its number in a byte alone."""
    number = max(code.deprecated_builtin_code, code.builtin_code)
    if number == _CUSTOM:
        return code.custom_code
    return OPS[number] if number < len(OPS) else f"builtin op {number}"
