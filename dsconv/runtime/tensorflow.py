"""Graphs in TensorFlow."""

from __future__ import annotations

import io
from typing import Any

from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.toolkits import import_tensorflow


def graph_def(graph: Graph) -> Any:
    """A graph as TensorFlow's message. Raises ToolkitError if TensorFlow is missing."""
    tf = import_tensorflow()
    file = io.BytesIO()
    write_graph(file, graph)
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(file.getbuffer())
    return definition


def imported(definition: Any) -> Any:
    """A message as a graph of TensorFlow's, which checks ops and shapes. Raises ValueError."""
    tf = import_tensorflow()
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(definition, name="")
    return graph


def register_functions(definition: Any) -> None:
    """Let TensorFlow's eager context know the functions of a message's library."""
    tf = import_tensorflow()
    library = tf.compat.v1.GraphDef(library=definition.library)
    # What a function imports is registered for all.
    tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(library, name=""), [])
