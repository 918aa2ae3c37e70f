"""Any number of steps as a loop, in the form that ``tf.while_loop`` has in TensorFlow 2.

A StatelessWhile calls two functions of the library, the condition and the body, with all loop
variables. What the inputs contribute to the steps is a list of tensors among these, and so are the
results. The converters know such loops by what TensorFlow always writes: Core ML Tools and tf2onnx
take the first two variables for the number of the iteration and its limit, and Core ML Tools find
an output of the body by the number at the end of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dsconv.convert.toolkit.block_lstm.arithmetic import LstmSteps, gates_of_inputs, masked
from dsconv.convert.toolkit.block_lstm.nodes import FunctionNodes, Nodes
from dsconv.convert.toolkit.block_lstm.parameters import RESULTS, BlockLstm
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.functions import new_function

_FLOAT, _INT32, _INT64 = DataType.FLOAT, DataType.INT32, DataType.INT64
_LIST = DataType.VARIANT
_NO_LIMIT = -1


class _Variable(NamedTuple):
    """A loop variable: its type, its shape, and the tensor with its value before the loop."""

    dtype: DataType
    shape: tuple[int, ...]
    before: str


def looped(nodes: Nodes, lstm: BlockLstm, functions: list[Any]) -> dict[int, str]:
    """Add the loop, and what it calls to the functions.

    Returns the names of the used outputs [steps, batch, cells] by their indices.
    """
    sizes = nodes.other("Shape", "sizes", lstm.x, T=_FLOAT, out_type=_INT32)
    steps = _size(nodes, "count", sizes, 0)
    variables = _variables(nodes, lstm, sizes, steps)
    condition, body = _Function(nodes, "more", variables), _Function(nodes, "turn", variables)
    functions += [_condition(condition), _body(body, lstm)]
    after = nodes.other(
        "StatelessWhile",
        "while",
        *(variable.before for variable in variables.values()),
        T=[variable.dtype for variable in variables.values()],
        output_shapes=[variable.shape for variable in variables.values()],
        cond=condition.name,
        body=body.name,
        parallel_iterations=1,
    )
    keys = list(variables)
    shape = nodes.integers("results/shape", [lstm.batch, lstm.cells])
    results = {}
    for output in lstm.used:
        found = nodes.result(after, keys.index(RESULTS[output]))
        kind = {"element_dtype": _FLOAT, "num_elements": -1}
        results[output] = nodes.other("TensorListStack", RESULTS[output], found, shape, **kind)
    return masked(nodes, results, _numbers(nodes, steps), lstm.length)


def _variables(nodes: Nodes, lstm: BlockLstm, sizes: str, steps: str) -> dict[str, _Variable]:
    """The loop variables by their names; those that no step changes come last."""
    zero = nodes.integers("zero", 0)
    states = (lstm.batch, lstm.cells)
    shape = nodes.integers("none/shape", states)
    kind = {"element_dtype": _FLOAT, "shape_type": _INT32}
    lists = {
        name: nodes.other("TensorListReserve", f"none/{name}", shape, steps, **kind)
        for name in (RESULTS[output] for output in lstm.used)
    }
    return {
        "turn": _Variable(_INT32, (), zero),
        "limit": _Variable(_INT32, (), nodes.integers("limit", _NO_LIMIT)),
        "step": _Variable(_INT32, (), zero),
        "cell": _Variable(_FLOAT, states, lstm.cell),
        "hidden": _Variable(_FLOAT, states, lstm.hidden),
        **{name: _Variable(_LIST, (), before) for name, before in lists.items()},
        "steps": _Variable(_INT32, (), steps),
        "gates": _Variable(_LIST, (), _list_of_gates(nodes, lstm, sizes)),
        "weights": _Variable(_FLOAT, lstm.weights.shape, nodes.values("weights", lstm.weights)),
    }


def _list_of_gates(nodes: Nodes, lstm: BlockLstm, sizes: str) -> str:
    """What the inputs contribute to the gates, [batch, 4 * cells] for each step."""
    width = 4 * lstm.cells
    if lstm.batch >= 0:
        shape = nodes.integers("steps/shape", [-1, lstm.batch, width])
    else:
        any_number, batch = nodes.integers("steps/any", -1), _size(nodes, "batch", sizes, 1)
        parts = any_number, batch, nodes.integers("steps/width", width)
        shape = nodes.op("Pack", "steps/shape", *parts, T=_INT32, N=3, axis=0)
    rows = gates_of_inputs(nodes, lstm)
    steps = nodes.op("Reshape", "steps", rows, shape, Tshape=_INT32)
    element = nodes.integers("list/shape", [lstm.batch, width])
    kind = {"element_dtype": _FLOAT, "shape_type": _INT32}
    return nodes.other("TensorListFromTensor", "list", steps, element, **kind)


def _size(nodes: Nodes, name: str, sizes: str, index: int) -> str:
    """One of the sizes of a shape."""
    chosen, axis = nodes.integers(f"{name}/place", index), nodes.integers(f"{name}/axis", 0)
    types = {"Tparams": _INT32, "Tindices": _INT32, "Taxis": _INT32}
    return nodes.other("GatherV2", name, sizes, chosen, axis, **types, batch_dims=0)


def _numbers(nodes: Nodes, steps: str) -> str:
    """The numbers of the steps, in int64."""
    first, one = nodes.integers("numbers/first", 0), nodes.integers("numbers/one", 1)
    numbers = nodes.other("Range", "numbers/all", first, steps, one, Tidx=_INT32)
    return nodes.other("Cast", "numbers", numbers, SrcT=_INT32, DstT=_INT64, Truncate=False)


class _Function:
    """A function under way that takes all loop variables; `variables` are its inputs' names."""

    def __init__(self, outside: Nodes, name: str, variables: Mapping[str, _Variable]) -> None:
        self.name = f"{outside.scope}/{name}".replace("/", "_")
        self.nodes = FunctionNodes(self.name)
        self.types = {key: variable.dtype for key, variable in variables.items()}
        self.variables = {key: f"{self.name}_{key}" for key in variables}

    def giving(self, results: Mapping[str, tuple[DataType, str]]) -> Any:
        """The function with these results."""
        inputs = {self.variables[key]: dtype for key, dtype in self.types.items()}
        return new_function(self.name, inputs, self.nodes.made, results)


def _condition(function: _Function) -> Any:
    """Whether there is another step."""
    given = function.variables
    more = function.nodes.op("Less", "result", given["step"], given["steps"], T=_INT32)
    return function.giving({"identity": (DataType.BOOL, more)})


def _body(function: _Function, lstm: BlockLstm) -> Any:
    """One step."""
    nodes, given = function.nodes, function.variables
    shape = nodes.integers("gates/shape", [lstm.batch, 4 * lstm.cells])
    kind = {"element_dtype": _FLOAT}
    gates = nodes.other("TensorListGetItem", "gates", given["gates"], given["step"], shape, **kind)
    steps = LstmSteps.of(nodes, given["weights"], lstm.clip)
    values = steps.add(nodes, "step", gates, given["cell"], given["hidden"])
    one = nodes.integers("one", 1)
    after = {
        "step": nodes.op("Add", "next", given["step"], one, T=_INT32),
        "cell": values["cs"],
        "hidden": values["h"],
    }
    for key in (RESULTS[output] for output in lstm.used):
        item = given[key], given["step"], values[key]
        after[key] = nodes.other("TensorListSetItem", f"with/{key}", *item, **kind)
    return function.giving(
        {
            f"identity_{index}": (dtype, after.get(key, given[key]))
            for index, (key, dtype) in enumerate(function.types.items())
        }
    )
