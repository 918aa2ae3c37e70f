"""The reference of all numeric tests: TensorFlow running a graph."""

import io
from typing import Any

from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph


def import_graph(tensorflow: Any, graph: Graph) -> Any:
    """A graph as TensorFlow's own."""
    file = io.BytesIO()
    write_graph(file, graph)
    definition = tensorflow.compat.v1.GraphDef()
    definition.ParseFromString(file.getvalue())
    imported = tensorflow.Graph()
    with imported.as_default():
        tensorflow.graph_util.import_graph_def(definition, name="")
    return imported


def run_graph(
    tensorflow: Any, graph: Graph, feeds: dict[str, Any], outputs: list[str]
) -> list[Any]:
    """Run a graph once in TensorFlow. Names of tensors may leave out ``:0``."""

    def full(name: str) -> str:
        return name if ":" in name else f"{name}:0"

    imported = import_graph(tensorflow, graph)
    with tensorflow.compat.v1.Session(graph=imported) as session:
        if any(node.name == "initialize_state" for node in graph):
            session.run("initialize_state")
        values = {full(name): value for name, value in feeds.items()}
        result: list[Any] = session.run([full(name) for name in outputs], values)
    return result
