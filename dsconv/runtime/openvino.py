"""Run an OpenVINO IR on the CPU."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.errors import ModelError, ToolkitError
from dsconv.formats.toolkits import import_openvino
from dsconv.runtime.model import (
    Interface,
    Tensors,
    TensorSpec,
    precision_in,
    reason_of,
    self_description,
)
from dsconv.runtime.threads import thread_limit

RT_INFO = "dsconv"
"""The section of the IR's rt_info that holds the metadata."""

_DTYPES = {"f32": "float32", "i32": "int32", "i64": "int64"}
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "fp16", "i8": "int8", "u8": "int8"}
# The CPU plugin computes in bf16 where the CPU can, unless it is told not to.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


class OpenVinoModel:
    """An IR, compiled for the CPU in full precision."""

    def __init__(self, path: Path) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        try:
            model = core.read_model(str(path))
        except RuntimeError as error:
            reason = reason_of(error, -1)
            raise ModelError(f"{path}: OpenVINO cannot open it: {reason}") from error
        self.interface = _describe(model, f"openvino {openvino.__version__.split('-')[0]}")
        # 0 leaves the number of threads to the plugin.
        properties = _EXACT | {"INFERENCE_NUM_THREADS": thread_limit() or 0}
        self._request = core.compile_model(model, "CPU", properties).create_infer_request()

    def reset(self) -> None:
        """Forget the states that the model keeps itself."""
        self._request.reset_state()

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Run the model once."""
        try:
            self._request.infer(inputs)
        except RuntimeError as error:
            raise ToolkitError(f"OpenVINO failed: {reason_of(error, -1)}") from error
        return {name: np.array(self._request.get_tensor(name).data) for name in outputs}


def open_openvino_model(path: Path) -> OpenVinoModel:
    """Open an IR by its .xml. Raises ToolkitError if OpenVINO is missing."""
    return OpenVinoModel(path)


def _describe(model: Any, runtime: str) -> Interface:
    inputs = tuple(_spec(port) for port in model.inputs)
    outputs = tuple(_spec(port) for port in model.outputs)
    properties = _properties(model)
    return Interface.of(
        format="openvino",
        runtime=runtime,
        precision=precision_in(properties) or _precision(model),
        inputs=inputs,
        outputs=outputs,
        **self_description(properties),
    )


def _spec(port: Any) -> TensorSpec:
    """A port by the shortest of its names; a dynamic dimension is -1."""
    shape = tuple(-1 if size.is_dynamic else size.get_length() for size in port.partial_shape)
    kind = port.element_type.get_type_name()
    return TensorSpec(min(port.names, key=len), _DTYPES.get(kind, kind), shape)


def _properties(model: Any) -> dict[str, str]:
    if not model.has_rt_info([RT_INFO]):
        return {}
    keys = model.get_rt_info([RT_INFO]).astype(dict)
    return {key: model.get_rt_info([RT_INFO, key]).astype(str) for key in keys}


def _precision(model: Any) -> str:
    """The type of most of the weights."""
    elements: Counter[str] = Counter()
    for node in model.get_ops():
        if node.get_type_name() == "Constant":
            kind = _PRECISIONS.get(node.get_element_type().get_type_name(), "")
            elements[kind] += int(np.prod(list(node.get_output_shape(0))))
    del elements[""]
    return elements.most_common(1)[0][0] if elements else "fp32"
