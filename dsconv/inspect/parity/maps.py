"""Heat maps over time: the reference's probabilities, and where candidates differ from them.

A frame is as many pixels wide in every drawing, so that the drawings of a clip can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsconv.inspect.parity.charts import number
from dsconv.inspect.parity.numbers import Difference
from dsconv.inspect.parity.pictures import (
    AT_TOLERANCE,
    HIGHEST_LEVEL,
    ByteArray,
    ClipPicture,
    levels,
)
from dsconv.inspect.parity.png import Colour, png_address
from dsconv.inspect.parity.result import CandidateResult, ClipResult
from dsconv.inspect.parity.validation import Validation

FRAME, ROW, STRIP = 8, 12, 18
"""Pixels: the width of a frame, the height of a class, the height of a strip with its gap."""

_MAP_TOP = 20
_AXIS = 20
_FRAMES_BETWEEN_TICKS = 25
_NARROW = 30
"""Frames that even a phone shows without scrolling."""

_MOST_ROWS = 40
_MOST_CALLS = 64
_SHADES = 64
_HUE = (31, 122, 224)
_WITHIN = (130, 92, 214)
_ABOVE = (214, 48, 49)

PROBABILITY_COLOURS: tuple[Colour, ...] = tuple(
    (*_HUE, round(255 * (shade / (_SHADES - 1)) ** 0.7)) for shade in range(_SHADES)
)
"""Of the shades from 0 to 1: transparent to opaque, so that they are legible on any page."""

DIFFERENCE_COLOURS: tuple[Colour, ...] = (
    *((*_WITHIN, round(210 * level / AT_TOLERANCE)) for level in range(AT_TOLERANCE + 1)),
    *(
        (*_ABOVE, 100 + round(150 * (level - AT_TOLERANCE) / AT_TOLERANCE))
        for level in range(AT_TOLERANCE + 1, HIGHEST_LEVEL + 1)
    ),
    (*_ABOVE, 255),
)
"""Of the levels: one hue up to the tolerance, another one above it."""


@dataclass(frozen=True)
class Text:
    """Something written at a position in pixels; `title` says more."""

    x: float
    y: float
    text: str
    title: str = ""


@dataclass(frozen=True)
class Image:
    """A picture at a height in pixels, as wide as its drawing."""

    y: float
    height: float
    address: str


@dataclass(frozen=True)
class CallBar:
    """A call of the model: position and width in pixels, colour, and its tooltip."""

    x: float
    y: float
    width: float
    fill: str
    opacity: float
    title: str


@dataclass(frozen=True)
class Map:
    """A drawing: `labels` stand left of it and stay where they are when it is scrolled.

    The `overview` is the first picture alone, to be squeezed into the width of the page; None if
    there is no need of it. `description` is for screen readers. `shown` of
    `classes` have a row. `links` are anchors of what says more, and the words for them. Sizes are
    in pixels.
    """

    clip: str
    anchor: str
    description: str
    overview: str | None
    frames: int
    classes: int
    shown: int
    width: int
    height: float
    images: list[Image]
    labels: list[Text]
    letters: list[Text]
    ticks: list[Text]
    calls: list[CallBar]
    links: list[tuple[str, str]]
    top: float
    bottom: float


def probability_maps(validation: Validation) -> list[Map]:
    """The reference's probabilities of each clip that has a picture, a strip for each candidate."""
    return [
        _probability_map(picture, validation.candidates, i)
        for i, picture in enumerate(validation.pictures, 1)
    ]


def difference_maps(validation: Validation, candidate_number: int) -> list[Map]:
    """The differences of a candidate, which are counted from 1, and those of its states."""
    index, anchor = candidate_number - 1, f"candidate-{candidate_number}"
    candidate = validation.candidates[index]
    clips = {clip.clip: clip for clip in candidate.clips}
    return [
        _difference_map(picture, levels_, clips[picture.clip], f"{anchor}-{i}")
        for i, picture in enumerate(validation.pictures, 1)
        if (levels_ := picture.differences[index]) is not None
    ]


def legend(colours: Sequence[Colour]) -> str:
    """All colours beside each other."""
    return png_address(np.arange(len(colours), dtype=np.uint8)[None], colours)


def _probability_map(
    picture: ClipPicture, candidates: Sequence[CandidateResult], clip_number: int
) -> Map:
    frames, classes = picture.probabilities.shape
    rows = shown_classes(picture.probabilities)
    shades = (picture.probabilities[:, rows].T.astype(int) * (_SHADES - 1) + 127) // 255
    bottom = _MAP_TOP + ROW * len(rows)
    images = [Image(_MAP_TOP, bottom - _MAP_TOP, _address(shades, PROBABILITY_COLOURS))]
    labels = _class_labels(picture.labels, rows, classes)
    links = []
    y = bottom + _AXIS + 4.0
    pairs = zip(candidates, picture.differences, strict=True)
    for i, (candidate, drawn) in enumerate(pairs, 1):
        if drawn is not None:
            links.append((f"candidate-{i}-{clip_number}", f"{i} {candidate.model.path}"))
            strip = drawn.max(axis=1, initial=0)[None]
            images.append(Image(y, STRIP - 4, _address(strip, DIFFERENCE_COLOURS)))
            label = f"{i} {candidate.model.format}"
            labels.append(Text(0, y + 11, _cut(label), candidate.model.path))
            y += STRIP
    text = "".join(letter for _, letter in picture.letters)
    description = f"Probabilities of {classes} classes in {frames} frames of {picture.clip}"
    return Map(
        clip=picture.clip,
        anchor=f"clip-{clip_number}",
        description=f"{description}; likeliest letters: {text}" if text else description,
        overview=images[0].address if frames > _NARROW else None,
        frames=frames,
        classes=classes,
        shown=len(rows),
        width=FRAME * frames,
        height=y,
        images=images,
        labels=labels,
        letters=[
            Text(FRAME * (frame + 0.5), _MAP_TOP - 6, visible(letter), f"frame {frame}")
            for frame, letter in picture.letters
        ],
        ticks=_ticks(frames, bottom),
        calls=[],
        links=links,
        top=_MAP_TOP,
        bottom=bottom,
    )


def _difference_map(picture: ClipPicture, drawn: ByteArray, clip: ClipResult, anchor: str) -> Map:
    frames, classes = drawn.shape
    rows = shown_classes(picture.probabilities)
    top = 4
    bottom = top + ROW * len(rows)
    labels = [
        Text(text.x, text.y - _MAP_TOP + top, text.text, text.title)
        for text in _class_labels(picture.labels, rows, classes)
    ]
    y = bottom + _AXIS + 4.0
    calls = []
    for difference in (d for d in clip.differences if d.tensor != "probabilities" and d.windows):
        calls += _call_bars(difference, clip.state_ends, y)
        labels.append(Text(0, y + 11, _cut(difference.tensor), difference.tensor))
        y += STRIP
    states = ", ".join(f"{d.tensor} {number(d.max_abs)}" for d in clip.differences)
    return Map(
        clip=picture.clip,
        anchor=anchor,
        description=f"Differences in {frames} frames of {picture.clip}; largest: {states}",
        overview=None,
        frames=frames,
        classes=classes,
        shown=len(rows),
        width=FRAME * frames,
        height=y,
        images=[Image(top, bottom - top, _address(drawn[:, rows].T, DIFFERENCE_COLOURS))],
        labels=labels,
        letters=[],
        ticks=_ticks(frames, bottom),
        calls=calls,
        links=[],
        top=top,
        bottom=bottom,
    )


def _call_bars(difference: Difference, ends: Sequence[int], y: float) -> list[CallBar]:
    """The differences of a state after each call; of very many calls the largest of a few."""
    run = -(-len(ends) // _MOST_CALLS)
    bars, start = [], 0
    for first in range(0, len(ends), run):
        values, end = difference.windows[first : first + run], ends[first : first + run][-1]
        largest = max(values)
        (level,) = levels(np.array([largest]), difference.tolerance)
        *colour, opacity = DIFFERENCE_COLOURS[level]
        calls = f"call {first + 1}" if len(values) == 1 else f"calls {first + 1} to {first + run}"
        title = f"{calls}, frames {start} to {end - 1}: {difference.tensor} {number(largest)}"
        fill = "#" + "".join(f"{value:02x}" for value in colour)
        width = FRAME * (end - start)
        bars.append(CallBar(FRAME * start, y, width, fill, round(opacity / 255, 2), title))
        start = end
    return bars


def shown_classes(probabilities: ByteArray) -> list[int]:
    """The classes that get a row: all of them, or of very many those that ever are likeliest."""
    classes = probabilities.shape[1]
    if classes <= _MOST_ROWS:
        return list(range(classes))
    by_peak = np.argsort(-probabilities.max(axis=0).astype(int), kind="stable")
    return sorted(int(each) for each in by_peak[:_MOST_ROWS])


def visible(label: str) -> str:
    """A label as it is drawn: a space as a mark, a byte that is no character as a block."""
    if label == " ":
        return "␣"
    return label if len(label) == 1 else "▪"


def _class_labels(labels: Sequence[str], rows: Sequence[int], classes: int) -> list[Text]:
    found = []
    for row, each in enumerate(rows):
        blank = each == classes - 1
        text = "blank" if blank else labels[each] if each < len(labels) else str(each)
        y = _MAP_TOP + ROW * row + ROW - 2.5
        found.append(Text(0, y, "␣" if text == " " else text, f"class {each}"))
    return found


def _ticks(frames: int, bottom: float) -> list[Text]:
    return [
        Text(FRAME * (frame + 0.5), bottom + 14, str(frame))
        for frame in range(0, frames, _FRAMES_BETWEEN_TICKS)
    ]


def _cut(text: str) -> str:
    return text if len(text) <= 13 else f"{text[:12]}…"


def _address(rows: ByteArray, colours: Sequence[Colour]) -> str:
    return png_address(np.ascontiguousarray(rows, np.uint8), colours)
