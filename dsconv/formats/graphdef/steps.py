"""The number of frames that an acoustic graph takes per call, and how to change it.

The exporter writes that number into a few uses. They are found by structure, so that every
version's names will do:

- the second dimension of the input Placeholder [batch, steps, ...];
- the limit of the Range that is compared with the lengths (the mask of the valid frames), or, in
  graphs without lengths, the BlockLSTM's number of steps;
- the first dimension that some versions give the scores when they reshape them at the end.

A graph of any length takes the same number from the shape of the LSTM's input at run time. What
lies between input and output must be of ops that are known to work for any length, else the edit
is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import rewired, unused_name
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.write import edited, new_constant, new_node

DYNAMIC = -1
"""The number of steps of a graph that takes any number of frames."""

# Ops that treat every frame alike, or whose use of the frames' number is handled below.
_ANY_LENGTH_OPS = frozenset(
    "Add AddV2 Assign BiasAdd BlockLSTM Cast ConcatV2 ExpandDims Fill Gather GatherNd Identity "
    "Less MatMul Max Mean Minimum Mul NoOp Pack Relu Reshape Rsqrt Shape Softmax SquaredDifference "
    "StopGradient StridedSlice Sub Tile Transpose".split()
)

# What a length is made of: dropped with it.
_LENGTH_OPS = (*CONSTANTS, "Shape", "StridedSlice")


@dataclass(frozen=True)
class _StepUses:
    """Where a graph holds its number of steps."""

    input: Node
    lstm: Node
    length_users: list[tuple[Node, TensorName]]
    """Nodes that take the number as a scalar tensor, and that tensor."""
    score_shapes: list[Node]
    """Constants [steps, batch, classes] that the scores are reshaped to."""


def input_node(graph: Graph) -> Node | None:
    """The Placeholder of the feature windows [batch, steps, context, features], if there is one."""
    for node in graph:
        if node.op == "Placeholder" and len(node.shape() or ()) == 4:
            users = graph.consumers[node.name]
            if any(user.op == "Transpose" for user in users):
                return node
    return None


def check_steps(steps: int) -> None:
    """Refuse a number of steps that no graph can have. Raises ConversionError."""
    if steps != DYNAMIC and steps < 1:
        raise ConversionError(
            f"{steps} steps are not possible; pass 1 or more, or -1 for any number."
        )


def set_steps(graph: Graph, steps: int) -> Graph:
    """The same graph for `steps` frames per call, or for any number with DYNAMIC.

    Raises ConversionError if the graph holds its number of steps in a way that dsconv does not
    know, and says where.
    """
    check_steps(steps)
    uses = _find_uses(graph)
    old = _steps(uses.input)
    if old == steps:
        return graph
    changed = {uses.input.name: _with_input_steps(uses.input, steps)}
    for node in uses.score_shapes:
        shape = [steps, *graph.tensor(node).numbers()[1:]]
        changed[node.name] = _int32_constant(node.name, shape)
    if not uses.length_users:
        return graph.replacing(changed.get(node.name, node) for node in graph)
    own_constants = all(graph.consumers[ref.node] == [user] for user, ref in uses.length_users)
    if own_constants and DYNAMIC not in (old, steps):
        for _, length in uses.length_users:
            changed[length.node] = _int32_constant(length.node, steps)
        return graph.replacing(changed.get(node.name, node) for node in graph)
    return _with_other_length(graph, uses, steps, changed)


def _with_other_length(
    graph: Graph, uses: _StepUses, steps: int, changed: dict[str, Node]
) -> Graph:
    """Apply `changed`, and exchange a constant length for one read from a shape, or back."""
    scope = uses.lstm.name.rpartition("/")[0]
    lengths = (
        _length_from_shape(graph, scope, uses.lstm.data_inputs[1])
        if steps == DYNAMIC
        else [_int32_constant(unused_name(graph, f"{scope}/steps"), steps)]
    )
    for user, old in uses.length_users:
        changed[user.name] = rewired(user, old, lengths[-1].name)
    first_user = min(uses.length_users, key=lambda use: graph.nodes.index(use[0]))[0]
    nodes: list[Node] = []
    for node in graph:
        if node is first_user:
            nodes.extend(lengths)
        nodes.append(changed.get(node.name, node))
    return _without_dead(graph.replacing(nodes), [old.node for _, old in uses.length_users])


def _length_from_shape(graph: Graph, scope: str, tensor: TensorName) -> list[Node]:
    """Nodes that read the first dimension of a tensor, named as TensorFlow would name them."""
    shape = new_node(
        unused_name(graph, f"{scope}/Shape"),
        "Shape",
        [str(tensor)],
        {"T": DataType.FLOAT, "out_type": DataType.INT32},
    )
    name = unused_name(graph, f"{scope}/strided_slice")
    ends = [
        _int32_constant(f"{name}/{end}", [value])
        for end, value in (("stack", 0), ("stack_1", 1), ("stack_2", 1))
    ]
    masks = ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask")
    attributes = {
        "Index": DataType.INT32,
        "T": DataType.INT32,
        **dict.fromkeys(masks, 0),
        "shrink_axis_mask": 1,
    }
    inputs = [shape.name, *(end.name for end in ends)]
    return [shape, *ends, new_node(name, "StridedSlice", inputs, attributes)]


def _without_dead(graph: Graph, names: list[str]) -> Graph:
    """Drop the named nodes that nothing uses any more, and what only they used."""
    waiting, dead = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        users = {user.name for user in graph.consumers[name]}
        if name not in dead and users <= dead:
            dead.add(name)
            inputs = graph[name].data_inputs
            waiting.extend(ref.node for ref in inputs if graph[ref.node].op in _LENGTH_OPS)
    return graph.replacing(node for node in graph if node.name not in dead)


def _find_uses(graph: Graph) -> _StepUses:
    node = input_node(graph)
    if node is None:
        raise ConversionError(
            "the graph has no input of the form [batch, steps, context, features], so its number "
            "of steps cannot be set."
        )
    lstms = [other for other in graph if other.op == "BlockLSTM"]
    if len(lstms) != 1:
        raise ConversionError(
            f"the graph has {len(lstms)} BlockLSTM nodes where one is expected, so its number of "
            "steps cannot be set."
        )
    users = [*_mask_lengths(graph), *_lstm_lengths(graph, lstms[0])]
    if not users:
        raise ConversionError(
            f"nothing tells '{lstms[0].name}' its number of steps, so it cannot be set."
        )
    for user, length in users:
        _check_length(graph, user, length, _steps(node))
    if _steps(node) != DYNAMIC:
        # What is read from a shape is right for any number.
        users = [(user, length) for user, length in users if not _is_from_shape(graph, length)]
    return _StepUses(node, lstms[0], users, _score_shapes(graph, node))


def _mask_lengths(graph: Graph) -> list[tuple[Node, TensorName]]:
    """The limits of the Ranges that are compared with the lengths."""
    return [(node, node.data_inputs[1]) for node in graph if _is_mask(graph, node)]


def _is_mask(graph: Graph, node: Node) -> bool:
    return node.op == "Range" and any(user.op == "Less" for user in graph.consumers[node.name])


def _is_known_range(graph: Graph, node: Node) -> bool:
    """Whether a node gives the indices of the frames, or up to a dimension that is not stored."""
    if node.op != "Range":
        return False
    return _is_mask(graph, node) or _is_from_shape(graph, node.data_inputs[1])


def _lstm_lengths(graph: Graph, lstm: Node) -> list[tuple[Node, TensorName]]:
    """What is cast to the LSTM's number of steps, unless that is the longest of the lengths."""
    cast = graph[lstm.data_inputs[0].node]
    if cast.op != "Cast":
        raise ConversionError(
            f"'{lstm.name}' takes its number of steps from '{cast.name}' ({cast.op}), which "
            "dsconv does not know, so it cannot be set."
        )
    length = cast.data_inputs[0]
    return [] if graph[length.node].op == "Max" else [(cast, length)]


def _check_length(graph: Graph, user: Node, length: TensorName, steps: int) -> None:
    """A length must be the input's number of steps, or the first dimension of a shape."""
    source = graph[length.node]
    if _is_from_shape(graph, length):
        return
    if steps != DYNAMIC and source.op == "Const" and graph.tensor(source).numbers() == [steps]:
        return
    raise ConversionError(
        f"'{user.name}' takes a length from '{source.name}' ({source.op}) that is not the "
        f"input's number of steps ({steps}), so it cannot be set."
    )


def _is_from_shape(graph: Graph, length: TensorName) -> bool:
    source = graph[length.node]
    return source.op == "StridedSlice" and graph[source.data_inputs[0].node].op == "Shape"


def _score_shapes(graph: Graph, start: Node) -> list[Node]:
    """Constants that reshape to [steps, ...] between the input and the outputs.

    Raises ConversionError for anything on the way that may not work for another number of steps.
    """
    found: list[Node] = []
    for node in graph.downstream([start]).values():
        if node.op not in _ANY_LENGTH_OPS and not _is_known_range(graph, node):
            raise ConversionError(
                f"'{node.name}' is a {node.op}, which dsconv does not know to work for any number "
                "of steps."
            )
        if node.op == "Reshape":
            shape = graph.source(node.data_inputs[1])
            first = _first_size(graph, shape)
            if first == _steps(start) != DYNAMIC:
                found.append(shape)
            elif first != DYNAMIC:
                raise ConversionError(
                    f"'{node.name}' reshapes to a fixed first dimension, which dsconv does not "
                    "know how to set."
                )
    for node in graph:
        if node.op == "StridedSlice":
            _check_slice_of_input_shape(graph, node, start)
    return found


def _first_size(graph: Graph, shape: Node) -> int | float | None:
    """The first size that a Reshape is told, None if it is computed."""
    if shape.op == "Pack":
        first = graph.constant(shape.data_inputs[0])
        return first.numbers()[0] if first else None
    return graph.tensor(shape).numbers()[0] if shape.op in CONSTANTS else None


def _check_slice_of_input_shape(graph: Graph, node: Node, start: Node) -> None:
    """The input's shape as a constant (0.5) may give the batch size, which stays as it is."""
    shape = graph.constant(node.data_inputs[0])
    if shape is None or shape.shape != (4,) or tuple(shape.numbers()) != start.shape():
        return
    ends = [graph.constant(name) for name in node.data_inputs[1:3]]
    if [end.numbers() for end in ends if end] != [[0], [1]]:
        raise ConversionError(
            f"'{node.name}' reads the number of steps from a constant shape, which dsconv does not "
            "know how to set."
        )


def _steps(node: Node) -> int:
    shape = node.shape()
    assert shape is not None
    return shape[1]


def _with_input_steps(node: Node, steps: int) -> Node:
    batch, _, *rest = node.shape() or ()
    return edited(node, attributes={"shape": (batch, steps, *rest)})


def _int32_constant(name: str, value: object) -> Node:
    import numpy as np

    return new_constant(name, np.array(value, np.int32))
