"""The inputs or outputs of some calls of a model as a file, for another process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = list[NDArray[np.generic]]
"""The inputs or outputs of one call, in their order."""


def write_calls(path: Path, calls: Sequence[Arrays]) -> None:
    """Write the arrays of each call; all calls have as many."""
    named = {
        f"{call}_{index}": array
        for call, arrays in enumerate(calls)
        for index, array in enumerate(arrays)
    }
    np.savez(path, **named)  # type: ignore[arg-type]


def read_calls(path: Path) -> list[Arrays]:
    """What `write_calls` wrote."""
    with np.load(path) as arrays:
        calls: dict[int, Arrays] = {}
        for name in arrays.files:
            calls.setdefault(int(name.split("_")[0]), []).append(arrays[name])
    return list(calls.values())
