"""Inspect an ONNX model, without the onnx package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.onnx.schema import ModelProto, TensorProto, ValueInfoProto
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import FEWEST_ELEMENTS, Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME


def inspect_onnx(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a file that was found to be ONNX. Raises ModelError if it is damaged."""
    model = ModelProto.of_file(path)
    graph, properties = model.graph, model.metadata_props
    file = ConvertedFile(
        inputs=list(map(_tensor_info, graph.input)),
        outputs=list(map(_tensor_info, graph.output)),
        ops=Counter(node.op_type for node in graph.node),
        weights=[_weight(each) for each in graph.initializer if each.size >= FEWEST_ELEMENTS],
        metadata=Metadata.from_text(properties),
        produced_by=f"{model.producer_name} {model.producer_version}".strip() or None,
        source_sha256=properties.get("source_sha256"),
    )
    return inspection_of(path, found, digest, file, NO_ORIGINAL_RUNTIME)


def _weight(tensor: TensorProto) -> WeightInfo:
    return WeightInfo(tensor.name, tensor.dtype, tensor.dims, tensor.size, tensor.nbytes)


def _tensor_info(value: ValueInfoProto) -> TensorInfo:
    return TensorInfo(value.name, value.dtype, value.shape)
