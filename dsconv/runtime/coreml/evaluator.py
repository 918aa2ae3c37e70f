"""Evaluate a Core ML program op by op in numpy, from the saved file.

The program is walked as it is, independent of what made it; so it can serve as the check of a
conversion where Core ML does not run. Operations on float16 are computed in float32, and their
outputs rounded to float16: a device that computes in float16 differs a little more.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.file import PROGRAM, CoreMlFile
from dsconv.formats.coreml.interface import read_description
from dsconv.formats.coreml.program import Argument, NamedType, TensorType, read_function
from dsconv.formats.coreml.values import array_dtype, read_value
from dsconv.formats.coreml.weights import WeightFiles
from dsconv.runtime.coreml.operations import (
    Array,
    PreparedBlock,
    PreparedOperation,
    RuntimeValue,
    Scope,
    prepare,
)
from dsconv.runtime.coreml.ops import TUPLES, compute
from dsconv.runtime.coreml.values import State, checked, fed, widened
from dsconv.runtime.model import Tensors

_OPSETS = {f"CoreML{number}": number for number in range(5, 10)}

MOST_ITERATIONS = 1_000_000
"""More than a recording has frames; a damaged program may loop for ever."""


class ProgramEvaluator:
    """A program with its weights, and with states that last from run to run.

    Weights are read, decompressed and widened once. `inputs` are the types of the inputs and the
    states, `states` the values of these, `block` the prepared program; `ran` counts the operations
    of the last run by their kinds, constants left out.
    """

    def __init__(self, file: CoreMlFile) -> None:
        """Prepare a program, its states being zero.

        Raises ModelError if it is damaged, ConversionError if it is no program or of an unknown
        opset. An operation that is not known is refused when it is to run.
        """
        if file.kind != PROGRAM:
            raise ConversionError(f"{file.path} holds no ML program; convert to one.")
        function = read_function(file.body, file.description.defaultFunctionName)
        if function.opset not in _OPSETS:
            raise ConversionError(
                f"the program is written in the opset '{function.opset}', which dsconv does not "
                "know; convert for iOS 18 or earlier."
            )
        self._weights = WeightFiles(file.model_path.parent)
        self.inputs = {given.name: _array_type(given) for given in function.inputs}
        features = read_description(file.description).inputs
        self._features = {feature.name: feature for feature in features}
        self._types: dict[str, TensorType | None] = dict(self.inputs)
        for operation in function.block.operations:
            self._types.update((output.name, output.type) for output in operation.outputs)
        self.block = prepare(function.block, _OPSETS[function.opset])
        self.states: dict[str, Array] = {}
        self._written: dict[str, Array] = {}
        self.ran: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Make all states zero."""
        kinds = {name: kind for name, kind in self.inputs.items() if kind.is_state}
        for name, kind in kinds.items():
            if kind.any_rank or min(kind.shape, default=0) < 0:
                raise ModelError(f"state '{name}' has no fixed size; convert the model again.")
        self.states = {
            name: np.zeros(kind.shape, array_dtype(kind.dtype)) for name, kind in kinds.items()
        }

    def run(self, feeds: Tensors) -> Tensors:
        """The outputs by their names, after feeding all inputs by theirs.

        Feeds are cast to the declared types. States change when the run is over. Raises
        ConversionError for feeds that the program does not take and for what is not computed here,
        ModelError where the program contradicts itself.
        """
        values = self._fed(feeds)
        self.ran = Counter()
        self._written = dict(self.states)
        # Infinity and NaN are results like others.
        with np.errstate(all="ignore"):
            outputs = self._run_block(self.block, Scope(values))
            results = {
                name: self._result(name, value)
                for name, value in zip(self.block.outputs, outputs, strict=True)
            }
        self.states = self._written
        return results

    def _fed(self, feeds: Tensors) -> dict[str, RuntimeValue]:
        """What the names of the inputs and states stand for."""
        names = [name for name, kind in self.inputs.items() if not kind.is_state]
        if unknown := [name for name in feeds if name not in names]:
            raise ConversionError(f"'{unknown[0]}' is not an input; feed {', '.join(names)}.")
        values: dict[str, RuntimeValue] = {name: State(name) for name in self.states}
        for name in names:
            if name not in feeds:
                raise ConversionError(f"input '{name}' is missing; feed it.")
            array = np.asarray(feeds[name])
            values[name] = fed(name, array, self.inputs[name], self._features.get(name))
        return values

    def _result(self, name: str, value: RuntimeValue) -> Array:
        """An output as it is declared, independent of what is kept here."""
        kind = self._types.get(name)
        if kind is None or not isinstance(value, np.ndarray):
            raise ConversionError(
                f"output '{name}' is not an array, which dsconv does not evaluate; remove it."
            )
        return np.array(value, kind.dtype if kind.dtype == "float16" else array_dtype(kind.dtype))

    def _run_block(self, block: PreparedBlock, scope: Scope) -> tuple[RuntimeValue, ...]:
        """The outputs of a block. What is not read any more is let go."""
        for prepared in block.operations:
            values = prepared.constant or self._run_operation(prepared, scope)
            for output, value in zip(prepared.operation.outputs, values, strict=True):
                scope.values[output.name] = value
            for name in prepared.releases:
                del scope.values[name]
        return tuple(scope[name] for name in block.outputs)

    def _run_operation(self, prepared: PreparedOperation, scope: Scope) -> tuple[RuntimeValue, ...]:
        """The outputs of an operation, which have the declared types."""
        info, declared = prepared.info, prepared.operation.outputs
        parameters = self._parameters(prepared, scope)
        control = _CONTROL.get(info.kind)
        values = (
            control(self, prepared, scope, parameters) if control else compute(info, parameters)
        )
        if len(values) != len(declared):
            raise info.damaged(f"declares {len(declared)} outputs and has {len(values)}")
        outputs = tuple(checked(info, o, v) for o, v in zip(declared, values, strict=True))
        if prepared.is_constant:
            prepared.constant = outputs
        else:
            self.ran[info.kind] += 1
        return outputs

    def _parameters(self, prepared: PreparedOperation, scope: Scope) -> dict[str, RuntimeValue]:
        """The values of the inputs and attributes of an operation by their names."""
        parameters: dict[str, RuntimeValue] = {}
        for name, arguments in prepared.operation.inputs.items():
            values = tuple(
                self._argument(prepared, (name, index), argument, scope)
                for index, argument in enumerate(arguments)
            )
            if name not in TUPLES and len(values) != 1:
                raise prepared.info.damaged(f"has {len(values)} values for {name}")
            parameters[name] = values if name in TUPLES else values[0]
        for name, value in prepared.operation.attributes.items():
            if name != "name":
                parameters[name] = widened(read_value(value, self._weights))
        return parameters

    def _argument(
        self, prepared: PreparedOperation, key: tuple[str, int], argument: Argument, scope: Scope
    ) -> RuntimeValue:
        """A named value, or a constant, which is kept unless the whole operation is constant."""
        if argument.value is None:
            return scope[argument.name or ""]
        if key in prepared.inline:
            return prepared.inline[key]
        value = widened(read_value(argument.value, self._weights))
        if not prepared.is_constant:
            prepared.inline[key] = value
        return value

    def _while_loop(
        self, prepared: PreparedOperation, scope: Scope, parameters: dict[str, RuntimeValue]
    ) -> tuple[RuntimeValue, ...]:
        """Run the second block as long as the first one gives true."""
        (values,) = _exactly(prepared, parameters, "loop_vars")
        condition, body = _two_blocks(prepared)
        for _ in range(MOST_ITERATIONS):
            if not _is_true(prepared, *self._run_inner(prepared, condition, values, scope)):
                return tuple(values)
            values = self._run_inner(prepared, body, values, scope)
        raise prepared.info.unsupported(f"of more than {MOST_ITERATIONS:,} iterations")

    def _cond(
        self, prepared: PreparedOperation, scope: Scope, parameters: dict[str, RuntimeValue]
    ) -> tuple[RuntimeValue, ...]:
        """Run the first block if the condition holds, else the second."""
        (condition,) = _exactly(prepared, parameters, "pred")
        if_true, if_false = _two_blocks(prepared)
        return self._run_inner(
            prepared, if_true if _is_true(prepared, condition) else if_false, (), scope
        )

    def _run_inner(
        self,
        prepared: PreparedOperation,
        block: PreparedBlock,
        values: tuple[RuntimeValue, ...],
        scope: Scope,
    ) -> tuple[RuntimeValue, ...]:
        """The outputs of a block of an operation, given its inputs."""
        if len(values) != len(block.inputs):
            raise prepared.info.damaged(f"has {len(values)} values for {len(block.inputs)} inputs")
        pairs = zip(block.inputs, values, strict=True)
        given = {
            declared.name: checked(prepared.info, declared, value) for declared, value in pairs
        }
        return self._run_block(block, Scope(given, scope))

    def _read_state(
        self, prepared: PreparedOperation, _: Scope, parameters: dict[str, RuntimeValue]
    ) -> tuple[RuntimeValue, ...]:
        """The value of a state, with what this run wrote to it."""
        (state,) = _exactly(prepared, parameters, "input")
        return (self._written[_state_name(prepared, state)],)

    def _write_state(
        self, prepared: PreparedOperation, _: Scope, parameters: dict[str, RuntimeValue]
    ) -> tuple[RuntimeValue, ...]:
        """Write to a state."""
        state, value = _exactly(prepared, parameters, "input", "data")
        self._set_state(prepared, state, value)
        return ()

    def _update_state(
        self, prepared: PreparedOperation, _: Scope, parameters: dict[str, RuntimeValue]
    ) -> tuple[RuntimeValue, ...]:
        """Write to a state and read it."""
        state, value = _exactly(prepared, parameters, "state", "value")
        self._set_state(prepared, state, value)
        return (self._written[state.name],)

    def _set_state(
        self, prepared: PreparedOperation, state: RuntimeValue, value: RuntimeValue
    ) -> None:
        name = _state_name(prepared, state)
        declared = NamedType(name, self.inputs[name])
        self._written[name] = checked(prepared.info, declared, value)


# The operations that need more than the values of their parameters.
_CONTROL = {
    "cond": ProgramEvaluator._cond,
    "coreml_update_state": ProgramEvaluator._update_state,
    "read_state": ProgramEvaluator._read_state,
    "while_loop": ProgramEvaluator._while_loop,
    "write_state": ProgramEvaluator._write_state,
}


def _array_type(given: NamedType) -> TensorType:
    """The type of an input of a program."""
    if given.type is None:
        raise ConversionError(
            f"input '{given.name}' is not an array, which dsconv does not evaluate; remove it."
        )
    return given.type


def _exactly(
    prepared: PreparedOperation, parameters: dict[str, RuntimeValue], *names: str
) -> tuple[RuntimeValue, ...]:
    """The values of these parameters, if there are no others."""
    for name in parameters:
        if name not in names:
            raise prepared.info.unsupported(f"with {name}")
    for name in names:
        if name not in parameters:
            raise prepared.info.damaged(f"has no {name}")
    return tuple(parameters[name] for name in names)


def _two_blocks(prepared: PreparedOperation) -> tuple[PreparedBlock, PreparedBlock]:
    if len(prepared.blocks) != 2:
        raise prepared.info.damaged(f"has {len(prepared.blocks)} blocks")
    return prepared.blocks[0], prepared.blocks[1]


def _is_true(prepared: PreparedOperation, *values: RuntimeValue) -> bool:
    """The one truth value that there is."""
    if len(values) != 1 or not isinstance(values[0], np.ndarray):
        raise prepared.info.damaged("has another condition than true or false")
    if values[0].dtype != np.bool_ or values[0].size != 1:
        raise prepared.info.damaged("has another condition than true or false")
    return bool(values[0].reshape(()))


def _state_name(prepared: PreparedOperation, state: RuntimeValue) -> str:
    if not isinstance(state, State):
        raise prepared.info.damaged("takes a value and not a state")
    return state.name
