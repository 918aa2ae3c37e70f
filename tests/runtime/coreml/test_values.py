"""Constants of a Core ML program are read with their values, and damaged ones are refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError, DsconvError, ModelError
from dsconv.formats.coreml.program import Value
from dsconv.formats.coreml.values import read_value, unpack
from dsconv.formats.coreml.weights import WeightFiles
from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import Storage
from tests.runtime.coreml.programs import constant, message, text, value_type, weight

# The numbers of the types in the headers of blobs, as coremltools' writer gives them.
BLOB_TYPES = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4, "int4": 8, "uint1": 9, "uint6": 13}


def numbers(dtype: str, values: Any) -> Any:
    """An array of a type."""
    return np.array(values, dtype)


def read(value: bytes, folder: Path = Path("nowhere")) -> Any:
    """The constant of a Value."""
    return read_value(Value(Message.of_storage(Storage.of_bytes(value))), WeightFiles(folder))


def blob(
    dtype: str, data: bytes, *, size: int | None = None, unused: int = 0, sentinel: int = 0xDEADBEEF
) -> bytes:
    """A file of weights with one blob, at 64."""
    header = struct.pack(
        "<IIQQQ32x", sentinel, BLOB_TYPES[dtype], len(data) if size is None else size, 128, unused
    )
    return bytes(64) + header + data


def write_blob(folder: Path, content: bytes) -> Path:
    """Write a file of weights."""
    (folder / "weights").mkdir()
    (folder / "weights" / "weight.bin").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            constant(numbers("float32", [[1.5, -2], [0, 4]])),
            numbers("float32", [[1.5, -2], [0, 4]]),
        ),
        (constant(numbers("int32", [-1, 2**31 - 1])), numbers("int32", [-1, 2**31 - 1])),
        (constant(np.array([True, False])), np.array([True, False])),
        (constant(np.array(False)), np.array(False)),
        (constant(numbers("float16", [0.5, -3])), numbers("float16", [0.5, -3])),
        (constant(numbers("uint8", [0, 255])), numbers("uint8", [0, 255])),
        (constant(np.zeros((0, 3), np.float32)), np.zeros((0, 3), np.float32)),
        (constant(b"\xe4\x01", "uint2", (5,)), numbers("uint8", [0, 1, 2, 3, 1])),
        (constant(b"\x8f\x07", "int4", (3,)), numbers("int8", [-1, -8, 7])),
    ],
)
def test_array_in_the_program(value: bytes, expected: Any) -> None:
    found = read(value)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_text() -> None:
    assert read(constant("fp32")) == "fp32"


def test_list() -> None:
    both = message(1, constant("a")) + message(1, constant("b"))
    assert read(message(3, message(3, both))) == ("a", "b")


def test_16_bit_integers_lie_among_the_32_bit_ones() -> None:
    value = message(2, value_type(("int16", (2,))))
    value += message(
        3, message(1, message(2, message(1, b"\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")))
    )
    np.testing.assert_array_equal(read(value), numbers("int16", [5, -1]))


@pytest.mark.parametrize(
    ("bits", "data", "expected"),
    [
        (1, [0b1011_0001, 0b1], [1, 0, 0, 0, 1, 1, 0, 1, 1]),
        (2, [0b01_10_11_00, 0b11], [0, 3, 2, 1, 3]),
        (3, [0b11_010_001, 0b0_110_101_0, 0b111_000_10], [1, 2, 3, 5, 6, 4, 0, 7]),
        (4, [0x21, 0x43], [1, 2, 3, 4]),
        (6, [0b10_000001, 0b0011_0000, 0b111110_11], [1, 2, 0b110011, 62]),
        (6, [0b10_000001, 0b0000], [1, 2]),
        (8, [7, 255], [7, 255]),
    ],
)
def test_packed_integers_begin_at_the_lowest_bit(
    bits: int, data: list[int], expected: list[int]
) -> None:
    found = unpack(np.array(data, np.uint8), bits, len(expected))
    assert found.tolist() == expected


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_packed_integers_of_each_size(bits: int) -> None:
    numbers = np.random.default_rng(bits).integers(0, 1 << bits, 1001)
    flags = (numbers[:, None] >> np.arange(bits)) & 1
    packed = np.packbits(flags.astype(np.uint8).reshape(-1), bitorder="little")
    assert unpack(packed, bits, 1001).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("dtype", "data", "shape", "unused", "expected"),
    [
        ("float32", numbers("float32", [1, 2, 3, 4]).tobytes(), (2, 2), 0, [[1, 2], [3, 4]]),
        ("float16", numbers("float16", [1, -2]).tobytes(), (2,), 0, [1, -2]),
        ("int8", numbers("int8", [-128, 127]).tobytes(), (2,), 0, [-128, 127]),
        ("uint1", b"\x05\x01", (3, 3), 7, [[1, 0, 1], [0, 0, 0], [0, 0, 1]]),
        ("int4", b"\x9f", (2,), 0, [-1, -7]),
        ("uint6", b"\x81\x30", (2,), 4, [1, 2]),
    ],
)
def test_array_in_the_file_of_weights(
    tmp_path: Path, dtype: str, data: bytes, shape: tuple[int, ...], unused: int, expected: Any
) -> None:
    write_blob(tmp_path, blob(dtype, data, unused=unused))
    assert read(weight(dtype, shape, 64), tmp_path).tolist() == expected


def test_large_weights_stay_in_the_file(tmp_path: Path) -> None:
    write_blob(tmp_path, blob("float32", bytes(4000)))
    found = read(weight("float32", (1000,), 64), tmp_path)
    assert not found.flags.owndata
    assert not found.flags.writeable


@pytest.mark.parametrize(
    ("content", "value", "reason"),
    [
        (blob("float32", bytes(8), sentinel=1), weight("float32", (2,), 64), "has no header"),
        (blob("float16", bytes(8)), weight("float32", (2,), 64), "not of type float32"),
        (blob("float32", bytes(8)), weight("float32", (3,), 64), "has 8 bytes and not 12"),
        (blob("float32", bytes(8), size=80), weight("float32", (20,), 64), "ends after the end"),
        (blob("float32", bytes(8)), weight("float32", (2,), 80), "begins after the end"),
        (blob("float32", bytes(8)), weight("float32", (2,), -64), "begins after the end"),
        (blob("float32", bytes(8)), weight("float32", (2,), 2**62), "begins after the end"),
        (blob("uint6", bytes(2), unused=0), weight("uint6", (2,), 64), "number of elements"),
        (blob("uint8", bytes(2)), weight("uint8", (-1,), 64), "no fixed type"),
        (b"x", weight("uint8", (2,), 64), "begins after the end"),
    ],
)
def test_damaged_weights_are_refused(
    tmp_path: Path, content: bytes, value: bytes, reason: str
) -> None:
    write_blob(tmp_path, content)
    with pytest.raises(ModelError, match=reason):
        read(value, tmp_path)


@pytest.mark.parametrize("name", ["../weight.bin", "/etc/hostname", "weights/../../weight.bin"])
def test_weights_out_of_the_package_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    write_blob(folder, b"")
    (tmp_path / "weight.bin").write_bytes(blob("float32", bytes(8)))
    with pytest.raises(ModelError, match="outside of the package"):
        read(weight("float32", (2,), 64, name), folder)


def test_a_path_that_is_not_relative_to_the_model_is_refused(tmp_path: Path) -> None:
    write_blob(tmp_path, blob("float32", bytes(8)))
    value = message(2, value_type(("float32", (2,))))
    value += message(5, text(1, "weights/weight.bin"), b"\x10\x40")
    with pytest.raises(ModelError, match="outside of the package"):
        read(value, tmp_path)


def test_a_missing_file_of_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"weight\.bin is missing"):
        read(weight("float32", (2,), 64), tmp_path)


@pytest.mark.parametrize(
    ("value", "error", "reason"),
    [
        (constant(bytes(7), "float32", (2,)), ModelError, "has 7 bytes"),
        (constant(bytes(2), "bfloat16", (1,)), ConversionError, "bfloat16"),
        (constant(bytes(8), "float32", None), ModelError, "no fixed type"),
        (constant(bytes(8), "float32", (-1,)), ModelError, "no fixed type"),
        (
            constant(numbers("int32", [1, 2])).replace(b"\x08\x17", b"\x08\x0b", 1),
            ModelError,
            "another",
        ),
        (b"", ModelError, "no fixed type"),
    ],
)
def test_damaged_constants_are_refused(value: bytes, error: type[DsconvError], reason: str) -> None:
    with pytest.raises(error, match=reason):
        read(value)


def test_another_number_of_elements_is_refused() -> None:
    value = message(2, value_type(("int32", (3,))))
    value += message(3, message(1, message(2, message(1, b"\x01\x02"))))
    with pytest.raises(ModelError, match="has 2 elements"):
        read(value)
