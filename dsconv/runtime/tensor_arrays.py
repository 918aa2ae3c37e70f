"""TensorFlow's TensorArrays: lists of tensors that loops read from and write to.

The handle of an array is an object array of one `TensorArray`. The ops change it in place; the
scalar called flow, which each takes and most give, only orders them.

Source: ``tensorflow/core/kernels/tensor_array.h`` and ``tensor_array_ops.cc`` of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.tensor import Shape
from dsconv.runtime.ops import Array, Op, unsupported


@dataclass
class TensorArray:
    """Tensors of one type by index; one that was not written is None.

    `shape` is what the tensors have in common, with -1 for sizes that differ. `grows` lets a write
    beyond the end make the array longer; `keeps` lets a tensor be read more than once.
    """

    name: str
    dtype: str
    shape: Shape
    grows: bool
    keeps: bool
    one_shape: bool
    tensors: list[Array | None]
    taken: set[int] = field(default_factory=set)

    def write(self, index: int, value: Array) -> None:
        """Put a tensor where none was written before. Raises ConversionError if it cannot be."""
        if index >= len(self.tensors) and self.grows:
            self.tensors.extend([None] * (index + 1 - len(self.tensors)))
        self._check(index, "written")
        if self.tensors[index] is not None or index in self.taken:
            raise self._error(f"element {index} is written twice")
        if value.dtype != self.dtype:
            raise self._error(f"{value.dtype} is written, which should be {self.dtype}")
        self.agree(value.shape)
        if self.one_shape:
            self.shape = value.shape
        self.tensors[index] = value

    def read(self, index: int) -> Array:
        """A tensor: zeros if it was not written and its shape is known.

        Raises ConversionError if there is none, or if it was read before and not kept.
        """
        self._check(index, "read")
        if index in self.taken:
            raise self._error(f"element {index} is read twice, with clear_after_read")
        value = self.tensors[index]
        if value is None:
            if self.shape is None or -1 in self.shape:
                raise self._error(f"element {index} is read and was not written")
            value = np.zeros(self.shape, self.dtype)
        if not self.keeps:
            self.tensors[index] = None
            self.taken.add(index)
        return value

    def agree(self, shape: Shape) -> None:
        """Raises ConversionError if a tensor of that shape cannot be in the array."""
        if merged_shape(self.shape, shape) is None and None not in (self.shape, shape):
            raise self._error(f"a tensor {_text(shape)} is among tensors {_text(self.shape)}")

    def _check(self, index: int, what: str) -> None:
        if not 0 <= index < len(self.tensors):
            raise self._error(f"element {index} is {what} and there are {len(self.tensors)}")

    def _error(self, what: str) -> ConversionError:
        return ConversionError(
            f"TensorArray '{self.name}': {what}; check the lengths that are fed."
        )


def merged_shape(a: Shape, b: Shape) -> Shape:
    """What is known of a shape from two sides; None if neither knows it or they disagree."""
    if a is None or b is None:
        return a if b is None else b
    sizes = [max(pair) for pair in zip(a, b, strict=False) if -1 in pair or pair[0] == pair[1]]
    return tuple(sizes) if len(sizes) == len(a) == len(b) else None


def new_array(node: Node, size: Array) -> tuple[Array, Array]:
    """An array of so many elements, and the first flow."""
    if int(size) < 0:
        raise ConversionError(
            f"TensorArray '{node.name}': its size is {int(size)}; check the lengths that are fed."
        )
    array = TensorArray(
        node.name,
        node.attribute("dtype", DataType).label,
        node.shape("element_shape"),
        grows=bool(node.attribute_or("dynamic_size", False)),
        keeps=not node.attribute_or("clear_after_read", True),
        one_shape=bool(node.attribute_or("identical_element_shapes", False)),
        tensors=[None] * int(size),
    )
    handle = np.empty((), object)
    handle[()] = array
    return handle, np.zeros((), np.float32)


def array_size(_: Node, handle: Array, __: Array) -> Array:
    """The number of elements."""
    return np.array(len(_array(handle).tensors), np.int32)


def write(_: Node, handle: Array, index: Array, value: Array, flow: Array) -> Array:
    """One tensor more."""
    _array(handle).write(int(index), value)
    return flow


def read(node: Node, handle: Array, index: Array, _: Array) -> Array:
    """The tensor of an index."""
    return _typed(node, handle).read(int(index))


def scatter(node: Node, handle: Array, indices: Array, value: Array, flow: Array) -> Array:
    """The rows of a tensor, each to its index."""
    if indices.ndim != 1 or value.shape[:1] != indices.shape:
        raise unsupported(node, f"of {_text(value.shape)} to {_text(indices.shape)} indices")
    for index, row in zip(indices, value, strict=True):
        _array(handle).write(int(index), np.asarray(row))
    return flow


def gather(node: Node, handle: Array, indices: Array, _: Array) -> Array:
    """The tensors of some indices, stacked along a new first dimension."""
    array, own = _typed(node, handle), node.shape("element_shape")
    array.agree(own)
    array.shape = merged_shape(array.shape, own)
    if not len(indices):
        if own is None or -1 in own:
            raise unsupported(node, "of no element, whose shape is not known")
        return np.zeros((0, *own), array.dtype)
    tensors = [array.read(int(index)) for index in indices]
    if len({tensor.shape for tensor in tensors}) > 1:
        raise unsupported(node, "of tensors of several shapes")
    array.agree(tensors[0].shape)
    return np.stack(tensors)


def _array(handle: Array) -> TensorArray:
    found = handle.item()
    assert isinstance(found, TensorArray)
    return found


def _typed(node: Node, handle: Array) -> TensorArray:
    """The array that a node takes tensors of its type from."""
    array, dtype = _array(handle), node.attribute("dtype", DataType).label
    if array.dtype != dtype:
        raise unsupported(node, f"of {dtype} from an array of {array.dtype}")
    return array


def _text(shape: Sequence[int] | None) -> str:
    return str(list(shape)) if shape is not None else "of any shape"


TENSOR_ARRAY_OPS: dict[str, Op] = {
    "TensorArrayGatherV3": gather,
    "TensorArrayReadV3": read,
    "TensorArrayScatterV3": scatter,
    "TensorArraySizeV3": array_size,
    "TensorArrayV3": new_array,
    "TensorArrayWriteV3": write,
}
