"""Time commands side by side."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Samples:
    """Measurements of one thing: seconds of wall time, and the peak of resident memory in MB."""

    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def python(*arguments: str) -> list[str]:
    """A command that runs a module of Python."""
    return [sys.executable, "-m", *arguments]


def run_process(command: list[str]) -> float:
    """Run a command. Return its seconds of wall time."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def peak_mb(arguments: list[str]) -> float:
    """Run a module of Python with arguments. Return its peak resident memory in MB.

    The process reports its own peak: the one that the system gives its parent starts with what
    the parent had in memory when it made the process.
    """
    command = [sys.executable, "-c", _REPORT_PEAK, *arguments]
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    return int(done.stderr.split()[-1]) / 1024


def interleave(runs: int, candidates: dict[str, Callable[[], float]]) -> dict[str, Samples]:
    """Run the candidates in turn, `runs` times, so that a slow moment slows all of them."""
    samples = {name: Samples() for name in candidates}
    for _ in range(runs):
        for name, run in candidates.items():
            samples[name].seconds.append(run())
    return samples


_REPORT_PEAK = """
import runpy, sys

try:
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__")
finally:
    with open("/proc/self/status") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    print(peak.split()[1], file=sys.stderr)
"""
