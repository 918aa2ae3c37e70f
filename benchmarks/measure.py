"""Time commands side by side."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Samples:
    """Measurements of one thing: seconds of wall time, and the highest resident memory in MB."""

    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def add(self, seconds: float, peak_mb: float = 0.0) -> None:
        self.seconds.append(seconds)
        self.peak_mb = max(self.peak_mb, peak_mb)


def run_process(command: list[str]) -> tuple[float, float]:
    """Run a command. Return its seconds of wall time; its memory is not measured."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start, 0.0


def run_python(arguments: list[str]) -> tuple[float, float]:
    """Run Python with arguments. Return its seconds, and its peak resident memory in MB.

    The process reports its own peak: the one that the system gives its parent starts with what
    the parent had in memory when it made the process.
    """
    command = [sys.executable, "-c", _REPORT_PEAK, *arguments]
    start = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    seconds = time.perf_counter() - start
    return seconds, int(done.stderr.split()[-1]) / 1024


_REPORT_PEAK = """
import runpy, sys

try:
    module, sys.argv = sys.argv[2], sys.argv[2:]
    runpy.run_module(module, run_name="__main__")
finally:
    with open("/proc/self/status") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    print(peak.split()[1], file=sys.stderr)
"""


def interleave(
    runs: int, candidates: dict[str, Callable[[], tuple[float, float]]]
) -> dict[str, Samples]:
    """Run the candidates in turn, `runs` times, so that a slow moment slows all of them."""
    samples = {name: Samples() for name in candidates}
    for _ in range(runs):
        for name, run in candidates.items():
            samples[name].add(*run())
    return samples
