"""Clips run by the workers of an existing Dask cluster.

dsconv and the runtimes have to be installed where the scheduler and the workers run; models and
recordings are opened there, under the same paths as here. The scheduler gives the clips of a worker
that is lost to another one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from dsconv.errors import DsconvError, ModelError, ToolkitError
from dsconv.formats.toolkits import import_distributed
from dsconv.inspect.parity.pool import CLIPS_PER_WORKER, LOOK_SECONDS, Answer, Workers
from dsconv.inspect.parity.task import Clip, Task, close_models, run_in_worker
from dsconv.version import __version__

CONNECT_SECONDS = 10.0
"""How long a scheduler has to answer."""

WITHOUT_WORKERS_SECONDS = 60.0
"""How long a cluster may be without any worker, before and while clips are run."""

# Two errors up to Python 3.10, one since.
_TOO_LATE = (TimeoutError, asyncio.TimeoutError)
_LOGGERS = ("asyncio", "distributed.client", "distributed.core", "tornado.application")
_WITHOUT_SCHEDULER = (
    "CancelledError",
    "ClosedClientError",
    "CommClosedError",
    "FutureCancelledError",
    "FuturesCancelledError",
)


@contextmanager
def cluster_workers(task: Task, address: str) -> Iterator[Workers]:
    """The workers of the cluster whose scheduler has this address, until the block ends.

    The paths of the task are full ones. Raises ToolkitError if dask is not installed, if no
    scheduler or worker is there, or if a worker has another dsconv.
    """
    with _client(address) as client:
        _check_workers(client, address)
        workers = _Cluster(client, task)
        try:
            yield workers
        finally:
            workers.close()


@contextmanager
def _client(address: str) -> Iterator[Any]:
    distributed = import_distributed()
    with _quiet_logs(), _connected(distributed, address) as client:
        yield client


def _connected(distributed: Any, address: str) -> Any:
    try:
        # A client that finds no such host hangs when it is closed.
        distributed.comm.resolve_address(address)
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (*_TOO_LATE, OSError, ValueError, TypeError) as error:
        raise ToolkitError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler`, and pass "
            "the address that it prints, such as tcp://host:8786."
        ) from error


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Leave out what is logged when a connection is lost: the errors that follow say it."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _check_workers(client: Any, address: str) -> None:
    """Wait for a worker; all that are there must have this dsconv."""
    try:
        client.wait_for_workers(1, timeout=WITHOUT_WORKERS_SECONDS)
    except _TOO_LATE:
        raise _no_workers(address) from None
    # A lambda is sent as it is; a function of dsconv would have to be there already.
    versions = client.run(lambda: __import__("dsconv").__version__, on_error="return")
    for worker, version in sorted(versions.items()):
        if version != __version__:
            found = "no dsconv" if isinstance(version, Exception) else f"dsconv {version}"
            raise ToolkitError(
                f"worker {worker} has {found}; install dsconv {__version__} there, as here."
            )


def _no_workers(address: str) -> ToolkitError:
    return ToolkitError(
        f"the Dask cluster at {address} has no workers; start some with `dask worker {address} "
        "--nthreads 1`."
    )


class _Cluster:
    """The workers of a cluster that are there at any time."""

    def __init__(self, client: Any, task: Task) -> None:
        self._client = client
        self._task = task
        self._sent: WeakSet[Any] = WeakSet()
        self._looked = self._seen = time.monotonic()
        self._threads = self._count_threads()

    def room(self) -> int:
        """A few clips for each thread of the workers that are there now."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._threads = self._count_threads()
        if time.monotonic() - self._seen > WITHOUT_WORKERS_SECONDS:
            raise _no_workers(self._client.scheduler.address)
        return CLIPS_PER_WORKER * max(1, self._threads)

    def submit(self, clip: Clip | None) -> Any:
        # The scheduler's pages list the clips by their keys.
        key = f"dsconv-{self._task.run}-{clip.index if clip else 'models'}"
        # Nothing is tried twice but for a lost worker: what fails once fails again.
        future = self._client.submit(_run_on_worker, self._task, clip, key=key, pure=False)
        self._sent.add(future)
        return future

    def explain(self, error: Exception) -> ToolkitError:
        kind = type(error).__name__
        if kind == "KilledWorker":
            return ToolkitError(
                "several Dask workers ended over the same clip, perhaps for lack of memory; give "
                "them more, or start fewer on a machine."
            )
        if kind in _WITHOUT_SCHEDULER:
            return ToolkitError("the Dask scheduler is gone, or gave up the run; run it again.")
        return ToolkitError(f"a Dask worker failed: {kind}: {error}")

    def close(self) -> None:
        """Give up what is not finished, and close the models on the workers."""
        self._client.cancel(list(self._sent), force=True)
        with suppress(Exception):
            self._client.run(close_models, self._task, on_error="ignore")

    def _count_threads(self) -> int:
        self._looked = time.monotonic()
        try:
            threads = int(sum(self._client.nthreads().values()))
        except (*_TOO_LATE, OSError):
            threads = 0
        if threads:
            self._seen = self._looked
        return threads


def _run_on_worker(task: Task, clip: Clip | None) -> Answer:
    """On a worker: run a clip. Errors name the worker that has them."""
    from distributed import get_worker

    address = get_worker().address
    for file in (*task.paths, *([clip.source.wav] if clip else [])):
        if not file.exists():
            raise ModelError(
                f"worker {address} does not see {file}; put models and recordings into a folder "
                "that all workers share, under the same path."
            )
    try:
        return run_in_worker(task, clip)
    except DsconvError as error:
        raise type(error)(f"worker {address}: {error}") from None
