"""The variables of a checkpoint: names, types and shapes at once, values where they lie.

``PREFIX.index`` is a table from names to where the values are, ``PREFIX.data-00000-of-00001`` and
so on hold the values. A tensor is a run of bytes of a mapped file, whose checksum is right.

Source: ``tensor_bundle.proto`` and ``tensor_bundle.cc`` of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dsconv.errors import ModelError, about
from dsconv.formats.checkpoint.crc32c import Checksum
from dsconv.formats.checkpoint.schema import BundleEntryProto, BundleHeaderProto
from dsconv.formats.checkpoint.table import read_table
from dsconv.formats.graphdef.dtypes import DataType, data_type
from dsconv.formats.graphdef.tensor import Tensor, parse_shape
from dsconv.formats.storage import Storage

# The newest way of writing bundles that TensorFlow knows, and so dsconv.
_VERSION = 1
_NO_SHAPE_MEANS_SCALAR: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Entry:
    """Where a variable is. `offset` and `size` are in bytes of the data file number `shard`."""

    dtype: DataType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    sliced: bool


@dataclass(frozen=True)
class Variable:
    """What the index says of a variable. `bytes` are those that it takes in the data file."""

    name: str
    dtype: DataType
    shape: tuple[int, ...]
    bytes: int


class Checkpoint(Mapping[str, tuple[int, ...]]):
    """The shapes of a checkpoint's variables by name, and their values when asked for."""

    def __init__(self, prefix: Path, entries: dict[str, _Entry], shards: int) -> None:
        self.prefix = prefix
        self._entries = entries
        self._shards = shards
        self._opened: dict[int, Storage] = {}

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._entries[name].shape

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def variables(self) -> list[Variable]:
        """All variables, by name. Their values are not looked at."""
        return [
            Variable(name, entry.dtype, entry.shape, entry.size)
            for name, entry in self._entries.items()
        ]

    @property
    def files(self) -> list[Path]:
        """The index and the data files, whether they are there or not."""
        index = self.prefix.with_name(f"{self.prefix.name}.index")
        return [index, *map(self._shard_path, range(self._shards))]

    def tensor(self, name: str) -> Tensor:
        """A variable's value; its bytes stay in the mapped file.

        Raises ModelError if there is no such variable, or its value is missing or damaged.
        """
        if name not in self._entries:
            raise ModelError(
                f"{self.prefix}: the checkpoint has no variable '{name}'; pass one of a whole "
                "DeepSpeech or Coqui STT acoustic model."
            )
        with about(self.prefix):
            return self._tensor(name, self._entries[name])

    def _tensor(self, name: str, entry: _Entry) -> Tensor:
        if entry.sliced:
            raise ModelError(
                f"variable '{name}' is stored in slices, which the original training code does "
                "not write; save the checkpoint again without partitioned variables."
            )
        storage = self._shard(entry.shard)
        end = entry.offset + entry.size
        if entry.offset < 0 or entry.size < 0 or end > len(storage):
            raise ModelError(
                f"variable '{name}' lies beyond the end of {self._shard_path(entry.shard).name}, "
                "which was cut off; copy or download the checkpoint again."
            )
        tensor = Tensor(entry.dtype, entry.shape, storage.span(entry.offset, end), None)
        if entry.dtype.itemsize is None or entry.size != tensor.nbytes:
            raise ModelError(
                f"variable '{name}' has {entry.size:,} bytes, which do not fit "
                f"{entry.dtype.label} {list(entry.shape)}; copy or download the checkpoint again."
            )
        checksum = Checksum()
        # Read like a file, so that the weights never count as this process's memory.
        storage.copy_to(cast(BinaryIO, checksum), entry.offset, end)
        if checksum.masked != entry.checksum:
            raise ModelError(
                f"variable '{name}' is damaged: its checksum is wrong; copy or download the "
                "checkpoint again."
            )
        return tensor

    def _shard_path(self, shard: int) -> Path:
        return self.prefix.with_name(f"{self.prefix.name}.data-{shard:05d}-of-{self._shards:05d}")

    def _shard(self, shard: int) -> Storage:
        """One of the data files, mapped."""
        path = self._shard_path(shard)
        if not 0 <= shard < self._shards:
            raise ModelError(
                f"damaged: the index names data file {shard} of {self._shards}; copy or download "
                "the checkpoint again."
            )
        if shard not in self._opened:
            if not path.exists():
                raise ModelError(
                    f"the checkpoint's data file {path} is missing; copy it into the folder of "
                    "its .index."
                )
            self._opened[shard] = Storage.of_file(path)
        return self._opened[shard]


def open_checkpoint(prefix: Path) -> Checkpoint:
    """Open the checkpoint whose files start with `prefix`.

    Raises ModelError if its index is missing, damaged, or of a kind that dsconv does not know.
    """
    path = prefix.with_name(f"{prefix.name}.index")
    with about(path):
        table = read_table(Storage.of_file(path))
        # The header has the empty name, so that it stands first.
        if b"" not in table:
            raise ModelError(
                "it has no header, so it is not a checkpoint's index; pass the .index of one."
            )
        shards = _read_header(BundleHeaderProto.of_bytes(table.pop(b"")))
        entries = {
            key.decode("utf-8", "replace"): _read_entry(BundleEntryProto.of_bytes(value))
            for key, value in table.items()
        }
        return Checkpoint(prefix, entries, shards)


def _read_header(header: BundleHeaderProto) -> int:
    """The number of data files."""
    if header.endianness:
        raise ModelError(
            "it was saved on a big-endian machine, which dsconv does not read; save it again on "
            "another."
        )
    needed = header.version.min_consumer
    if needed > _VERSION:
        raise ModelError(
            f"it is of version {needed} of TensorFlow's checkpoints, and dsconv knows {_VERSION}; "
            "save it with TensorFlow 1 or 2."
        )
    return header.num_shards


def _read_entry(entry: BundleEntryProto) -> _Entry:
    shape = parse_shape(entry.shape) if entry.has("shape") else _NO_SHAPE_MEANS_SCALAR
    if shape is None or any(size < 0 for size in shape):
        raise ModelError(f"damaged: a variable has the shape {shape}; copy it again.")
    return _Entry(
        data_type(entry.dtype),
        shape,
        shard=entry.shard_id,
        offset=entry.offset,
        size=entry.size,
        checksum=entry.crc32c,
        sliced=entry.has("slices"),
    )
