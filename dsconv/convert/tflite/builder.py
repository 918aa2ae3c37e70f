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
from dsconv.formats.tflite.flatbuffer import packed
from dsconv.formats.tflite.schema import (
    IDENTIFIER,
    OPS,
    OPTIONS,
    TYPES,
    VERSION,
    Buffer,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
)

_TYPE_NUMBERS = {name: number for number, (name, _) in TYPES.items()}
# What older runtimes find in the byte that held the op, where its number is too large.
_LARGEST_BYTE = OPS.index("PLACEHOLDER_FOR_GREATER_OP_CODES")


class ModelBuilder:
    """The whole file: subgraphs, of which the first is run, and the buffers that they share."""

    def __init__(self) -> None:
        self._model = Model(
            version=VERSION,
            operator_codes=[],
            subgraphs=[],
            description="dsconv",
            buffers=[Buffer()],
            metadata=[],
        )
        self._codes: dict[tuple[str, int, str | None], int] = {}

    def subgraph(self, name: str) -> SubgraphBuilder:
        """A new subgraph."""
        graph = SubGraph(name=name, tensors=[], operators=[])
        self._model.subgraphs.append(graph)
        return SubgraphBuilder(self, graph, len(self._model.subgraphs) - 1)

    def buffer(self, data: NDArray[np.generic]) -> int:
        """The index of a buffer with the bytes of an array."""
        content = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        self._model.buffers.append(Buffer(data=content))
        return len(self._model.buffers) - 1

    def code(self, op: str, version: int, custom: str | None) -> int:
        """The index of an op in the list of those that the model uses."""
        key = (op, version, custom)
        if key not in self._codes:
            number = OPS.index(op)
            code = OperatorCode(
                deprecated_builtin_code=min(number, _LARGEST_BYTE),
                custom_code=custom,
                version=version,
                builtin_code=number,
            )
            self._model.operator_codes.append(code)
            self._codes[key] = len(self._codes)
        return self._codes[key]

    def properties(self, values: Mapping[str, str]) -> None:
        """Text beside the graph, which runtimes pass over."""
        for name, value in values.items():
            buffer = self.buffer(np.frombuffer(value.encode("utf-8"), np.uint8))
            self._model.metadata.append(Metadata(name=name, buffer=buffer))

    def write(self, file: BinaryIO) -> int:
        """Write the file; returns its size."""
        size = sum(len(each.data) for each in self._model.buffers if each.data is not None)
        view = packed(self._model, IDENTIFIER, size)
        file.write(view)
        return len(view)


class SubgraphBuilder:
    """One subgraph. Tensors are known by their numbers; the names are for people and runtimes."""

    def __init__(self, model: ModelBuilder, graph: SubGraph, number: int) -> None:
        self.model = model
        self.number = number
        self._graph = graph
        self._integers: dict[tuple[int, ...] | int, int] = {}

    def interface(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """What goes in and comes out."""
        self._graph.inputs, self._graph.outputs = list(inputs), list(outputs)

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """A tensor that is fed or computed.

        Dynamic dimensions, which are -1, are 1 until they are known.
        """
        tensor = Tensor(
            shape=[max(size, 1) for size in shape],
            type=_TYPE_NUMBERS[dtype],
            name=name,
            shape_signature=list(shape) if -1 in shape else None,
            has_rank=True,
        )
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
        scale = QuantizationParameters(scale=weights.scales, zero_point=[0])
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
        custom: str | None = None,
        custom_options: bytes | None = None,
        **options: Any,
    ) -> None:
        """An op between tensors."""
        operator = Operator(
            opcode_index=self.model.code(op, version, custom),
            inputs=list(inputs),
            outputs=list(outputs),
        )
        if op in OPTIONS:
            operator.builtin_options_type, table = OPTIONS[op]
            operator.builtin_options = table(**options)
        else:
            assert not options
        if custom_options is not None:
            operator.custom_options = memoryview(custom_options)
        self._graph.operators.append(operator)

    def reshape(self, source: int, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """Another shape."""
        inputs = [source, self.integers(shape)]
        return self.op("RESHAPE", inputs, name, shape, dtype=dtype, new_shape=list(shape))

    def reversed(self, source: int, name: str, shape: Sequence[int]) -> int:
        """The last row first."""
        return self.op("REVERSE_V2", [source, self.integers([0])], name, shape)

    def shape_of(self, source: int, name: str, rank: int) -> int:
        """The shape of a tensor, int32 [rank]."""
        dtype = "int32"
        number = _TYPE_NUMBERS[dtype]
        return self.op("SHAPE", [source], name, [rank], dtype=dtype, out_type=number)

    def length(self, source: int, name: str) -> int:
        """The size of the first dimension of a tensor, as an int32 scalar."""
        shape = self.shape_of(source, f"{name}/shape", -1)
        ends = [self.integers([end]) for end in (0, 1, 1)]
        return self.op("STRIDED_SLICE", [shape, *ends], name, [], dtype="int32", shrink_axis_mask=1)

    def _stored(
        self, name: str, shape: Sequence[int], dtype: str, data: NDArray[np.generic]
    ) -> int:
        number = self.tensor(name, shape, dtype)
        self._graph.tensors[number].buffer = self.model.buffer(data)
        return number
