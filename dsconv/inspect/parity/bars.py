"""Sizes and times of all models beside each other, as bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dsconv.inspect.parity.figures import duration, file_size
from dsconv.inspect.parity.result import Validation


@dataclass(frozen=True)
class Bar:
    """One model: its `share` in percent of the longest bar, what is written beside it, its page.

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
            f"candidate-{place}" if place else None,
        )
        for place, (label, value) in enumerate(zip(labels, values, strict=True))
        if value is not None
    ]
