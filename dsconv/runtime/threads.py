"""How many threads compute: one, where the last digits must not depend on the machine.

A matrix product that is split between threads adds up in another order. The numpy evaluator differs
in its last digits between one thread and two; with one it gives the same bits on every number of
cores, and several processes side by side do not fight for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dsconv.errors import ToolkitError

_limit: ContextVar[int | None] = ContextVar("threads of a model", default=None)


def thread_limit() -> int | None:
    """How many threads a model that is opened now may use; None leaves it to its runtime."""
    return _limit.get()


@contextmanager
def one_thread() -> Iterator[None]:
    """Models that are opened inside, and numpy, compute in one thread.

    Raises ToolkitError if threadpoolctl is not installed.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise ToolkitError(
            "validation needs threadpoolctl; install it with `pip install 'dsconv[speech]'`."
        ) from None
    token = _limit.set(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        _limit.reset(token)
