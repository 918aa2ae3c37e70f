"""The checksum is the one that checkpoints have."""

import random

import google_crc32c
import pytest

from dsconv.formats.checkpoint.crc32c import Checksum, masked_crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_examples(data: bytes, checksum: int) -> None:
    """The examples of RFC 3720, and the usual check value, rotated and shifted as LevelDB does."""
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFF_FFFF
    assert masked_crc32c(data) == (rotated + 0xA282EAD8) & 0xFFFF_FFFF


def test_masked_as_tensorflow_masks_it() -> None:
    """The empty block that stands in every index that TensorFlow writes, with its checksum."""
    assert masked_crc32c(bytes.fromhex("00000000 01000000 00")) == 0xB0A1F2C0


def test_pieces_of_any_kind_and_size() -> None:
    """Written in pieces, bytes have the checksum that they have as a whole."""
    data = random.Random(7).randbytes(70001)
    pieces = Checksum()
    for start in range(0, len(data), 20000):
        piece = memoryview(bytearray(data[start : start + 20000]))
        assert pieces.write(piece) == len(piece)
    assert pieces.masked == masked_crc32c(data) == masked_crc32c(memoryview(data))


def test_it_is_computed_in_c() -> None:
    """The library's fallback in Python would take minutes for a release's weights."""
    assert google_crc32c.implementation == "c"
