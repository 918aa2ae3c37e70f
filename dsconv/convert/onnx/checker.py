"""The checker of the onnx package."""

from __future__ import annotations

from pathlib import Path

from dsconv.errors import ToolkitError
from dsconv.formats.toolkits import import_onnx


def check_file(path: Path) -> None:
    """Check a file in full, shapes included. Raises ToolkitError if it is not valid ONNX."""
    onnx = import_onnx()
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())
        raise ToolkitError(f"the ONNX checker refuses the result: {reason}") from error
