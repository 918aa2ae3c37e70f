"""Run the benchmarks: ``python -m benchmarks [--runs N] [--tensorflow-runs N]``."""

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Samples, interleave, run_process, run_python
from dsconv.convert.pbmm import PbmmTarget
from dsconv.fixtures.write import write_random_model
from dsconv.graph.graph import open_graph

RELEASE_SIZE = 2048


def benchmark_pbmm(model: Path, runs: int) -> dict[str, Samples]:
    """`dsconv pbmm` beside `cp` of the same file."""
    package, copy = model.with_suffix(".pbmm"), model.with_suffix(".copy")

    def convert_in_process() -> tuple[float, float]:
        package.unlink(missing_ok=True)
        graph = open_graph(model)
        start = time.perf_counter()
        PbmmTarget().convert(graph, model, package, force=False)
        return time.perf_counter() - start, 0.0

    def convert() -> tuple[float, float]:
        package.unlink(missing_ok=True)
        return run_python(["-m", "dsconv", "pbmm", str(model)])

    def copy_file() -> tuple[float, float]:
        copy.unlink(missing_ok=True)
        return run_process(["cp", str(model), str(copy)])

    candidates = {
        "cp": copy_file,
        "dsconv pbmm, the conversion": convert_in_process,
        "dsconv pbmm, the process": convert,
    }
    return interleave(runs, candidates)


def benchmark_inspect(model: Path, runs: int, tensorflow_runs: int) -> dict[str, Samples]:
    """`dsconv inspect` beside parsing the file through TensorFlow, if that is installed."""
    inspect = ["-m", "dsconv", "inspect", str(model)]
    parse = ["-m", "benchmarks.parse_with_tensorflow", str(model)]
    ours = {"dsconv inspect, the process": lambda: run_python(inspect)}
    if not importlib.util.find_spec("tensorflow"):
        return interleave(runs, ours)
    theirs = {"parse with TensorFlow": lambda: run_python(parse)}
    together = interleave(tensorflow_runs, theirs | ours)
    for name, more in interleave(max(0, runs - tensorflow_runs), ours).items():
        together[name].seconds.extend(more.seconds)
    return together


def table(title: str, samples: dict[str, Samples]) -> Table:
    """A row for each candidate; the first is what the others are compared to."""
    result = Table(title=title, title_justify="left")
    for heading in ("", "median s", "ratio", "peak MB"):
        result.add_column(heading, justify="left" if not heading else "right")
    first = next(iter(samples.values())).median
    for name, sample in samples.items():
        peak = f"{sample.peak_mb:.0f}" if sample.peak_mb else "-"
        result.add_row(name, f"{sample.median:.3f}", f"{sample.median / first:.3f}", peak)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="runs of each candidate")
    parser.add_argument("--tensorflow-runs", type=int, default=3, help="runs through TensorFlow")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        (model,) = write_random_model(Path(folder), RELEASE_SIZE)
        size = f"n_hidden {RELEASE_SIZE}, {model.stat().st_size:,} bytes"
        console.print(table(f"pbmm: {size}", benchmark_pbmm(model, arguments.runs)))
        inspected = benchmark_inspect(model, arguments.runs, arguments.tensorflow_runs)
        console.print(table(f"inspect: {size}", inspected))


if __name__ == "__main__":
    main()
