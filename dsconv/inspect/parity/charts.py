"""Charts of the page: sizes and times as bars, differences as lines, and their numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context

from dsconv.inspect.parity.validation import Validation

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


@dataclass(frozen=True)
class Bar:
    """One model: its `share` in percent of the longest bar, and what is written beside it.

    `anchor` is where the page says more, None for the reference.
    """

    label: str
    share: float
    value: str
    anchor: str | None


@dataclass(frozen=True)
class Bars:
    """Bars that belong together, the reference's first. `note` says how to read them."""

    title: str
    note: str
    bars: list[Bar]


def all_bars(validation: Validation) -> list[Bars]:
    """Sizes and times as far as they are known, for two models or more."""
    return [bars for bars in (_sizes(validation), _times(validation)) if len(bars.bars) > 1]


def _sizes(validation: Validation) -> Bars:
    models = [validation.reference, *(candidate.model for candidate in validation.candidates)]
    sizes = [model.bytes for model in models]
    bars = _bars(validation, sizes, lambda size: file_size(int(size)))
    return Bars("Size", "All files of a model.", bars)


def _times(validation: Validation) -> Bars:
    """Seconds for a second of speech; a candidate that was not run over all clips has none."""
    note = (
        "Time for one second of speech, on one run on this machine, the first call included. A "
        "reference graph is evaluated by dsconv itself, which is no measure of its own runtime."
    )
    speech = sum(clip.seconds for clip in validation.clips)
    runs = [[clip.run_seconds for clip in validation.clips]]
    runs += [[clip.run_seconds for clip in each.clips] for each in validation.candidates]
    rates = [_rate(run, len(validation.clips), speech) for run in runs]
    return Bars("Time", note, _bars(validation, rates, duration))


def _rate(run: Sequence[float | None], clips: int, speech: float) -> float | None:
    known = [seconds for seconds in run if seconds is not None]
    return sum(known) / speech if speech and clips and len(known) == clips else None


def _bars(
    validation: Validation, values: Sequence[float | None], written: Callable[[float], str]
) -> list[Bar]:
    labels = ["reference", *(candidate.model.path for candidate in validation.candidates)]
    largest = max((value for value in values if value is not None), default=0.0)
    return [
        Bar(
            label,
            round(100 * value / largest, 2) if largest else 0.0,
            written(value),
            f"candidate-{index}" if index else None,
        )
        for index, (label, value) in enumerate(zip(labels, values, strict=True))
        if value is not None
    ]


def number(value: float) -> str:
    """A difference with three digits, a plain 0, or a word."""
    if math.isnan(value):
        return "not a number"
    if value == 0:
        return "0"
    return f"{value:.2e}" if math.isfinite(value) else "infinite"


def rounded_up(value: float) -> str:
    """The smallest tolerance that passes, with three digits that still pass; none if none does."""
    if not math.isfinite(value):
        return "none"
    text = number(value)
    if float(text) >= value:
        return text
    above = Context(prec=3, rounding=ROUND_CEILING).create_decimal_from_float(value)
    return number(float(above))


def percent(share: float) -> str:
    """A share in percent; 100 only if it is all."""
    text = f"{share:.1%}"
    return "99.9%" if text == "100.0%" and share < 1 else text


def file_size(count: int) -> str:
    """Bytes in the unit that fits, of powers of 1000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    """Seconds in the unit that fits, with three digits."""
    if seconds >= 1:
        return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
