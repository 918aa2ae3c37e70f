"""A validation as one HTML page that needs nothing else: no network, no scripts, no other file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from pathlib import Path

from dsconv import __version__
from dsconv.errors import ToolkitError
from dsconv.inspect.parity.finding import Finding
from dsconv.inspect.parity.result import CandidateResult, Validation
from dsconv.inspect.parity.structure import LEVEL as STRUCTURE
from dsconv.output import new_file

_TEMPLATE = Path(__file__).with_name("page.html.j2")
_LEVELS = (STRUCTURE, "numbers", "transcripts")
_VERDICTS = ("pass", "warning", "fail")
"""From the best to the worst."""

# The drawing, in pixels at its natural size: as wide as a phone, so that its text stays legible.
_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 350.0, 10.0, 150.0

_FLOOR = -9
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


def write_page(validation: Validation, path: Path, *, force: bool = False) -> None:
    """Write the page. Raises ToolkitError without jinja2, OutputError if it cannot be written."""
    # A file name that is not UTF-8 holds surrogates, which cannot be encoded; they stay visible.
    page = render_page(validation).encode("utf-8", "backslashreplace")
    with new_file(path, force=force) as file:
        file.write(page)


def render_page(validation: Validation) -> str:
    """The page as text. Raises ToolkitError if jinja2 is not installed."""
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise ToolkitError(
            "the report needs jinja2; install it with `pip install 'dsconv[report]'`."
        ) from None
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "rounded_up": rounded_up, "percent": percent}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        validation=validation,
        verdict=overall_verdict(validation),
        summary=summary(validation),
        by_level=by_level,
        charts=charts,
        frame={"width": _WIDTH, "height": _HEIGHT}
        | {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM},
        version=__version__,
    )


def overall_verdict(validation: Validation) -> str | None:
    """The worst verdict of a candidate; None if there is no candidate."""
    verdicts = [candidate.verdict for candidate in validation.candidates]
    return max(verdicts, key=_VERDICTS.index, default=None)


def summary(validation: Validation) -> str:
    """How many candidates there are, and how many have each verdict."""
    verdicts = [candidate.verdict for candidate in validation.candidates]
    if not verdicts:
        return "No candidate was compared."
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in _VERDICTS if v in verdicts)
    return f"{len(verdicts)} {'candidate' if len(verdicts) == 1 else 'candidates'}: {counts}."


def by_level(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """The findings of each level that has some, in the order of the levels."""
    others = dict.fromkeys(f.level for f in findings if f.level not in _LEVELS)
    groups = [(level, [f for f in findings if f.level == level]) for level in (*_LEVELS, *others)]
    return [(level, group) for level, group in groups if group]


def charts(candidate: CandidateResult) -> list[Chart]:
    """A chart for each clip."""
    allowed = candidate.tolerance.probabilities
    return [draw(clip.clip, clip.frame_differences, allowed) for clip in candidate.clips]


def draw(clip: str, differences: Sequence[float], tolerance: float) -> Chart:
    """Draw the differences [frames] of a clip over a logarithmic axis that reaches 1 or more."""
    finite = [value for value in differences if math.isfinite(value)]
    ceiling = _ceiling([*finite, tolerance])
    last = len(differences) - 1
    corners = [
        (_across(frame, last), _up(value, ceiling))
        for frame, value in peaks(differences, int(_RIGHT - _LEFT))
    ]
    if len(corners) == 1:
        # A line of one point is invisible; one frame is as wide as the chart.
        corners.append((_RIGHT, corners[0][1]))
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
    return round(_LEFT + (_RIGHT - _LEFT) * frame / max(1, last), 1)


def _up(value: float, ceiling: int) -> float:
    """Pixels from the top; infinity is at the top, and what is below the floor on it."""
    exponent = math.log10(max(value, 10.0**_FLOOR))
    share = (min(exponent, ceiling) - _FLOOR) / (ceiling - _FLOOR)
    return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)


def _decades(ceiling: int) -> list[Tick]:
    """A few powers of ten from the floor up."""
    every = math.ceil((ceiling - _FLOOR) / 4)
    exponents = range(_FLOOR, ceiling + 1, every)
    return [Tick(_up(10.0**e, ceiling), f"1e{e}" if e else "1") for e in exponents]


def _marked_frames(last: int) -> list[int]:
    """The first frame, the middle one and the last, as far as they differ."""
    return sorted({0, last // 2, last}) if last >= 0 else []


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
