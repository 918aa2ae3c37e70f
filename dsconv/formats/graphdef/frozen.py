"""Whether a graph is frozen: its weights stand in it, not in a checkpoint beside it."""

from dsconv.formats.graphdef.graph import VARIABLES, Graph
from dsconv.formats.graphdef.node import Node

# Ops that hand a variable's value on unchanged.
_READS = ("Enter", "Identity", "ReadVariableOp")


def why_not_frozen(graph: Graph) -> str | None:
    """Why a graph holds no network yet, and what to do; None if it is frozen."""
    if not (variables := weight_variables(graph)):
        return None
    return (
        f"it is not frozen: {len(variables)} of its weights are variables, whose values "
        "are in a checkpoint; pass that to `dsconv freeze`, or, of a version that it does not "
        "take, export a frozen graph with the training code (--export_dir)."
    )


def weight_variables(graph: Graph) -> list[Node]:
    """Variables that are multiplied with something, so weights that a checkpoint must supply.

    The state variables of frozen graphs up to 0.5 are not among them.
    """
    return [node for node in graph if node.op in VARIABLES and _feeds_matmul(graph, node)]


def _feeds_matmul(graph: Graph, variable: Node) -> bool:
    waiting, seen = [variable], set[str]()
    while waiting:
        node = waiting.pop()
        for user in graph.consumers[node.name]:
            if user.op == "MatMul":
                return True
            if user.op in _READS and user.name not in seen:
                seen.add(user.name)
                waiting.append(user)
    return False
