"""The SHA-256 of files and of models of several files, computed in the background.

The hash of a model of several files is that of what `sha256sum` prints for them, sorted by their
paths. Of a Core ML package these are the files below ``Data``:

    find -L Data -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from dsconv.formats.storage import unreadable

# Large pieces, because between two of them the thread may have to wait for the interpreter. Each is
# given back to the system once it is hashed, so that a file of any size takes no more than this.
_PIECE_BYTES = 1 << 23


class Digest:
    """The SHA-256 of a file or folder. Hashing starts at once and other work goes on meanwhile.

    Where the model is some of the files below a folder, `files` are these, and `path` the folder.
    Leaving the context waits for the end, so that no one reads the file any more.
    """

    def __init__(self, path: Path, files: Iterable[Path] | None = None) -> None:
        self._path = path
        self._files = files
        self._result = ""
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> Digest:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def hexdigest(self) -> str:
        """Wait for the end. Raises ModelError if the file could not be read."""
        self._thread.join()
        if self._error is not None:
            raise unreadable(self._path, self._error) from self._error
        return self._result

    def _run(self) -> None:
        try:
            if self._files is None and self._path.is_dir():
                self._files = self._path.rglob("*")
            if self._files is None:
                self._result = _sha256(self._path)
            else:
                self._result = _sha256_of_files(self._path, self._files)
        except OSError as error:
            self._error = error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    if path.stat().st_size == 0:
        return digest.hexdigest()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        for start in range(0, len(mapping), _PIECE_BYTES):
            length = min(_PIECE_BYTES, len(mapping) - start)
            with memoryview(mapping) as view, view[start : start + length] as piece:
                digest.update(piece)
            if hasattr(mmap, "MADV_DONTNEED"):
                mapping.madvise(mmap.MADV_DONTNEED, start, length)
    return digest.hexdigest()


def _sha256_of_files(folder: Path, files: Iterable[Path]) -> str:
    named = {
        os.fsencode(file.relative_to(folder).as_posix()): file for file in files if file.is_file()
    }
    digest = hashlib.sha256()
    for name, file in sorted(named.items()):
        digest.update(_sha256(file).encode() + b"  " + name + b"\n")
    return digest.hexdigest()
