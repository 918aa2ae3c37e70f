"""The checksum CRC-32C (Castagnoli), and the form in which checkpoints hold it.

A checksum is linear: that of a long run of bytes is made of those of its parts. So large data are
cut into lanes, all of which numpy carries on by the same step at a time, and then joined in pairs.
That makes the weights of a release a matter of a second.

Source: RFC 3720, appendix B.4; the masking is that of LevelDB's ``util/crc32c.h``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Registers: TypeAlias = NDArray[np.uint32]
    # A linear map of registers: for each of their four bytes, what each of its values becomes.
    Map: TypeAlias = NDArray[np.uint32]

# The polynomial, its bits reversed.
_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL_BITS = 0xFFFF_FFFF
_WORD_BYTES = 4
_LANE_WORDS = 64
# Below this, lanes take longer than they save.
_FEW_BYTES = 1024


class Checksum:
    """The checksum of bytes that are written to it, in pieces of any size."""

    def __init__(self) -> None:
        self._register = _ALL_BITS

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take some more bytes. Returns their number, as files do."""
        advance = _advanced_over_few if len(data) < _FEW_BYTES else _advanced_over_lanes
        self._register = advance(self._register, data)
        return len(data)

    @property
    def value(self) -> int:
        """The checksum of what was written so far."""
        return self._register ^ _ALL_BITS

    @property
    def masked(self) -> int:
        """The checksum as it is stored beside its bytes, where it must not look like one itself."""
        rotated = self.value >> 15 | self.value << 17
        return (rotated + _MASK_DELTA) & _ALL_BITS


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """The checksum of some bytes."""
    checksum = Checksum()
    checksum.write(data)
    return checksum.value


def masked_crc32c(data: bytes | bytearray | memoryview) -> int:
    """The checksum of some bytes as it is stored."""
    checksum = Checksum()
    checksum.write(data)
    return checksum.masked


@cache
def _remainders() -> tuple[int, ...]:
    """What each byte makes of a register of zeros."""
    remainders = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (_POLYNOMIAL if remainder & 1 else 0)
        remainders.append(remainder)
    return tuple(remainders)


def _advanced_over_few(register: int, data: bytes | bytearray | memoryview) -> int:
    remainders = _remainders()
    for byte in data:
        register = register >> 8 ^ remainders[(register ^ byte) & 0xFF]
    return register


def _advanced_over_lanes(register: int, data: bytes | bytearray | memoryview) -> int:
    """The register after some more bytes; there must be as many as it has."""
    import numpy as np

    lane_bytes = _LANE_WORDS * _WORD_BYTES
    lanes = 1 << (-(-len(data) // lane_bytes) - 1).bit_length()
    # Zeros in front of the data change nothing while the register is zero. It is, because what it
    # held is added to the first bytes instead, which comes to the same.
    padded = np.zeros(lanes * lane_bytes, np.uint8)
    start = len(padded) - len(data)
    padded[start:] = np.frombuffer(data, np.uint8)
    padded[start : start + _WORD_BYTES] ^= np.frombuffer(
        register.to_bytes(_WORD_BYTES, "little"), np.uint8
    )
    words = np.ascontiguousarray(padded.view("<u4").reshape(lanes, _LANE_WORDS).T)
    step = _step_over_zeros(0)
    registers: Registers = np.zeros(lanes, "<u4")
    for word in words:
        registers = _mapped(step, registers ^ word)
    doublings = (_LANE_WORDS - 1).bit_length()
    while len(registers) > 1:
        # The first of two neighbours has all the bytes of the second still before it.
        registers = _mapped(_step_over_zeros(doublings), registers[0::2]) ^ registers[1::2]
        doublings += 1
    return int(registers[0])


@cache
def _step_over_zeros(doublings: int) -> Map:
    """What a word of zeros makes of a register, or 2, 4, 8 and so on of them."""
    import numpy as np

    basis = 1 << np.arange(32, dtype=np.uint32)
    if doublings:
        half = _step_over_zeros(doublings - 1)
        images = _mapped(half, _mapped(half, basis.astype("<u4")))
    else:
        word = bytes(_WORD_BYTES)
        images = np.array([_advanced_over_few(int(bit), word) for bit in basis], "<u4")
    result = np.zeros((4, 256), "<u4")
    for bit, image in enumerate(images):
        values = result[bit // 8]
        size = 1 << bit % 8
        values[size : 2 * size] = values[:size] ^ image
    return result


def _mapped(linear: Map, registers: Registers) -> Registers:
    bytes_of = registers.astype("<u4", copy=False, order="C").view("u1").reshape(-1, _WORD_BYTES)
    result: Registers = linear[0].take(bytes_of[:, 0])
    for place in range(1, _WORD_BYTES):
        result ^= linear[place].take(bytes_of[:, place])
    return result
