"""How long work tells how much of it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

Progress: TypeAlias = Callable[[float], object]
"""Is called with the share of the work that is done, from 0 to 1."""


def ignore_progress(_share: float) -> None:
    """For callers who do not want to know."""


def equal_parts(progress: Progress, count: int) -> Iterator[Progress]:
    """The progress of each of so many equal parts of the work."""
    for index in range(count):
        # The default value binds the index of now; a closure would see the last one.
        yield lambda share, index=index: progress((index + share) / count)  # type: ignore[misc]
