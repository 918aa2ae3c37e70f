"""While loops of TensorFlow 1: the frames of Enter, Merge, Switch, LoopCond, NextIteration, Exit.

Each loop variable has a Merge, which gives what came through its Enter to the first iteration and
what came through its NextIteration to each later one. From there the condition is computed. A
Switch gives the variable to the body while the condition holds, and after that to its Exit. What
the iterations do not change comes through an Enter that is constant.

The parallel_iterations of an Enter say how many may be under way at once, which changes no value.

Source: ``tensorflow/core/common_runtime/executor.cc`` and
``tensorflow/python/ops/control_flow_ops.py`` of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.nodes import Values, compute, in_order, kernel, source_names
from dsconv.runtime.ops import Op, unsupported
from dsconv.runtime.tensor_arrays import TENSOR_ARRAY_OPS

ITERATIONS = 1_000_000
"""A loop that goes on for longer than that is taken for one that does not end."""

_Frame: TypeAlias = "str | None"
_OUTSIDE = None
_BOUNDARY = ("Enter", "Merge", *CONSTANTS)
_PASSING: dict[str, Op] = {
    "LoopCond": lambda _, value: value,
    "NextIteration": lambda _, value: value,
    "Switch": lambda _, value, __: (value, value),
}


class _LoopNode(NamedTuple):
    """A node of a loop with what it takes to compute it, looked up once."""

    node: Node
    function: Op
    inputs: list[TensorName]


class _Section(NamedTuple):
    """The condition or the body of a loop: what is computed once, and each time."""

    once: list[_LoopNode]
    each: list[_LoopNode]


class _Variable(NamedTuple):
    """A loop variable by the names of its nodes."""

    enter: str
    following: str


@dataclass(frozen=True)
class Loop:
    """The nodes of a frame that some outputs need.

    `constants` are the constants inside; their values are taken from outside, as those of
    `enters` are.
    """

    frame: str
    constants: tuple[str, ...]
    sources: tuple[str, ...]
    enters: Mapping[str, TensorName]
    variables: Mapping[str, _Variable]
    decision: str
    condition: _Section
    body: _Section
    exits: Mapping[str, TensorName]

    def run(self, outside: Values) -> Values:
        """The values of the Exits, from those of `sources`.

        Raises ConversionError for a loop that does not end.
        """
        values: Values = {name: (outside[at.node][at.output],) for name, at in self.enters.items()}
        values |= {name: outside[name] for name in self.constants}
        values |= {name: values[variable.enter] for name, variable in self.variables.items()}
        _compute(self.condition.once, values)
        for iteration in range(ITERATIONS):
            _compute(self.condition.each, values)
            if not values[self.decision][0]:
                return {name: (values[at.node][at.output],) for name, at in self.exits.items()}
            if iteration == 0:
                _compute(self.body.once, values)
            _compute(self.body.each, values)
            values |= {name: values[after.following] for name, after in self.variables.items()}
        raise ConversionError(
            f"the loop '{self.frame}' does not end within {ITERATIONS:,} iterations; "
            "check the lengths that are fed."
        )


def find_loops(graph: Graph, outputs: Iterable[str]) -> list[Loop]:
    """The loops that some nodes need.

    Raises ConversionError, with the name of a node, for loops inside of loops, for a node that is
    in a loop and among `outputs`, and for frames that are no while loops.
    """
    names = list(outputs)
    needed = _needed(graph, names)
    if not any(node.op == "Enter" for node in needed.values()):
        return []
    frames_of = _frames(graph, needed)
    for name in names:
        if _leads_to(needed[name], frames_of[name]) is not _OUTSIDE:
            raise unsupported(needed[name], "inside of a while loop")
    frames: dict[str, list[Node]] = {}
    for name, node in needed.items():
        frame = _frame_name(node) if node.op == "Enter" else frames_of[name]
        if frame is not _OUTSIDE:
            frames.setdefault(frame, []).append(node)
    return [_loop(graph, frame, nodes) for frame, nodes in frames.items()]


def _compute(nodes: Iterable[_LoopNode], values: Values) -> None:
    for node, function, inputs in nodes:
        values[node.name] = compute(function, node, inputs, values)


def _needed(graph: Graph, names: Iterable[str]) -> dict[str, Node]:
    """The nodes that some nodes need, and these themselves."""
    found: dict[str, Node] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = graph[name]
            waiting.extend(source_names(found[name].inputs))
    return found


def _frames(graph: Graph, needed: Mapping[str, Node]) -> dict[str, _Frame]:
    """The frame that the inputs of each node are in."""
    found: dict[str, _Frame] = {}
    waiting: list[tuple[Node, _Frame]] = [
        (node, _OUTSIDE) for node in needed.values() if not node.inputs
    ]
    while waiting:
        node, frame = waiting.pop()
        if node.name not in found:
            found[node.name] = frame
            inner = _leads_to(node, frame)
            users = graph.consumers[node.name]
            waiting.extend((user, inner) for user in users if user.name in needed)
        elif found[node.name] != frame:
            raise unsupported(node, "with inputs from inside and from outside of a while loop")
    for name, node in needed.items():
        if name not in found:
            raise unsupported(node, "in a loop that nothing enters")
    return found


def _leads_to(node: Node, frame: _Frame) -> _Frame:
    """The frame that a node's outputs are in, from that of its inputs."""
    if node.op == "Exit":
        return _OUTSIDE
    if node.op != "Enter":
        return frame
    if frame is not _OUTSIDE:
        raise unsupported(node, f"of a while loop inside of the loop '{frame}'")
    return _frame_name(node)


def _frame_name(enter: Node) -> str:
    return enter.attribute("frame_name", bytes).decode("utf-8", "replace")


def _loop(graph: Graph, frame: str, nodes: list[Node]) -> Loop:
    """The loop of a frame, from the nodes in it and its Enters."""
    by_op: dict[str, list[Node]] = {}
    for node in nodes:
        by_op.setdefault(node.op, []).append(node)
    for node in nodes:
        if node.op != "Enter":
            _check_inputs(graph, node)
    decisions, switches = by_op.get("LoopCond", []), by_op.get("Switch", [])
    if len(decisions) != 1:
        raise unsupported(by_op["Enter"][0], f"of a frame with {len(decisions)} LoopCond nodes")
    constants = tuple(node.name for node in nodes if node.op in CONSTANTS)
    deciding = [decisions[0].name, *(node.data_inputs[0].node for node in switches)]
    condition = _loop_nodes(graph, deciding, done=())
    ends = [node.name for node in [*by_op.get("NextIteration", []), *switches]]
    body = _loop_nodes(graph, ends, done={entry.node.name for entry in condition})
    variables = {node.name: _variable(graph, node) for node in by_op.get("Merge", [])}
    return Loop(
        frame,
        constants,
        (*constants, *source_names(name for node in by_op["Enter"] for name in node.inputs)),
        {node.name: node.data_inputs[0] for node in by_op["Enter"]},
        variables,
        decisions[0].name,
        *_sections(condition, body, variables),
        {node.name: _leaving(graph, node) for node in by_op.get("Exit", [])},
    )


def _check_inputs(graph: Graph, node: Node) -> None:
    """Raises ConversionError if a node takes what only some iterations have, or would mix them."""
    sources = [(name, graph[name.node]) for name in map(TensorName.parse, node.inputs)]
    for name, source in sources:
        constant = source.op == "Enter" and source.attribute_or("is_constant", False)
        if source.op == "Enter" and constant == (node.op == "Merge"):
            raise unsupported(source, f"with is_constant {constant} in front of a {node.op}")
        if source.op == "Merge" and name.output:
            raise unsupported(source, "whose second output is used")
        if source.op == "Switch" and not name.control and (name.output == 0) != (node.op == "Exit"):
            raise unsupported(node, f"that takes output {name.output} of a Switch")
    ops = tuple(source.op for _, source in sources)
    if node.op == "Merge" and sorted(ops) != ["Enter", "NextIteration"]:
        raise unsupported(node, f"of {' and '.join(ops)}")
    if node.op == "Switch" and ops[1:] != ("LoopCond",):
        raise unsupported(node, f"on a {', '.join(ops[1:])}")
    if node.op == "Exit" and ops != ("Switch",):
        raise unsupported(node, f"of {' and '.join(ops)}")


def _variable(graph: Graph, merge: Node) -> _Variable:
    by_op = {graph[name.node].op: name.node for name in merge.data_inputs}
    return _Variable(by_op["Enter"], by_op["NextIteration"])


def _leaving(graph: Graph, leave: Node) -> TensorName:
    """What an Exit gives after the last iteration: what its Switch takes."""
    return graph[leave.data_inputs[0].node].data_inputs[0]


def _loop_nodes(graph: Graph, ends: Iterable[str], done: Iterable[str]) -> list[_LoopNode]:
    """What some nodes of a loop need, in order, from its Merges, Enters and constants on."""

    def sources(node: Node) -> list[str]:
        return [] if node.op in _BOUNDARY else source_names(node.inputs)

    return [
        _LoopNode(node, _PASSING.get(node.op) or kernel(node), node.data_inputs)
        for node in in_order(graph, ends, sources)
        if node.op not in _BOUNDARY and node.name not in done
    ]


def _sections(
    condition: list[_LoopNode], body: list[_LoopNode], variables: Iterable[str]
) -> tuple[_Section, _Section]:
    """Each node put where it belongs: once, or each time if it depends on a loop variable."""
    changing = set(variables)
    for entry in [*condition, *body]:
        names = {name.node for name in entry.inputs}
        if entry.node.op in TENSOR_ARRAY_OPS or names & changing:
            changing.add(entry.node.name)
    return _section(condition, changing.__contains__), _section(body, changing.__contains__)


def _section(nodes: list[_LoopNode], changes: Callable[[str], bool]) -> _Section:
    once = [entry for entry in nodes if not changes(entry.node.name)]
    return _Section(once, [entry for entry in nodes if changes(entry.node.name)])
