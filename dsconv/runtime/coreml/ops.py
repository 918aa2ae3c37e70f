"""Core ML's ops in numpy: all that the evaluator knows, by the names that programs use.

Each takes an `OpInfo` and the parameters by their names in the program, and gives the values of the
outputs. What an op here does not implement is refused by name, never ignored.

Loops, conditions and states are the evaluator's own, as they need more than values.
"""

from __future__ import annotations

from functools import cache
from inspect import Parameter, signature
from typing import Any

from dsconv.runtime.coreml.compressed import COMPRESSED
from dsconv.runtime.coreml.elementwise import ELEMENTWISE
from dsconv.runtime.coreml.indexing import INDEXING
from dsconv.runtime.coreml.lists import LISTS
from dsconv.runtime.coreml.matrices import MATRICES
from dsconv.runtime.coreml.operations import Op, OpInfo
from dsconv.runtime.coreml.shaping import SHAPING

OPS: dict[str, Op] = {
    "const": lambda _, val: val,
    **COMPRESSED,
    **ELEMENTWISE,
    **INDEXING,
    **LISTS,
    **MATRICES,
    **SHAPING,
}

# Parameters that take any number of values.
TUPLES = frozenset({"elem_shape", "loop_vars", "values"})

# What numpy raises for shapes, indices and sizes that make no sense.
_MISFITS = (ArithmeticError, AttributeError, IndexError, MemoryError, TypeError, ValueError)


def compute(info: OpInfo, parameters: dict[str, Any]) -> tuple[Any, ...]:
    """The outputs of an operation.

    Raises ConversionError for an op or a parameter that is not computed here, ModelError where the
    operation contradicts itself.
    """
    op = OPS.get(info.kind)
    if op is None:
        raise info.unsupported()
    expected = _expected(op)
    for name in parameters:
        if name not in expected:
            raise info.unsupported(f"with {name}")
    for name, is_required in expected.items():
        if is_required and name not in parameters:
            raise info.damaged(f"has no {name}")
    try:
        result = op(info, **parameters)
    except _MISFITS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise info.damaged(f"takes values that do not fit ({reason})") from error
    return result if isinstance(result, tuple) else (result,)


@cache
def _expected(op: Op) -> dict[str, bool]:
    """The parameters of an op after its `OpInfo`, and whether each has to be given."""
    _, *parameters = signature(op).parameters.values()
    return {found.name: found.default is Parameter.empty for found in parameters}
