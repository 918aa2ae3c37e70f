"""Inspect a TensorFlow graph: plain (.pb) or memory-mappable (.pbmm)."""

from __future__ import annotations

from collections import Counter

from dsconv.acoustic.metadata import read_metadata
from dsconv.acoustic.source import Source
from dsconv.acoustic.versions import FREEZABLE
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, NO_RESULTS, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.inspect.identity import (
    Identity,
    find_versions,
    identify_network,
    metadata_values,
    score_output,
    state_names,
)
from dsconv.inspect.report import (
    Inspection,
    StateInfo,
    TensorInfo,
    WeightInfo,
)
from dsconv.inspect.runtimes import original_runtimes

UNFROZEN = (
    f"pass its checkpoint to `dsconv freeze` if it is of {FREEZABLE}; otherwise export a frozen "
    "graph with the training code (--export_dir)."
)
"""How to come to a frozen graph from one whose weights are elsewhere."""

# Ops that are no result: they only order or initialize others.
_NO_RESULT_OPS = (*NO_RESULTS, "Assign")


def inspect_graph(source: Source, found: Format, digest: Digest) -> Inspection:
    """Inspect a graph; what it converts to is for others to say.

    Raises ModelError if it is damaged.
    """
    path, graph = source.path, source.graph
    metadata = read_metadata(graph)
    versions = find_versions(graph, metadata)
    identity = identify_network(graph, metadata, versions)
    states = [StateInfo(name, out, _sizes(graph[name])) for name, out in state_names(graph)]
    runtimes = original_runtimes(versions, identity, packaged=graph.packaged)
    return Inspection(
        path=str(path),
        format=found.key,
        format_label=found.label,
        bytes=path.stat().st_size,
        sha256=digest.hexdigest(),
        identity=identity,
        inputs=inputs_of(graph),
        outputs=_outputs(graph, identity, states),
        states=states,
        metadata=metadata_values(metadata),
        nodes=len(graph),
        ops=dict(Counter(node.op for node in graph).most_common()),
        weights=constants_of(graph),
        opened_by=list(runtimes.opened_by),
        not_opened_because=runtimes.reason,
        converts_to=[],
        next_step=None if identity.frozen else UNFROZEN,
    )


def inputs_of(graph: Graph) -> list[TensorInfo]:
    """The Placeholders of a graph."""
    return [_described(node, _sizes(node)) for node in graph if node.op == "Placeholder"]


def _outputs(graph: Graph, identity: Identity, states: list[StateInfo]) -> list[TensorInfo]:
    """What comes from the inputs and is used by nothing, but for what makes no tensor."""
    shapes = {state.output: state.shape for state in states}
    if (scores := score_output(graph)) and identity.classes and identity.steps:
        shapes[scores.name] = [identity.steps, identity.batch or -1, identity.classes]
    reached = graph.downstream(node for node in graph if node.op == "Placeholder")
    return [
        _described(node, shapes.get(node.name) or _reshaped_to(graph, node))
        for node in graph
        if node.name in reached and not graph.consumers[node.name] and node.op not in _NO_RESULT_OPS
    ]


def _reshaped_to(graph: Graph, node: Node) -> list[int] | None:
    """The shape that the Reshape before an output asks for, if there is one."""
    while node.op == "Identity":
        node = graph[node.data_inputs[0].node]
    shape = graph.constant(node.data_inputs[1]) if node.op == "Reshape" else None
    return [int(size) for size in shape.numbers()] if shape else None


def constants_of(graph: Graph) -> list[WeightInfo]:
    """Constants with values of their own; the settings of other ops are lists of integers."""
    found = []
    for node in graph:
        tensor = graph.tensor(node) if node.op in CONSTANTS else None
        if tensor is None or tensor.content is None:
            continue
        if tensor.dtype in (DataType.INT32, DataType.INT64) and len(tensor.shape) < 2:
            continue
        sizes = list(tensor.shape)
        found.append(WeightInfo(node.name, tensor.dtype.label, sizes, tensor.size, tensor.nbytes))
    return found


def _described(node: Node, shape: list[int] | None) -> TensorInfo:
    key = "dtype" if "dtype" in node.attributes else "T"
    dtype = node.attributes.get(key)
    return TensorInfo(node.name, dtype.label if isinstance(dtype, DataType) else "?", shape)


def _sizes(node: Node) -> list[int] | None:
    shape = node.shape()
    return list(shape) if shape is not None else None
