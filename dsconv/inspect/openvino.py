"""Inspect an OpenVINO IR, without OpenVINO: the .xml says all but the values of the weights."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from dsconv.acoustic.metadata import Metadata
from dsconv.digest import Digest
from dsconv.errors import ModelError
from dsconv.graph.identify import FileFormat
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME

_TYPES = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "f64": "float64",
    "i8": "int8",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
    "boolean": "bool",
}
_FEW_ELEMENTS = 8


def inspect_openvino(path: Path, found: FileFormat, digest: Digest) -> Inspection:
    """Inspect the .xml of an IR. Raises ModelError if it is damaged."""
    try:
        # The parser below it limits how far entities can grow.
        root = ElementTree.parse(path).getroot()  # noqa: S314
    except ElementTree.ParseError as error:
        raise ModelError(f"the XML is damaged ({error}); copy the model again.") from None
    file = ConvertedFile()
    for layers in root.iter("layers"):
        for layer in layers:
            _read_layer(layer, file, outermost=layers in root)
    properties = {entry.tag: entry.get("value", "") for entry in root.findall("./rt_info/dsconv/*")}
    file.metadata = Metadata.from_text(properties)
    file.source_sha256 = properties.get("source_sha256")
    version = properties.get("dsconv_version")
    file.produced_by = f"dsconv {version}" if version else None
    return inspection_of(path, found, digest, file, NO_ORIGINAL_RUNTIME)


def _read_layer(layer: ElementTree.Element, file: ConvertedFile, *, outermost: bool) -> None:
    """Count an op; a constant is a weight, a parameter of the model itself an input."""
    kind = layer.get("type", "?")
    data = layer.find("data")
    if kind == "Const":
        if data is not None:
            weight = _weight(layer.get("name", ""), data)
            if weight.parameters >= _FEW_ELEMENTS:
                file.weights.append(weight)
    elif kind == "Parameter" and outermost:
        port = layer.find("./output/port")
        if port is not None:
            file.inputs.append(_tensor(port))
    elif kind == "Result" and outermost:
        port = layer.find("./input/port")
        if port is not None:
            name = layer.get("output_names") or layer.get("name", "").split("/")[0]
            file.outputs.append(_tensor(port, name))
    if kind not in ("Const", "Parameter", "Result"):
        file.ops[kind] += 1


def _weight(name: str, data: ElementTree.Element) -> WeightInfo:
    shape = [int(size) for size in data.get("shape", "").split(",") if size.strip()]
    dtype = data.get("element_type", "?")
    size = int(data.get("size", 0))
    return WeightInfo(name, _TYPES.get(dtype, dtype), shape, math.prod(shape), size)


def _tensor(port: ElementTree.Element, name: str | None = None) -> TensorInfo:
    shape = [int(dim.text or -1) for dim in port.findall("dim")]
    # Ports say FP32 where constants say f32.
    precision = port.get("precision", "?").lower().replace("fp", "f")
    names = port.get("names", "").split(",")
    return TensorInfo(name or names[0], _TYPES.get(precision, precision), shape)
