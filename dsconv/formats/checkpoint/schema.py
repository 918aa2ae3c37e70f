"""The messages in the index of a checkpoint.

Source: ``tensor_bundle.proto`` and ``versions.proto`` of TensorFlow.
"""

from __future__ import annotations

from dsconv.formats.protobuf.schema import Enum, Fixed32, Int32, Int64, TypedMessage, field
from dsconv.formats.storage import Span


class BundleHeaderProto(TypedMessage):
    """What holds for all variables: the number of data files, 1 for big endian, the version."""

    num_shards: Int32 = field(1)
    endianness: Enum = field(2)
    version: VersionDef = field(3)


class VersionDef(TypedMessage):
    """The version of a file, and the least one that a reader of it has to know."""

    producer: Int32 = field(1)
    min_consumer: Int32 = field(2)


class BundleEntryProto(TypedMessage):
    """Where the value of a variable is, and its checksum, a masked CRC-32C."""

    dtype: Enum = field(1)
    shape: Span = field(2)
    shard_id: Int32 = field(3)
    offset: Int64 = field(4)
    size: Int64 = field(5)
    crc32c: Fixed32 = field(6)
    slices: list[Span] = field(7)
