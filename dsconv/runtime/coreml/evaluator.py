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
from dsconv.formats.coreml.weights import WeightFiles
from dsconv.runtime.coreml.call import Array
from dsconv.runtime.coreml.feeds import fed
from dsconv.runtime.coreml.held import Held, State, checked, held_dtype, widened
from dsconv.runtime.coreml.ops import TUPLES, compute
from dsconv.runtime.coreml.plan import Plan, Scope, Step, plan_of
from dsconv.runtime.coreml.values import read_value
from dsconv.runtime.model import Tensors

_OPSETS = {f"CoreML{number}": number for number in range(5, 10)}

# More turns than a recording has frames; a damaged program may loop for ever.
MOST_ITERATIONS = 1_000_000


class ProgramEvaluator:
    """A program with its weights, and with states that last from run to run.

    Weights are read, decompressed and widened once. `inputs` are the types of the inputs and the
    states, `states` the values of these, `plan` the prepared program; `ran` counts the operations
    of the last run by their kinds, constants left out.
    """

    def __init__(self, file: CoreMlFile) -> None:
        """Prepare a program, its states being zero.

        Raises ModelError if it is damaged, ConversionError if it is no program or of an unknown
        opset. An operation that is not known is refused when it is to run.
        """
        if file.kind != PROGRAM:
            raise ConversionError(f"{file.path} holds no ML program; convert to one.")
        function = read_function(file.body, file.description.text(21))
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
        self.plan = plan_of(function.block, _OPSETS[function.opset])
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
            name: np.zeros(kind.shape, held_dtype(kind.dtype)) for name, kind in kinds.items()
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
            outputs = self._run_block(self.plan, Scope(values))
            results = {
                name: self._result(name, value)
                for name, value in zip(self.plan.outputs, outputs, strict=True)
            }
        self.states = self._written
        return results

    def _fed(self, feeds: Tensors) -> dict[str, Held]:
        """What the names of the inputs and states stand for."""
        wanted = [name for name, kind in self.inputs.items() if not kind.is_state]
        if unknown := [name for name in feeds if name not in wanted]:
            raise ConversionError(f"'{unknown[0]}' is no input; feed {', '.join(wanted)}.")
        values: dict[str, Held] = {name: State(name) for name in self.states}
        for name in wanted:
            if name not in feeds:
                raise ConversionError(f"input '{name}' is needed and was not fed.")
            array = np.asarray(feeds[name])
            values[name] = fed(name, array, self.inputs[name], self._features.get(name))
        return values

    def _result(self, name: str, value: Held) -> Array:
        """An output as it is declared, independent of what is kept here."""
        kind = self._types.get(name)
        if kind is None or not isinstance(value, np.ndarray):
            raise ConversionError(
                f"output '{name}' is no array, which dsconv does not evaluate; remove it."
            )
        return np.array(value, kind.dtype if kind.dtype == "float16" else held_dtype(kind.dtype))

    def _run_block(self, plan: Plan, scope: Scope) -> tuple[Held, ...]:
        """The outputs of a block. What is not read any more is let go."""
        for step in plan.steps:
            values = step.constant or self._run_step(step, scope)
            for output, value in zip(step.operation.outputs, values, strict=True):
                scope.values[output.name] = value
            for name in step.releases:
                del scope.values[name]
        return tuple(scope[name] for name in plan.outputs)

    def _run_step(self, step: Step, scope: Scope) -> tuple[Held, ...]:
        """The outputs of an operation, which have the declared types."""
        call, declared = step.call, step.operation.outputs
        parameters = self._parameters(step, scope)
        control = _CONTROL.get(call.kind)
        values = control(self, step, scope, parameters) if control else compute(call, parameters)
        if len(values) != len(declared):
            raise call.damaged(f"declares {len(declared)} outputs and has {len(values)}")
        outputs = tuple(checked(call, o, v) for o, v in zip(declared, values, strict=True))
        if step.is_constant:
            step.constant = outputs
        else:
            self.ran[call.kind] += 1
        return outputs

    def _parameters(self, step: Step, scope: Scope) -> dict[str, Held]:
        """The values of the inputs and attributes of an operation by their names."""
        parameters: dict[str, Held] = {}
        for name, arguments in step.operation.inputs.items():
            values = tuple(
                self._argument(step, (name, place), argument, scope)
                for place, argument in enumerate(arguments)
            )
            if name not in TUPLES and len(values) != 1:
                raise step.call.damaged(f"has {len(values)} values for {name}")
            parameters[name] = values if name in TUPLES else values[0]
        for name, value in step.operation.attributes.items():
            if name != "name":
                parameters[name] = widened(read_value(value, self._weights))
        return parameters

    def _argument(self, step: Step, key: tuple[str, int], argument: Argument, scope: Scope) -> Held:
        """A named value, or a constant, which is kept unless the whole step is constant."""
        if argument.value is None:
            return scope[argument.name or ""]
        if key in step.inline:
            return step.inline[key]
        value = widened(read_value(argument.value, self._weights))
        if not step.is_constant:
            step.inline[key] = value
        return value

    def _while_loop(
        self, step: Step, scope: Scope, parameters: dict[str, Held]
    ) -> tuple[Held, ...]:
        """Run the second block as long as the first one gives true."""
        (values,) = _exactly(step, parameters, "loop_vars")
        condition, body = _two_blocks(step)
        for _ in range(MOST_ITERATIONS):
            if not _is_true(step, *self._run_inner(step, condition, values, scope)):
                return tuple(values)
            values = self._run_inner(step, body, values, scope)
        raise step.call.unsupported(f"of more than {MOST_ITERATIONS:,} turns")

    def _cond(self, step: Step, scope: Scope, parameters: dict[str, Held]) -> tuple[Held, ...]:
        """Run the first block if the condition holds, else the second."""
        (condition,) = _exactly(step, parameters, "pred")
        if_true, if_false = _two_blocks(step)
        return self._run_inner(step, if_true if _is_true(step, condition) else if_false, (), scope)

    def _run_inner(
        self, step: Step, plan: Plan, values: tuple[Held, ...], scope: Scope
    ) -> tuple[Held, ...]:
        """The outputs of a block of an operation, given its inputs."""
        if len(values) != len(plan.inputs):
            raise step.call.damaged(f"has {len(values)} values for {len(plan.inputs)} inputs")
        pairs = zip(plan.inputs, values, strict=True)
        given = {declared.name: checked(step.call, declared, value) for declared, value in pairs}
        return self._run_block(plan, Scope(given, scope))

    def _read_state(self, step: Step, _: Scope, parameters: dict[str, Held]) -> tuple[Held, ...]:
        """The value of a state, with what this run wrote to it."""
        (state,) = _exactly(step, parameters, "input")
        return (self._written[_state_name(step, state)],)

    def _write_state(self, step: Step, _: Scope, parameters: dict[str, Held]) -> tuple[Held, ...]:
        """Write to a state."""
        state, value = _exactly(step, parameters, "input", "data")
        self._set_state(step, state, value)
        return ()

    def _update_state(self, step: Step, _: Scope, parameters: dict[str, Held]) -> tuple[Held, ...]:
        """Write to a state and read it."""
        state, value = _exactly(step, parameters, "state", "value")
        self._set_state(step, state, value)
        return (self._written[state.name],)

    def _set_state(self, step: Step, state: Held, value: Held) -> None:
        name = _state_name(step, state)
        declared = NamedType(name, self.inputs[name])
        self._written[name] = checked(step.call, declared, value)


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
            f"input '{given.name}' is no array, which dsconv does not evaluate; remove it."
        )
    return given.type


def _exactly(step: Step, parameters: dict[str, Held], *names: str) -> tuple[Held, ...]:
    """The values of these parameters, if there are no others."""
    for name in parameters:
        if name not in names:
            raise step.call.unsupported(f"with {name}")
    for name in names:
        if name not in parameters:
            raise step.call.damaged(f"has no {name}")
    return tuple(parameters[name] for name in names)


def _two_blocks(step: Step) -> tuple[Plan, Plan]:
    if len(step.blocks) != 2:
        raise step.call.damaged(f"has {len(step.blocks)} blocks")
    return step.blocks[0], step.blocks[1]


def _is_true(step: Step, *values: Held) -> bool:
    """The one truth value that there is."""
    if len(values) != 1 or not isinstance(values[0], np.ndarray):
        raise step.call.damaged("has another condition than true or false")
    if values[0].dtype != np.bool_ or values[0].size != 1:
        raise step.call.damaged("has another condition than true or false")
    return bool(values[0].reshape(()))


def _state_name(step: Step, state: Held) -> str:
    if not isinstance(state, State):
        raise step.call.damaged("takes a value and not a state")
    return state.name
