"""What no program can beat: a call of 16 frames reads the weights of the LSTM's states 16 times.

Speed is measured by the largest element of an array: once of one that no cache holds, and again and
again of one of the size of the 8-bit weights of the states.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.tables import figure_table
from dsconv.acoustic.recognise import recognise
from dsconv.formats.graphdef.graph import open_graph

STEPS = 16
_UNCACHED_BYTES = 1 << 29


def benchmark_limits(model: Path, runs: int) -> Iterator[Table]:
    """Milliseconds for each precision, from memory and from the cache."""
    network = recognise(open_graph(model))
    recurrent = network.lstm.cells * 4 * network.lstm.cells
    rest = network.lstm.inputs * 4 * network.lstm.cells
    rest += sum(layer.weights.size for layer in network.layers)
    memory = gigabytes_a_second(_UNCACHED_BYTES, runs)
    cache = gigabytes_a_second(recurrent, 20 * runs)
    title = f"limits of {STEPS} frames, 1 thread: memory {memory:.0f} GB/s, "
    title += f"{recurrent / 1e6:.0f} MB again and again {cache:.0f} GB/s"
    table = figure_table(title, "MB read", "ms from memory", "ms, states' from cache")
    for name, size in (("fp32", 4), ("fp16, bf16", 2), ("int8", 1)):
        once, often = size * rest / 1e6, size * STEPS * recurrent / 1e6
        table.add_row(
            name,
            f"{once + often:.0f}",
            f"{(once + often) / memory:.1f}",
            f"{once / memory + often / cache:.1f}",
        )
    yield table


def gigabytes_a_second(size: int, runs: int) -> float:
    """How fast an array of so many bytes is read, at best."""
    array = np.ones(size // 4, np.float32)
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        array.max()
        best = min(best, time.perf_counter() - start)
    return array.nbytes / best / 1e9
