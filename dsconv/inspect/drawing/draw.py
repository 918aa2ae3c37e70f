"""Draw the graph of a model file, whatever its format."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from dsconv.errors import ConversionError, ModelError, about
from dsconv.formats.identify import FileFormat, describe, identify
from dsconv.formats.output import new_file
from dsconv.inspect.drawing.fold import fold
from dsconv.inspect.drawing.opgraph import OpGraph
from dsconv.inspect.drawing.svg import draw_svg
from dsconv.plugins import plugin_format

# The function that reads the operations of each format; loaded when a file of that format comes.
_READERS = {
    FileFormat.GRAPH: "dsconv.inspect.drawing.tensorflow:read_tensorflow",
    FileFormat.PACKAGE: "dsconv.inspect.drawing.tensorflow:read_tensorflow",
    FileFormat.TFLITE: "dsconv.inspect.drawing.tflite:read_tflite",
    FileFormat.OPENVINO: "dsconv.inspect.drawing.openvino:read_openvino",
    FileFormat.ONNX: "dsconv.inspect.drawing.onnx:read_onnx",
    FileFormat.COREML_PACKAGE: "dsconv.inspect.drawing.coreml:read_core_ml",
    FileFormat.COREML_MODEL: "dsconv.inspect.drawing.coreml:read_core_ml",
}
_NO_GRAPH = (FileFormat.CHECKPOINT, FileFormat.SAVED_MODEL, FileFormat.META_GRAPH)


def draw_graph(
    path: str | os.PathLike[str], output: str | os.PathLike[str], *, force: bool = False
) -> int:
    """Write a drawing of a model's graph as SVG, name scopes folded; returns how many boxes it has.

    Raises ModelError if the file is damaged or no model, ConversionError for a format whose graphs
    are not drawn, OutputError if the drawing cannot be written.
    """
    path = Path(path)
    folded = fold(read_ops(path))
    with new_file(Path(output), force=force) as file:
        file.write(draw_svg(folded, path.name).encode("utf-8", "backslashreplace"))
    return len(folded.boxes)


def read_ops(path: Path) -> OpGraph:
    """The operations of a model. Raises ModelError and ConversionError as `draw_graph` does."""
    found = identify(path)
    if found in _NO_GRAPH:
        raise ConversionError(
            f"{path}: a {found.label} is not drawn; freeze it with `dsconv freeze`, and draw the "
            "frozen graph."
        )
    if found not in _READERS:
        plugin = plugin_format(path)
        if plugin is None:
            raise ModelError(describe(path, found))
        raise ConversionError(f"{path}: a {plugin.label} is a plug-in's format, and is not drawn.")
    module, name = _READERS[found].split(":")
    read: Callable[[Path], OpGraph] = getattr(import_module(module), name)
    with about(path):
        return read(path)
