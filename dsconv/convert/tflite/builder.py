"""A TFLite model that grows op by op, written with the classes of its schema.

Every op has a version that the TFLite of TensorFlow 2.3 knows, the one in the last DeepSpeech.

Source: ``schema.fbs`` of TensorFlow Lite, and the op versions in its ``register.cc``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import flatbuffers
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dsconv.acoustic.weights import Quantized
from dsconv.toolkits import import_litert_schema

# The classes of the options of ops that have some.
_OPTIONS = {
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "LESS": "LessOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "PACK": "PackOptions",
    "PAD": "PadOptions",
    "RANGE": "RangeOptions",
    "RESHAPE": "ReshapeOptions",
    "REVERSE_V2": "ReverseV2Options",
    "SELECT": "SelectOptions",
    "SHAPE": "ShapeOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SPLIT": "SplitOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "WHILE": "WhileOptions",
    "ZEROS_LIKE": "ZerosLikeOptions",
}
_FILE_VERSION = 3
# The flatbuffer grows by doubling; what it is given at the start saves that.
_SLACK_BYTES = 1 << 20


class ModelBuilder:
    """The whole file: subgraphs, of which the first is run, and the buffers that they share."""

    def __init__(self) -> None:
        self.schema = import_litert_schema()
        self._model = self.schema.ModelT()
        self._model.version = _FILE_VERSION
        self._model.description = b"dsconv"
        self._model.buffers = [self.schema.BufferT()]
        self._model.operatorCodes, self._model.subgraphs, self._model.metadata = [], [], []
        self._codes: dict[tuple[int, int, bytes | None], int] = {}

    def subgraph(self, name: str) -> SubgraphBuilder:
        """A new subgraph."""
        graph = self.schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = name.encode(), [], []
        self._model.subgraphs.append(graph)
        return SubgraphBuilder(self, graph, len(self._model.subgraphs) - 1)

    def buffer(self, data: NDArray[np.generic]) -> int:
        """The number of a buffer with the bytes of an array."""
        buffer = self.schema.BufferT()
        buffer.data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def code(self, op: str, version: int, custom: bytes | None) -> int:
        """The number of an op in the list of those that the model uses."""
        number = getattr(self.schema.BuiltinOperator, op)
        key = (number, version, custom)
        if key not in self._codes:
            code = self.schema.OperatorCodeT()
            code.builtinCode, code.version, code.customCode = number, version, custom
            # Runtimes before TensorFlow 2.4 read this field, a byte.
            code.deprecatedBuiltinCode = min(number, 127)
            self._model.operatorCodes.append(code)
            self._codes[key] = len(self._codes)
        return self._codes[key]

    def properties(self, values: Mapping[str, str]) -> None:
        """Text beside the graph, which runtimes pass over."""
        for name, value in values.items():
            entry = self.schema.MetadataT()
            entry.name = name.encode()
            entry.buffer = self.buffer(np.frombuffer(value.encode("utf-8"), np.uint8))
            self._model.metadata.append(entry)

    def write(self, file: BinaryIO) -> int:
        """Write the file; returns its size."""
        sizes = (len(b.data) for b in self._model.buffers if b.data is not None)
        packer = flatbuffers.Builder(sum(sizes) + _SLACK_BYTES)
        packer.Finish(self._model.Pack(packer), file_identifier=b"TFL3")
        view = memoryview(packer.Bytes)[packer.Head() :]
        file.write(view)
        return len(view)


class SubgraphBuilder:
    """One subgraph. Tensors are known by their numbers; the names are for people and runtimes."""

    def __init__(self, model: ModelBuilder, graph: Any, number: int) -> None:
        self.model = model
        self.number = number
        self._graph = graph
        self._schema = model.schema
        self._integers: dict[tuple[int, ...] | int, int] = {}

    def interface(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """What goes in and comes out."""
        self._graph.inputs, self._graph.outputs = (
            np.array(numbers, np.int32) for numbers in (inputs, outputs)
        )

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "FLOAT32") -> int:
        """A tensor that is fed or computed; sizes of -1 are open, and 1 until they are known."""
        tensor = self._schema.TensorT()
        tensor.name, tensor.type = name.encode(), getattr(self._schema.TensorType, dtype)
        tensor.shape = np.array([max(size, 1) for size in shape], np.int32)
        if -1 in shape:
            tensor.shapeSignature = np.array(shape, np.int32)
        tensor.buffer, tensor.hasRank = 0, True
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike = np.float32) -> int:
        """A tensor with a value."""
        array = np.asarray(value, dtype)
        return self._stored(name, array.shape, array.dtype.name.upper(), array)

    def text(self, name: str, value: bytes) -> int:
        """A tensor of one string: how many there are, where it begins and ends, its bytes."""
        header = np.array([1, 12, 12 + len(value)], "<i4").tobytes()
        return self._stored(name, (1,), "STRING", np.frombuffer(header + value, np.uint8))

    def quantized(self, name: str, weights: Quantized) -> int:
        """A tensor of 8-bit integers with one scale."""
        number = self._stored(name, weights.values.shape, "INT8", weights.values)
        parameters = self._schema.QuantizationParametersT()
        parameters.scale = weights.scales
        parameters.zeroPoint = np.zeros(1, np.int64)
        self._graph.tensors[number].quantization = parameters
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
        dtype: str = "FLOAT32",
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
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self.model.code(op, version, custom)
        operator.inputs, operator.outputs = (
            np.array(numbers, np.int32) for numbers in (inputs, outputs)
        )
        if custom_options is not None:
            operator.customOptions = np.frombuffer(custom_options, np.uint8)
        if op in _OPTIONS:
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, _OPTIONS[op])
            operator.builtinOptions = getattr(self._schema, _OPTIONS[op] + "T")()
        for key, value in options.items():
            setattr(operator.builtinOptions, key, value)
        self._graph.operators.append(operator)

    def reshape(self, source: int, name: str, shape: Sequence[int], dtype: str = "FLOAT32") -> int:
        """Other sizes."""
        wanted = np.array(shape, np.int32)
        return self.op(
            "RESHAPE", [source, self.integers(shape)], name, shape, dtype=dtype, newShape=wanted
        )

    def reversed(self, source: int, name: str, shape: Sequence[int]) -> int:
        """The last row first."""
        return self.op("REVERSE_V2", [source, self.integers([0])], name, shape)

    def length(self, source: int, name: str) -> int:
        """The first size of a tensor, as an int32 scalar."""
        shape = self.op(
            "SHAPE", [source], f"{name}/shape", [-1], dtype="INT32", outType=self.integer_type
        )
        ends = [self.integers([end]) for end in (0, 1, 1)]
        return self.op("STRIDED_SLICE", [shape, *ends], name, [], dtype="INT32", shrinkAxisMask=1)

    @property
    def integer_type(self) -> int:
        """The number of the type int32, for options."""
        return int(self._schema.TensorType.INT32)

    def _stored(
        self, name: str, shape: Sequence[int], dtype: str, data: NDArray[np.generic]
    ) -> int:
        number = self.tensor(name, shape, dtype)
        self._graph.tensors[number].buffer = self.model.buffer(data)
        return number
