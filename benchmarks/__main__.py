"""Run the benchmarks: ``python -m benchmarks [--runs N] [--only NAME]``."""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.coreml import benchmark_coreml
from benchmarks.forms import benchmark_forms
from benchmarks.latency import benchmark_latency
from benchmarks.limits import benchmark_limits
from benchmarks.measure import Samples, interleave, peak_mb, python, run_process
from benchmarks.original_runtimes import benchmark_original_runtimes
from benchmarks.tables import figure_table
from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.pbmm import PbmmTarget
from dsconv.convert.run import write_plan
from dsconv.fixtures.write import write_random_model

RELEASE_SIZE = 2048
NETWORK_TARGETS = ("tflite", "coreml", "openvino", "onnx")


def benchmark_pbmm(model: Path, runs: int) -> dict[str, Samples]:
    """`dsconv pbmm` beside `cp` of the same file."""
    package, copy = model.with_suffix(".pbmm"), model.with_suffix(".copy")

    def convert_in_process() -> float:
        package.unlink(missing_ok=True)
        source = Source(model)
        _ = source.graph
        start = time.perf_counter()
        write_plan(PbmmTarget().plan(source, Options()), package)
        return time.perf_counter() - start

    def convert() -> float:
        package.unlink(missing_ok=True)
        return run_process(python("dsconv", "pbmm", str(model)))

    def copy_file() -> float:
        copy.unlink(missing_ok=True)
        return run_process(["cp", str(model), str(copy)])

    name = "dsconv pbmm, the process"
    samples = interleave(
        runs,
        {"cp": copy_file, "dsconv pbmm, the conversion": convert_in_process, name: convert},
    )
    samples[name].peak_mb = peak_mb(["dsconv", "pbmm", str(model), "--force"])
    return samples


def benchmark_inspect(model: Path, runs: int) -> dict[str, Samples]:
    """`dsconv inspect` beside parsing the file through TensorFlow, if that is installed."""
    commands = {
        "dsconv inspect": ["dsconv", "inspect", str(model)],
        "dsconv inspect --json": ["dsconv", "inspect", "--json", str(model)],
    }
    if importlib.util.find_spec("tensorflow"):
        parse = ["benchmarks.parse_with_tensorflow", str(model)]
        commands = {"parse with TensorFlow": parse} | commands
    samples = interleave(
        runs, {name: partial(run_process, python(*words)) for name, words in commands.items()}
    )
    for name, words in commands.items():
        samples[name].peak_mb = peak_mb(words)
    return samples


def benchmark_convert(model: Path, runs: int) -> dict[str, Samples]:
    """The targets that build the network afresh, beside `cp` of the graph."""
    copy = model.with_suffix(".copy")
    commands = {
        f"dsconv {target}": ["dsconv", target, str(model), "--force", "--no-validate"]
        for target in NETWORK_TARGETS
    }
    candidates: dict[str, Callable[[], float]] = {
        "cp": lambda: run_process(["cp", str(model), str(copy)])
    }
    samples = interleave(
        runs,
        candidates
        | {name: partial(run_process, python(*words)) for name, words in commands.items()},
    )
    for name, words in commands.items():
        samples[name].peak_mb = peak_mb(words)
    return samples


def benchmark_all(model: Path, runs: int) -> dict[str, Samples]:
    """`dsconv all` beside a command for each target, all of them with their validation."""
    one_by_one = [[target, str(model), "--force"] for target in ("pbmm", *NETWORK_TARGETS)]
    together = ["dsconv", "all", str(model), "--force"]
    name = "dsconv all"
    samples = interleave(
        runs,
        {
            "a command for each target": lambda: sum(
                run_process(python("dsconv", *words)) for words in one_by_one
            ),
            name: partial(run_process, python(*together)),
        },
    )
    samples[name].peak_mb = peak_mb(together)
    return samples


def table(title: str, samples: dict[str, Samples]) -> Table:
    """A row for each candidate; the first is what the others are compared to."""
    result = figure_table(title, "median s", "ratio", "inverse", "peak MB")
    first = next(iter(samples.values())).median
    for name, sample in samples.items():
        ratio = sample.median / first
        peak = f"{sample.peak_mb:.0f}" if sample.peak_mb else "-"
        result.add_row(name, f"{sample.median:.3f}", f"{ratio:.3f}", f"{1 / ratio:.1f}", peak)
    return result


BENCHMARKS = {
    "pbmm": benchmark_pbmm,
    "inspect": benchmark_inspect,
    "convert": benchmark_convert,
    "all": benchmark_all,
}

SERIES = {
    "limits": benchmark_limits,
    "coreml": benchmark_coreml,
    "forms": benchmark_forms,
    "latency": benchmark_latency,
    "original-runtimes": benchmark_original_runtimes,
}


def main() -> None:
    """Write a model of the release size, and print a table for each benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="runs of each candidate")
    parser.add_argument("--only", choices=[*BENCHMARKS, *SERIES], help="one benchmark")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        (model,) = write_random_model(Path(folder), RELEASE_SIZE)
        size = f"n_hidden {RELEASE_SIZE}, {model.stat().st_size:,} bytes"
        for name, benchmark in BENCHMARKS.items():
            if arguments.only in (None, name):
                console.print(table(f"{name}: {size}", benchmark(model, arguments.runs)))
        for name, run in SERIES.items():
            if arguments.only in (None, name):
                for result in run(model, arguments.runs):
                    console.print(result)


if __name__ == "__main__":
    main()
