"""Cut the state variables of graphs of 0.2 to 0.5 into inputs and outputs, as in those since 0.6.

Such a graph keeps the two states of its LSTM in variables: `initialize_state` sets them to zero,
and each call sets them to the states after its last frame before it gives the scores. Cut, the
graph takes them as inputs and gives them as outputs, and computes the same from them.

Everything that touches a variable must be understood, else the graph is refused: a value that is
read after it was set, or set twice, would be another one in the cut graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.frozen import why_not_frozen
from dsconv.formats.graphdef.graph import CONSTANTS, VARIABLES, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.write import edited, new_node

_READS = ("BlockLSTM", "ConcatV2", "ExpandDims", "Identity")
# Those whose output may be the variable's own memory, so that setting it changes them.
_VIEWS = ("ExpandDims", "Identity")
# The inputs cs_prev and h_prev of a BlockLSTM.
_STATE_INPUTS = {"c": 2, "h": 3}


@dataclass(frozen=True)
class _State:
    """A state: its letter, its variable, what sets it in each call, and what at the start."""

    letter: str
    variable: Node
    update: Node
    starts: tuple[Node, ...]

    @property
    def input(self) -> str:
        """The name of the input that it becomes."""
        return f"previous_state_{self.letter}"

    @property
    def output(self) -> str:
        """The name of the output that it becomes."""
        return f"new_state_{self.letter}"


def cut_states(graph: Graph) -> Graph:
    """The same graph with its states as inputs `previous_state_c` and `previous_state_h`.

    They are floats of the variables' shape [batch, cells], zero before the first frame of a clip;
    the outputs `new_state_c` and `new_state_h` are what was kept in the variables. What only set
    these goes; all else stays as it is. A graph without state variables is returned as it is.

    Raises ConversionError for a graph that is not frozen, and for one that uses its variables in
    another way than the exporters' do, and says where.
    """
    if reason := why_not_frozen(graph):
        raise ConversionError(reason)
    variables = [node for node in graph if node.op in VARIABLES]
    if not variables:
        return graph
    states = _find_states(graph, variables)
    scores = _find_scores(graph, states)
    _check_names(graph, states)
    setters = {node.name for state in states for node in (state.update, *state.starts)}
    ends = [node.name for node in graph if not graph.consumers[node.name]]
    edit = _Edit(graph, states, setters)
    kept = [name for name in ends if name not in edit.gone]
    outputs = [scores.name, *(state.output for state in states)]
    return extract(graph.replacing(edit.nodes()), [*kept, *outputs])


def _refused(node: Node, what: str) -> ConversionError:
    return ConversionError(f"its states cannot be cut: '{node.name}' ({node.op}) {what}.")


def _find_states(graph: Graph, variables: list[Node]) -> list[_State]:
    """The two states. Raises ConversionError if any variable is something else."""
    lstms = [node for node in graph if node.op == "BlockLSTM"]
    if len(lstms) != 1:
        raise ConversionError(
            f"its states cannot be cut: it has {len(lstms)} BlockLSTM nodes where one is expected."
        )
    (lstm,) = lstms
    sources = [graph.source(name) for name in lstm.data_inputs]
    found = {letter: sources[index] for letter, index in _STATE_INPUTS.items()}
    names = {node.name for node in found.values()}
    for variable in variables:
        if variable.name not in names:
            raise _refused(variable, f"is not a state of '{lstm.name}'")
    if found["c"] is found["h"]:
        raise _refused(found["c"], f"is both states of '{lstm.name}'")
    for node in found.values():
        if node.op != "VariableV2":
            raise _refused(node, f"is a state of '{lstm.name}', and not a VariableV2")
    after_lstm = graph.downstream([lstm])
    return [_state(graph, letter, node, after_lstm) for letter, node in found.items()]


def _state(graph: Graph, letter: str, variable: Node, after_lstm: Mapping[str, Node]) -> _State:
    """A state with what sets its variable."""
    if variable.attribute("dtype", DataType) is not DataType.FLOAT:
        raise _refused(variable, "is not of float32")
    shape = variable.shape()
    if shape is None or len(shape) != 2 or min(shape) < 1:
        raise _refused(variable, f"has shape {shape} and not [batch, cells]")
    sets = [node for node in graph.consumers[variable.name] if node.op == "Assign"]
    for node in sets:
        _check_sets(graph, node, variable)
    updates = [node for node in sets if node.data_inputs[1].node in after_lstm]
    starts = [node for node in sets if node not in updates]
    if len(updates) != 1:
        raise _refused(variable, f"is set {len(updates)} times in a call and not once")
    if not starts:
        raise _refused(variable, "is not set before the first call")
    for node in starts:
        if not _is_zero(graph, graph.source(node.data_inputs[1])):
            raise _refused(node, "sets a state to something other than zeros")
    _check_reads(graph, variable, updates[0])
    return _State(letter, variable, updates[0], tuple(starts))


def _check_sets(graph: Graph, assign: Node, variable: Node) -> None:
    """An Assign must set this variable, wait for nothing, and hand its value to nobody.

    Raises ConversionError for one that does otherwise.
    """
    if len(assign.data_inputs) != 2 or assign.data_inputs[0].node != variable.name:
        raise _refused(assign, f"takes '{variable.name}' in another way than to set it")
    if len(assign.inputs) != 2:
        raise _refused(assign, "waits for other nodes")
    for user in graph.consumers[assign.name]:
        if any(name.node == assign.name for name in user.data_inputs):
            raise _refused(user, f"takes the value of '{assign.name}'")


def _is_zero(graph: Graph, node: Node) -> bool:
    """Whether a node makes nothing but zeros."""
    if node.op == "Fill":
        return _is_zero(graph, graph.source(node.data_inputs[1]))
    return node.op in CONSTANTS and not any(graph.tensor(node).numbers())


def _check_reads(graph: Graph, variable: Node, update: Node) -> None:
    """The update must need everything that is read, so that all of it is read before.

    Raises ConversionError for a read that may see the old value or the new one.
    """
    waiting, seen = [variable], set[str]()
    while waiting:
        node = waiting.pop()
        for user in graph.consumers[node.name]:
            if user.name in seen or (user.op == "Assign" and node is variable):
                continue
            seen.add(user.name)
            if user.op not in _READS:
                raise _refused(user, f"uses '{variable.name}' in a way that dsconv does not know")
            if len(user.inputs) != len(user.data_inputs):
                raise _refused(user, f"reads '{variable.name}', and waits for other nodes")
            if update.name not in graph.downstream([user]):
                raise _refused(user, f"reads '{variable.name}' before or after it is set")
            if user.op in _VIEWS:
                waiting.append(user)


def _find_scores(graph: Graph, states: list[_State]) -> Node:
    """The node that waits for both updates: the scores.

    Raises ConversionError if anything else waits for them, or for what sets the states at the start
    but the NoOp that does so.
    """
    waits: list[set[str]] = []
    for state in states:
        users = graph.consumers[state.update.name]
        waits.append({user.name for user in users})
        for start in state.starts:
            for user in graph.consumers[start.name]:
                if user.op != "NoOp":
                    raise _refused(user, f"sets '{state.variable.name}' to zeros in each call")
    names = set.union(*waits)
    if len(names) != 1 or waits[0] != waits[1]:
        listed = ", ".join(f"'{name}'" for name in sorted(names)) or "nothing"
        raise ConversionError(
            "its states cannot be cut: the scores should wait for both of them to be set; "
            f"{listed} waits for '{states[0].update.name}' or '{states[1].update.name}'."
        )
    (name,) = names
    if not graph[name].data_inputs:
        raise _refused(graph[name], "waits for the states but has no inputs")
    return graph[name]


def _check_names(graph: Graph, states: list[_State]) -> None:
    """The new inputs and outputs must have names that no other node has."""
    variables = {state.variable.name for state in states}
    for state in states:
        for name in (state.input, state.output):
            if name in graph and name not in variables:
                raise _refused(graph[name], "has the name of an input or output of the cut graph")


class _Edit:
    """The nodes of the cut graph."""

    def __init__(self, graph: Graph, states: list[_State], setters: set[str]) -> None:
        self._graph = graph
        self._states = states
        self._names = {state.variable.name: state.input for state in states}
        # A NoOp that did nothing but set the variables to zero is of no use without them.
        resets = [
            node.name
            for node in graph
            if node.op == "NoOp" and node.inputs and _control_names(node) <= setters
        ]
        self.gone = setters | set(resets)

    def nodes(self) -> Iterator[Node]:
        """All that stay, with an input instead of each variable, and the outputs at the end."""
        inputs = {state.variable.name: state for state in self._states}
        for node in self._graph:
            if node.name in inputs:
                yield _placeholder(inputs[node.name])
            elif node.name not in self.gone:
                yield self._without_gone(node)
        for state in self._states:
            kind = {"T": DataType.FLOAT}
            yield new_node(state.output, "Identity", [self._renamed(state.update.inputs[1])], kind)

    def _without_gone(self, node: Node) -> Node:
        """A node that waits for nothing that goes, and knows the variables by their new names."""
        inputs = [
            self._renamed(name)
            for name in node.inputs
            if TensorName.parse(name).node not in self.gone
        ]
        colocations = node.attributes.get("_class")
        changes = {}
        if isinstance(colocations, list):
            own = list(self._colocations(colocations))
            if own != colocations:
                changes["_class"] = own
        if tuple(inputs) == node.inputs and not changes:
            return node
        return edited(node, inputs=inputs, attributes=changes)

    def _renamed(self, name: str) -> str:
        parsed = TensorName.parse(name)
        return str(parsed._replace(node=self._names.get(parsed.node, parsed.node)))

    def _colocations(self, given: Iterable[object]) -> Iterator[object]:
        """The nodes on whose device a node is to run, the variables by their new names."""
        for each in given:
            old = each.decode() if isinstance(each, bytes) else ""
            new = self._names.get(old.removeprefix("loc:@"))
            yield f"loc:@{new}".encode() if new else each


def _control_names(node: Node) -> set[str]:
    return {TensorName.parse(name).node for name in node.inputs}


def _placeholder(state: _State) -> Node:
    variable = state.variable
    kind = {"dtype": DataType.FLOAT, "shape": variable.shape()}
    return new_node(state.input, "Placeholder", (), kind, variable.device)
