"""To end a process in the middle of its work: files that hold it up, and waiting for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 60


def waited_for(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class HeldFile:
    """A pipe at a path: whoever reads it waits until the block ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._writer: int | None = None

    def __enter__(self) -> HeldFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            os.close(self._writer)

    def is_read(self) -> bool:
        """Whether somebody reads it; from then on the other end stays open."""
        if self._writer is None:
            try:
                self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return False
        return True
