"""Clips run by several processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from typing import TypeVar

from dsconv.errors import DsconvError, ToolkitError
from dsconv.inspect.parity import unit
from dsconv.inspect.parity.contest import Clip, Contest
from dsconv.inspect.parity.unit import Answer
from dsconv.inspect.parity.workers import PoolWorkers

T = TypeVar("T")

# One that is run and one that waits, so that no process is ever idle.
_CLIPS_PER_PROCESS = 2
_RUN = "this run"


@contextmanager
def local_processes(contest: Contest, jobs: int) -> Iterator[PoolWorkers]:
    """So many processes, each with the models open, until the block ends.

    They are started afresh and not forked, because toolkits have threads. Raises the errors of
    opening the models, and ToolkitError if a process ends by itself.
    """
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, context, initializer=_end_with_parent)
    try:
        described = _result(executor.submit(unit.describe, _RUN, contest))
        yield PoolWorkers(_Processes(executor, contest, jobs), contest, described)
    finally:
        executor.shutdown(cancel_futures=True)


class _Processes:
    """The pool of a `ProcessPoolExecutor`."""

    def __init__(self, executor: ProcessPoolExecutor, contest: Contest, jobs: int) -> None:
        self._executor = executor
        self._contest = contest
        self._futures: dict[Future[Answer], int] = {}
        self.room = _CLIPS_PER_PROCESS * jobs

    def submit(self, clip: Clip) -> None:
        try:
            future = self._executor.submit(unit.run_clip, _RUN, self._contest, clip)
        except BrokenProcessPool:
            raise _ended() from None
        self._futures[future] = clip.place

    def next(self) -> tuple[int, Answer | DsconvError]:
        finished = wait(self._futures, return_when=FIRST_COMPLETED).done
        future = min(finished, key=self._futures.__getitem__)
        place = self._futures.pop(future)
        try:
            return place, _result(future)
        except DsconvError as error:
            return place, error


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except BrokenProcessPool:
        raise _ended() from None


def _ended() -> ToolkitError:
    return ToolkitError(
        "a process of --jobs ended by itself, perhaps for lack of memory; pass fewer --jobs."
    )


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
