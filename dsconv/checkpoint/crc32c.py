"""The checksum CRC-32C (Castagnoli), and the form in which tables hold it.

Source: RFC 3720, appendix B.4; the masking is that of LevelDB's ``util/crc32c.h``.
"""

from __future__ import annotations

# The polynomial, its bits reversed.
_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL_BITS = 0xFFFF_FFFF


def _table() -> tuple[int, ...]:
    """The remainder of each byte."""
    remainders = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (_POLYNOMIAL if remainder & 1 else 0)
        remainders.append(remainder)
    return tuple(remainders)


_REMAINDERS = _table()


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of some bytes."""
    checksum = _ALL_BITS
    for byte in data:
        checksum = checksum >> 8 ^ _REMAINDERS[(checksum ^ byte) & 0xFF]
    return checksum ^ _ALL_BITS


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as it is stored beside its bytes, where it must not look like one itself."""
    checksum = crc32c(data)
    rotated = checksum >> 15 | checksum << 17
    return (rotated + _MASK_DELTA) & _ALL_BITS
