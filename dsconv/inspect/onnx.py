"""Inspect an ONNX model, without the onnx package.

Source: the field numbers of ``onnx.proto``.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import Storage
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import FEWEST_ELEMENTS, Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME

# TensorProto.DataType: the name and the bytes of an element.
_TYPES = {
    1: ("float32", 4),
    2: ("uint8", 1),
    3: ("int8", 1),
    5: ("int16", 2),
    6: ("int32", 4),
    7: ("int64", 8),
    8: ("string", 0),
    9: ("bool", 1),
    10: ("float16", 2),
    11: ("float64", 8),
    16: ("bfloat16", 2),
}
_UNKNOWN = ("?", 0)


def inspect_onnx(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a file that was found to be ONNX. Raises ModelError if it is damaged."""
    model = Message.of_storage(Storage.of_file(path))
    graph, properties = model.message(7), model.text_mapping(14)
    weights = [weight_info(tensor) for tensor in graph.messages(5)]
    file = ConvertedFile(
        inputs=[tensor_info(value) for value in graph.messages(11)],
        outputs=[tensor_info(value) for value in graph.messages(12)],
        ops=Counter(node.text(4) for node in graph.messages(1)),
        weights=[weight for weight in weights if weight.parameters >= FEWEST_ELEMENTS],
        metadata=Metadata.from_text(properties),
        produced_by=f"{model.text(2)} {model.text(3)}".strip() or None,
        source_sha256=properties.get("source_sha256"),
    )
    return inspection_of(path, found, digest, file, NO_ORIGINAL_RUNTIME)


def weight_info(tensor: Message) -> WeightInfo:
    """Dims (1), data type (2) and name (8) of a TensorProto."""
    shape = tensor.integers(1)
    dtype, size = _TYPES.get(tensor.integer(2), _UNKNOWN)
    count = math.prod(shape)
    return WeightInfo(tensor.text(8), dtype, shape, count, count * size)


def tensor_info(value: Message) -> TensorInfo:
    """Name (1) and tensor type (2, 1) of a ValueInfoProto; sizes that are names are open."""
    kind = value.message(2).message(1)
    sizes = [dim.integer(1) if 1 in dim else -1 for dim in kind.message(2).messages(1)]
    dtype, _ = _TYPES.get(kind.integer(1), _UNKNOWN)
    return TensorInfo(value.text(1), dtype, sizes if 2 in kind else None)
