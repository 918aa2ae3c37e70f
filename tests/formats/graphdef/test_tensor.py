"""Tensors give the values that TensorFlow reads from the same bytes."""

from typing import Any

import numpy as np
import pytest

from dsconv.errors import ModelError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.tensor import Tensor, parse_shape, parse_tensor
from dsconv.formats.storage import Storage


def parse(data: bytes) -> Tensor:
    return parse_tensor(Storage.of_bytes(data).span(0, len(data)))


def message(tensorflow: Any, **values: Any) -> bytes:
    """A TensorProto with values in the fields that are named."""
    dims = values.pop("shape")
    proto = tensorflow.make_tensor_proto(0.0)
    proto.Clear()
    proto.dtype = values.pop("dtype")
    for size in dims:
        proto.tensor_shape.dim.add(size=size)
    for field, value in values.items():
        if field == "tensor_content":
            proto.tensor_content = value
        else:
            getattr(proto, field).extend(value)
    return bytes(proto.SerializeToString())


CASES = [
    {"dtype": DataType.FLOAT, "shape": [2, 3], "float_val": [1.5]},
    {"dtype": DataType.FLOAT, "shape": [4], "float_val": [1.0, 2.0]},
    {
        "dtype": DataType.FLOAT,
        "shape": [2],
        "tensor_content": np.array([3, 4], np.float32).tobytes(),
    },
    {"dtype": DataType.FLOAT, "shape": [3]},
    {"dtype": DataType.DOUBLE, "shape": [2], "double_val": [0.1, -0.2]},
    {"dtype": DataType.INT32, "shape": [], "int_val": [-1]},
    {"dtype": DataType.INT8, "shape": [3], "int_val": [-128, 127, 1]},
    {"dtype": DataType.UINT8, "shape": [2], "int_val": [255]},
    {"dtype": DataType.INT64, "shape": [2], "int64_val": [-(2**40), 5]},
    {"dtype": DataType.BOOL, "shape": [3], "bool_val": [True, False]},
    {"dtype": DataType.HALF, "shape": [2], "half_val": [0x3C00, 0xC000]},
    {"dtype": DataType.COMPLEX64, "shape": [2], "scomplex_val": [1, 2, 3, 4]},
    {"dtype": DataType.UINT64, "shape": [1], "uint64_val": [2**63]},
    {"dtype": DataType.STRING, "shape": [2], "string_val": [b"a", b"\xff\x00"]},
    {"dtype": DataType.INT32, "shape": [0]},
]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: "-".join(map(str, list(case.values())[:2]))
)
def test_array_equals_tensorflows(case: dict[str, Any], tensorflow: Any) -> None:
    """Typed values, the repeated last one and raw bytes all give TensorFlow's array."""
    data = message(tensorflow, **case)
    proto = tensorflow.make_tensor_proto(0.0)
    proto.ParseFromString(data)
    expected = tensorflow.make_ndarray(proto)
    actual = parse(data).array()
    assert actual.shape == expected.shape
    assert actual.tolist() == expected.tolist()


def test_content_is_a_read_only_view() -> None:
    """Raw bytes are not copied, and cannot be written."""
    content = np.arange(4, dtype=np.float32).tobytes()
    data = b"\x08\x01" + b"\x12\x04\x12\x02\x08\x04" + b"\x22\x10" + content
    array = parse(data).array()
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable
    assert array.tolist() == [0, 1, 2, 3]


def test_numbers_need_no_numpy_and_repeat_the_last() -> None:
    """Small tensors are read as plain numbers."""
    assert parse(b"\x08\x03\x12\x04\x12\x02\x08\x03\x3a\x01\x07").numbers() == [7, 7, 7]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08\x01\x12\x04\x12\x02\x08\x04\x22\x03abc", "3 bytes where float32 .4. needs 16"),
        (b"\x08\x65", "unknown tensor data type 101"),
        (b"\x08\x01\x12\x0d\x12\x0b\x08" + b"\xff" * 9 + b"\x01", "its shape is .-1."),
    ],
)
def test_damage_is_named(data: bytes, reason: str) -> None:
    """Contents that do not fit are an error, not another tensor."""
    with pytest.raises(ModelError, match=reason):
        parse(data)


def test_shapes_of_unknown_rank_and_open_sizes() -> None:
    """A dynamic dimension is -1; an unknown rank is None."""
    storage = Storage.of_bytes(b"\x12\x0b\x08" + b"\xff" * 9 + b"\x01" + b"\x12\x02\x08\x05")
    assert parse_shape(storage.span(0, len(storage))) == (-1, 5)
    assert parse_shape(Storage.of_bytes(b"\x18\x01").span(0, 2)) is None
