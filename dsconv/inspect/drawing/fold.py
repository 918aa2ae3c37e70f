"""Fold a graph of many operations into the few boxes that people think in.

Operations of one name scope are one box; the scope is split where several scopes inside it take
matrices of their own. Operations without a scope belong to the one of the matrix that they take, or
follow the operation that feeds them. Constants become a line in the box of their user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal, TypeAlias

from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor
from dsconv.inspect.report import FEWEST_ELEMENTS

Kind: TypeAlias = Literal["input", "ops", "output", "constants"]

_REPEATED = 8
"""More scopes than this with numbered names are the steps of a loop that was unrolled."""


@dataclass
class Box:
    """A part of the graph: inputs and outputs alone, or the operations that belong together.

    `kinds` counts its operations, `inside` those that they run in loops. `tensors` are its
    constants, or the input itself; `names` are those of its operations.
    """

    kind: Kind
    title: str
    kinds: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    tensors: list[Tensor] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def weights(self) -> list[Tensor]:
        """The constants of any size, the largest first."""
        found = [t for t in self.tensors if t.shape and t.size >= FEWEST_ELEMENTS]
        return sorted(found, key=lambda tensor: -tensor.size)


@dataclass(frozen=True)
class Folded:
    """Boxes, and the edges between them by their indices."""

    boxes: list[Box]
    edges: list[tuple[int, int]]


def fold(graph: OpGraph) -> Folded:
    """Fold a graph; what does not change when the inputs do is folded into its users."""
    return _Fold(graph).result()


class _Fold:
    def __init__(self, graph: OpGraph) -> None:
        self._graph = graph
        self._constants = _constant_values(graph)
        self._ops = _ordered(
            [
                op
                for op in graph.ops
                if not set(op.outputs) <= self._constants.keys() or not op.outputs
            ]
        )
        self._inputs = {tensor.name for tensor in graph.inputs}
        self._split = _split_scopes(self._users_of_matrices())
        # The key of the box that makes each value.
        self._maker = {name: f"input {name}" for name in self._inputs}
        self._boxes: dict[str, Box] = {}
        self._edges: dict[tuple[str, str], None] = {}
        self._used: set[str] = set()

    def result(self) -> Folded:
        for tensor in self._graph.inputs:
            box = Box("input", tensor.name, tensors=[tensor])
            self._boxes[f"input {tensor.name}"] = box
        keys = [self._place(op) for op in self._ops]
        for op, key in zip(self._ops, keys, strict=True):
            self._connect(op, key)
        self._add_outputs()
        self._add_unused()
        for key, box in self._boxes.items():
            if key.startswith(("after ", "op ")):
                box.title = _common_name(box.names)
        indices = {key: index for index, key in enumerate(self._boxes)}
        edges = [(indices[start], indices[end]) for start, end in self._edges]
        return Folded(list(self._boxes.values()), edges)

    def _place(self, op: Op) -> str:
        """Put an operation into its box; returns the key of that."""
        key = self._key(op)
        box = self._boxes.setdefault(key, Box("ops", key.removeprefix("scope ")))
        box.kinds[op.kind] += 1
        box.inside += op.inside
        box.names.append(op.name)
        folded = [t for name in op.inputs for t in self._constants.get(name, ())]
        known = {tensor.name for tensor in box.tensors}
        for tensor in (*folded, *op.constants):
            if tensor.name not in known:
                known.add(tensor.name)
                box.tensors.append(tensor)
        self._used |= {tensor.name for tensor in folded}
        self._maker |= dict.fromkeys(op.outputs, key)
        return key

    def _key(self, op: Op) -> str:
        matrix = self._matrix(op)
        scope = _scope(op.name) or (_scope(matrix.name) if matrix else "")
        if scope:
            return f"scope {self._folded(scope)}"
        if matrix:
            return f"op {matrix.name}"
        makers = {self._maker[name] for name in op.inputs if name in self._maker}
        if len(makers) == 1:
            (maker,) = makers
            return maker if self._boxes[maker].kind == "ops" else f"after {maker}"
        return f"op {op.name}"

    def _matrix(self, op: Op) -> Tensor | None:
        """The largest matrix among the constants of an operation."""
        folded = [t for name in op.inputs for t in self._constants.get(name, ())]
        matrices = [
            tensor
            for tensor in (*folded, *op.constants)
            if tensor.shape and len(tensor.shape) > 1 and tensor.size >= FEWEST_ELEMENTS
        ]
        return max(matrices, key=lambda tensor: tensor.size, default=None)

    def _users_of_matrices(self) -> set[str]:
        """The operations that take matrices by name; without a scope, the matrices."""
        pairs = ((op, self._matrix(op)) for op in self._ops)
        return {op.name if _scope(op.name) else matrix.name for op, matrix in pairs if matrix}

    def _folded(self, scope: str) -> str:
        """The outermost scope that is not split."""
        parts = scope.split("/")
        for length in range(1, len(parts)):
            if "/".join(parts[:length]) not in self._split:
                return "/".join(parts[:length])
        return scope

    def _connect(self, op: Op, key: str) -> None:
        for name in op.inputs:
            maker = self._maker.get(name)
            if maker is not None and maker != key:
                self._edges[maker, key] = None

    def _add_outputs(self) -> None:
        for name, value in self._graph.outputs:
            if value not in self._maker:
                continue
            key = f"output {name}"
            self._boxes[key] = Box("output", name)
            self._edges[self._maker[value], key] = None

    def _add_unused(self) -> None:
        """Constants that are outputs themselves, or that nothing takes: the metadata."""
        values = [value for _, value in self._graph.outputs if value in self._constants]
        unused = {t.name: t for value in values for t in self._constants[value]}
        taken = {name for op in self._graph.ops for name in op.inputs}
        unused |= {t.name: t for t in self._graph.constants if t.name not in taken}
        unused = {name: tensor for name, tensor in unused.items() if name not in self._used}
        if unused:
            title = _common_name(list(unused), "constants")
            self._boxes["constants"] = Box("constants", title, tensors=list(unused.values()))


def _constant_values(graph: OpGraph) -> dict[str, tuple[Tensor, ...]]:
    """The values that depend on no input, with the constants that they come from."""
    values: dict[str, tuple[Tensor, ...]] = {tensor.name: (tensor,) for tensor in graph.constants}
    waiting = [op for op in graph.ops if op.inputs]
    while True:
        rest = []
        for op in waiting:
            if all(name in values for name in op.inputs):
                tensors = tuple(dict.fromkeys(t for name in op.inputs for t in values[name]))
                values |= dict.fromkeys(op.outputs, tensors)
            else:
                rest.append(op)
        if len(rest) == len(waiting):
            return values
        waiting = rest


def _ordered(ops: list[Op]) -> list[Op]:
    """Each operation after those that feed it, as far as no loop forbids it."""
    makers = {name: op for op in ops for name in op.outputs}
    done: dict[int, Op] = {}
    begun: set[int] = set()
    waiting = [(op, False) for op in reversed(ops)]
    while waiting:
        op, ready = waiting.pop()
        if ready:
            done[id(op)] = op
        elif id(op) not in begun:
            begun.add(id(op))
            waiting.append((op, True))
            feeding = [makers[name] for name in op.inputs if name in makers]
            waiting += [(each, False) for each in reversed(feeding) if id(each) not in begun]
    return list(done.values())


def _split_scopes(users: Iterable[str]) -> set[str]:
    """The scopes of which several inner ones take matrices, unless they are steps of a loop."""
    inner: dict[str, set[str]] = {}
    for name in users:
        parts = name.split("/")[:-1]
        for length in range(1, len(parts)):
            inner.setdefault("/".join(parts[:length]), set()).add(parts[length])
    found = set()
    for scope, children in inner.items():
        stems = Counter(child.rstrip("0123456789") for child in children)
        if sum(n for n in stems.values() if n <= _REPEATED) > 1:
            # What is around a scope that is split has to be split too.
            parts = scope.split("/")
            found |= {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return found


def _scope(name: str) -> str:
    return name.rpartition("/")[0]


def _common_name(names: list[str], otherwise: str | None = None) -> str:
    """The words that all names begin with; if there are none, the first name or another word."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    common = "".join(letters[0] for letters in alike)
    if common not in names:
        # A word that is cut off says nothing.
        common = common[: max(common.rfind("_"), common.rfind("/"), 0)]
    return common or otherwise or names[0]
