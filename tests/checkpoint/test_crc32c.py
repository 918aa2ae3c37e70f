"""The checksum is the one that checkpoints have."""

import pytest

from dsconv.checkpoint.crc32c import crc32c, masked_crc32c


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


def test_masked_as_tensorflow_masks_it() -> None:
    """The empty block that stands in every index that TensorFlow writes, with its checksum."""
    assert masked_crc32c(bytes.fromhex("00000000 01000000 00")) == 0xB0A1F2C0
