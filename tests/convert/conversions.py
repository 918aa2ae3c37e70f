"""Graphs converted by a target, and what came of them opened by its runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ToolkitError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.toolkits import (
    import_coremltools,
    import_litert,
    import_onnx,
    import_onnxruntime,
    import_openvino,
)
from dsconv.runtime.model import Model
from dsconv.runtime.registry import open_model

# Called in this way OpenVINO is never imported with its telemetry.
TOOLKITS: dict[str, tuple[Callable[[], Any], ...]] = {
    "coreml": (import_coremltools,),
    "onnx": (import_onnx, import_onnxruntime),
    "openvino": (import_openvino,),
    "tflite": (import_litert,),
}
"""What the conversion to a target and the running of its models need."""


def require_toolkits(target: str) -> None:
    """Skip what cannot be run here."""
    for load in TOOLKITS[target]:
        try:
            load()
        except ToolkitError as error:
            pytest.skip(str(error))


def converted(target: str, source: Path, output: Path, **asked: Any) -> Model:
    """A graph as a target makes it when asked so, opened; the output gets the target's suffix."""
    require_toolkits(target)
    return open_model(convert(target, source, output, **asked))


def convert(target: str, source: Path, output: Path, **asked: Any) -> Path:
    """The file that a target makes of a graph when asked so."""
    options = Options(**asked)
    path = output.with_name(output.name + TARGETS[target].suffix_for(options))
    return convert_file(TARGETS[target], source, path, options=options).output


def saved(graph: Graph, path: Path) -> Path:
    """A graph as a file."""
    with path.open("wb") as file:
        write_graph(file, graph)
    return path
