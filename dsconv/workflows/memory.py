"""How much memory this process takes while something runs."""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path
from types import TracebackType

_STATM = Path("/proc/self/statm")
_SECONDS_BETWEEN_LOOKS = 0.01


class PeakMemory:
    """The peak of the resident memory inside a ``with`` block, in MB.

    Where the system does not tell the current memory, it is the peak of the process so far.
    """

    def __init__(self) -> None:
        self.mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.mb = max(self.mb, _resident_mb())
            if self._done.wait(_SECONDS_BETWEEN_LOOKS):
                return


def _resident_mb() -> float:
    """The resident memory now."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
