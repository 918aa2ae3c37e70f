"""Writes small checkpoints, so that their reader can be tested without TensorFlow."""

import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.export import ExportSettings, weight_shapes
from dsconv.fixtures.demo_model import ALPHABET
from dsconv.formats.checkpoint.crc32c import masked_crc32c
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.protobuf import wire
from dsconv.speech.alphabet import Alphabet

Variables = Mapping[str, NDArray[Any]]

MAGIC = bytes.fromhex("57fb808b247547db")
KEYS_A_BLOCK = 5
KEYS_A_RESTART = 3


def write_checkpoint(
    prefix: Path, variables: Variables, *, shards: int = 1, header: bytes = b"", extra: bytes = b""
) -> Path:
    """Write the files of a checkpoint, its variables dealt to the data files in turn.

    `header` and `extra` are fields to add to the header and to every entry. Returns the prefix.
    """
    contents = [bytearray() for _ in range(shards)]
    entries = {b"": number(1, shards) + header}
    for index, name in enumerate(sorted(variables)):
        shard = index % shards
        values = variables[name]
        start = len(contents[shard])
        contents[shard] += values.tobytes()
        entries[name.encode()] = entry(values, shard, start) + extra
    for shard, content in enumerate(contents):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries))
    return prefix


def entry(values: NDArray[Any], shard: int, offset: int) -> bytes:
    """Where a variable is. As in protocol buffers, a 0 is left out."""
    dtype = next(kind for kind in DataType if kind.label == values.dtype.name)
    sizes = b"".join(message(2, number(1, size)) for size in values.shape)
    location = number(3, shard) + number(4, offset) + number(5, values.nbytes)
    checksum = wire.varint(6 << 3 | wire.FIXED32) + struct.pack(
        "<I", masked_crc32c(values.tobytes())
    )
    return number(1, dtype) + message(2, sizes) + location + checksum


def number(field: int, value: int) -> bytes:
    return wire.varint(field << 3) + wire.varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    return b"".join(bytes(chunk) for chunk in wire.nested(field, [content]) if chunk)  # type: ignore[arg-type]


def table(entries: Mapping[bytes, bytes], compression: int = 0) -> bytes:
    """A sorted table of several blocks."""
    result = bytearray()
    items = sorted(entries.items())
    index = []
    for start in range(0, len(items), KEYS_A_BLOCK):
        chunk = items[start : start + KEYS_A_BLOCK]
        index.append((chunk[-1][0], append(result, block(chunk), compression)))
    meta_bounds = append(result, block([]))
    footer = meta_bounds + append(result, block(index))
    return bytes(result) + footer.ljust(40, b"\0") + MAGIC


def append(result: bytearray, content: bytes, compression: int = 0) -> bytes:
    """Add a block with its trailer; returns its bounds."""
    bounds = wire.varint(len(result)) + wire.varint(len(content))
    content += bytes([compression])
    result += content + struct.pack("<I", masked_crc32c(content))
    return bounds


def block(items: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Keys and values; most keys say only in what they differ from the one before them."""
    result, restarts, last = bytearray(), [0], b""
    for index, (key, value) in enumerate(items):
        shared = 0
        if index % KEYS_A_RESTART:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        elif index:
            restarts.append(len(result))
        own = key[shared:]
        result += b"".join(map(wire.varint, (shared, len(own), len(value)))) + own + value
        last = key
    return bytes(result) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def trained_variables(settings: ExportSettings, n_hidden: int = 4) -> dict[str, NDArray[Any]]:
    """What a training saves: the weights, two slots of Adam for each, and single numbers."""
    generator = np.random.default_rng(0)
    variables: dict[str, NDArray[Any]] = {
        "global_step": np.array(150, np.int64),
        "learning_rate": np.array(0.001, np.float32),
        "beta1_power": np.array(0.9, np.float32),
    }
    for name, shape in weight_shapes(n_hidden, settings).items():
        for slot in ("", "/Adam", "/Adam_1"):
            variables[f"{name}{slot}"] = generator.random(shape, np.float32)
    return variables


def write_training(folder: Path) -> None:
    """The folder of a training on English, with the alphabet where Coqui's keeps it."""
    folder.mkdir()
    variables = trained_variables(ExportSettings(Alphabet.from_file(ALPHABET)))
    write_checkpoint(folder / "best_dev-150", variables)
    shutil.copy(ALPHABET, folder)
    (folder / "best_dev_checkpoint").write_text('model_checkpoint_path: "best_dev-150"\n')
