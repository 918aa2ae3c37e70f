"""TensorFlow's answers, in a process of its own: GRAPH PLAIN SPEC FEEDS ANSWERS.

How far a right file may be off is measured by two pairs of runs: of the graph, and of the graph
with each weight and input moved to a neighbour in float32; and of PLAIN, the same graph without
BlockLSTM, in float32 and in float64. The first run of all is the reference. What makes PLAIN makes
the file as well, so that it is only ever compared with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.convert.toolkit.calls import Arrays, read_calls, write_calls
from dsconv.convert.toolkit.double import in_double, moved, neighbours
from dsconv.convert.toolkit.feeds import random_calls
from dsconv.convert.toolkit.results import gives_several
from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.toolkits import import_tensorflow
from dsconv.runtime.model import reason_of
from dsconv.runtime.tensorflow import graph_def, imported

LABEL = "TensorFlow"
_SEED = 21


def answer(graph: Path, plain: Path, spec_path: Path, feeds: Path, answers: Path) -> None:
    """Run the graph once for each call, and write the answers of all runs, one after the other.

    FEEDS is written too, unless it is there. Raises ConversionError if the graph cannot be run so,
    ToolkitError without TensorFlow.
    """
    tf = import_tensorflow()
    spec = Spec.read(spec_path)
    source = open_graph(graph)
    definition = graph_def(source)
    try:
        loaded = imported(definition)
        _check_results(loaded, source, spec)
        if not feeds.exists():
            write_calls(feeds, random_calls(loaded, spec.inputs))
        calls = read_calls(feeds)
        found = _run(loaded, spec, calls)
    except (ValueError, tf.errors.OpError) as error:
        raise ConversionError(
            f"TensorFlow cannot run the graph on these inputs ({reason_of(error)}); pass some "
            "with --check-inputs."
        ) from error
    random = np.random.default_rng(_SEED)
    beside = [[neighbours(array, random) for array in arrays] for arrays in calls]
    found += _run(imported(moved(definition, random)), spec, beside)
    del definition, loaded
    definition = graph_def(open_graph(plain))
    try:
        exact = imported(in_double(definition))
        widened = _run(exact, spec, [_widened(arrays) for arrays in calls])
    except (ValueError, TypeError, tf.errors.OpError):
        # An op without float64: the neighbours alone have to do.
        pass
    else:
        found += [*_run(imported(definition), spec, calls), *widened]
    write_calls(answers, found)


def _run(graph: Any, spec: Spec, calls: Sequence[Arrays]) -> list[Arrays]:
    """The outputs of each call."""
    names = [f"{given.name}:0" for given in spec.inputs]
    fetches = [f"{name}:0" for name in spec.outputs]
    with import_tensorflow().compat.v1.Session(graph=graph) as session:
        found = [session.run(fetches, dict(zip(names, arrays, strict=True))) for arrays in calls]
    return [[np.asarray(array) for array in arrays] for arrays in found]


def _widened(arrays: Arrays) -> Arrays:
    return [array.astype(np.float64) if array.dtype == np.float32 else array for array in arrays]


def _check_results(loaded: Any, source: Graph, spec: Spec) -> None:
    """Refuse an output that nobody named, and whose op has more results than dsconv knows of."""
    for name in () if spec.settings.get("named") else spec.outputs:
        node, several = source[name], len(loaded.get_operation_by_name(name).outputs)
        if several > 1 and not gives_several(node) and not node.op.startswith("FusedBatchNorm"):
            raise ConversionError(
                f"'{name}' ({node.op}) has {several} results, of which the file has only the "
                f"first; name all that you need, as in --outputs {name},{name}:1."
            )


if __name__ == "__main__":
    run(LABEL, answer)
