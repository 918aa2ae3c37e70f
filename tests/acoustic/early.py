"""Graphs as the exporters of 0.2 to 0.5 write them, made of the graph that later ones write.

States in variables, which each call sets before it gives the scores. The tests count their ops,
which are those of the original exports. Also what any version writes when it is told to leave out
the lengths (`--nouse_seq_length`), and to take any number of steps or clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from dsconv.acoustic.export import LSTM
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.graphdef.write import edited, new_constant, new_node
from tests.acoustic.edits import remade

Version: TypeAlias = Literal[
    "0.2", "0.2 without lengths", "0.4", "0.4 without lengths", "0.5", "0.5 without lengths"
]
VERSIONS: tuple[Version, ...] = ("0.2", "0.4", "0.4 without lengths", "0.5")
"""Those of which there is an original export of 16 steps."""
SIBLINGS: tuple[Version, ...] = (*VERSIONS, "0.2 without lengths", "0.5 without lengths")
"""All of them."""

FLOAT = {"T": DataType.FLOAT}
INT32 = {"T": DataType.INT32}


def early(graph: Graph, version: Version, *, filled: bool = False) -> Graph:
    """The graph of `small_model`, of any batch and steps, as a version before 0.6 writes it.

    Zeros are filled in where there are many of them (`filled`), and always in 0.2.
    """
    number, _, option = version.partition(" ")
    lstm = f"{LSTM}/BlockLSTM"
    graph = packed_sizes(graph) if number == "0.5" else _with_plain_sums(graph)
    graph = without_lengths(graph) if option else graph
    nodes = {node.name: node for node in graph if not node.name.startswith("metadata_")}
    scores = "raw_logits" if number == "0.2" else "Softmax"
    nodes["Softmax"] = remade(graph, nodes.pop("logits"), name="Softmax")
    nodes[lstm] = edited(graph[lstm], attributes={"forget_bias": 1.0})
    states = [graph[name].inputs[0] for name in ("new_state_c", "new_state_h")]
    if version == "0.2":
        states = [node.name for node in _gathers(graph, nodes)]
    filled = filled or number == "0.2"
    if filled:
        _make_zeros(nodes, f"{LSTM}/zeros", [graph.tensor(graph[f"{LSTM}/zeros"]).size])
    _set_states(graph, nodes, states, scores)
    if filled:
        _make_zeros(nodes, "zeros", graph["previous_state_c"].shape())
    if number == "0.5":
        metadata = {"sample_rate": 16000, "feature_win_len": 32, "feature_win_step": 20}
        nodes["model_metadata"] = new_node("model_metadata", "NoOp", (), metadata)
    found = graph.replacing(nodes.values())
    ends = ["logits", "initialize_state"]
    return extract(found, [*ends, "mfccs", "model_metadata"] if number == "0.5" else ends)


def _with_plain_sums(graph: Graph) -> Graph:
    """Biases are added by an op that knows nothing of channels."""
    return graph.replacing(
        new_node(node.name, "Add", node.inputs, FLOAT) if node.op == "BiasAdd" else node
        for node in graph
    )


def _make_zeros(nodes: dict[str, Node], name: str, shape: Any) -> None:
    """Zeros are filled in, and not stored."""
    size = new_constant(f"{name}/shape_as_tensor", np.array(shape, np.int32))
    zero = new_constant(f"{name}/Const", np.array(0, np.float32))
    kind = {**FLOAT, "index_type": DataType.INT32}
    fill = new_node(name, "Fill", [size.name, zero.name], kind)
    nodes.update({node.name: node for node in (size, zero, fill)})


def _set_states(graph: Graph, nodes: dict[str, Node], states: list[str], scores: str) -> None:
    """Variables, what sets them to zeros and to the `states`, and the scores after."""
    shape = graph["previous_state_c"].shape()
    assert shape is not None
    nodes["zeros"] = new_constant("zeros", np.zeros(shape, np.float32))
    variables = ("previous_state_c", "previous_state_h")
    for number, (variable, value) in enumerate(zip(variables, states, strict=True)):
        nodes.pop(variable.replace("previous", "new"))
        kind = {"dtype": DataType.FLOAT, "shape": shape, "container": b"", "shared_name": b""}
        nodes[variable] = new_node(variable, "VariableV2", (), kind)
        read = f"{variable}/read"
        beside = {"_class": [f"loc:@{variable}".encode()]}
        nodes[read] = new_node(read, "Identity", [variable], FLOAT | beside)
        for user in graph.consumers[variable]:
            inputs = [read if name == variable else name for name in nodes[user.name].inputs]
            nodes[user.name] = edited(nodes[user.name], inputs=inputs)
        how = {**FLOAT, "use_locking": True, "validate_shape": True, **beside}
        start, update = ("Assign", "Assign_1")[number], f"Assign_{number + 2}"
        nodes[start] = new_node(start, "Assign", [variable, "zeros"], how)
        nodes[update] = new_node(update, "Assign", [variable, value], how)
    starts = ["^Assign", "^Assign_1"]
    nodes["initialize_state"] = new_node("initialize_state", "NoOp", starts)
    nodes["logits"] = new_node("logits", "Identity", [scores, "^Assign_2", "^Assign_3"], FLOAT)


def _gathers(graph: Graph, nodes: dict[str, Node]) -> Iterator[Node]:
    """The states as 0.2 picks them: rows of all steps and clips, length * batch + number."""
    batch, cells = graph["previous_state_c"].shape() or ()
    for number, (history, clips) in enumerate((("concat", "range"), ("concat_1", "range_1"))):
        name = f"{LSTM}/Gather" + ("_1" if number else "")
        rows = {"T": DataType.FLOAT, "Tshape": DataType.INT32}
        picked = {"Tparams": DataType.FLOAT, "Tindices": DataType.INT32, "validate_indices": True}
        made = [
            new_constant(f"{name}/factor", np.array(batch, np.int32)),
            new_node(f"{name}/mul", "Mul", ["input_lengths", f"{name}/factor"], INT32),
            new_node(f"{name}/add", "Add", [f"{name}/mul", f"{LSTM}/{clips}"], INT32),
            new_constant(f"{name}/shape", np.array([-1, cells], np.int32)),
            new_node(f"{name}/rows", "Reshape", [f"{LSTM}/{history}", f"{name}/shape"], rows),
            new_node(name, "Gather", [f"{name}/rows", f"{name}/add"], picked),
        ]
        nodes.update({node.name: node for node in made})
        yield made[-1]


def without_lengths(graph: Graph) -> Graph:
    """The LSTM runs all steps, unmasked, and the states are those after the last one."""
    lstm = f"{LSTM}/BlockLSTM"
    nodes = {node.name: node for node in graph if node.name != "input_lengths"}
    _, steps, *_ = graph["input_node"].shape() or ()
    count = f"{LSTM}/steps"
    if steps == DYNAMIC:
        count = graph[f"{LSTM}/SequenceMask/Range"].inputs[1]
    else:
        nodes[count] = new_constant(count, np.array(steps, np.int32))
    kind = {"SrcT": DataType.INT32, "DstT": DataType.INT64, "Truncate": False}
    nodes[f"{LSTM}/ToInt64"] = new_node(f"{LSTM}/ToInt64", "Cast", [count], kind)
    nodes[lstm] = edited(nodes[lstm], inputs=[f"{LSTM}/ToInt64", *nodes[lstm].inputs[1:]])
    flat = graph["Reshape_3"]
    nodes[flat.name] = edited(flat, inputs=[f"{lstm}:6", flat.inputs[1]])
    slices = [f"{LSTM}/strided_slice{end}" for end in ("", "_1", "_2")]
    unused = [name for name in slices if name not in nodes]
    for name, slice_name, output in zip(
        ("new_state_c", "new_state_h"), unused, (1, 6), strict=False
    ):
        if name in nodes:
            last = sliced(nodes, slice_name, f"{lstm}:{output}", -1)
            nodes[name] = edited(nodes[name], inputs=[last.name])
    kept = graph.replacing(node for node in nodes.values() if _known(node, nodes))
    ends = [node.name for node in graph if not graph.consumers[node.name]]
    return extract(kept, [name for name in ends if name in kept])


def sliced(
    nodes: dict[str, Node], name: str, source: str, first: int, dtype: DataType = DataType.FLOAT
) -> Node:
    """Add a slice of one element of the first dimension to the nodes, with its ends."""
    values = (first, first + 1, 1)
    ends = [
        new_constant(f"{name}/{end}", np.array([value], np.int32))
        for end, value in zip(("stack", "stack_1", "stack_2"), values, strict=True)
    ]
    masks = ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask")
    kind = {"Index": DataType.INT32, "T": dtype, **dict.fromkeys(masks, 0), "shrink_axis_mask": 1}
    node = new_node(name, "StridedSlice", [source, *(end.name for end in ends)], kind)
    nodes.update({made.name: made for made in (*ends, node)})
    return node


def packed_sizes(graph: Graph) -> Graph:
    """Shapes that take the batch size from the shape of the windows, as 0.5 has it.

    That shape is a constant, unless the steps are any number. Then the number of clips that the
    states are picked of comes from the shape of the LSTM's input.
    """
    nodes = {node.name: node for node in graph}
    shape = graph["input_node"].shape() or ()
    if DYNAMIC in shape:
        kind = {"T": DataType.FLOAT, "out_type": DataType.INT32}
        nodes["Shape"] = new_node("Shape", "Shape", ["input_node"], kind)
        _count_clips(nodes, kind)
    else:
        nodes["Shape"] = new_constant("Shape", np.array(shape, np.int32))
    batch = sliced(nodes, "strided_slice", "Shape", 0, DataType.INT32)
    for name in ("Reshape_2/shape", "raw_logits/shape"):
        _pack_sizes(graph, nodes, name, batch)
    return graph.replacing(nodes.values())


def _count_clips(nodes: dict[str, Node], kind: dict[str, Any]) -> None:
    """The clips that the states are picked of are those of the LSTM's input."""
    ranges = nodes.keys() & {f"{LSTM}/range", f"{LSTM}/range_1"}
    if not ranges:
        return
    shape, count = f"{LSTM}/Shape_of_clips", f"{LSTM}/clips"
    nodes[shape] = new_node(shape, "Shape", ["Reshape_2"], kind)
    sliced(nodes, count, shape, 1, DataType.INT32)
    for name in ranges:
        start, _, delta = nodes[name].inputs
        nodes[name] = edited(nodes[name], inputs=[start, count, delta])


def _pack_sizes(graph: Graph, nodes: dict[str, Node], name: str, batch: Node) -> None:
    """A shape [-1, batch, units] of its own nodes."""
    units = int(graph.tensor(graph[name]).numbers()[2])
    for index, value in ((0, -1), (2, units)):
        part = new_constant(f"{name}/{index}", np.array(value, np.int32))
        nodes[part.name] = part
    parts = [f"{name}/0", batch.name, f"{name}/2"]
    nodes[name] = new_node(name, "Pack", parts, {**INT32, "axis": 0, "N": 3})


def stateless(graph: Graph, batch: int = -1) -> Graph:
    """The graph of `small_model` for any number of clips from zeros: no states in, none out.

    It is made of one for any number of steps, or with a `batch` for so many clips.
    """
    _, cells = graph["previous_state_c"].shape() or ()
    _, steps, *window = graph["input_node"].shape() or ()
    nodes = {
        node.name: node
        for node in graph
        if node.name not in ("previous_state_c", "previous_state_h")
    }
    shape = (batch, steps, *window)
    nodes["input_node"] = edited(graph["input_node"], attributes={"shape": shape})
    nodes["input_lengths"] = edited(graph["input_lengths"], attributes={"shape": (batch,)})
    kind: dict[str, Any] = {"T": DataType.FLOAT, "out_type": DataType.INT32}
    nodes["Shape"] = new_node("Shape", "Shape", ["input_node"], kind)
    clips = sliced(nodes, "strided_slice", "Shape", 0, DataType.INT32)
    for name in ("Reshape_2/shape", "raw_logits/shape"):
        _pack_sizes(graph, nodes, name, clips)
    nodes["cells"] = new_constant("cells", np.array(cells, np.int32))
    pack = new_node("sizes", "Pack", [clips.name, "cells"], {**INT32, "axis": 0, "N": 2})
    _make_zeros(nodes, "first", [batch, cells])
    nodes["sizes"] = pack
    nodes["first"] = edited(nodes["first"], inputs=["sizes", "first/Const"])
    lstm = nodes[f"{LSTM}/BlockLSTM"]
    inputs = ["first" if name.startswith("previous_state") else name for name in lstm.inputs]
    nodes[lstm.name] = edited(lstm, inputs=inputs)
    kept = [node for node in nodes.values() if _known(node, nodes)]
    return extract(graph.replacing(kept), ["logits", *_unused(graph)])


def _known(node: Node, nodes: dict[str, Node]) -> bool:
    """Whether all that a node takes is still there, and so on."""
    return all(
        name in nodes and _known(nodes[name], nodes)
        for name in (TensorName.parse(tensor).node for tensor in node.inputs)
    )


def _unused(graph: Graph) -> list[str]:
    """The front end and the metadata."""
    names = [node.name for node in graph if node.name.startswith("metadata_")]
    return ["mfccs", *names]
