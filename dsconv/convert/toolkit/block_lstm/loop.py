"""Any number of steps as a loop, in the form that ``tf.while_loop`` has in TensorFlow 2.

A StatelessWhile calls two functions of the library, the condition and the body, with all loop
variables; the results of all steps are lists of tensors among them. The converters know such loops
by the traces that TensorFlow leaves: Core ML Tools and tf2onnx take the first two variables for the
number of the turn and its limit, which nothing else may use, and Core ML Tools find an output of
the loop by the number at the end of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dsconv.convert.toolkit.block_lstm.arithmetic import Cell, gates_of_inputs, masked
from dsconv.convert.toolkit.block_lstm.nodes import FunctionNodes, Nodes
from dsconv.convert.toolkit.block_lstm.parameters import RESULTS, BlockLstm
from dsconv.graph.dtypes import DataType
from dsconv.graph.functions import new_function

_FLOAT, _INT32, _INT64 = DataType.FLOAT, DataType.INT32, DataType.INT64
_LIST = DataType.VARIANT
_NO_LIMIT = -1


class _Variable(NamedTuple):
    """A loop variable: its type, its shape, and the tensor with its value before the loop."""

    dtype: DataType
    shape: tuple[int, ...]
    before: str


def looped(nodes: Nodes, lstm: BlockLstm, functions: list[Any]) -> dict[int, str]:
    """Add the loop and its functions.

    Returns the names of the wanted outputs [steps, batch, cells] by their places.
    """
    sizes = nodes.other("Shape", "sizes", lstm.x, T=_FLOAT, out_type=_INT32)
    steps = _size(nodes, "count", sizes, 0)
    variables = _variables(nodes, lstm, sizes, steps)
    scope = nodes.scope.replace("/", "_")
    condition, body = f"{scope}_condition", f"{scope}_body"
    functions += [_condition(condition, variables), _body(body, variables, lstm)]
    after = nodes.other(
        "StatelessWhile",
        "while",
        *(variable.before for variable in variables.values()),
        T=[variable.dtype for variable in variables.values()],
        output_shapes=[variable.shape for variable in variables.values()],
        cond=condition,
        body=body,
        parallel_iterations=1,
    )
    places = list(variables)
    shape = nodes.integers("stacked/shape", [lstm.batch, lstm.cells])
    results = {
        output: nodes.other(
            "TensorListStack",
            f"all_{RESULTS[output]}",
            nodes.part(after, places.index(RESULTS[output])),
            shape,
            element_dtype=_FLOAT,
            num_elements=-1,
        )
        for output in lstm.wanted
    }
    return masked(nodes, results, _numbers(nodes, steps), lstm.length)


def _variables(nodes: Nodes, lstm: BlockLstm, sizes: str, steps: str) -> dict[str, _Variable]:
    """The loop variables by their names; those that no step changes come last."""
    zero = nodes.integers("zero", 0)
    states = (lstm.batch, lstm.cells)
    shape = nodes.integers("element/shape", states)
    lists = {
        name: nodes.other(
            "TensorListReserve",
            f"empty_{name}",
            shape,
            steps,
            element_dtype=_FLOAT,
            shape_type=_INT32,
        )
        for name in (RESULTS[output] for output in lstm.wanted)
    }
    return {
        "turn": _Variable(_INT32, (), zero),
        "limit": _Variable(_INT32, (), nodes.integers("limit", _NO_LIMIT)),
        "step": _Variable(_INT32, (), zero),
        "cell": _Variable(_FLOAT, states, lstm.cell),
        "hidden": _Variable(_FLOAT, states, lstm.hidden),
        **{name: _Variable(_LIST, (), before) for name, before in lists.items()},
        "steps": _Variable(_INT32, (), steps),
        "gates": _Variable(_LIST, (), _gates(nodes, lstm, sizes)),
        "weights": _Variable(_FLOAT, lstm.weights.shape, nodes.values("weights", lstm.weights)),
    }


def _gates(nodes: Nodes, lstm: BlockLstm, sizes: str) -> str:
    """What the inputs contribute to the gates, [steps, batch, 4 * cells]."""
    width = 4 * lstm.cells
    if lstm.batch >= 0:
        shape = nodes.integers("gates/shape", [-1, lstm.batch, width])
    else:
        any_number, batch = nodes.integers("gates/any", -1), _size(nodes, "batch", sizes, 1)
        parts = any_number, batch, nodes.integers("gates/width", width)
        shape = nodes.op("Pack", "gates/shape", *parts, T=_INT32, N=3, axis=0)
    rows = gates_of_inputs(nodes, lstm)
    gates = nodes.op("Reshape", "steps", rows, shape, Tshape=_INT32)
    element = nodes.integers("steps/shape", [lstm.batch, width])
    return nodes.other(
        "TensorListFromTensor",
        "steps/list",
        gates,
        element,
        element_dtype=_FLOAT,
        shape_type=_INT32,
    )


def _size(nodes: Nodes, name: str, sizes: str, place: int) -> str:
    """One of the sizes of a shape."""
    return _item(nodes, name, sizes, nodes.integers(f"{name}/place", place), _INT32)


def _item(nodes: Nodes, name: str, source: str, place: str, dtype: DataType) -> str:
    """The part of a tensor at a place of its first axis."""
    axis = nodes.integers(f"{name}/axis", 0)
    types = {"Tparams": dtype, "Tindices": _INT32, "Taxis": _INT32}
    return nodes.other("GatherV2", name, source, place, axis, **types, batch_dims=0)


def _numbers(nodes: Nodes, steps: str) -> str:
    """The numbers of the steps, in int64."""
    first, one = nodes.integers("numbers/first", 0), nodes.integers("numbers/one", 1)
    numbers = nodes.other("Range", "numbers/all", first, steps, one, Tidx=_INT32)
    return nodes.other("Cast", "numbers", numbers, SrcT=_INT32, DstT=_INT64, Truncate=False)


def _condition(name: str, variables: Mapping[str, _Variable]) -> Any:
    """Whether there is another step."""
    nodes = FunctionNodes()
    result = nodes.op("Less", "more", "step", "steps", T=_INT32)
    inputs = {key: variable.dtype for key, variable in variables.items()}
    return new_function(name, inputs, nodes.made, {"identity": (DataType.BOOL, result)})


def _body(name: str, variables: Mapping[str, _Variable], lstm: BlockLstm) -> Any:
    """One step."""
    nodes = FunctionNodes()
    shape = nodes.integers("row/shape", [lstm.batch, 4 * lstm.cells])
    gates = nodes.other("TensorListGetItem", "row", "gates", "step", shape, element_dtype=_FLOAT)
    values = Cell.of(nodes, "weights", lstm.clip).step(nodes, "one", gates, "cell", "hidden")
    after = {
        "step": nodes.op("Add", "next", "step", nodes.integers("one_more", 1), T=_INT32),
        "cell": values["cs"],
        "hidden": values["h"],
    }
    for key in (RESULTS[output] for output in lstm.wanted):
        after[key] = nodes.other(
            "TensorListSetItem", f"set_{key}", key, "step", values[key], element_dtype=_FLOAT
        )
    inputs = {key: variable.dtype for key, variable in variables.items()}
    results = {
        f"identity_{place}": (variable.dtype, after.get(key, key))
        for place, (key, variable) in enumerate(variables.items())
    }
    return new_function(name, inputs, nodes.made, results)
