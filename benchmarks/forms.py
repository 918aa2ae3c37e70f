"""Bytes and operations of every form of a model at the release size."""

import json
import subprocess
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measure import python
from benchmarks.tables import figure_table
from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS

FORMS = {
    "tflite": [
        "",
        "--precision fp16",
        "--precision fp32",
        "--n-steps -1",
        "--lengths input",
        "--lstm unrolled",
        "--front-end",
    ],
    "openvino": [
        "",
        "--precision fp16",
        "--precision int8",
        "--n-steps -1",
        "--lengths input",
        "--states internal",
        "--front-end",
    ],
    "onnx": [
        "",
        "--precision fp16",
        "--precision int8",
        "--n-steps -1",
        "--lengths frozen",
        "--front-end",
    ],
}


def benchmark_forms(model: Path, runs: int) -> list[Table]:  # noqa: ARG001
    """A table for each target. Nothing is timed, so there is nothing to run again."""
    return [_table(model, target, forms) for target, forms in FORMS.items()]


def _table(model: Path, target: str, forms: list[str]) -> Table:
    table = figure_table(f"forms of {target}", "bytes", "operations")
    output = str(model.with_suffix(TARGETS[target].suffix_for(Options())))
    for form in forms:
        words = ["dsconv", target, str(model), *form.split(), "-o", output]
        converted = _json([*words, "--no-validate", "--force", "--json"])
        (inspected,) = _json(["dsconv", "inspect", output, "--json"])["files"]
        name = f"dsconv {target} {form}".strip()
        table.add_row(name, f"{converted['bytes']:,}", str(inspected["nodes"]))
    return table


def _json(words: list[str]) -> dict[str, Any]:
    done = subprocess.run(python(*words), capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
