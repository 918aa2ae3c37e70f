"""Conversions to Core ML beside coremltools' own converter: time, memory, size, operations."""

import importlib.util
import shutil
from functools import partial
from pathlib import Path

from rich.table import Table

from benchmarks.measure import interleave, peak_mb, python, run_process
from dsconv.formats.coreml.file import PROGRAM, open_core_ml
from dsconv.formats.coreml.network import Network
from dsconv.formats.coreml.program import read_function
from dsconv.formats.storage import disk_size

FORMS = {
    "dsconv coreml": [],
    "dsconv coreml --lengths input": ["--lengths", "input"],
    "dsconv coreml --n-steps -1": ["--n-steps", "-1"],
    "dsconv coreml --precision fp16": ["--precision", "fp16"],
    "dsconv coreml --precision int8": ["--precision", "int8"],
    "dsconv coreml --palettize 6": ["--palettize", "6"],
    "dsconv coreml --palettize 4": ["--palettize", "4"],
    "dsconv coreml --format neuralnetwork": ["--format", "neuralnetwork"],
}


def benchmark_coreml(model: Path, runs: int) -> list[Table]:
    """A row for each form; coremltools' own converter, which takes longest, runs once."""
    commands = {}
    for number, (name, options) in enumerate(FORMS.items()):
        suffix = ".mlmodel" if "neuralnetwork" in options else ".mlpackage"
        output = model.with_name(f"form{number}{suffix}")
        words = ["dsconv", "coreml", str(model), "--no-validate", "--force", "-o", str(output)]
        commands[name] = ([*words, *options], output)
    samples = interleave(
        runs,
        {name: partial(run_process, python(*words)) for name, (words, _) in commands.items()},
    )
    table = Table("conversion", "s", "peak MB", "bytes", "operations", "of them in loops")
    if importlib.util.find_spec("tensorflow"):
        _add_stock(table, model)
    for name, (words, output) in commands.items():
        row = (f"{samples[name].median:.1f}", f"{peak_mb(words):.0f}")
        table.add_row(name, *row, *_contents(output))
    return [table]


def _add_stock(table: Table, model: Path) -> None:
    output = model.with_name("stock.mlpackage")
    words = ["benchmarks.convert_with_coremltools", str(model), str(output)]
    seconds = run_process(python(*words))
    shutil.rmtree(output)
    peak = peak_mb(words)
    table.add_row("coremltools' own", f"{seconds:.1f}", f"{peak:.0f}", *_contents(output))


def _contents(path: Path) -> tuple[str, str, str]:
    """Bytes, operations that are no constants, and how many of them a loop repeats."""
    file = open_core_ml(path)
    if file.kind == PROGRAM:
        block = read_function(file.body).block
        every = [op.kind for op in block.all_operations()]
        outer = [op.kind for op in block.operations]
    else:
        network = Network(file.body)
        every = [layer.kind for layer in network.all_layers()]
        outer = [layer.kind for layer in network.layers]
    counts = [sum(not kind.startswith("const") for kind in kinds) for kinds in (outer, every)]
    return f"{disk_size(path):,}", str(counts[0]), str(counts[1] - counts[0])
