"""The formats that can be inspected, and the inspection of a file of any of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.errors import ModelError, about
from dsconv.formats.digest import Digest
from dsconv.formats.identify import FileFormat, describe, identify
from dsconv.plugins import plugin_format

if TYPE_CHECKING:
    from dsconv.inspect.report import Inspection

# The function that inspects each format; its module is loaded when a file of that format comes.
_INSPECTORS = {
    FileFormat.GRAPH: "dsconv.inspect.graph:inspect_graph",
    FileFormat.PACKAGE: "dsconv.inspect.graph:inspect_graph",
    FileFormat.TFLITE: "dsconv.inspect.tflite:inspect_tflite",
    FileFormat.OPENVINO: "dsconv.inspect.openvino:inspect_openvino",
    FileFormat.ONNX: "dsconv.inspect.onnx:inspect_onnx",
    FileFormat.COREML_PACKAGE: "dsconv.inspect.coreml.model:inspect_core_ml",
    FileFormat.COREML_MODEL: "dsconv.inspect.coreml.model:inspect_core_ml",
    FileFormat.CHECKPOINT: "dsconv.inspect.checkpoint:inspect_checkpoint",
    FileFormat.SAVED_MODEL: "dsconv.inspect.saved_model:inspect_saved_model",
    FileFormat.META_GRAPH: "dsconv.inspect.meta_graph:inspect_meta_graph",
}


def inspect_file(path: str | os.PathLike[str]) -> Inspection:
    """Tell what is in a model file, its format told by its content.

    Raises ModelError if it is no model that dsconv knows, and says what it is.
    """
    path = Path(path)
    found = identify(path)
    if found not in _INSPECTORS:
        return _inspect_by_plugin(path, found)
    # Hashing takes longest and needs no interpreter, so it starts before anything else is loaded.
    with about(path), _digest(path, found) as digest:
        module, name = _INSPECTORS[found].split(":")
        inspect: Callable[[Path, FileFormat, Digest], Inspection]
        inspect = getattr(import_module(module), name)
        return inspect(path, found, digest)


def _inspect_by_plugin(path: Path, found: FileFormat) -> Inspection:
    plugin = plugin_format(path)
    if plugin is None or plugin.inspect is None:
        raise ModelError(describe(path, found))
    with about(path), Digest(path) as digest:
        return plugin.inspect(path, plugin, digest)


def _digest(path: Path, found: FileFormat) -> Digest:
    """The hash of a model, which is more than one file in a few formats."""
    if found not in (FileFormat.CHECKPOINT, FileFormat.SAVED_MODEL):
        return Digest(path)
    from dsconv.inspect.parts import model_files

    return Digest(*model_files(path, found))
