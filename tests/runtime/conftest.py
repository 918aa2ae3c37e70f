"""OpenVINO without its telemetry, for all tests of this process; and numpy in one thread.

The import of OpenVINO alone would count the use in the home folder and report it over the network,
from a process forked beside the threads of the other runtimes, which can hang.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

_modules: dict[str, Any] = sys.modules
# As if it were not installed: OpenVINO then takes its own stand-in, which does nothing.
_modules.setdefault("openvino_telemetry", None)


@pytest.fixture(scope="module", autouse=True)
def numpy_in_one_thread() -> Iterator[None]:
    """Threads only slow products of small matrices down, tenfold where others need the cores."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(limits=1, user_api="blas"):
        yield
