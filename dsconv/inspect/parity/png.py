"""A picture with few colours as PNG, written by hand: no library, and the same bytes always.

Source: the PNG specification (W3C, third edition).
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from dsconv.inspect.parity.pictures import ByteArray

Colour: TypeAlias = tuple[int, int, int, int]
"""Red, green, blue and opacity, each from 0 to 255."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE, _NO_FILTER = 3, 0


def png_address(rows: ByteArray, palette: Sequence[Colour]) -> str:
    """The picture as a ``data:`` address; see `png`."""
    return f"data:image/png;base64,{base64.b64encode(png(rows, palette)).decode('ascii')}"


def png(rows: ByteArray, palette: Sequence[Colour]) -> bytes:
    """A picture of numbers [height, width] of the palette's colours, of which there are up to 256.

    Height and width are 1 or more.
    """
    height, width = rows.shape
    header = struct.pack(">2I5B", width, height, 8, _PALETTE, 0, 0, 0)
    filters = np.full((height, 1), _NO_FILTER, np.uint8)
    pixels = np.concatenate([filters, rows], axis=1).tobytes()
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", bytes(value for colour in palette for value in colour[:3])),
            _chunk(b"tRNS", bytes(colour[3] for colour in palette)),
            _chunk(b"IDAT", zlib.compress(pixels, 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
