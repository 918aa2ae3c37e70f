"""Inspect an OpenVINO IR, without OpenVINO."""

from __future__ import annotations

import math
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.openvino.model import CONSTANT, NO_OPS, PARAMETER, RESULT, IrModel, Layer, Port
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import FEWEST_ELEMENTS, Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME


def inspect_openvino(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect the .xml of an IR. Raises ModelError if it is damaged."""
    model = IrModel(path)
    properties = model.properties
    file = ConvertedFile(
        metadata=Metadata.from_text(properties), source_sha256=properties.get("source_sha256")
    )
    for layer in model.all_layers():
        if layer.kind not in NO_OPS:
            file.ops[layer.kind] += 1
        elif layer.kind == CONSTANT and math.prod(layer.constant.shape) >= FEWEST_ELEMENTS:
            file.weights.append(_weight(layer))
    for layer in model.of_kind(PARAMETER):
        file.inputs += [_tensor_info(port, port.names[0]) for port in layer.outputs[:1]]
    for layer in model.of_kind(RESULT):
        file.outputs += [_tensor_info(port, layer.result_name) for port in layer.inputs[:1]]
    version = properties.get("dsconv_version")
    file.produced_by = f"dsconv {version}" if version else None
    return inspection_of(path, found, digest, file, NO_ORIGINAL_RUNTIME)


def _weight(layer: Layer) -> WeightInfo:
    constant = layer.constant
    shape = list(constant.shape)
    return WeightInfo(layer.name, constant.dtype, shape, math.prod(shape), constant.nbytes)


def _tensor_info(port: Port, name: str) -> TensorInfo:
    return TensorInfo(name, port.dtype, list(port.shape))
