"""Toolkits, imported when they are needed and kept quiet."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dsconv.errors import ToolkitError


@dataclass(frozen=True)
class Toolkit:
    """What a target needs: an extra of dsconv, and the modules that come with it."""

    extra: str
    modules: tuple[str, ...]

    @property
    def missing(self) -> bool:
        """Whether a module is not installed; none is imported."""
        return any(find_spec(module) is None for module in self.modules)

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install 'dsconv[{self.extra}]'"


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


def import_litert() -> Any:
    """The interpreter of LiteRT. Raises ToolkitError if it is not installed."""
    return _imported("ai_edge_litert.interpreter", "LiteRT", "tflite")


def import_coremltools(*, with_tensorflow: bool = False) -> Any:
    """Core ML Tools. Raises ToolkitError if it is not installed.

    It imports TensorFlow and PyTorch where they are installed, to convert their models; that is
    rarely needed here, and it takes seconds and hundreds of megabytes.
    """
    import logging

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    os.environ.setdefault("TQDM_DISABLE", "1")
    with _missing("torch", *(() if with_tensorflow else ("tensorflow",))):
        return _imported("coremltools", "Core ML Tools", "coreml")


def import_tensorflow() -> Any:
    """TensorFlow, without its greetings. Raises ToolkitError if it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    return _imported("tensorflow", "TensorFlow", "toolkit")


def import_tf2onnx() -> Any:
    """The converter of TensorFlow graphs to ONNX. Raises ToolkitError if it is not installed."""
    import_tensorflow()
    return _imported("tf2onnx", "tf2onnx", "toolkit")


def import_distributed() -> Any:
    """Dask's package for clusters. Raises ToolkitError if it is not installed."""
    return _imported("distributed", "Dask", "dask")


@contextmanager
def _missing(*modules: str) -> Iterator[None]:
    """Let modules look as if they were not installed."""
    present = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(dict.fromkeys(modules))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(present)


def _imported(module: str, label: str, extra: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError:
        raise ToolkitError(
            f"{label} is not installed; install it with `pip install 'dsconv[{extra}]'`."
        ) from None
