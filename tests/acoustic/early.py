"""Graphs as the exporters of 0.2 to 0.5 write them, made of the graph that later ones write.

States in variables, which each call sets before it gives the scores. The tests count their ops,
which are those of the original exports.
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
from dsconv.formats.graphdef.write import edited, new_constant, new_node
from tests.acoustic.edits import remade

Version: TypeAlias = Literal["0.2", "0.4", "0.4 without lengths", "0.5"]
VERSIONS: tuple[Version, ...] = ("0.2", "0.4", "0.4 without lengths", "0.5")

FLOAT = {"T": DataType.FLOAT}
INT32 = {"T": DataType.INT32}


def early(graph: Graph, version: Version) -> Graph:
    """The graph of `small_model`, of any batch and steps, as a version before 0.6 writes it."""
    lstm = f"{LSTM}/BlockLSTM"
    graph = packed_sizes(graph) if version == "0.5" else _with_plain_sums(graph)
    nodes = {node.name: node for node in graph if not node.name.startswith("metadata_")}
    scores = "raw_logits" if version == "0.2" else "Softmax"
    nodes["Softmax"] = remade(graph, nodes.pop("logits"), name="Softmax")
    nodes[lstm] = edited(graph[lstm], attributes={"forget_bias": 1.0})
    states = [f"{LSTM}/GatherNd", f"{LSTM}/GatherNd_1"]
    if version == "0.2":
        states = [node.name for node in _gathers(graph, nodes)]
        _make_zeros(nodes, f"{LSTM}/zeros", [graph.tensor(graph[f"{LSTM}/zeros"]).size])
    if version == "0.4 without lengths":
        states = [node.name for node in _last_steps(graph, nodes)]
    _set_states(graph, nodes, states, scores)
    if version == "0.2":
        _make_zeros(nodes, "zeros", graph["previous_state_c"].shape())
    if version == "0.5":
        metadata = {"sample_rate": 16000, "feature_win_len": 32, "feature_win_step": 20}
        nodes["model_metadata"] = new_node("model_metadata", "NoOp", (), metadata)
    found = graph.replacing(nodes.values())
    ends = ["logits", "initialize_state"]
    return extract(found, [*ends, "mfccs", "model_metadata"] if version == "0.5" else ends)


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


def _last_steps(graph: Graph, nodes: dict[str, Node]) -> Iterator[Node]:
    """The states as exports without lengths pick them; the LSTM runs all steps, unmasked."""
    lstm = f"{LSTM}/BlockLSTM"
    _, steps, *_ = graph["input_node"].shape() or ()
    count = new_constant(f"{LSTM}/steps", np.array(steps, np.int32))
    kind = {"SrcT": DataType.INT32, "DstT": DataType.INT64, "Truncate": False}
    cast = new_node(f"{LSTM}/ToInt64", "Cast", [count.name], kind)
    nodes.update({count.name: count, cast.name: cast})
    nodes[lstm] = edited(nodes[lstm], inputs=[cast.name, *nodes[lstm].inputs[1:]])
    flat = graph["Reshape_3"]
    nodes[flat.name] = edited(flat, inputs=[f"{lstm}:6", flat.inputs[1]])
    for name, output in (("strided_slice", 1), ("strided_slice_1", 6)):
        yield sliced(nodes, f"{LSTM}/{name}", f"{lstm}:{output}", -1)


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
    """Shapes that take the batch size from the shape of the windows, a constant, as 0.5 has it."""
    nodes = {node.name: node for node in graph}
    windows = np.array(graph["input_node"].shape(), np.int32)
    nodes["Shape"] = new_constant("Shape", windows)
    batch = sliced(nodes, "strided_slice", "Shape", 0, DataType.INT32)
    for name in ("Reshape_2/shape", "raw_logits/shape"):
        _pack_sizes(graph, nodes, name, batch)
    return graph.replacing(nodes.values())


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
