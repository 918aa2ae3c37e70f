"""Run an ONNX model in ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from dsconv.errors import ModelError, ToolkitError
from dsconv.formats.onnx.schema import ModelProto
from dsconv.formats.toolkits import import_onnxruntime
from dsconv.runtime.model import (
    Interface,
    Tensors,
    TensorSpec,
    precision_in,
    reason_of,
    self_description,
)
from dsconv.runtime.threads import thread_limit

_DTYPES = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(int64)": "int64"}
_PRECISIONS = {
    "float32": "fp32",
    "uint8": "int8",
    "int8": "int8",
    "float16": "fp16",
    "bfloat16": "fp16",
}


class OnnxModel:
    """An ONNX model; inputs and outputs have the names of the graph that it was made from."""

    def __init__(self, path: Path) -> None:
        ort = import_onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = thread_limit() or 0
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common base.
            reason = reason_of(error)
            raise ModelError(f"{path}: ONNX Runtime cannot open it: {reason}") from error
        self.interface = self._describe(path, f"onnxruntime {ort.__version__}")

    def reset(self) -> None:
        """The states come in with each call."""

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Run the model once."""
        try:
            values = self._session.run(outputs, inputs)
        except Exception as error:  # ONNX Runtime's exceptions have no common base.
            raise ToolkitError(f"ONNX Runtime failed: {reason_of(error)}") from error
        return dict(zip(outputs, values, strict=True))

    def _describe(self, path: Path, runtime: str) -> Interface:
        inputs = tuple(_spec(argument) for argument in self._session.get_inputs())
        outputs = tuple(_spec(argument) for argument in self._session.get_outputs())
        properties = self._session.get_modelmeta().custom_metadata_map
        return Interface.of(
            format="onnx",
            runtime=runtime,
            precision=precision_in(properties) or _precision(path),
            inputs=inputs,
            outputs=outputs,
            **self_description(properties),
        )


def open_onnx_model(path: Path) -> OnnxModel:
    """Open an ONNX model. Raises ToolkitError if ONNX Runtime is missing."""
    return OnnxModel(path)


def _spec(argument: Any) -> TensorSpec:
    """A dimension that is a name or missing is dynamic."""
    sizes = tuple(size if isinstance(size, int) else -1 for size in argument.shape)
    return TensorSpec(argument.name, _DTYPES.get(argument.type, argument.type), sizes)


def _precision(path: Path) -> str:
    """The type of most of the weights."""
    elements: Counter[str] = Counter()
    for tensor in ModelProto.of_file(path).graph.initializer:
        elements[_PRECISIONS.get(tensor.dtype, "")] += tensor.size
    del elements[""]
    return elements.most_common(1)[0][0] if elements else "fp32"
