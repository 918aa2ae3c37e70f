"""The SHA-256 of files, computed in the background."""

from __future__ import annotations

import hashlib
import mmap
import threading
from pathlib import Path

from dsconv.graph.storage import unreadable

# Large pieces, because between two of them the thread may have to wait for the interpreter. Each is
# given back to the system once it is hashed, so that a file of any size takes no more than this.
_PIECE_BYTES = 1 << 23


class Digest:
    """The SHA-256 of a file. Hashing starts at once and lets other work go on meanwhile.

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
            self._result = _sha256(self._path)
        except OSError as error:
            self._error = error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        for start in range(0, len(mapping), _PIECE_BYTES):
            length = min(_PIECE_BYTES, len(mapping) - start)
            with memoryview(mapping) as view, view[start : start + length] as piece:
                digest.update(piece)
            if hasattr(mmap, "MADV_DONTNEED"):
                mapping.madvise(mmap.MADV_DONTNEED, start, length)
    return digest.hexdigest()
