"""Graphs that TensorFlow builds in a test, with its first version's loops and TensorArrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsconv.formats.graphdef.graph import Graph, parse_graph
from dsconv.formats.storage import Storage


def built(tensorflow: Any, make: Callable[[Any], object]) -> Graph:
    """The graph of what `make` builds of ``tensorflow.compat.v1``, with the names it gives."""
    v1 = tensorflow.compat.v1
    enabled = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        with tensorflow.Graph().as_default() as graph:
            make(v1)
    finally:
        if enabled:
            v1.enable_control_flow_v2()
    data = graph.as_graph_def().SerializeToString()
    return parse_graph(Storage.of_bytes(data).span(0, len(data)))
