"""Validate models against their reference, at three levels, over any number of clips.

The unit of work is one clip: the reference and all others are run over it and compared. Whoever
runs it, this process, others on this machine or a cluster, runs the same function with one thread,
and the outcomes are put together in the order of the clips: the figures are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from dsconv.acoustic.source import Source
from dsconv.errors import ConversionError
from dsconv.inspect.parity.cost import Limits
from dsconv.inspect.parity.journal import Journal, journal_header, open_journal
from dsconv.inspect.parity.outcome import ClipRun, Tally, TaskInfo
from dsconv.inspect.parity.reference import ValidationOptions
from dsconv.inspect.parity.task import Clip, OpenTask, Task
from dsconv.inspect.parity.trace import Trace, TraceFile
from dsconv.inspect.parity.validation import Validation
from dsconv.progress import Progress, equal_parts, ignore_progress
from dsconv.runtime.stream import Speech
from dsconv.runtime.threads import one_thread
from dsconv.speech.corpus import ClipSource

__all__ = ["Options", "ValidationOptions", "validate_models"]

Options = ValidationOptions
"""The former name."""


def validate_models(
    reference: Path | Source,
    candidates: Sequence[Path],
    clips: Sequence[ClipSource],
    options: ValidationOptions,
    *,
    recorded: Sequence[Path] = (),
    save_to: TraceFile | None = None,
    progress: Progress = ignore_progress,
    jobs: int = 1,
    dask: str | None = None,
    resume: Path | None = None,
) -> Validation:
    """Compare candidates, and runs `recorded` elsewhere, with the reference over the clips.

    What the reference is fed and gives is kept in `save_to`. The clips are run here, in `jobs`
    processes, or by the workers of the Dask cluster at the address `dask`. With `resume` finished
    clips are written to that file, and those that it holds are not run again. Raises the errors of
    opening a model or a recording, ToolkitError if workers fail, OutputError if the file is of
    another run.
    """
    if dask is not None and jobs > 1:
        raise ConversionError("pass jobs or the address of a Dask cluster, not both.")
    if resume is not None and save_to is not None:
        raise ConversionError(
            "a resumed run does not save inputs and outputs; save them in another run."
        )
    limits = Limits(options.max_cer, options.max_wer_increase)
    limits.check(clips)
    task = Task(Source.of(reference), tuple(candidates), tuple(recorded), options)
    with one_thread(), _runner(task, min(jobs, len(clips)), dask) as runner:
        with _journal(resume, runner.info, options, clips) as journal:
            tally, io = _run(runner, clips, journal, progress, keep_io=save_to is not None)
        if save_to is not None:
            for index in sorted(io):
                save_to.add(clips[index].name, *io[index])
        return tally.result(runner.info, limits)


class _Runner(Protocol):
    """What runs clips: a `Pool`, or this process."""

    info: TaskInfo

    def run(
        self, indices: Sequence[int], clip: Callable[[int], Clip], progress: Progress
    ) -> Iterator[tuple[int, ClipRun]]:
        """Run the clips of these indices, in any order. Raises the error of the first with one."""


class _ThisProcess:
    def __init__(self, task: Task) -> None:
        self._opened = OpenTask(task)
        self.info = self._opened.info

    def run(
        self, indices: Sequence[int], clip: Callable[[int], Clip], progress: Progress
    ) -> Iterator[tuple[int, ClipRun]]:
        for index, part in zip(indices, equal_parts(progress, len(indices)), strict=True):
            yield index, self._opened.run(clip(index), part)


@contextmanager
def _runner(task: Task, jobs: int, dask: str | None) -> Iterator[_Runner]:
    if dask is None and jobs <= 1:
        yield _ThisProcess(task)
        return
    from dsconv.inspect.parity.pool import Pool, local_processes

    if dask is None:
        with local_processes(task, jobs) as workers:
            yield Pool(workers, task)
        return
    from dsconv.inspect.parity.cluster import cluster_workers

    # A worker may run in another folder; the report names the files as they are named here.
    with cluster_workers(task.with_full_paths(), dask) as workers:
        yield Pool(workers, task)


@contextmanager
def _journal(
    path: Path | None, info: TaskInfo, options: ValidationOptions, clips: Sequence[ClipSource]
) -> Iterator[Journal | None]:
    if path is None:
        yield None
        return
    with open_journal(path, journal_header(info, options, clips)) as journal:
        yield journal


def _run(
    runner: _Runner,
    clips: Sequence[ClipSource],
    journal: Journal | None,
    progress: Progress,
    *,
    keep_io: bool,
) -> tuple[Tally, dict[int, tuple[Speech, Trace]]]:
    """Run the clips that the journal does not hold; with `keep_io` the reference's is given too."""
    tally = Tally(len(clips))
    for index, run in (journal.done if journal else {}).items():
        tally.add(index, run)
    missing = tally.missing
    done = len(clips) - len(missing)
    io: dict[int, tuple[Speech, Trace]] = {}

    def clip(index: int) -> Clip:
        return Clip(index, clips[index], tally.draw_from, keep_io)

    def share(part: float) -> object:
        return progress((done + part * len(missing)) / len(clips))

    share(0)
    for index, run in runner.run(missing, clip, share):
        with_picture = tally.add(index, run)
        if journal is not None:
            journal.add(index, run, with_picture=with_picture)
        if run.io is not None:
            io[index] = run.io
    return tally, io
