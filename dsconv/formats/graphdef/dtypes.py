"""TensorFlow's tensor data types: number, name, size.

Source: ``tensorflow/core/framework/types.proto``.
"""

from enum import IntEnum

from dsconv.errors import ModelError


class DataType(IntEnum):
    """A tensor's data type, by the number that stands in the graph."""

    INVALID = 0
    FLOAT = 1
    DOUBLE = 2
    INT32 = 3
    UINT8 = 4
    INT16 = 5
    INT8 = 6
    STRING = 7
    COMPLEX64 = 8
    INT64 = 9
    BOOL = 10
    QINT8 = 11
    QUINT8 = 12
    QINT32 = 13
    BFLOAT16 = 14
    QINT16 = 15
    QUINT16 = 16
    UINT16 = 17
    COMPLEX128 = 18
    HALF = 19
    RESOURCE = 20
    VARIANT = 21
    UINT32 = 22
    UINT64 = 23

    @property
    def label(self) -> str:
        """The name that numpy and the toolkits use, such as ``float32``."""
        return _LABELS.get(self, self.name.lower())

    @property
    def itemsize(self) -> int | None:
        """Bytes per element; None where elements have no fixed size."""
        return _ITEM_SIZES.get(self)


def data_type(number: int) -> DataType:
    """The data type of a number read from a graph. Raises ModelError for one not in TensorFlow."""
    try:
        return DataType(number)
    except ValueError:
        raise ModelError(
            f"unknown tensor data type {number}: the file is damaged, or newer than dsconv knows."
        ) from None


_LABELS = {DataType.FLOAT: "float32", DataType.DOUBLE: "float64", DataType.HALF: "float16"}

_ITEM_SIZES = {
    DataType.FLOAT: 4,
    DataType.DOUBLE: 8,
    DataType.INT32: 4,
    DataType.UINT8: 1,
    DataType.INT16: 2,
    DataType.INT8: 1,
    DataType.COMPLEX64: 8,
    DataType.INT64: 8,
    DataType.BOOL: 1,
    DataType.QINT8: 1,
    DataType.QUINT8: 1,
    DataType.QINT32: 4,
    DataType.BFLOAT16: 2,
    DataType.QINT16: 2,
    DataType.QUINT16: 2,
    DataType.UINT16: 2,
    DataType.COMPLEX128: 16,
    DataType.HALF: 2,
    DataType.UINT32: 4,
    DataType.UINT64: 8,
}
