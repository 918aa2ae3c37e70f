"""How long work tells how much of it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[float], object]
"""Is called with the share of the work that is done, from 0 to 1."""


def ignore_progress(_share: float) -> None:
    """For callers who do not want to know."""
