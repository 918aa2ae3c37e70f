"""Toolkits, imported when they are needed and kept quiet."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any

from dsconv.errors import ToolkitError


def import_onnx() -> Any:
    """The onnx package. Raises ToolkitError if it is not installed."""
    return _imported("onnx", "ONNX", "onnx")


def import_onnxruntime() -> Any:
    """ONNX Runtime. Raises ToolkitError if it is not installed."""
    return _imported("onnxruntime", "ONNX Runtime", "onnx")


def import_openvino() -> Any:
    """OpenVINO. Raises ToolkitError if it is not installed."""
    # Its import reports over the network, unless the module that does so is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return _imported("openvino", "OpenVINO", "openvino")


def import_litert_schema() -> Any:
    """The classes of TFLite's schema, as LiteRT packages them. Raises ToolkitError without it."""
    return _imported("ai_edge_litert.schema_py_generated", "LiteRT", "tflite")


def _imported(module: str, label: str, extra: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError:
        raise ToolkitError(
            f"{label} is not installed; install it with `pip install 'dsconv[{extra}]'`."
        ) from None
