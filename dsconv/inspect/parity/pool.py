"""Clips run by several workers, processes of this machine or of a cluster, in one pool."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import Protocol, TypeAlias

from dsconv.errors import DsconvError, ToolkitError
from dsconv.inspect.parity.outcome import ClipRun, TaskInfo
from dsconv.inspect.parity.task import Clip, Task, run_in_worker
from dsconv.progress import Progress

Answer: TypeAlias = tuple[TaskInfo, ClipRun | None]
"""What `run_in_worker` gives."""

CLIPS_PER_WORKER = 2
"""One that is run and one that waits, so that no worker is ever idle."""

LOOK_SECONDS = 5.0
"""How often to look after the workers while no clip finishes."""


class Workers(Protocol):
    """An executor of `run_in_worker`."""

    def room(self) -> int:
        """How many clips may be on their way at once.

        Raises ToolkitError if all workers have been gone for too long.
        """

    def submit(self, clip: Clip | None) -> Future[Answer]:
        """Send a clip; with None the models are opened only."""

    def explain(self, error: Exception) -> DsconvError:
        """What a failure of the workers means. Any other error is raised."""


class Pool:
    """Workers that run clips. `info` is that of the models as the first worker finds them."""

    def __init__(self, workers: Workers, task: Task) -> None:
        self._workers = workers
        self._finished: queue.SimpleQueue[tuple[int, Future[Answer]]] = queue.SimpleQueue()
        self._submit(-1, None)
        _, answer = self._next()
        if isinstance(answer, DsconvError):
            raise answer
        self._found, _ = answer
        self.info = task.named(self._found)

    def run(
        self, indices: Sequence[int], clip: Callable[[int], Clip], progress: Progress
    ) -> Iterator[tuple[int, ClipRun]]:
        """Run the clips of these indices, and give each as it finishes.

        A few are on their way at once, so that memory does not grow with all; `clip` is asked for
        one when it is sent. After an error no more are sent. Those before it were all sent earlier,
        so that their errors, if any, are known when the rest has come back; the first is raised.
        """
        waiting = iter(indices)
        errors: dict[int, DsconvError] = {}
        sent = finished = 0
        while True:
            room = self._workers.room()
            while not errors and sent - finished < room:
                if (index := next(waiting, None)) is None:
                    break
                self._submit(index, clip(index))
                sent += 1
            if sent == finished:
                break
            index, answer = self._next()
            finished += 1
            if isinstance(answer, DsconvError):
                errors[index] = answer
                continue
            progress(finished / len(indices))
            yield index, self._checked(answer)
        if errors:
            raise errors[min(errors)]

    def _submit(self, index: int, clip: Clip | None) -> None:
        try:
            future = self._workers.submit(clip)
        except Exception as error:
            raise self._workers.explain(error) from error
        future.add_done_callback(lambda done: self._finished.put((index, done)))

    def _next(self) -> tuple[int, Answer | DsconvError]:
        """Wait for the next answer, and look after the workers in the meantime."""
        while True:
            with suppress(queue.Empty):
                index, future = self._finished.get(timeout=LOOK_SECONDS)
                break
            self._workers.room()
        try:
            return index, future.result()
        except DsconvError as error:
            return index, error
        except Exception as error:
            return index, self._workers.explain(error)

    def _checked(self, answer: Answer) -> ClipRun:
        found, run = answer
        if found != self._found:
            raise ToolkitError(
                "the workers have different models or versions of a runtime; make them the same, "
                "because figures of both cannot be mixed."
            )
        assert run is not None
        return run


@contextmanager
def local_processes(task: Task, jobs: int) -> Iterator[Workers]:
    """So many processes, each with the models open, until the block ends.

    They are started afresh and not forked, because toolkits have threads.
    """
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, context, initializer=_end_with_parent)
    try:
        yield _Processes(executor, task, jobs)
    finally:
        executor.shutdown(cancel_futures=True)


class _Processes:
    """The workers of a `ProcessPoolExecutor`."""

    def __init__(self, executor: ProcessPoolExecutor, task: Task, jobs: int) -> None:
        self._executor = executor
        self._task = task
        self._room = CLIPS_PER_WORKER * jobs

    def room(self) -> int:
        return self._room

    def submit(self, clip: Clip | None) -> Future[Answer]:
        return self._executor.submit(run_in_worker, self._task, clip)

    def explain(self, error: Exception) -> DsconvError:
        if not isinstance(error, BrokenProcessPool):
            raise error
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
