"""The checksum is the one that checkpoints have."""

import random

import pytest

from dsconv.formats.checkpoint.crc32c import Checksum, crc32c, masked_crc32c


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
    """The examples of RFC 3720, and the usual check value."""
    assert crc32c(data) == checksum


def byte_by_byte(data: bytes) -> int:
    """The checksum of many bytes made of those of single ones."""
    checksum = Checksum()
    for byte in data:
        checksum.write(bytes([byte]))
    return checksum.value


@pytest.mark.parametrize("length", [1, 5, 1023, 1024, 1025, 1027, 1280, 2049, 65536, 70001])
def test_long_runs(length: int) -> None:
    """In one piece or in several, they have the checksum of their bytes one after the other."""
    data = random.Random(length).randbytes(length)
    expected = byte_by_byte(data)
    pieces = Checksum()
    for start in range(0, length, 20000):
        assert pieces.write(data[start : start + 20000]) == len(data[start : start + 20000])
    assert crc32c(data) == pieces.value == expected


def test_masked_as_tensorflow_masks_it() -> None:
    """The empty block that stands in every index that TensorFlow writes, with its checksum."""
    assert masked_crc32c(bytes.fromhex("00000000 01000000 00")) == 0xB0A1F2C0
