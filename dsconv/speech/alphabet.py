"""The alphabet of a model: the text that each class stands for, without the blank.

In a graph it is a blob: a little-endian uint16 count, then for each label its uint16 number, the
uint16 length of its text and the text itself, in any order. In a file it is one label a line.

Source: ``native_client/alphabet.{h,cc}`` of DeepSpeech 0.9.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from dsconv.errors import ModelError

_UINT16_PAIR = struct.Struct("<HH")

ENGLISH_CLASSES = 29
"""The labels of the English alphabet, and the blank."""

BYTES_CLASSES = 256
"""The 255 bytes of UTF-8 text, and the blank."""

_BYTE_LABELS = tuple(bytes([value]) for value in range(1, 256))


@dataclass(frozen=True)
class Alphabet:
    """Labels in the order of the classes, as the bytes that they add to a transcript."""

    labels: tuple[bytes, ...]

    @property
    def is_bytes(self) -> bool:
        """Whether the labels are the 255 bytes of UTF-8 text, and not letters."""
        return self.labels == _BYTE_LABELS

    @property
    def texts(self) -> list[str]:
        """The labels as text; a byte that is no character by itself is shown as an escape."""
        return [label.decode("utf-8", "backslashreplace") for label in self.labels]

    @classmethod
    def english(cls) -> Alphabet:
        """The alphabet that the English releases were trained with."""
        return cls(tuple(bytes([letter]) for letter in b" abcdefghijklmnopqrstuvwxyz'"))

    @classmethod
    def of_bytes(cls) -> Alphabet:
        """The 255 bytes of UTF-8 text, from 1 on."""
        return cls(_BYTE_LABELS)

    @classmethod
    def from_blob(cls, blob: bytes) -> Alphabet:
        """Read the value of `metadata_alphabet`. Raises ModelError if it is damaged."""
        try:
            (count,) = struct.unpack_from("<H", blob)
            labels: dict[int, bytes] = {}
            position = 2
            for _ in range(count):
                label, length = _UINT16_PAIR.unpack_from(blob, position)
                position += _UINT16_PAIR.size
                labels[label] = blob[position : position + length]
                position += length
        except struct.error:
            raise ModelError("the model's alphabet is cut off; download the model again.") from None
        if position != len(blob) or sorted(labels) != list(range(count)):
            raise ModelError("the model's alphabet is damaged; download the model again.")
        return cls(tuple(labels[label] for label in range(count)))

    @classmethod
    def from_file(cls, path: Path) -> Alphabet:
        """Read an alphabet.txt: a label a line, ``#`` starts a comment, ``\\#`` is the label #.

        Lines end as on any system, the last one perhaps not at all; empty lines are no labels.
        """
        lines = path.read_bytes().splitlines()
        labels = [line for line in lines if line and not line.startswith(b"#")]
        return cls(tuple(b"#" if label == b"\\#" else label for label in labels))

    def to_blob(self, *, in_order: bool = False) -> bytes:
        """The value of `metadata_alphabet`.

        The labels stand in the order of the 0.9.3 exporter, or `in_order` of their numbers.
        """
        count = len(self.labels)
        entries = [
            _UINT16_PAIR.pack(label, len(self.labels[label])) + self.labels[label]
            for label in (range(count) if in_order else _hash_map_order(count))
        ]
        return struct.pack("<H", len(entries)) + b"".join(entries)


def _hash_map_order(count: int) -> list[int]:
    """The order in which the exporter's hash map gives back the keys 0, 1, 2 and so on.

    libstdc++ puts each new key in front, and reverses all of them when it makes room for more.
    """
    order: list[int] = []
    for key in range(count):
        if len(order) in _HASH_MAP_SIZES:
            order.reverse()
        order.insert(0, key)
    return order


# libstdc++'s std::unordered_map grows through these numbers of buckets.
_HASH_MAP_SIZES = (13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043)
