"""The onnx package, imported when it is needed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from dsconv.errors import ToolkitError


def import_onnx() -> Any:
    """The package. Raises ToolkitError if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import onnx
    except ImportError:
        raise ToolkitError(
            "ONNX is not installed; install it with `pip install 'dsconv[onnx]'`."
        ) from None
    return onnx


def check_file(path: Path) -> None:
    """Check a file in full, shapes included. Raises ToolkitError if it is not valid ONNX."""
    onnx = import_onnx()
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ToolkitError(f"the ONNX checker refuses the result: {error}") from error
