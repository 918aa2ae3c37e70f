"""Inspect a TFLite model, without LiteRT."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.versions import LATEST, LATEST_GRAPH_VERSION, label_of
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.tflite.model import Subgraph, Tensor, TfliteModel, open_tflite
from dsconv.inspect.converted import ConvertedFile, identify_file, inspection_of
from dsconv.inspect.report import FEWEST_ELEMENTS, Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import tflite_runtimes

_WEIGHT_TYPES = ("float32", "float16", "int8", "uint8", "int16", "float64")


def inspect_tflite(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a file that was found to be TFLite. Raises ModelError if it is damaged."""
    with open_tflite(path) as model:
        file = _file(model)
    runtimes = tflite_runtimes(identify_file(file), file.ops)
    return inspection_of(path, found, digest, file, runtimes)


def _file(model: TfliteModel) -> ConvertedFile:
    """All that there is to say."""
    file = ConvertedFile()
    for graph in model.subgraphs:
        file.ops.update(operator.kind for operator in graph.operators)
        file.weights += _weights(graph)
    file.inputs = list(map(_tensor_info, model.main.inputs))
    file.outputs = list(map(_tensor_info, model.main.outputs))
    file.metadata = Metadata.from_values(dict(_metadata(model.main)))
    file.source_sha256 = model.metadata.get("source_sha256", b"").decode() or None
    version = model.metadata.get("dsconv_version", b"").decode()
    file.produced_by = f"dsconv {version}" if version else _exporter(model, file)
    return file


def _exporter(model: TfliteModel, file: ConvertedFile) -> str | None:
    known = (file.metadata.version or 0) >= LATEST_GRAPH_VERSION
    return label_of(LATEST) if known else model.description or None


def _weights(graph: Subgraph) -> Iterator[WeightInfo]:
    for tensor in graph.constants:
        shape = list(tensor.shape)
        count = math.prod(shape)
        if count >= FEWEST_ELEMENTS and tensor.dtype in _WEIGHT_TYPES:
            yield WeightInfo(tensor.name, tensor.dtype, shape, count, len(tensor.data))


def _metadata(graph: Subgraph) -> Iterator[tuple[str, bytes]]:
    """The constants of the `metadata_*` outputs, each copied by one op."""
    for operator in graph.operators:
        name = operator.outputs[0].name if operator.outputs else ""
        source = operator.inputs[0] if operator.inputs else None
        if name.startswith("metadata_") and source is not None:
            if source.dtype == "string":
                yield name, source.first_text
            else:
                yield name, str(struct.unpack_from("<i", source.data)[0]).encode()


def _tensor_info(tensor: Tensor) -> TensorInfo:
    return TensorInfo(tensor.name, tensor.dtype, list(tensor.shape))
