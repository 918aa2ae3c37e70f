"""Draw the graph of a model file, whatever its format."""

from __future__ import annotations

import os
from pathlib import Path

from dsconv.acoustic.source import Source
from dsconv.errors import ConversionError, ModelError, about
from dsconv.formats.format import load
from dsconv.formats.identify import describe, identify
from dsconv.formats.output import new_file
from dsconv.inspect.drawing.fold import fold
from dsconv.inspect.drawing.opgraph import OpGraph
from dsconv.inspect.drawing.svg import draw_svg


def draw_graph(
    model: str | os.PathLike[str] | Source,
    output: str | os.PathLike[str],
    *,
    force: bool = False,
) -> int:
    """Write a drawing of a model's graph as SVG, name scopes folded; returns how many boxes it has.

    Raises ModelError if the file is damaged or no model, ConversionError for a format whose graphs
    are not drawn, OutputError if the drawing cannot be written.
    """
    source = Source.of(model)
    folded = fold(read_ops(source))
    with new_file(Path(output), force=force) as file:
        file.write(draw_svg(folded, source.path.name).encode("utf-8", "backslashreplace"))
    return len(folded.boxes)


def read_ops(source: Source) -> OpGraph:
    """The operations of a model. Raises ModelError and ConversionError as `draw_graph` does."""
    path, found = source.path, identify(source.content, "draw")
    if found.draw is None:
        if found.no_drawing is None:
            raise ModelError(describe(path, found))
        raise ConversionError(f"{path}: a {found.label} is not drawn; {found.no_drawing}.")
    with about(path):
        graph: OpGraph = load(found.draw)(source if found.takes_source else path)
        return graph
