"""The SHA-256 of files and of Core ML packages, computed in the background.

A package is a folder. Its hash is that of what `sha256sum` prints for the files below ``Data``,
sorted by their paths:

    find -L Data -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

Its Manifest.json is left out, because every time a model is saved it gets new random names.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from pathlib import Path

from dsconv.graph.storage import unreadable

# Large pieces, because between two of them the thread may have to wait for the interpreter. Each is
# given back to the system once it is hashed, so that a file of any size takes no more than this.
_PIECE_BYTES = 1 << 23


class Digest:
    """The SHA-256 of a file or package. Hashing starts at once and other work goes on meanwhile.

    Leaving the context waits for the end, so that no one reads the file any more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
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
            hashed = _sha256_of_package if self._path.is_dir() else _sha256
            self._result = hashed(self._path)
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


def _sha256_of_package(path: Path) -> str:
    files = {
        os.fsencode(file.relative_to(path).as_posix()): file
        for file in (path / "Data").rglob("*")
        if file.is_file()
    }
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(_sha256(file).encode() + b"  " + name + b"\n")
    return digest.hexdigest()
