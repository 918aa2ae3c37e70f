"""Inspect an OpenVINO IR, without OpenVINO: the .xml says all but the values of the weights."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from dsconv.acoustic.metadata import Metadata
from dsconv.errors import ModelError
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import FEWEST_ELEMENTS, Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME

# Types as the data of constants call them, then those that ports call otherwise.
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
    "fp32": "float32",
    "fp16": "float16",
    "fp64": "float64",
}

NO_OPS = ("Const", "Parameter", "Result")
"""The layers that compute nothing."""


def inspect_openvino(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect the .xml of an IR. Raises ModelError if it is damaged."""
    root = read_xml(path)
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


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an IR's .xml. Raises ModelError if it is damaged."""
    try:
        # The parser below it limits how far entities can grow.
        return ElementTree.parse(path).getroot()  # noqa: S314
    except ElementTree.ParseError as error:
        raise ModelError(f"the XML is damaged ({error}); copy the model again.") from None


def _read_layer(layer: ElementTree.Element, file: ConvertedFile, *, outermost: bool) -> None:
    """Count an op; a constant is a weight, a parameter of the model itself an input."""
    kind = layer.get("type", "?")
    if kind == "Const":
        weight = weight_info(layer)
        if weight.parameters >= FEWEST_ELEMENTS:
            file.weights.append(weight)
    elif kind == "Parameter" and outermost:
        port = layer.find("./output/port")
        if port is not None:
            file.inputs.append(tensor_info(port, port.get("names", "").split(",")[0]))
    elif kind == "Result" and outermost:
        port = layer.find("./input/port")
        if port is not None:
            file.outputs.append(tensor_info(port, result_name(layer)))
    if kind not in NO_OPS:
        file.ops[kind] += 1


def weight_info(layer: ElementTree.Element) -> WeightInfo:
    """A constant: its type, its sizes and its bytes are attributes of its data."""
    data = layer.find("data")
    values = data.attrib if data is not None else {}
    shape = [int(size) for size in values.get("shape", "").split(",") if size.strip()]
    dtype, size = _dtype(values.get("element_type", "?")), int(values.get("size", 0))
    return WeightInfo(layer.get("name", ""), dtype, shape, math.prod(shape), size)


def tensor_info(port: ElementTree.Element, name: str) -> TensorInfo:
    """What goes in or comes out at a port."""
    shape = [int(dim.text or -1) for dim in port.findall("dim")]
    return TensorInfo(name, _dtype(port.get("precision", "?").lower()), shape)


def result_name(layer: ElementTree.Element) -> str:
    """The name of an output of the model."""
    return layer.get("output_names") or layer.get("name", "").split("/")[0]


def _dtype(name: str) -> str:
    """A type by its usual name; one that is not known as the IR calls it."""
    return _TYPES.get(name, name)
