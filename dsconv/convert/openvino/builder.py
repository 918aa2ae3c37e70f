"""An OpenVINO model that grows op by op, each with a name of its own.

Names that OpenVINO gives by itself count on through the process; with these the same graph gives
the same file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dsconv.formats.toolkits import import_openvino
from dsconv.runtime.openvino import RT_INFO

# Rows from which quantizing them at run pays.
_LARGE = 512

Output: TypeAlias = Any
"""An output of an op: `openvino.Output`, or an op with one output."""


class ModelBuilder:
    """Ops of one opset. The model's inputs, outputs and sinks are collected."""

    def __init__(self) -> None:
        self.openvino = import_openvino()
        import openvino.opset13 as ops

        self.ops = ops
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._sinks: list[Any] = []
        self._runtime_options: dict[str, str] = {}

    def op(self, kind: str, name: str, *arguments: Any, **attributes: Any) -> Any:
        """An op of the opset, such as ``matmul``."""
        node = getattr(self.ops, kind)(*arguments, **attributes)
        node.set_friendly_name(name)
        return node

    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike = np.float32) -> Any:
        """A constant; its values are copied."""
        # It takes arrays of another order for what they are not.
        return self.op("constant", name, np.asarray(value, dtype, order="C"))

    def input(self, name: str, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Any:
        """An input of the model; -1 is any size."""
        sizes = self.openvino.PartialShape(list(shape))
        # It takes numpy's types only, not their names.
        node = self.op("parameter", name, sizes, np.dtype(dtype).type)
        node.output(0).get_tensor().set_names({name})
        self._inputs.append(node)
        return node

    def output(self, name: str, source: Output) -> None:
        """Make a tensor an output of the model."""
        node = source.get_node() if hasattr(source, "get_node") else source
        node.set_friendly_name(name)
        result = self.op("result", f"{name}/result", source)
        result.output(0).get_tensor().set_names({name})
        self._outputs.append(result)

    def state(self, name: str, shape: Sequence[int]) -> tuple[Any, Any]:
        """A state that the model keeps, zero at first: what it holds, and the variable."""
        from openvino.op.util import Variable, VariableInfo

        info = VariableInfo()
        info.data_shape = self.openvino.PartialShape(list(shape))
        info.data_type = self.openvino.Type.f32
        info.variable_id = name
        variable = Variable(info)
        zeros = self.constant(f"{name}/zeros", np.zeros(shape))
        return self.op("read_value", name, zeros, variable), variable

    def keep(self, name: str, source: Output, variable: Any) -> None:
        """Let a variable hold a tensor from the end of the call."""
        self._sinks.append(self.op("assign", name, source, variable))

    def quantize_at_run(self, size: int) -> None:
        """Let the CPU plugin quantize what it multiplies with integers, `size` numbers at a time.

        That halves the time where weights are many. It acts for multiples of 16, and a group larger
        than a row switches it off; small models are fast without it and lose no exactness.
        """
        group = size if size >= _LARGE and size % 16 == 0 else 0
        self._runtime_options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(group)

    def save(self, name: str, properties: Mapping[str, str], path: Path) -> None:
        """Write the model, with text properties in its rt_info. Raises RuntimeError."""
        model = self.openvino.Model(self._outputs, self._sinks, self._inputs, name)
        for section, values in ((RT_INFO, properties), ("runtime_options", self._runtime_options)):
            for key, value in values.items():
                model.set_rt_info(value, [section, key])
        self.openvino.save_model(model, str(path), compress_to_fp16=False)
