"""Graphs compared by meaning: the order of a node's attributes says nothing."""

from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.tensor import Tensor


def assert_same_graph(actual: Graph, expected: Graph) -> None:
    """Same nodes in the same order, with equal ops, inputs, devices, attributes and values."""
    assert [node.name for node in actual] == [node.name for node in expected]
    for node, other in zip(actual, expected, strict=True):
        assert (node.op, node.device, node.inputs) == (other.op, other.device, other.inputs)
        assert set(node.attributes) == set(other.attributes), node.name
        for key, value in node.attributes.items():
            assert plain(value) == plain(other.attributes[key]), (node.name, key)
    assert [bytes(memory(chunk)) for chunk in actual.rest] == [
        bytes(memory(chunk)) for chunk in expected.rest
    ]


def plain(value: object) -> object:
    """An attribute's value; a tensor's type, shape and bytes."""
    if isinstance(value, Tensor):
        array = value.array()
        return value.dtype, value.shape, array.tolist()
    return value


def memory(chunk: object) -> bytes | memoryview:
    view = getattr(chunk, "view", chunk)
    assert isinstance(view, bytes | memoryview)
    return view
