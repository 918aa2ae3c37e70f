"""Functions in a graph's library are TensorFlow's."""

from __future__ import annotations

from typing import Any

import pytest

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.functions import new_function, with_functions
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import new_node
from tests.reference import run_graph

FLOAT = {"T": DataType.FLOAT}


def doubling(name: str) -> Any:
    """A function that doubles a number, and gives that and its square."""
    return new_function(
        name,
        {"x": DataType.FLOAT},
        [
            new_node("sum", "Add", ["x", "x"], FLOAT),
            new_node("square", "Mul", ["sum:z:0", "sum:z:0"], FLOAT),
        ],
        {"double": (DataType.FLOAT, "sum:z:0"), "squared": (DataType.FLOAT, "square:z:0")},
    )


@pytest.mark.tensorflow
def test_a_node_calls_functions(tensorflow: Any) -> None:
    """Those that were there before stay."""
    called = {"Tin": [DataType.FLOAT], "Tout": [DataType.FLOAT] * 2}
    graph = Graph(
        [
            new_node("x", "Placeholder", (), {"dtype": DataType.FLOAT, "shape": ()}),
            new_node("a", "PartitionedCall", ["x"], {**called, "f": "first"}),
            new_node("b", "PartitionedCall", ["a:1"], {**called, "f": "second"}),
        ]
    )
    graph = with_functions(graph, [doubling("first")])
    graph = with_functions(graph, [doubling("second")])
    found = run_graph(tensorflow, graph, {"x": 3.0}, ["a", "a:1", "b"])
    assert found == [6.0, 36.0, 72.0]
