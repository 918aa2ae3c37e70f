"""The sorted table of keys and values that a checkpoint's ``.index`` file is.

The file is a run of blocks, an index block that tells where they are, and a footer that tells where
that is. Each block is followed by a byte for its compression and a checksum. TensorFlow writes its
indexes without compression.

Source: ``doc/table_format.md`` of LevelDB, and ``tensorflow/core/lib/io/format.cc``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dsconv.errors import ModelError
from dsconv.formats.checkpoint.crc32c import masked_crc32c
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Storage

# The bounds of two blocks, padded to the 40 bytes that they take at most, and the magic number.
_FOOTER_BYTES = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER = struct.Struct("<BI")
# A block ends with the positions of its keys that are written out, and how many these are.
_COUNT_BYTES = 4
_COMPRESSIONS = {1: "snappy"}


def is_table(storage: Storage) -> bool:
    """Whether a file ends as such a table ends."""
    return bytes(storage.view[-len(_MAGIC) :]) == _MAGIC


def read_table(storage: Storage) -> dict[bytes, bytes]:
    """All keys and values, in the order of the keys. Raises ModelError if the table is damaged."""
    view = storage.view
    if len(view) < _FOOTER_BYTES or not is_table(storage):
        raise ModelError(
            "it is not the index of a checkpoint, or it was cut off; copy or download it again."
        )
    footer = view[-_FOOTER_BYTES : -len(_MAGIC)]
    # The footer's first two numbers bound another index, which is empty in checkpoints.
    position = _read_bounds(footer, 0)[2]
    start, size, _ = _read_bounds(footer, position)
    entries: dict[bytes, bytes] = {}
    last: bytes | None = None
    for _, bounds in _read_block(view, start, size):
        start, size, _ = _read_bounds(memoryview(bounds), 0)
        for key, value in _read_block(view, start, size):
            if last is not None and key <= last:
                raise _damaged("its keys are not in order")
            entries[key] = value
            last = key
    return entries


def _read_bounds(data: memoryview, position: int) -> tuple[int, int, int]:
    """The start and the size of a block, and the position after them."""
    start, position = wire.read_varint(data, position, len(data))
    size, position = wire.read_varint(data, position, len(data))
    return start, size, position


def _read_block(view: memoryview, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block. A key says how much of the one before it it shares."""
    block = _checked_block(view, start, size)
    if size < _COUNT_BYTES:
        raise _damaged(f"the block at byte {start:,} is too short")
    (restarts,) = struct.unpack_from("<I", block, size - _COUNT_BYTES)
    # The offsets of keys that are whole, for searching, stand between the entries and their count.
    end = size - _COUNT_BYTES * (restarts + 1)
    if end < 0:
        raise _damaged(f"the block at byte {start:,} is too short")
    position, key = 0, b""
    while position < end:
        shared, position = wire.read_varint(block, position, end)
        own, position = wire.read_varint(block, position, end)
        length, position = wire.read_varint(block, position, end)
        value_start = position + own
        if shared > len(key) or value_start + length > end:
            raise _damaged(f"an entry of the block at byte {start:,} does not add up")
        key = key[:shared] + bytes(block[position:value_start])
        position = value_start + length
        yield key, bytes(block[value_start:position])


def _checked_block(view: memoryview, start: int, size: int) -> memoryview:
    """A block's contents, if its checksum is right."""
    end = start + size
    if end + _TRAILER.size > len(view) - _FOOTER_BYTES:
        raise _damaged(f"the block at byte {start:,} reaches beyond the end")
    compression, checksum = _TRAILER.unpack_from(view, end)
    # The checksum covers the byte of the compression too.
    if masked_crc32c(view[start : end + 1]) != checksum:
        raise _damaged(f"the checksum of the block at byte {start:,} is wrong")
    if compression:
        name = _COMPRESSIONS.get(compression, f"an unknown method ({compression})")
        raise ModelError(
            f"its index is compressed with {name}, which TensorFlow's checkpoints are not; save "
            "the checkpoint again with TensorFlow."
        )
    return view[start:end]


def _damaged(reason: str) -> ModelError:
    return ModelError(f"damaged: {reason}; copy or download the checkpoint again.")
