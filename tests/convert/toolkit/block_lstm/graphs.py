"""Graphs with a BlockLSTM, all of whose outputs are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import new_constant, new_node
from dsconv.runtime.model import TensorSpec
from tests.convert.toolkit.networks import FLOAT, placeholder

STEPS, BATCH, INPUTS, CELLS = 5, 2, 3, 4
OUTPUTS = ("i", "cs", "f", "o", "ci", "co", "h")
READ = [f"out_{name}" for name in OUTPUTS]
LENGTH = TensorSpec("length", "int64", ())


def shapes(steps: int = STEPS, batch: int = BATCH) -> dict[str, tuple[int, ...]]:
    """Those of the inputs by their names."""
    return {"x": (steps, batch, INPUTS), "c": (batch, CELLS), "h": (batch, CELLS)}


def specs(steps: int = STEPS, batch: int = BATCH) -> list[TensorSpec]:
    """The inputs."""
    return [TensorSpec(name, "float32", shape) for name, shape in shapes(steps, batch).items()]


def feeds(steps: int = STEPS, batch: int = BATCH, **others: Any) -> dict[str, Any]:
    """Numbers in the inputs."""
    random = np.random.default_rng(4)
    given = shapes(steps, batch).items()
    return {name: random.normal(size=size).astype(np.float32) for name, size in given} | others


def lstm(*length: Node, steps: int = STEPS, batch: int = BATCH, **attributes: Any) -> Graph:
    """A graph with an LSTM; the last node of `length` is the number of valid steps."""
    return Graph(
        [
            *length,
            *(placeholder(name, shape) for name, shape in shapes(steps, batch).items()),
            *_layer("lstm", length[-1].name, "x", INPUTS, attributes),
            *_read("lstm"),
        ]
    )


def two_lstms(*length: Node, steps: int, **attributes: Any) -> Graph:
    """As `lstm`, with another one that takes the result of the first."""
    return Graph(
        [
            *length,
            *(placeholder(name, shape) for name, shape in shapes(steps).items()),
            *_layer("first", length[-1].name, "x", INPUTS, attributes),
            *_layer("second", length[-1].name, "first:6", CELLS, attributes),
            *_read("second"),
        ]
    )


def _layer(name: str, length: str, x: str, inputs: int, attributes: dict[str, Any]) -> list[Node]:
    random = np.random.default_rng(3)

    def weights(key: str, *shape: int) -> Node:
        return new_constant(f"{name}/{key}", random.normal(size=shape).astype(np.float32))

    plain = {"forget_bias": 1.0, "cell_clip": -1.0, "use_peephole": False}
    peepholes = [f"{name}/p"] * 3
    given = [length, x, "c", "h", f"{name}/w", *peepholes, f"{name}/b"]
    return [
        weights("w", inputs + CELLS, 4 * CELLS),
        weights("b", 4 * CELLS),
        new_constant(f"{name}/p", np.zeros(CELLS, np.float32)),
        new_node(name, "BlockLSTM", given, {**FLOAT, **plain, **attributes}),
    ]


def _read(name: str) -> list[Node]:
    return [
        new_node(read, "Identity", [f"{name}:{index}" if index else name], FLOAT)
        for index, read in enumerate(READ)
    ]


def fixed(steps: int) -> Node:
    """A number of valid steps that is known."""
    return new_constant("length", np.array(steps, np.int64))


FED = placeholder("length", (), DataType.INT64)
"""A number of valid steps that is fed."""


def longest() -> list[Node]:
    """The number of valid steps as acoustic graphs have it: the largest of int32 that are fed."""
    return [
        placeholder("lengths", (1,), DataType.INT32),
        new_constant("axis", np.array([0], np.int32)),
        new_node("most", "Max", ["lengths", "axis"], {"T": DataType.INT32, "Tidx": DataType.INT32}),
        new_node("length", "Cast", ["most"], {"SrcT": DataType.INT32, "DstT": DataType.INT64}),
    ]
