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
from dsconv.errors import ConversionError, about
from dsconv.formats.extensions import plugin_targets
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.output import check_writable
from dsconv.formats.table import GRAPH, PACKAGE

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


def all_targets() -> dict[str, Target]:
    """The targets of dsconv and those of its plug-ins; none of these replaces one of dsconv's."""
    return TARGETS | {name: t for name, t in plugin_targets().items() if name not in TARGETS}


def find_target(name: str) -> Target:
    """A target by its name. Raises ConversionError if there is none."""
    # Plug-ins are not looked for where none is meant.
    target = TARGETS.get(name) or plugin_targets().get(name)
    if target is None:
        raise ConversionError(
            f"there is no target '{name}'; `dsconv formats` lists those that there are."
        )
    return target


_GRAPH_SUFFIXES = (GRAPH.suffix, PACKAGE.suffix)


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
    output = Path(output) if output else default_output(source, target, options)
    return convert_graph(target, open_graph(source), source, output, options=options, force=force)


def convert_graph(
    target: Target,
    graph: Graph,
    source: Path,
    output: Path,
    *,
    options: Options,
    force: bool = False,
) -> Conversion:
    """Convert the graph that was read from `source`. Raises as `convert_file` does."""
    with about(source):
        target.check(graph, options)
        for path in target.outputs(output, options):
            check_writable(path, force=force)
        return target.convert(Job(graph, source, output, options, force))


def default_output(source: Path, target: Target, options: Options) -> Path:
    """The file beside the source that a conversion writes unless it is told otherwise."""
    suffix = target.suffix_for(options)
    if source.suffix in _GRAPH_SUFFIXES:
        return source.with_suffix(suffix)
    return source.with_name(source.name + suffix)
