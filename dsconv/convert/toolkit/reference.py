"""TensorFlow's answers, in a process of its own: GRAPH SPEC FEEDS ANSWERS."""

from __future__ import annotations

from pathlib import Path

from dsconv.convert.toolkit.calls import read_calls, write_calls
from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.toolkits import import_tensorflow
from dsconv.runtime.model import reason_of
from dsconv.runtime.tensorflow import graph_def, imported

LABEL = "TensorFlow"


def answer(graph: Path, spec_path: Path, feeds: Path, answers: Path) -> None:
    """Run the graph once for each call.

    Raises ConversionError if the graph cannot be run so, ToolkitError without TensorFlow.
    """
    tf = import_tensorflow()
    spec = Spec.read(spec_path)
    try:
        loaded = imported(graph_def(open_graph(graph)))
        names = [f"{given.name}:0" for given in spec.inputs]
        fetches = [f"{name}:0" for name in spec.outputs]
        with tf.compat.v1.Session(graph=loaded) as session:
            found = [
                session.run(fetches, dict(zip(names, arrays, strict=True)))
                for arrays in read_calls(feeds)
            ]
    except (ValueError, tf.errors.OpError) as error:
        raise ConversionError(f"TensorFlow cannot run the graph: {reason_of(error)}") from error
    write_calls(answers, found)


if __name__ == "__main__":
    run(LABEL, answer)
