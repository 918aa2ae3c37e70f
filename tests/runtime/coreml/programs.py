"""Small Core ML programs, written field by field for the tests, without coremltools.

Source: the field numbers of ``Model.proto`` and ``MIL.proto``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.protobuf.wire import varint
from dsconv.runtime.coreml.evaluator import ProgramEvaluator

# A type: its name and its sizes, -1 for one that is open; None in place of the sizes for any rank.
Type: TypeAlias = "tuple[str, Sequence[int] | None]"
# What an input is bound to: a name, a constant as bytes of a Value or as an array, or several.
Binding: TypeAlias = "str | bytes | np.ndarray[Any, Any] | list[str]"

TYPES = {
    "bool": 1,
    "string": 2,
    "float16": 10,
    "float32": 11,
    "float64": 12,
    "bfloat16": 13,
    "int8": 21,
    "int16": 22,
    "int32": 23,
    "int64": 24,
    "int4": 25,
    "uint8": 31,
    "uint16": 32,
    "uint32": 33,
    "uint64": 34,
    "uint4": 35,
    "uint2": 36,
    "uint1": 37,
    "uint6": 38,
    "uint3": 39,
}
SIZE_OF_BLOB_HEADER = 64


def message(number: int, *parts: bytes) -> bytes:
    """A field of bytes, of text or of a message."""
    body = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(body)) + body


def integer(number: int, value: int) -> bytes:
    """A field of an integer."""
    return varint(number << 3) + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def text(number: int, value: str) -> bytes:
    """A field of text."""
    return message(number, value.encode())


def entries(number: int, mapping: Mapping[str, bytes]) -> bytes:
    """A field of a map from text to messages."""
    return b"".join(
        message(number, text(1, key), message(2, body)) for key, body in mapping.items()
    )


def value_type(kind: Type) -> bytes:
    """A ValueType of a tensor."""
    dtype, shape = kind
    if shape is None:
        sizes = message(3, message(2, integer(1, 1)))
    else:
        unknown, known = (
            message(3, message(2)),
            (message(3, message(1, integer(1, s))) for s in shape),
        )
        sizes = b"".join(unknown if s < 0 else k for s, k in zip(shape, known, strict=True))
    return message(1, integer(1, TYPES[dtype]), sizes)


def list_type(kind: Type) -> bytes:
    """A ValueType of a list of tensors."""
    return message(2, message(1, value_type(kind)), message(2, message(2)))


def constant(value: Any, dtype: str | None = None, shape: Sequence[int] | None = None) -> bytes:
    """A Value in the program itself. `value` may be bytes, with a dtype and a shape."""
    if isinstance(value, str):
        return message(2, value_type(("string", ()))) + _tensor(4, text(1, value))
    if isinstance(value, bytes):
        return message(2, value_type((dtype or "", shape))) + _tensor(7, message(1, value))
    array = np.asarray(value)
    kind = message(2, value_type((array.dtype.name, array.shape)))
    if array.dtype == np.float32:
        return kind + _tensor(1, message(1, array.tobytes()))
    if array.dtype in (np.int32, np.bool_):
        numbers = b"".join(varint(int(item) & 0xFFFF_FFFF_FFFF_FFFF) for item in array.flat)
        return kind + _tensor(2 if array.dtype == np.int32 else 3, message(1, numbers))
    return kind + _tensor(7, message(1, array.tobytes()))


def _tensor(number: int, values: bytes) -> bytes:
    return message(3, message(1, message(number, values)))


def weight(
    dtype: str, shape: Sequence[int], offset: int, name: str = "weights/weight.bin"
) -> bytes:
    """A Value in a file of weights."""
    blob = message(5, text(1, f"@model_path/{name}"), integer(2, offset))
    return message(2, value_type((dtype, shape))) + blob


def operation(
    kind: str,
    inputs: Mapping[str, Binding],
    outputs: Mapping[str, Type | bytes],
    *,
    attributes: Mapping[str, bytes] | None = None,
    blocks: Iterable[bytes] = (),
) -> bytes:
    """An Operation. A type given as bytes is a ValueType, such as that of a list."""
    bound = {name: b"".join(map(_argument, _several(given))) for name, given in inputs.items()}
    return b"".join(
        [
            text(1, kind),
            entries(2, bound),
            *(message(3, named(name, of)) for name, of in outputs.items()),
            *(message(4, body) for body in blocks),
            entries(5, attributes or {}),
        ]
    )


def _several(given: Binding) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _argument(given: Any) -> bytes:
    if isinstance(given, str):
        return message(1, text(1, given))
    return message(1, message(2, given if isinstance(given, bytes) else constant(given)))


def const(name: str, value: bytes, kind: Type) -> bytes:
    """The operation that gives a constant its name."""
    return operation("const", {}, {name: kind}, attributes={"val": value})


def named(name: str, kind: Type | bytes) -> bytes:
    """A name and its type."""
    return text(1, name) + message(2, kind if isinstance(kind, bytes) else value_type(kind))


def block(
    operations: Iterable[bytes],
    outputs: Iterable[str],
    inputs: Mapping[str, Type | bytes] | None = None,
) -> bytes:
    """A Block."""
    return b"".join(
        [
            *(message(1, named(name, kind)) for name, kind in (inputs or {}).items()),
            *(text(2, name) for name in outputs),
            *(message(3, body) for body in operations),
        ]
    )


def write_program(
    path: Path,
    inputs: Mapping[str, Type],
    operations: Iterable[bytes],
    outputs: Iterable[str],
    *,
    states: Mapping[str, Type] | None = None,
    opset: str = "CoreML8",
    weights: bytes = b"",
    description: bytes = b"",
) -> Path:
    """Write a package with one function."""
    given = [named(name, kind) for name, kind in inputs.items()]
    for name, kind in (states or {}).items():
        given.append(named(name, message(5, message(1, value_type(kind)))))
    function = b"".join(
        [
            *(message(1, body) for body in given),
            text(2, opset),
            entries(3, {opset: block(operations, outputs)}),
        ]
    )
    program = integer(1, 1) + entries(2, {"main": function})
    model = integer(1, 9) + message(2, description) + message(502, program)
    folder = path / "Data" / "com.apple.CoreML"
    (folder / "weights").mkdir(parents=True)
    (folder / "model.mlmodel").write_bytes(model)
    (folder / "weights" / "weight.bin").write_bytes(weights)
    entry = {"path": "com.apple.CoreML/model.mlmodel"}
    manifest = {"rootModelIdentifier": "id", "itemInfoEntries": {"id": entry}}
    (path / "Manifest.json").write_text(json.dumps(manifest))
    return path


def program_evaluator(path: Path, *arguments: Any, **options: Any) -> ProgramEvaluator:
    """Write a package and open it. The arguments are those of `write_program`."""
    return ProgramEvaluator(open_core_ml(write_program(path, *arguments, **options)))
