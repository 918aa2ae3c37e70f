"""The checksum CRC-32C (Castagnoli) in the form in which checkpoints hold it.

Source: the masking is that of LevelDB's ``util/crc32c.h``.
"""

from __future__ import annotations

_MASK_DELTA = 0xA282EAD8
_ALL_BITS = 0xFFFF_FFFF


class Checksum:
    """The checksum of bytes that are written to it as to a file, in pieces of any size."""

    def __init__(self) -> None:
        self._value = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take some more bytes. Returns their number, as files do."""
        # Imported here, as all files that are identified pass this module, and few are checkpoints.
        from google_crc32c import extend

        # The library takes nothing but bytes, so each piece is copied.
        self._value = extend(self._value, bytes(data))
        return len(data)

    @property
    def masked(self) -> int:
        """The checksum as it is stored beside its bytes, where it must not look like one itself."""
        # Rotated by 15 of 32 bits; what is shifted beyond them is cut off after the sum.
        rotated = self._value >> 15 | self._value << 17
        return (rotated + _MASK_DELTA) & _ALL_BITS


def masked_crc32c(data: bytes | bytearray | memoryview) -> int:
    """The checksum of some bytes as it is stored."""
    checksum = Checksum()
    checksum.write(data)
    return checksum.masked
