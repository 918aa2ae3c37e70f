"""A TFLite model that grows op by op.

Every op has a version that the TFLite of TensorFlow 2.3 knows, the one in the last DeepSpeech.

Source: the op versions in TensorFlow Lite's ``register.cc``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dsconv.acoustic.weights import Quantized
from dsconv.convert.tflite.flatbuffer import packed
from dsconv.convert.tflite.tables import (
    Buffer,
    Integers,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    OpOptions,
    Quantization,
    Subgraph,
    Tensor,
)
from dsconv.formats.tflite.schema import IDENTIFIER, OPS, TYPES

_TYPE_NUMBERS = {name: number for number, (name, _) in TYPES.items()}
# What older runtimes find in the byte that held the op, where its number is too large.
_LARGEST_BYTE = 127


class ModelBuilder:
    """The whole file: subgraphs, of which the first is run, and the buffers that they share."""

    def __init__(self) -> None:
        self._model = Model()
        self._codes: dict[tuple[str, int, bytes | None], int] = {}

    def subgraph(self, name: str) -> SubgraphBuilder:
        """A new subgraph."""
        graph = Subgraph(name.encode())
        self._model.subgraphs.append(graph)
        return SubgraphBuilder(self, graph, len(self._model.subgraphs) - 1)

    def buffer(self, data: NDArray[np.generic]) -> int:
        """The number of a buffer with the bytes of an array."""
        self._model.buffers.append(Buffer(np.ascontiguousarray(data).reshape(-1).view(np.uint8)))
        return len(self._model.buffers) - 1

    def code(self, op: str, version: int, custom: bytes | None) -> int:
        """The number of an op in the list of those that the model uses."""
        key = (op, version, custom)
        if key not in self._codes:
            number = OPS.index(op)
            code = OperatorCode(min(number, _LARGEST_BYTE), number, version, custom)
            self._model.codes.append(code)
            self._codes[key] = len(self._codes)
        return self._codes[key]

    def properties(self, values: Mapping[str, str]) -> None:
        """Text beside the graph, which runtimes pass over."""
        for name, value in values.items():
            buffer = self.buffer(np.frombuffer(value.encode("utf-8"), np.uint8))
            self._model.metadata.append(Metadata(name.encode(), buffer))

    def write(self, file: BinaryIO) -> int:
        """Write the file; returns its size."""
        size = sum(len(one.data) for one in self._model.buffers if one.data is not None)
        view = packed(self._model, IDENTIFIER, size)
        file.write(view)
        return len(view)


class SubgraphBuilder:
    """One subgraph. Tensors are known by their numbers; the names are for people and runtimes."""

    def __init__(self, model: ModelBuilder, graph: Subgraph, number: int) -> None:
        self.model = model
        self.number = number
        self._graph = graph
        self._integers: dict[tuple[int, ...] | int, int] = {}

    def interface(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """What goes in and comes out."""
        self._graph.inputs, self._graph.outputs = _integers(inputs), _integers(outputs)

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """A tensor that is fed or computed; sizes of -1 are open, and 1 until they are known."""
        sizes = _integers([max(size, 1) for size in shape])
        tensor = Tensor(sizes, _TYPE_NUMBERS[dtype], name.encode(), has_rank=True)
        if -1 in shape:
            tensor.shape_signature = _integers(shape)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike = np.float32) -> int:
        """A tensor with a value."""
        array = np.asarray(value, dtype)
        return self._stored(name, array.shape, array.dtype.name, array)

    def text(self, name: str, value: bytes) -> int:
        """A tensor of one string: how many there are, where it begins and ends, its bytes."""
        header = np.array([1, 12, 12 + len(value)], "<i4").tobytes()
        return self._stored(name, (1,), "string", np.frombuffer(header + value, np.uint8))

    def quantized(self, name: str, weights: Quantized) -> int:
        """A tensor of 8-bit integers with one scale."""
        number = self._stored(name, weights.values.shape, "int8", weights.values)
        scale = Quantization(weights.scales, np.zeros(1, np.int64))
        self._graph.tensors[number].quantization = scale
        return number

    def is_quantized(self, number: int) -> bool:
        """Whether a tensor holds integers that stand for other numbers."""
        return self._graph.tensors[number].quantization is not None

    def integers(self, value: int | Sequence[int]) -> int:
        """Small int32 settings of ops, which share their tensors."""
        key = value if isinstance(value, int) else tuple(value)
        if key not in self._integers:
            shown = "_".join(map(str, np.atleast_1d(value)))
            self._integers[key] = self.constant(f"integers/{shown}", value, np.int32)
        return self._integers[key]

    def op(
        self,
        op: str,
        inputs: Sequence[int],
        name: str,
        shape: Sequence[int],
        *,
        dtype: str = "float32",
        version: int = 1,
        **options: Any,
    ) -> int:
        """An op with one output; returns the number of that."""
        output = self.tensor(name, shape, dtype)
        self.add(op, inputs, [output], version=version, **options)
        return output

    def add(
        self,
        op: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        version: int = 1,
        custom: bytes | None = None,
        custom_options: bytes | None = None,
        **options: Any,
    ) -> None:
        """An op between tensors."""
        operator = Operator(
            self.model.code(op, version, custom), _integers(inputs), _integers(outputs)
        )
        operator.options = OpOptions.of(op, options)
        if custom_options is not None:
            operator.custom_options = np.frombuffer(custom_options, np.uint8)
        self._graph.operators.append(operator)

    def reshape(self, source: int, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """Other sizes."""
        sizes = [source, self.integers(shape)]
        return self.op("RESHAPE", sizes, name, shape, dtype=dtype, new_shape=_integers(shape))

    def reversed(self, source: int, name: str, shape: Sequence[int]) -> int:
        """The last row first."""
        return self.op("REVERSE_V2", [source, self.integers([0])], name, shape)

    def sizes(self, source: int, name: str, rank: int) -> int:
        """The shape of a tensor, int32 [rank]."""
        dtype = "int32"
        number = _TYPE_NUMBERS[dtype]
        return self.op("SHAPE", [source], name, [rank], dtype=dtype, out_type=number)

    def length(self, source: int, name: str) -> int:
        """The first size of a tensor, as an int32 scalar."""
        shape = self.sizes(source, f"{name}/shape", -1)
        ends = [self.integers([end]) for end in (0, 1, 1)]
        return self.op("STRIDED_SLICE", [shape, *ends], name, [], dtype="int32", shrink_axis_mask=1)

    def _stored(
        self, name: str, shape: Sequence[int], dtype: str, data: NDArray[np.generic]
    ) -> int:
        number = self.tensor(name, shape, dtype)
        self._graph.tensors[number].buffer = self.model.buffer(data)
        return number


def _integers(values: Sequence[int]) -> Integers:
    return np.array(values, np.int32)
