"""Time commands side by side."""

import os
import statistics
import subprocess
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
    """Run a command. Return its seconds and its peak resident memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return seconds, usage.ru_maxrss / 1024


def interleave(
    runs: int, candidates: dict[str, Callable[[], tuple[float, float]]]
) -> dict[str, Samples]:
    """Run the candidates in turn, `runs` times, so that a slow moment slows all of them."""
    samples = {name: Samples() for name in candidates}
    for _ in range(runs):
        for name, run in candidates.items():
            samples[name].add(*run())
    return samples
