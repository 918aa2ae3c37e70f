"""Validate models against their reference, at three levels, over any number of clips.

The unit of work is one clip: the reference and all others are run over it and compared. Whoever
runs it, this process, others on this machine or a cluster, runs the same function with one thread,
and the outcomes are put together in the order of the clips: the figures are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dsconv.acoustic.source import Source
from dsconv.errors import ConversionError
from dsconv.inspect.parity.contest import Clip, Contest
from dsconv.inspect.parity.journal import Journal, journal_header, open_journal
from dsconv.inspect.parity.options import Options
from dsconv.inspect.parity.outcome import ContestInfo, Tally
from dsconv.inspect.parity.result import Validation
from dsconv.inspect.parity.trace import Trace, TraceFile
from dsconv.inspect.parity.workers import ThisProcess, Workers
from dsconv.progress import Progress, ignore_progress
from dsconv.runtime.stream import Speech
from dsconv.runtime.threads import one_thread
from dsconv.speech.corpus import ClipSource

__all__ = ["Options", "validate_models"]


def validate_models(
    reference: Path | Source,
    candidates: Sequence[Path],
    clips: Sequence[ClipSource],
    options: Options,
    *,
    recorded: Sequence[Path] = (),
    save_to: TraceFile | None = None,
    progress: Progress = ignore_progress,
    jobs: int = 1,
    dask: str | None = None,
    resume: Path | None = None,
) -> Validation:
    """Compare candidates, and runs `recorded` elsewhere, with the reference over the clips.

    What the reference is fed and says is kept in `save_to`. `progress` is called with the share of
    the work that is done. The clips are run here, in `jobs` processes, or by the workers of the
    Dask cluster at the address `dask`. With `resume` finished clips are written to that file, and
    those that it holds are not run again. Raises the errors of opening a model or a recording,
    ToolkitError if workers fail, OutputError if the file is of another run.
    """
    if dask is not None and jobs > 1:
        raise ConversionError("pass jobs or the address of a Dask cluster, not both.")
    if resume is not None and save_to is not None:
        raise ConversionError("a run that is resumed keeps no inputs and outputs; save them apart.")
    contest = Contest(Source.of(reference), tuple(candidates), tuple(recorded), options)
    with one_thread(), _workers(contest, min(jobs, len(clips)), dask) as workers:
        with _journal(resume, workers.info, options, clips) as journal:
            tally, heard = _run(workers, clips, journal, progress, keep=save_to is not None)
        if save_to is not None:
            for place in sorted(heard):
                save_to.add(clips[place].name, *heard[place])
        return tally.result(workers.info)


@contextmanager
def _workers(contest: Contest, jobs: int, dask: str | None) -> Iterator[Workers]:
    """Who runs the clips."""
    if dask is not None:
        from dsconv.inspect.parity.cluster import cluster_workers

        with cluster_workers(contest.with_full_paths(), dask) as workers:
            workers.info = contest.named(workers.info)
            yield workers
    elif jobs > 1:
        from dsconv.inspect.parity.processes import local_processes

        with local_processes(contest, jobs) as workers:
            yield workers
    else:
        yield ThisProcess(contest)


@contextmanager
def _journal(
    path: Path | None, info: ContestInfo, options: Options, clips: Sequence[ClipSource]
) -> Iterator[Journal | None]:
    if path is None:
        yield None
        return
    with open_journal(path, journal_header(info, options, clips)) as journal:
        yield journal


def _run(
    workers: Workers,
    clips: Sequence[ClipSource],
    journal: Journal | None,
    progress: Callable[[float], object],
    *,
    keep: bool,
) -> tuple[Tally, dict[int, tuple[Speech, Trace]]]:
    """Run the clips that the journal does not hold; with `keep` what was heard is given too."""
    tally = Tally(len(clips))
    for place, run in (journal.done if journal else {}).items():
        tally.add(place, run)
    missing = tally.missing
    done = len(clips) - len(missing)
    heard: dict[int, tuple[Speech, Trace]] = {}

    def clip(place: int) -> Clip:
        return Clip(place, clips[place], tally.gallery.wanted_from, keep)

    def share(part: float) -> object:
        return progress((done + part * len(missing)) / len(clips))

    share(0)
    for place, run in workers.run(missing, clip, share):
        pictured = tally.add(place, run)
        if journal is not None:
            journal.add(place, run, with_picture=pictured)
        if run.heard is not None:
            heard[place] = run.heard
    return tally, heard
