"""A MIL program that grows op by op, and the interface that it gets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsconv.acoustic.weights import to_float16
from dsconv.formats.toolkits import import_coremltools

_DYNAMIC = -1
# The opset of neural networks, as coremltools calls it.
_OLDEST = "iOS13"


class ProgramBuilder:
    """Ops of one opset, in the function ``main``. Inputs are declared before the first op.

    The opset is that of a deployment target such as ``ios16``, None for a neural network. With
    `half` the program computes in float16; its inputs and outputs are float32 even so.
    """

    def __init__(self, deployment_target: str | None, *, half: bool) -> None:
        self.coremltools = import_coremltools()
        from coremltools.converters.mil.mil import Builder, get_new_symbol, types

        self._mil, self._new_symbol = Builder, get_new_symbol
        self._types = {"float32": types.fp32, "int32": types.int32, "float16": types.fp16}
        name = (deployment_target or _OLDEST).replace("ios", "iOS")
        self.target = getattr(self.coremltools.target, name)
        self.half = half
        self.lstm_is_single = half and self.target < self.coremltools.target.iOS17
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
        self._placeholders[name] = self._mil.state_tensor_placeholder(shape, self._types["float16"])

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
        """An input or state that was declared, as it is."""
        return self._function.inputs[name]

    def computed(self, name: str, value: Any) -> Any:
        """A float32 value in the type that the program computes in."""
        return self.op("cast", f"{name}_half", x=value, dtype="fp16") if self.half else value

    def single(self, name: str, value: Any) -> Any:
        """A value that the program computed as float32."""
        return self.op("cast", f"{name}_single", x=value, dtype="fp32") if self.half else value

    def constant(self, numbers: ArrayLike) -> NDArray[np.floating[Any]]:
        """Constants in that type. Raises ConversionError for one too large for it."""
        array = np.ascontiguousarray(numbers, np.float32)
        return to_float16(array) if self.half else array

    def wide(self, name: str, numbers: ArrayLike) -> Any:
        """Constants as float32, stored in the type that the program computes in."""
        stored = self.constant(numbers)
        if not self.half:
            return stored
        return self.op("constexpr_cast", name, source_val=stored, output_dtype="fp32")

    def number(self, value: float) -> Any:
        """One constant in that type."""
        return (np.float16 if self.half else np.float32)(value)

    def op(self, kind: str, name: str, **inputs: Any) -> Any:
        """An op of the opset, such as ``linear``. Arrays among its inputs become constants."""
        return getattr(self._mil, kind)(name=name, **inputs)

    def reshape(self, name: str, source: Any, sizes: list[int]) -> Any:
        """A value in other sizes, of which one may be -1."""
        return self.op("reshape", name, x=source, shape=sizes)

    def output(self, name: str, value: Any) -> None:
        """Make a value an output of that name."""
        value = self.single(name, value)
        value.set_name(name)
        self._outputs.append(value)

    def program(self) -> Any:
        """The finished program."""
        from coremltools.converters.mil.mil import Program

        program = Program()
        program.add_function("main", self._function)
        return program

    def _size(self, size: Any) -> Any:
        return size if isinstance(size, int) and size != _DYNAMIC else self._new_symbol()


def _usual_shape(shape: Any) -> list[Any]:
    """The sizes of a shape, dynamic where an enumeration has several."""
    if not hasattr(shape, "shapes"):
        return list(shape)
    choices = [choice.shape for choice in shape.shapes]
    columns = zip(*choices, strict=True)
    return [column[0] if len(set(column)) == 1 else _DYNAMIC for column in columns]
