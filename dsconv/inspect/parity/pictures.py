"""What a report draws of a clip: probabilities and differences of every frame, a byte each.

Only a few clips are kept, so that a validation over thousands of them takes no more memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.speech.alphabet import Alphabet
from dsconv.speech.features import FloatArray

KEPT = 5
"""Clips that are kept."""

ByteArray: TypeAlias = NDArray[np.uint8]

LEVELS_PER_DECADE = 8
AT_TOLERANCE = 4 * LEVELS_PER_DECADE
"""The level of a difference as large as its tolerance; what is above it has a higher level."""

HIGHEST_LEVEL = 2 * AT_TOLERANCE
NOT_FINITE = HIGHEST_LEVEL + 1
"""The level of a difference that is no finite number."""


@dataclass(frozen=True, eq=False)
class ClipPicture:
    """A clip frame by frame.

    `probabilities` [frames, classes] are the reference's, 255 for 1. `labels` are the texts of the
    classes, and `letters` those of the best path with the frames in which they begin; both are
    empty without an alphabet. `differences` are the `levels` [frames, classes] of each candidate,
    None for one that was not run. `severity` is the largest share of a tolerance that any of them
    used up.
    """

    clip: str
    probabilities: ByteArray
    labels: list[str]
    letters: list[tuple[int, str]]
    differences: list[ByteArray | None]
    severity: float


def picture_of(
    clip: str,
    reference: FloatArray,
    candidates: Sequence[FloatArray | None],
    tolerances: Sequence[float],
    alphabet: Alphabet | None,
    severity: float,
) -> ClipPicture:
    """Draw probabilities [frames, classes] of a reference and of its candidates."""
    shares = np.round(255 * np.clip(reference, 0, 1)).astype(np.uint8)
    labels = alphabet.texts if alphabet else []
    letters = best_path(reference, labels) if alphabet else []
    drawn = [
        None if found is None else levels(_absolute(reference, found), tolerance)
        for found, tolerance in zip(candidates, tolerances, strict=True)
    ]
    return ClipPicture(clip, shares, labels, letters, drawn, severity)


def levels(differences: NDArray[np.float64], tolerance: float) -> ByteArray:
    """Levels of absolute differences: 8 for each power of ten of the share of the tolerance.

    0 is less than a ten thousandth of it; whether a difference is above the tolerance is exact.
    """
    finite = np.isfinite(differences)
    shares = np.where(finite, differences, tolerance) / tolerance
    exponents = np.log10(np.clip(shares, 1e-30, 1e30))
    found = np.clip(np.ceil(exponents * LEVELS_PER_DECADE) + AT_TOLERANCE, 0, HIGHEST_LEVEL)
    return np.where(finite, found, NOT_FINITE).astype(np.uint8)


def _absolute(reference: FloatArray, candidate: FloatArray) -> NDArray[np.float64]:
    return np.abs(reference.astype(np.float64) - candidate.astype(np.float64))


def best_path(probabilities: FloatArray, labels: Sequence[str]) -> list[tuple[int, str]]:
    """The frames in which the likeliest class changes to a letter, and the letter."""
    path = probabilities.argmax(axis=1)
    changed = np.flatnonzero(np.append(True, path[1:] != path[:-1]))
    return [(int(f), labels[path[f]]) for f in changed if path[f] < len(labels)]


class WorstPictures:
    """The pictures of the clips in which a candidate comes nearest to its tolerance, or exceeds it.

    Of equal ones the first is kept. Clips may come in any order; the same pictures are kept.
    """

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._kept: list[tuple[int, ClipPicture]] = []

    @property
    def in_order(self) -> list[ClipPicture]:
        """The pictures in the order of their clips."""
        return [picture for _, picture in sorted(self._kept, key=lambda each: each[0])]

    @property
    def least_severity(self) -> float:
        """The severity below which no picture is kept any more."""
        if len(self._kept) < self._size:
            return -math.inf
        return self._kept[-1][1].severity

    def add(self, picture: ClipPicture, index: int) -> bool:
        """Keep the picture of the clip of this index, unless others are more telling.

        Returns whether it is kept; then the least telling one is given up if there are too many.
        """
        self._kept.append((index, picture))
        self._kept.sort(key=lambda each: (-each[1].severity, each[0]))
        del self._kept[self._size :]
        return any(kept is picture for _, kept in self._kept)
