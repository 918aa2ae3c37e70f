"""Where the bytes of a graph live: a mapped file, or memory.

A `Span` names a run of those bytes without reading it. Writing a span of a file copies from file to
file, so the pages of a large model never count as this process's memory.
"""

import io
import mmap
import stat
import weakref
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from dsconv.errors import ModelError

_COPY_BYTES = 1 << 20


def unreadable(path: Path, error: OSError) -> ModelError:
    """The error for a path that the system does not let us read."""
    reason = error.strerror or str(error)
    return ModelError(f"{path} cannot be read ({reason}); check its permissions.")


class Storage:
    """Read-only bytes, and the file that they come from if there is one."""

    def __init__(self, view: memoryview, file: io.FileIO | None = None) -> None:
        self.view = view
        self._file = file
        if file is not None:
            # Arrays may outlive the storage; they hold the mapping, which needs no open file.
            weakref.finalize(self, file.close)

    @classmethod
    def of_bytes(cls, data: bytes | memoryview) -> "Storage":
        """Hold bytes that are in memory already."""
        return cls(memoryview(data).cast("B"))

    @classmethod
    def of_file(cls, path: Path) -> "Storage":
        """Map a file. Raises ModelError if it is missing, empty, unreadable or not a file."""
        try:
            with ExitStack() as on_error:
                status = path.stat()
                if stat.S_ISDIR(status.st_mode):
                    raise ModelError(f"{path} is a folder; pass the model file inside it.")
                if not stat.S_ISREG(status.st_mode):
                    # Opening a pipe would wait for someone to write into it.
                    raise ModelError(f"{path} is not a regular file; pass a model file.")
                if status.st_size == 0:
                    raise ModelError(f"{path} is empty; copy or download the model again.")
                file = on_error.enter_context(path.open("rb", buffering=0))
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                on_error.pop_all()
                return cls(memoryview(mapping), file)
        except FileNotFoundError:
            raise ModelError(f"{path} does not exist; pass the path of a model file.") from None
        except OSError as error:
            raise unreadable(path, error) from error

    def __len__(self) -> int:
        return len(self.view)

    def span(self, start: int, end: int) -> "Span":
        """The bytes from `start` up to `end`."""
        return Span(self, start, end)

    def copy_to(self, output: BinaryIO, start: int, end: int) -> None:
        """Append the bytes from `start` up to `end` to an open file."""
        if self._file is None:
            output.write(self.view[start:end])
            return
        self._file.seek(start)
        buffer = memoryview(bytearray(min(_COPY_BYTES, end - start)))
        remaining = end - start
        while remaining:
            count = self._file.readinto(buffer[: min(len(buffer), remaining)])
            if not count:
                raise ModelError(f"{self._file.name} became shorter while it was read; try again.")
            output.write(buffer[:count])
            remaining -= count


@dataclass(frozen=True)
class Span:
    """A run of bytes in a storage."""

    storage: Storage
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def view(self) -> memoryview:
        """The bytes themselves, not copied."""
        return self.storage.view[self.start : self.end]


def disk_size(*paths: Path) -> int:
    """The bytes of files, and of all files below folders. Raises OSError if one is not there."""
    return sum(each.stat().st_size for path in paths for each in _files_of(path))


def _files_of(path: Path) -> Iterable[Path]:
    return (each for each in path.rglob("*") if each.is_file()) if path.is_dir() else (path,)


Chunk: TypeAlias = bytes | memoryview | Span


def write_chunks(output: BinaryIO, chunks: Iterable[Chunk]) -> None:
    """Append chunks to an open file, each read once and written once."""
    for chunk in chunks:
        if isinstance(chunk, Span):
            chunk.storage.copy_to(output, chunk.start, chunk.end)
        else:
            output.write(chunk)
