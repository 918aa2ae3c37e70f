"""Inspect a model file, and tell what it converts to."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from dsconv.acoustic.source import Source
from dsconv.errors import ConversionError, ModelError, about
from dsconv.formats.table import GRAPH, PACKAGE

if TYPE_CHECKING:
    from dsconv.convert.target import Target
    from dsconv.inspect.report import Inspection


def inspect_model(model: str | os.PathLike[str] | Source) -> Inspection:
    """Tell what is in a model file of any format, and which targets a graph becomes as it is.

    Raises ModelError for what is damaged or no model.
    """
    source = Source.of(model)
    if source.format not in (GRAPH, PACKAGE):
        from dsconv.inspect.registry import inspect_file

        return inspect_file(source)
    # Hashing takes longest and needs no interpreter, so it starts before anything else is loaded.
    with about(source.path), source.digest as digest:
        from dsconv.convert.registry import TARGETS
        from dsconv.inspect.graph import inspect_graph
        from dsconv.inspect.report import TargetInfo

        targets = [TargetInfo(name, _refusal(target, source)) for name, target in TARGETS.items()]
        return replace(inspect_graph(source, source.format, digest), converts_to=targets)


def _refusal(target: Target, source: Source) -> str | None:
    """Why a source does not become a target without any options; None if it does."""
    from dsconv.convert.options import Options

    try:
        target.plan(source, Options())
    except (ConversionError, ModelError) as error:
        return str(error)
    return None
