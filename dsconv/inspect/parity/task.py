"""What is validated: files that are opened once in each process, and run over clips one by one."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dsconv.acoustic.source import Source
from dsconv.inspect.parity.candidates import Candidate, CandidateModel, RecordedCandidate
from dsconv.inspect.parity.outcome import ClipOutcome, ClipRun, TaskInfo
from dsconv.inspect.parity.pictures import ClipPicture, picture_of
from dsconv.inspect.parity.reference import Reference, ReferenceClip, ValidationOptions
from dsconv.inspect.parity.trace import Trace
from dsconv.progress import Progress, equal_parts, ignore_progress
from dsconv.runtime.threads import one_thread
from dsconv.speech.corpus import ClipSource


@dataclass(frozen=True)
class Task:
    """Which files are compared, and how; small enough to be sent to other processes.

    `run` tells one validation from the next, whose files may have changed.
    """

    reference: Source
    candidates: tuple[Path, ...]
    recorded: tuple[Path, ...]
    options: ValidationOptions
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, the reference first."""
        return (self.reference.path, *self.candidates, *self.recorded)

    def with_full_paths(self) -> Task:
        """The same files, from whichever folder they are opened."""
        return replace(
            self,
            reference=Source(self.reference.path.absolute()),
            candidates=tuple(path.absolute() for path in self.candidates),
            recorded=tuple(path.absolute() for path in self.recorded),
        )

    def named(self, info: TaskInfo) -> TaskInfo:
        """What is known of the files, under the names that they have here."""
        reference, *others = self.paths
        return TaskInfo(
            replace(info.reference, path=str(reference)),
            [
                replace(each, model=replace(each.model, path=str(path)))
                for each, path in zip(info.candidates, others, strict=True)
            ],
        )


@dataclass(frozen=True)
class Clip:
    """A clip to be run, and its index among all.

    Its picture is drawn if its severity is `draw_from` or more; with `keep_io` what the reference
    was fed and gave is kept.
    """

    index: int
    source: ClipSource
    draw_from: float = -math.inf
    keep_io: bool = False


class OpenTask:
    """The opened models of a task. Raises the errors of opening a model or a recording."""

    def __init__(self, task: Task) -> None:
        self._reference = Reference(task.reference, task.options)
        self._candidates: list[Candidate] = [
            *(CandidateModel(path, self._reference) for path in task.candidates),
            *(RecordedCandidate(path, self._reference) for path in task.recorded),
        ]
        self.info = TaskInfo(self._reference.info, [each.info for each in self._candidates])

    def run(self, clip: Clip, progress: Progress = ignore_progress) -> ClipRun:
        """Run the reference and all candidates over a clip, and compare."""
        parts = equal_parts(progress, 1 + len(self._candidates))
        reference = self._reference.run(clip.source, next(parts))
        found = [each.compare(reference, next(parts)) for each in self._candidates]
        comparisons = [pair[0] if pair else None for pair in found]
        outcome = ClipOutcome(reference.info, reference.edits, comparisons)
        picture = None
        if outcome.severity >= clip.draw_from:
            traces = [pair[1] if pair else None for pair in found]
            picture = self._draw(reference, traces, outcome.severity)
        io = (reference.speech, reference.trace) if clip.keep_io else None
        return ClipRun(outcome, picture, io)

    def _draw(
        self, reference: ReferenceClip, traces: Sequence[Trace | None], severity: float
    ) -> ClipPicture:
        return picture_of(
            reference.source.name,
            reference.trace.probabilities,
            [None if trace is None else trace.probabilities for trace in traces],
            [each.info.tolerance.probabilities for each in self._candidates],
            self._reference.interface.alphabet,
            severity,
        )


# Models keep states between calls, and one number of threads holds for the whole process: a worker
# with several threads runs one clip after the other.
_busy = threading.Lock()
# The models of the task that this process works for; those of an earlier one make way.
_opened: dict[Task, OpenTask] = {}


def run_in_worker(task: Task, clip: Clip | None) -> tuple[TaskInfo, ClipRun | None]:
    """Run a clip in one thread, with models that may be open already; without one, only open them.

    This is what each process of a pool does. Gives what is known of its models, too.
    """
    with _busy, one_thread():
        if task not in _opened:
            _opened.clear()
            _opened[task] = OpenTask(task)
        opened = _opened[task]
        return opened.info, opened.run(clip) if clip else None


def close_models(task: Task) -> None:
    """Close the models that this process has open for a task."""
    with _busy:
        _opened.pop(task, None)
