"""Where clips are run: in this process, or by others that all do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from dsconv.errors import DsconvError, ToolkitError
from dsconv.inspect.parity.contest import Clip, Contest, OpenContest
from dsconv.inspect.parity.outcome import ClipRun, ContestInfo
from dsconv.inspect.parity.unit import Answer, fingerprint


class Workers(Protocol):
    """What runs clips."""

    info: ContestInfo

    def run(
        self, clips: Sequence[int], clip: Callable[[int], Clip], progress: Callable[[float], object]
    ) -> Iterator[tuple[int, ClipRun]]:
        """Run the clips at these places, and give each as it finishes.

        `clip` is asked for a clip when its turn comes. Raises the error of the first clip, in their
        order, that has one.
        """


class ThisProcess:
    """Runs one clip after the other, here."""

    def __init__(self, contest: Contest) -> None:
        self._opened = OpenContest(contest)
        self.info = self._opened.info

    def run(
        self, clips: Sequence[int], clip: Callable[[int], Clip], progress: Callable[[float], object]
    ) -> Iterator[tuple[int, ClipRun]]:
        """Run the clips in their order."""
        for number, place in enumerate(clips):

            def share(part: float, number: int = number) -> object:
                return progress((number + part) / len(clips))

            yield place, self._opened.run(clip(place), share)


class Pool(Protocol):
    """Workers that take clips and answer in any order."""

    @property
    def room(self) -> int:
        """How many clips may be on their way at once."""

    def submit(self, clip: Clip) -> None:
        """Send a clip."""

    def next(self) -> tuple[int, Answer | DsconvError]:
        """Wait for an answer, and the place of the clip that it is about."""


class PoolWorkers:
    """Runs clips in a pool. `info` is that of the models as one of its workers described them."""

    def __init__(self, pool: Pool, contest: Contest, described: ContestInfo) -> None:
        self._pool = pool
        self._fingerprint = fingerprint(described)
        self.info = contest.named(described)

    def run(
        self, clips: Sequence[int], clip: Callable[[int], Clip], progress: Callable[[float], object]
    ) -> Iterator[tuple[int, ClipRun]]:
        """Keep the workers busy with a few clips each, so that memory does not grow with all.

        After an error no more clips are sent. Those before it were all sent earlier, so that their
        errors, if any, are known when the rest has come back.
        """
        waiting = iter(clips)
        errors: dict[int, DsconvError] = {}
        sent = finished = 0
        while True:
            while not errors and sent - finished < self._pool.room:
                place = next(waiting, None)
                if place is None:
                    break
                self._pool.submit(clip(place))
                sent += 1
            if sent == finished:
                break
            place, answer = self._pool.next()
            finished += 1
            if isinstance(answer, DsconvError):
                errors[place] = answer
                continue
            self._check(answer)
            progress(finished / len(clips))
            yield place, answer.run
        if errors:
            raise errors[min(errors)]

    def _check(self, answer: Answer) -> None:
        if answer.fingerprint != self._fingerprint:
            raise ToolkitError(
                "the workers have different models or versions of a runtime; make them the same, "
                "because figures of both cannot be mixed."
            )
