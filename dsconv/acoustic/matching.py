"""Steps back through a graph that say what they expected and what they found instead."""

from __future__ import annotations

from collections.abc import Sequence

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.tensor import Tensor

ADD = ("Add", "AddV2")


def mismatch(node: Node, found: str, expected: str) -> ConversionError:
    """The error for a node that is not the one that dsconv knows there."""
    return ConversionError(
        f"the network is not recognised: '{node.name}' {found}; expected {expected}."
    )


def tensor_words(dtype: DataType, shape: Sequence[int] | None) -> str:
    """What a tensor is, in words: ``int32 of shape [1, ?]``; -1 is a dynamic dimension."""
    return f"{dtype.label} of shape {shape_words(shape)}"


def shape_words(shape: Sequence[int] | None) -> str:
    """A shape in words, dynamic dimensions and one that is not known at all as question marks."""
    if shape is None:
        return "?"
    return "[" + ", ".join("?" if size == -1 else str(size) for size in shape) + "]"


class Matcher:
    """Reads the nodes of a graph from the back to the front, each of an expected op."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def made_by(self, name: TensorName, *ops: str, output: int = 0) -> Node:
        """The node that makes a tensor, seen through Identity nodes.

        Raises ConversionError if it is of another op, or another of its outputs is meant.
        """
        node, found = self.graph.origin(name)
        expected = " or ".join(ops)
        if node.op not in ops:
            raise mismatch(node, f"has the op {node.op}", expected)
        if found != output:
            raise mismatch(node, f"gives its output {found}", f"output {output} of {expected}")
        return node

    def inputs(self, node: Node, count: int) -> list[TensorName]:
        """The inputs of a node. Raises ConversionError if it has another number of them."""
        found = node.data_inputs
        if len(found) != count:
            raise mismatch(node, f"has {len(found)} inputs", f"{count}")
        return found

    def expect(self, node: Node, **attributes: object) -> None:
        """Raises ConversionError if attributes have other values, or are not set."""
        for key, expected in attributes.items():
            found = node.attributes.get(key)
            if found != expected:
                raise mismatch(node, f"({node.op}) has {key} {found!r}", repr(expected))

    def check_tensor(self, node: Node, dtype: DataType, shape: tuple[int, ...]) -> None:
        """Raises ConversionError if an input or a variable is of another type or shape."""
        found, found_shape = node.attribute("dtype", DataType), node.shape()
        if (found, found_shape) != (dtype, shape):
            words = tensor_words(found, found_shape)
            raise mismatch(node, f"is {words}", tensor_words(dtype, shape))

    def constant(self, user: Node, name: TensorName, what: str) -> Tensor:
        """The value of a constant. Raises ConversionError if the tensor is computed."""
        node = self.graph.source(name)
        if node.op not in CONSTANTS:
            raise mismatch(user, f"takes {what} from '{node.name}' ({node.op})", "a constant")
        return self.graph.tensor(node)

    def numbers(
        self, user: Node, name: TensorName, expected: Sequence[int | float] | int, what: str
    ) -> None:
        """Raises ConversionError if a constant has other values than those that are expected."""
        tensor = self.constant(user, name, what)
        values = [expected] if isinstance(expected, int) else list(expected)
        if tensor.size != len(values) or tensor.numbers() != values:
            shown = tensor.numbers() if tensor.size < 9 else list(tensor.shape)
            raise mismatch(user, f"({user.op}) has {what} {shown}", str(values))

    def number(self, user: Node, name: TensorName, what: str) -> float:
        """The value of a constant with one element."""
        tensor = self.constant(user, name, what)
        if tensor.size != 1:
            raise mismatch(user, f"has {what} of shape {list(tensor.shape)}", "one number")
        return float(tensor.numbers()[0])

    def weights(self, user: Node, name: TensorName, shape: tuple[int, ...], what: str) -> Tensor:
        """A float32 constant of a shape, in which -1 stands for any dimension."""
        tensor = self.constant(user, name, what)
        fits = len(tensor.shape) == len(shape) and all(
            expected in (-1, size) for size, expected in zip(tensor.shape, shape, strict=True)
        )
        if not fits:
            words = shape_words(shape)
            raise mismatch(user, f"has {what} of shape {list(tensor.shape)}", f"shape {words}")
        if tensor.dtype is not DataType.FLOAT:
            raise mismatch(user, f"has {what} of {tensor.dtype.label}", "float32")
        return tensor

    def one_of(self, node: Node, *ops: str) -> tuple[TensorName, TensorName]:
        """The inputs of a commutative node: first the one that is made by one of the ops."""
        first, second = self.inputs(node, 2)
        for found, other in ((first, second), (second, first)):
            if self.graph.origin(found)[0].op in ops:
                return found, other
        raise mismatch(node, f"({node.op}) takes no {' or '.join(ops)}", "one")

    def check_is(self, user: Node, name: TensorName, expected: Node) -> None:
        """Raises ConversionError if a tensor is not made by the node that is expected."""
        found = self.graph.source(name)
        if found is not expected:
            raise mismatch(user, f"takes '{found.name}'", f"'{expected.name}'")

    def sliced(self, piece: Node, first: int) -> TensorName:
        """What a slice takes one element of, the one at `first`."""
        source, *ends = self.inputs(piece, 4)
        for end, expected in zip(ends, (first, first + 1, 1), strict=True):
            self.numbers(piece, end, [expected], "ends")
        self.expect(
            piece, shrink_axis_mask=1, begin_mask=0, end_mask=0, new_axis_mask=0, ellipsis_mask=0
        )
        return source

    def check_dimension(self, user: Node, name: TensorName, of: TensorName, axis: int) -> None:
        """A tensor must be one dimension of the shape of another."""
        source = self.sliced(self.made_by(name, "StridedSlice"), axis)
        shape = self.made_by(source, "Shape")
        found = self.inputs(shape, 1)[0]
        if self.graph.origin(found) != self.graph.origin(of):
            raise mismatch(user, f"takes a dimension of '{found}'", f"one of '{of}'")

    def check_zeros(self, node: Node) -> None:
        """A node must make nothing but zeros."""
        if node.op == "Fill":
            self.numbers(node, self.inputs(node, 2)[1], 0, "a value")
        elif node.op not in CONSTANTS or any(self.graph.tensor(node).numbers()):
            raise mismatch(node, f"({node.op}) is an initial state", "zeros")
