"""A reference and what is compared with it over clips: one clip at a time, wherever it is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dsconv.acoustic.source import Source
from dsconv.inspect.parity.contestants import (
    Candidate,
    Contestant,
    HeardClip,
    Recorded,
    Reference,
)
from dsconv.inspect.parity.options import Options
from dsconv.inspect.parity.outcome import ClipOutcome, ClipRun, ContestInfo
from dsconv.inspect.parity.pictures import ClipPicture, picture_of
from dsconv.inspect.parity.trace import Trace
from dsconv.speech.corpus import ClipSource


@dataclass(frozen=True)
class Contest:
    """Which files are compared, and how; small enough to be sent to other processes."""

    reference: Source
    candidates: tuple[Path, ...]
    recorded: tuple[Path, ...]
    options: Options

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, the reference first."""
        return (self.reference.path, *self.candidates, *self.recorded)

    def with_full_paths(self) -> Contest:
        """The same files, from whichever folder they are opened."""
        return Contest(
            Source(self.reference.path.absolute()),
            tuple(path.absolute() for path in self.candidates),
            tuple(path.absolute() for path in self.recorded),
            self.options,
        )

    def named(self, info: ContestInfo) -> ContestInfo:
        """What is known of the files, under the names that they have here."""
        reference, *others = self.paths
        return ContestInfo(
            replace(info.reference, path=str(reference)),
            [
                replace(each, model=replace(each.model, path=str(path)))
                for each, path in zip(info.contestants, others, strict=True)
            ],
        )


@dataclass(frozen=True)
class Clip:
    """A clip to be run, and its place in the order.

    Its picture is drawn if its severity is `draw_from` or more; what was heard is kept with `keep`.
    """

    place: int
    source: ClipSource
    draw_from: float = -math.inf
    keep: bool = False


class OpenContest:
    """The opened models. Raises the errors of opening a model or a recording."""

    def __init__(self, contest: Contest) -> None:
        self._base = Reference(contest.reference, contest.options)
        self._contestants: list[Contestant] = [
            *(Candidate(path, self._base) for path in contest.candidates),
            *(Recorded(path, self._base) for path in contest.recorded),
        ]
        self.info = ContestInfo(self._base.info, [each.info for each in self._contestants])

    def run(self, clip: Clip, progress: Callable[[float], object] = float) -> ClipRun:
        """Run the reference and all others over a clip, and compare."""
        parts = _parts(progress, 1 + len(self._contestants))
        heard = self._base.run(clip.source, next(parts))
        found = [each.compare(heard, next(parts)) for each in self._contestants]
        comparisons = [pair[0] if pair else None for pair in found]
        outcome = ClipOutcome(heard.info, heard.edits, comparisons)
        picture = None
        if outcome.severity >= clip.draw_from:
            traces = [pair[1] if pair else None for pair in found]
            picture = self._draw(heard, traces, outcome.severity)
        return ClipRun(outcome, picture, (heard.speech, heard.trace) if clip.keep else None)

    def _draw(
        self, heard: HeardClip, traces: Sequence[Trace | None], severity: float
    ) -> ClipPicture:
        found = [None if trace is None else trace.probabilities for trace in traces]
        allowed = [each.info.tolerance.probabilities for each in self._contestants]
        name, alphabet = heard.source.name, self._base.interface.alphabet
        return picture_of(name, heard.trace.probabilities, found, allowed, alphabet, severity)


def _parts(progress: Callable[[float], object], count: int) -> Iterator[Callable[[float], object]]:
    """Progress of so many equal parts of the work as progress of all of it."""
    for number in range(count):
        yield lambda share, number=number: progress((number + share) / count)  # type: ignore[misc]
