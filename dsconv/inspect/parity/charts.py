"""The largest difference of each frame of a clip, as a line over a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# The drawing, in pixels at its natural size: as wide as a phone, so that its text stays legible.
WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 48.0, 350.0, 10.0, 150.0

FLOOR = -9
"""The exponent of ten of the lowest difference that a chart tells from none."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: pixels from the left or from the top, and what is written there."""

    position: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The largest difference of each frame of a clip, drawn; positions are in pixels.

    `points` are those of an SVG polyline. `largest` is the largest finite difference; `not_finite`
    frames have none and are drawn at the top.
    """

    clip: str
    points: str
    frames: int
    across: list[Tick]
    up: list[Tick]
    tolerance: float
    tolerance_at: float
    largest: float
    not_finite: int


def draw(clip: str, differences: Sequence[float], tolerance: float) -> Chart:
    """Draw the differences [frames] of a clip over a logarithmic axis that reaches 1 or more."""
    finite = [value for value in differences if math.isfinite(value)]
    ceiling = _ceiling([*finite, tolerance])
    last = len(differences) - 1
    corners = [
        (_across(frame, last), _up(value, ceiling))
        for frame, value in peaks(differences, int(RIGHT - LEFT))
    ]
    if len(corners) == 1:
        # A line of one point is invisible; one frame is as wide as the chart.
        corners.append((RIGHT, corners[0][1]))
    return Chart(
        clip=clip,
        points=" ".join(f"{x},{y}" for x, y in corners),
        frames=len(differences),
        across=[Tick(_across(frame, last), str(frame)) for frame in _marked_frames(last)],
        up=_decades(ceiling),
        tolerance=tolerance,
        tolerance_at=_up(tolerance, ceiling),
        largest=max(finite, default=0.0),
        not_finite=len(differences) - len(finite),
    )


def peaks(values: Sequence[float], limit: int) -> list[tuple[int, float]]:
    """At most `limit` (frame, value): the largest of each run of frames, so that no peak is lost.

    What is not finite counts as infinite.
    """
    sizes = [value if math.isfinite(value) else math.inf for value in values]
    run = max(1, math.ceil(len(sizes) / limit))
    starts = range(0, len(sizes), run)
    frames = [max(range(i, min(i + run, len(sizes))), key=sizes.__getitem__) for i in starts]
    return [(frame, sizes[frame]) for frame in frames]


def _ceiling(values: Sequence[float]) -> int:
    """The exponent of the power of ten at the top: 0, or what the largest finite value needs."""
    return max(0, math.ceil(math.log10(max(1.0, *values))))


def _across(frame: int, last: int) -> float:
    """Pixels from the left."""
    return round(LEFT + (RIGHT - LEFT) * frame / max(1, last), 1)


def _up(value: float, ceiling: int) -> float:
    """Pixels from the top; infinity is at the top, and what is below the floor on it."""
    exponent = math.log10(max(value, 10.0**FLOOR))
    share = (min(exponent, ceiling) - FLOOR) / (ceiling - FLOOR)
    return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def _decades(ceiling: int) -> list[Tick]:
    """A few powers of ten from the floor up."""
    every = math.ceil((ceiling - FLOOR) / 4)
    exponents = range(FLOOR, ceiling + 1, every)
    return [Tick(_up(10.0**e, ceiling), f"1e{e}" if e else "1") for e in exponents]


def _marked_frames(last: int) -> list[int]:
    """The first frame, the middle one and the last, as far as they differ."""
    return sorted({0, last // 2, last}) if last >= 0 else []
