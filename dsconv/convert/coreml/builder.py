"""A MIL program that grows op by op, and the interface that it gets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np

from dsconv.toolkits import import_coremltools

_OPEN = -1


class ProgramBuilder:
    """Ops of one opset, in the function ``main``. Inputs are declared before the first op."""

    def __init__(self, deployment_target: str) -> None:
        self.coremltools = import_coremltools()
        from coremltools.converters.mil.mil import Builder, get_new_symbol, types

        self._mil, self._new_symbol = Builder, get_new_symbol
        self._types = {"float32": types.fp32, "int32": types.int32, "float16": types.fp16}
        self.target = deployment_target_of(self.coremltools, deployment_target)
        self.interface: list[Any] = []
        self._placeholders: dict[str, Any] = {}
        self._outputs: list[Any] = []
        self._function: Any = None
        self._context = ExitStack()

    def input(self, name: str, shape: Any, dtype: str = "float32") -> None:
        """Declare an input. A shape may hold a RangeDim, or be coremltools' EnumeratedShapes."""
        ct = self.coremltools
        numpy_type = np.int32 if dtype == "int32" else np.float32
        self.interface.append(ct.TensorType(name=name, shape=shape, dtype=numpy_type))
        sizes = [self._size(size) for size in _usual_shape(shape)]
        self._placeholders[name] = self._mil.placeholder(sizes, self._types[dtype], name=name)

    def state(self, name: str, shape: Sequence[int]) -> None:
        """Declare a state, which Core ML keeps in float16."""
        placeholder = self._mil.state_tensor_placeholder(shape, self._types["float16"])
        placeholder.set_name(name)
        self._placeholders[name] = placeholder

    def __enter__(self) -> ProgramBuilder:
        """Take ops from here on."""
        from coremltools.converters.mil.mil import Function

        self._function = Function(self._placeholders, self.target)
        self._context.enter_context(self._function)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._function.set_outputs(self._outputs)
        self._context.__exit__(kind, error, trace)

    def value(self, name: str) -> Any:
        """An input or state that was declared."""
        return self._function.inputs[name]

    def op(self, kind: str, name: str, **inputs: Any) -> Any:
        """An op of the opset, such as ``linear``. Arrays among its inputs become constants."""
        return getattr(self._mil, kind)(name=name, **inputs)

    def output(self, name: str, value: Any) -> None:
        """Make a value an output of that name."""
        self._outputs.append(self.op("identity", name, x=value))

    def program(self) -> Any:
        """The finished program."""
        from coremltools.converters.mil.mil import Program

        program = Program()
        program.add_function("main", self._function)
        return program

    def _size(self, size: Any) -> Any:
        return size if isinstance(size, int) and size != _OPEN else self._new_symbol()


def deployment_target_of(coremltools: Any, name: str) -> Any:
    """Core ML Tools' value for a system such as ``ios16``."""
    return getattr(coremltools.target, name.replace("ios", "iOS"))


def _usual_shape(shape: Any) -> list[Any]:
    """The sizes of a shape, open where an enumeration has several."""
    if not hasattr(shape, "shapes"):
        return list(shape)
    choices = [choice.shape for choice in shape.shapes]
    columns = zip(*choices, strict=True)
    return [column[0] if len(set(column)) == 1 else _OPEN for column in columns]
