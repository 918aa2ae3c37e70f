"""Tables give all that was put in, and every damage is noticed."""

import pytest

from dsconv.errors import ModelError
from dsconv.formats.checkpoint.table import read_table
from dsconv.formats.storage import Storage
from tests.formats.checkpoint.writer import append, block, table

ENTRIES = {f"layer_{n}/weights{slot}".encode(): bytes(n) for n in range(4) for slot in ("", "/A")}

META = bytes.fromhex("00000000 01000000 00 c0f2a1b0")
"""The empty block of other data, which nothing is read from."""

FOOTER_BYTES = 48


def read(data: bytes) -> dict[bytes, bytes]:
    return read_table(Storage.of_bytes(data))


@pytest.mark.parametrize("count", [0, 1, 5, 6, 40, 300])
def test_round_trip(count: int) -> None:
    """Any number of entries, over blocks and shared beginnings, in the order of the keys."""
    entries = {f"{n:03d}{'x' * n}".encode(): b"value" * (n % 7) for n in range(count)}
    assert list(read(table(entries)).items()) == list(entries.items())


def test_every_flipped_bit_of_a_block_is_noticed() -> None:
    """Contents, compression and checksum."""
    data = bytearray(table(ENTRIES))
    blocks, meta, index_and_footer = data.partition(META)
    after = len(blocks) + len(meta)
    index = range(after, after + len(index_and_footer) - FOOTER_BYTES)
    for position in (*range(len(blocks)), *index):
        for bit in range(8):
            data[position] ^= 1 << bit
            with pytest.raises(ModelError):
                read(bytes(data))
            data[position] ^= 1 << bit
    assert read(bytes(data)) == ENTRIES


def test_every_shorter_file_is_noticed() -> None:
    """A download that broke off is no table."""
    data = table(ENTRIES)
    for length in range(len(data)):
        with pytest.raises(ModelError):
            read(data[:length])


def one_block(content: bytes, compression: int = 0) -> bytes:
    """A table of one block, which need not be in order."""
    result = bytearray()
    bounds = append(result, content, compression)
    footer = append(result, block([])) + append(result, block([(b"z", bounds)]))
    return bytes(result) + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (one_block(block([(b"b", b""), (b"a", b"")])), "not in order"),
        (one_block(block([(b"a", b""), (b"a", b"")])), "not in order"),
        (one_block(b"\1\0\0\0"), "too short"),
        (one_block(b"\0"), "too short"),
        (one_block(b"\5\0\0" + block([])), "does not add up"),
        (one_block(b"\0\5\0" + block([])), "does not add up"),
        (one_block(block([]), compression=1), "compressed with snappy"),
        (one_block(block([]), compression=4), "unknown method .4."),
        (b"", "cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "table",
)
def test_what_is_wrong_is_named(data: bytes, says: str) -> None:
    """Even where the checksums are right."""
    with pytest.raises(ModelError, match=says):
        read(data)
