"""TensorFlow's converter to TFLite, in a process of its own: GRAPH SPEC OUTPUT."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run, unsupported
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.tflite.schema import IDENTIFIER
from dsconv.formats.toolkits import import_litert_schema, import_tensorflow
from dsconv.runtime.tensorflow import graph_def, imported

LABEL = "the TFLite converter"
_UNKNOWN = re.compile(r"(?:Custom|Flex|TensorFlow|Select) ops: ([^\n]+)")
# The builder doubles its buffer, and copies all, where the file outgrows it by new names.
_SLACK_BYTES = 1 << 20


def convert(source: Path, spec_path: Path, output: Path) -> None:
    """Write the graph as TFLite.

    Raises ConversionError for ops that TFLite does not have, and for lists of tensors of dynamic
    shape.
    """
    graph, spec = open_graph(source), Spec.read(spec_path)
    _check_lists(graph)
    tf = import_tensorflow()
    definition = graph_def(graph)
    loaded = imported(definition)
    inputs = [loaded.get_tensor_by_name(f"{given.name}:0") for given in spec.inputs]
    outputs = [loaded.get_tensor_by_name(f"{name}:0") for name in spec.outputs]
    converter = tf.compat.v1.lite.TFLiteConverter(definition, inputs, outputs)
    try:
        data = converter.convert()
    except Exception as error:  # Its exceptions have no common base.
        if found := _UNKNOWN.findall(str(error)):
            ops = {op.strip() for line in found for op in line.split(",")}
            raise unsupported(LABEL, graph, ops) from error
        raise
    del definition, loaded, converter
    output.write_bytes(_described(data, spec))


def _check_lists(graph: Graph) -> None:
    """A list must be of tensors of one size: "requires element_shape to be static"."""
    for node in graph:
        if node.op == "TensorListReserve":
            shape = graph.constant(node.data_inputs[0])
            if shape is not None and shape.shape and min(shape.numbers()) < 0:
                raise ConversionError(
                    f"'{node.name}' ({node.op}) is a list of tensors of any size, which {LABEL} "
                    "does not convert; pass the size of the batch with --input-shape, or a fixed "
                    "number of steps too."
                )


def _described(data: bytes, spec: Spec) -> memoryview:
    """The file with the graph's names of inputs and outputs, and with the properties."""
    schema = import_litert_schema()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    names = (*(given.name for given in spec.inputs), *spec.outputs)
    for name, number in zip(names, (*graph.inputs, *graph.outputs), strict=True):
        graph.tensors[number].name = name.encode()
    model.metadata = model.metadata or []
    for key, value in spec.properties.items():
        model.metadata.append(_entry(schema, model, key, value))
    packer = flatbuffers.Builder(len(data) + _SLACK_BYTES)
    packer.Finish(model.Pack(packer), file_identifier=IDENTIFIER)
    return memoryview(packer.Bytes)[packer.Head() :]


def _entry(schema: Any, model: Any, key: str, value: str) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(value.encode(), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = key.encode()
    entry.buffer = len(model.buffers) - 1
    return entry


if __name__ == "__main__":
    run(LABEL, convert)
