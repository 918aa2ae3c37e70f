"""The runtime of each format, and the opening of a model of any of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from dsconv.acoustic.overrides import Overrides
from dsconv.acoustic.source import Source
from dsconv.errors import ModelError, about
from dsconv.formats.identify import FileFormat, describe, identify
from dsconv.plugins import plugin_format
from dsconv.runtime.model import Model

# The function that opens each format; its module, and so its toolkit, is loaded when it is used.
_OPENERS = {
    FileFormat.GRAPH: "dsconv.runtime.graph:open_graph_model",
    FileFormat.PACKAGE: "dsconv.runtime.graph:open_graph_model",
    FileFormat.TFLITE: "dsconv.runtime.tflite:open_tflite_model",
    FileFormat.ONNX: "dsconv.runtime.onnx:open_onnx_model",
    FileFormat.COREML_PACKAGE: "dsconv.runtime.coreml.model:open_core_ml_model",
    FileFormat.COREML_MODEL: "dsconv.runtime.coreml.model:open_core_ml_model",
    FileFormat.OPENVINO: "dsconv.runtime.openvino:open_openvino_model",
}
_BY_TENSORFLOW = dict.fromkeys(
    (FileFormat.GRAPH, FileFormat.PACKAGE), "dsconv.runtime.graph:open_tensorflow_model"
)
_EVALUATED = dict.fromkeys(
    (FileFormat.COREML_PACKAGE, FileFormat.COREML_MODEL),
    "dsconv.runtime.coreml.model:evaluate_core_ml_model",
)


def open_model(
    model: str | os.PathLike[str] | Source,
    *,
    tensorflow: bool = False,
    evaluated: bool = False,
    overrides: Overrides | None = None,
) -> Model:
    """Open a model to be run.

    With `tensorflow` a graph is run by TensorFlow and not in numpy; `evaluated` a Core ML model in
    numpy also where Core ML could run it. `overrides` are what the user knows better than the file.

    Raises ModelError if the file is no model that dsconv can run, ConversionError if it is no
    acoustic model, ToolkitError if its runtime is missing or refuses it.
    """
    source = Source.of(model)
    path = source.path
    found = identify(path)
    openers = _OPENERS | (_BY_TENSORFLOW if tensorflow else {}) | (_EVALUATED if evaluated else {})
    opener: Callable[[Any], Model] | None
    if found in openers:
        module, name = openers[found].split(":")
        opener = getattr(import_module(module), name)
    else:
        plugin = plugin_format(path)
        opener = plugin.open_model if plugin else None
    if opener is None:
        raise ModelError(describe(path, found))
    # A graph may have been opened already.
    given: Any = source if found in _BY_TENSORFLOW else path
    with about(path):
        opened = opener(given)
        return _Described(opened, overrides) if overrides else opened


class _Described:
    """A model with what the user says of it."""

    def __init__(self, model: Model, overrides: Overrides) -> None:
        self.interface = model.interface.said(overrides)
        self.reset = model.reset
        self.call = model.call
