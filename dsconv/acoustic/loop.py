"""Read a while loop of TensorFlow 1: what it carries along, and what stays the same.

A value that is carried is an Enter (before the first iteration), a Merge, a Switch (one more
iteration, or out of the loop) and a NextIteration. A value that stays comes in through an Enter of
its own.

Source: ``tensorflow/python/ops/control_flow_ops.py`` of TensorFlow 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.acoustic.matching import Matcher, mismatch
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName

_CURRENT = 1
"""The output of a Switch that goes into the next iteration; the other one leaves the loop."""


@dataclass(frozen=True)
class Variable:
    """A value that a loop carries: before the first iteration, and as an iteration leaves it."""

    switch: Node
    merge: Node
    initial: TensorName
    next: TensorName


class LoopMatcher(Matcher):
    """Reads the nodes of one loop, whose condition and frame are those of the first it reads."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.condition: Node | None = None
        self.frame: object = None

    def invariant(self, name: TensorName) -> TensorName:
        """What a value inside of the loop is outside of it, where it stays the same."""
        return self._entered(self.made_by(name, "Enter"), constant=True)

    def current(self, name: TensorName) -> Variable:
        """The variable of which a tensor is the value in this iteration."""
        return self._variable(self.made_by(name, "Switch", output=_CURRENT))

    def last(self, name: TensorName) -> Variable:
        """The variable of which a tensor is the value after the last iteration."""
        left = self.made_by(name, "Exit")
        return self._variable(self.made_by(self.inputs(left, 1)[0], "Switch"))

    def check_current(self, user: Node, name: TensorName, variable: Variable) -> None:
        """A tensor must be the value of a variable in this iteration."""
        found = self.made_by(name, "Switch", output=_CURRENT)
        if found is not variable.switch:
            raise mismatch(user, f"takes '{found.name}'", f"'{variable.switch.name}'")

    def check_same(self, user: Node, name: TensorName, expected: TensorName) -> None:
        """A tensor must be another one, seen through Identity nodes."""
        if self.graph.origin(name) != self.graph.origin(expected):
            raise mismatch(user, f"takes '{name}'", f"'{expected}'")

    def _variable(self, switch: Node) -> Variable:
        merged, condition = self.inputs(switch, 2)
        self._check_condition(switch, self.made_by(condition, "LoopCond"))
        merge = self.made_by(merged, "Merge")
        entered, following = self.inputs(merge, 2)
        initial = self._entered(self.made_by(entered, "Enter"), constant=False)
        kept = self.made_by(following, "NextIteration")
        return Variable(switch, merge, initial, self.inputs(kept, 1)[0])

    def _check_condition(self, switch: Node, found: Node) -> None:
        if self.condition is None:
            self.condition = found
        if found is not self.condition:
            raise mismatch(switch, f"goes on with '{found.name}'", f"'{self.condition.name}'")

    def _entered(self, enter: Node, *, constant: bool) -> TensorName:
        """What an Enter takes. Raises ConversionError if it enters another loop."""
        self.expect(enter, is_constant=constant)
        if enter.attribute("parallel_iterations", int) < 1:
            raise mismatch(enter, "runs no iterations (parallel_iterations)", "one or more")
        frame = enter.attribute("frame_name", bytes)
        if self.frame is None:
            self.frame = frame
        if frame != self.frame:
            raise mismatch(enter, f"enters the loop {frame!r}", repr(self.frame))
        return self.inputs(enter, 1)[0]
