"""Clips run by the workers of an existing Dask cluster.

dsconv and the runtimes have to be installed where the scheduler and the workers run; models and
recordings are opened there, under the same paths as here. The scheduler gives the clips of a worker
that is lost to another one.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dsconv.errors import DsconvError, ModelError, ToolkitError
from dsconv.formats.toolkits import import_distributed
from dsconv.inspect.parity import unit
from dsconv.inspect.parity.contest import Clip, Contest
from dsconv.inspect.parity.outcome import ContestInfo
from dsconv.inspect.parity.unit import Answer
from dsconv.inspect.parity.workers import PoolWorkers
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
_CLIPS_PER_THREAD = 2
_LOOK_SECONDS = 5.0


@contextmanager
def cluster_workers(contest: Contest, address: str) -> Iterator[PoolWorkers]:
    """The workers of the cluster whose scheduler has this address, until the block ends.

    The paths of the contest are full ones. Raises ToolkitError if dask is not installed, if no
    scheduler or worker is there, or if a worker has another dsconv; ModelError if a worker does not
    see a file.
    """
    with _client(address) as client:
        _check_workers(client, address)
        name = uuid.uuid4().hex
        pool = _Cluster(client, contest, name)
        try:
            yield PoolWorkers(pool, contest, pool.describe())
        finally:
            pool.close()


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
    """The pool of a cluster."""

    def __init__(self, client: Any, contest: Contest, name: str) -> None:
        self._client = client
        self._contest = contest
        self._name = name
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._places: dict[str, int] = {}
        self._futures: dict[str, Any] = {}
        self._looked = self._seen = time.monotonic()
        self._threads = self._count_threads()

    @property
    def room(self) -> int:
        """A few clips for each thread of the workers that are there now."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._threads = self._count_threads()
        return _CLIPS_PER_THREAD * max(1, self._threads)

    def describe(self) -> ContestInfo:
        """The models, as one of the workers finds them."""
        self._send(-1, _describe, self._name, self._contest)
        _, answer = self._next()
        if isinstance(answer, DsconvError):
            raise answer
        info: ContestInfo = answer
        return info

    def submit(self, clip: Clip) -> None:
        self._send(clip.place, _run_clip, self._name, self._contest, clip)

    def next(self) -> tuple[int, Answer | DsconvError]:
        return self._next()

    def close(self) -> None:
        """Give up what is not finished, and close the models on the workers."""
        self._client.cancel(list(self._futures.values()), force=True)
        with suppress(Exception):
            self._client.run(unit.forget, self._name, on_error="ignore")

    def _send(self, place: int, function: Any, *arguments: Any) -> None:
        key = f"dsconv-{self._name}-{place}"
        # Nothing is tried twice but for a lost worker: what fails once fails again.
        try:
            future = self._client.submit(function, *arguments, key=key, pure=False)
        except Exception as error:
            raise _failed(error) from error
        self._futures[key] = future
        self._places[key] = place
        future.add_done_callback(self._finished.put)

    def _next(self) -> tuple[int, Any]:
        future = self._wait()
        place = self._places.pop(future.key)
        try:
            return place, future.result()
        except DsconvError as error:
            return place, error
        except Exception as error:
            return place, _failed(error)
        finally:
            # The scheduler forgets a result that nobody holds.
            del self._futures[future.key]

    def _wait(self) -> Any:
        """The next future that is done, unless all workers are gone for too long."""
        while True:
            with suppress(queue.Empty):
                return self._finished.get(timeout=_LOOK_SECONDS)
            self._threads = self._count_threads()
            if time.monotonic() - self._seen > WITHOUT_WORKERS_SECONDS:
                raise _no_workers(self._client.scheduler.address)

    def _count_threads(self) -> int:
        self._looked = time.monotonic()
        try:
            threads = int(sum(self._client.nthreads().values()))
        except (*_TOO_LATE, OSError):
            threads = 0
        if threads:
            self._seen = self._looked
        return threads


def _failed(error: Exception) -> ToolkitError:
    """What the scheduler says where no clip could be run, in one line."""
    kind = type(error).__name__
    if kind == "KilledWorker":
        return ToolkitError(
            "several Dask workers ended over the same clip, perhaps for lack of memory; give them "
            "more, or start fewer on a machine."
        )
    if kind in _WITHOUT_SCHEDULER:
        return ToolkitError("the Dask scheduler is gone, or gave up the run; run it again.")
    return ToolkitError(f"a Dask worker failed: {kind}: {error}")


def _describe(name: str, contest: Contest) -> ContestInfo:
    """On a worker: open the models."""
    with _on_worker(*contest.paths):
        return unit.describe(name, contest)


def _run_clip(name: str, contest: Contest, clip: Clip) -> Answer:
    """On a worker: run a clip."""
    with _on_worker(*contest.paths, clip.source.wav):
        return unit.run_clip(name, contest, clip)


@contextmanager
def _on_worker(*files: Path) -> Iterator[None]:
    """Errors name the worker that has them."""
    from distributed import get_worker

    address = get_worker().address
    for file in files:
        if not file.exists():
            raise ModelError(
                f"worker {address} does not see {file}; put models and recordings into a folder "
                "that all workers share, under the same path."
            )
    try:
        yield
    except DsconvError as error:
        raise type(error)(f"worker {address}: {error}") from None
