"""tf2onnx, in a process of its own: GRAPH SPEC OUTPUT.

It copies each constant many times over, so the large ones are taken out before and put back after:
it sees inputs instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.convert.toolkit.onnx_loops import inner_graphs, names_read, take_unchanged_from_outside
from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run, unsupported
from dsconv.errors import DsconvError, ToolkitError
from dsconv.formats.graphdef.graph import CONSTANTS, Graph, open_graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import new_node
from dsconv.formats.toolkits import import_onnx, import_tf2onnx
from dsconv.runtime.model import reason_of
from dsconv.runtime.tensorflow import graph_def

LABEL = "tf2onnx"
_OPSET = 17
_LARGE_BYTES = 1 << 16
# The limit of protobuf for one message.
_LARGEST_FILE = 1 << 31


def convert(source: Path, spec_path: Path, output: Path) -> None:
    """Write the graph as ONNX.

    Raises ConversionError for ops that tf2onnx leaves as they are, which it takes for success.
    """
    graph, spec = open_graph(source), Spec.read(spec_path)
    large = [node for node in graph if _is_large(graph, node)]
    try:
        model = _converted(graph, spec, large)
    except DsconvError:
        raise
    except Exception:  # Some ops want to see their constants.
        if not large:
            raise
        large = []
        model = _converted(graph, spec, large)
    take_unchanged_from_outside(model.graph)
    _put_back(graph, model, large)
    # The mapped file is not needed in memory beside the result.
    del graph, large
    for key, value in spec.properties.items():
        model.metadata_props.add(key=key, value=value)
    _save(model, output)


def _is_large(graph: Graph, node: Node) -> bool:
    """Whether a node is a large constant; lists of numbers may be sizes, which shape the graph."""
    if node.op not in CONSTANTS:
        return False
    tensor = graph.tensor(node)
    return (tensor.dtype.itemsize or 0) > 0 and tensor.nbytes >= _LARGE_BYTES


def _converted(graph: Graph, spec: Spec, large: list[Node]) -> Any:
    """The model without the large constants."""
    tf2onnx = import_tf2onnx()
    taken = {node.name: _input(graph, node) for node in large}
    skeleton = graph.replacing(taken.get(node.name, node) for node in graph)
    inputs = [*(given.name for given in spec.inputs), *taken]
    names = {f"{name}:0": name for name in (*inputs, *spec.outputs)}
    model, _ = tf2onnx.convert.from_graph_def(
        graph_def(skeleton),
        input_names=[f"{name}:0" for name in inputs],
        output_names=[f"{name}:0" for name in spec.outputs],
        opset=_OPSET,
        tensors_to_rename=names,
    )
    if unknown := sorted(set(_unknown_ops(model, model.graph))):
        raise unsupported(LABEL, graph, unknown)
    return model


def _input(graph: Graph, node: Node) -> Node:
    tensor = graph.tensor(node)
    return new_node(
        node.name, "Placeholder", (), {"dtype": tensor.dtype, "shape": tensor.shape}, node.device
    )


def _unknown_ops(model: Any, graph: Any) -> Iterator[str]:
    """The ops that are none of ONNX's, in the graph and in those inside it."""
    onnx = import_onnx()
    versions = {opset.domain: opset.version for opset in model.opset_import}
    for node in graph.node:
        if not onnx.defs.has(node.op_type, versions.get(node.domain, _OPSET), node.domain):
            yield node.op_type
        for inner in inner_graphs(node):
            yield from _unknown_ops(model, inner)


def _put_back(graph: Graph, model: Any, large: list[Node]) -> None:
    """The large constants instead of the inputs that stood for them."""
    onnx = import_onnx()
    names = {node.name for node in large}
    inputs = [given for given in model.graph.input if given.name not in names]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    used = set(names_read(model.graph))
    for node in large:
        if node.name in used:
            tensor = model.graph.initializer.add()
            array = np.ascontiguousarray(graph.tensor(node).array())
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, node.name))
    for value in (*model.graph.input, *model.graph.output):
        for size in value.type.tensor_type.shape.dim:
            # It counts the dynamic dimensions through the whole conversion.
            if size.HasField("dim_param"):
                size.Clear()


def _save(model: Any, output: Path) -> None:
    onnx = import_onnx()
    if model.ByteSize() >= _LARGEST_FILE:
        raise ToolkitError(
            "the result is larger than 2 GB, the most that one ONNX file holds; choose "
            "another target."
        )
    onnx.save(model, str(output))
    del model.graph.node[:]
    try:
        onnx.checker.check_model(str(output), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ToolkitError(f"the ONNX checker refuses the result: {reason_of(error)}") from error


if __name__ == "__main__":
    run(LABEL, convert)
