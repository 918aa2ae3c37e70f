"""What every comparison of a file with its source says, whatever both were fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dsconv.inspect.parity.numbers import Difference


class Verdict(Protocol):
    """Whether a file says the same as its source, and what there is to say about it."""

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the file."""

    @property
    def verdict(self) -> str:
        """``pass``, ``warning`` (it passes, but look at it) or ``fail``."""

    @property
    def line(self) -> str:
        """The verdict with the largest differences in a line, and perhaps one on what ran it."""

    @property
    def remarks(self) -> list[str]:
        """What speaks against the file, a line each."""

    @property
    def differences(self) -> Sequence[Difference]:
        """Each tensor's differences over all speech; none where no speech was fed."""

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
