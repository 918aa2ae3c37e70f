"""The conversion of a file to a target: planned, then written."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.plan import Conversion, Plan
from dsconv.convert.target import Target
from dsconv.errors import about
from dsconv.formats.output import check_writable

_GRAPH_SUFFIXES = (".pb", ".pbmm")


def convert_file(
    target: Target,
    source: str | os.PathLike[str] | Source,
    output: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
) -> Conversion:
    """Convert a graph to a target, by default into a file beside it.

    Raises ModelError, ConversionError, ToolkitError or OutputError; then no output is left behind.
    """
    source, options = Source.of(source), options or Options()
    plan = plan_conversion(target, source, options)
    return write_plan(plan, output or default_output(source.path, target, options), force=force)


def plan_conversion(target: Target, source: Source, options: Options) -> Plan:
    """How a source becomes a target. Raises as `Target.plan` does, the source in front."""
    with about(source.path):
        return target.plan(source, options)


def write_plan(plan: Plan, output: str | os.PathLike[str], *, force: bool = False) -> Conversion:
    """Do what was planned. Raises as `Plan.write` does, the source in front."""
    output, source = Path(output), plan.source.path
    with about(source):
        for path in plan.outputs(output):
            check_writable(path, force=force)
        start = time.perf_counter()
        size = plan.write(output, force=force)
        seconds = time.perf_counter() - start
    notes = (*plan.warnings(), *plan.notes(output))
    return Conversion(plan.target, source, output, size, seconds, plan.details, notes, plan.route)


def default_output(source: Path, target: Target, options: Options) -> Path:
    """The file beside the source that a conversion writes unless it is told otherwise."""
    suffix = target.suffix_for(options)
    if source.suffix in _GRAPH_SUFFIXES:
        return source.with_suffix(suffix)
    return source.with_name(source.name + suffix)
