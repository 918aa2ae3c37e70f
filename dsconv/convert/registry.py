"""The targets by name, and the conversion of a file to one of them."""

import os
from pathlib import Path

from dsconv.convert.coreml import CoreMlTarget
from dsconv.convert.onnx import OnnxTarget
from dsconv.convert.openvino import OpenVinoTarget
from dsconv.convert.options import Options
from dsconv.convert.pb import PbTarget
from dsconv.convert.pbmm import PbmmTarget
from dsconv.convert.target import Conversion, Job, Target
from dsconv.convert.tflite import TfliteTarget
from dsconv.errors import about
from dsconv.graph.graph import open_graph
from dsconv.output import check_writable

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        PbmmTarget(),
        PbTarget(),
        TfliteTarget(),
        CoreMlTarget(),
        OpenVinoTarget(),
        OnnxTarget(),
    )
}

_GRAPH_SUFFIXES = (".pb", ".pbmm")


def convert_file(
    target: Target,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
) -> Conversion:
    """Convert a graph to a target, by default into a file beside it.

    Raises ModelError, ConversionError, ToolkitError or OutputError; then no output is left behind.
    """
    source = Path(source)
    options = options or Options()
    graph = open_graph(source)
    with about(source):
        target.check(graph, options)
        output = Path(output) if output else default_output(source, target, options)
        for path in target.outputs(output, options):
            check_writable(path, force=force)
        return target.convert(Job(graph, source, output, options, force))


def default_output(source: Path, target: Target, options: Options) -> Path:
    """The file beside the source that a conversion writes unless it is told otherwise."""
    suffix = target.suffix_for(options)
    if source.suffix in _GRAPH_SUFFIXES:
        return source.with_suffix(suffix)
    return source.with_name(source.name + suffix)
