"""Run a TensorFlow graph (.pb, .pbmm): in numpy, or in TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.acoustic.front_end import features_of, find_front_end
from dsconv.acoustic.names import PROBABILITIES, STATE_C, STATE_H
from dsconv.acoustic.source import Source
from dsconv.acoustic.structure import block_lstm, score_chain, states_of
from dsconv.acoustic.versions import complete_metadata
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.toolkits import import_tensorflow
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import Interface, State, Tensors, TensorSpec
from dsconv.runtime.tensorflow import graph_def, imported
from dsconv.runtime.threads import thread_limit

INITIALIZE = "initialize_state"
"""The node that sets the state variables of graphs up to 0.5 to zero."""

# Smaller constants are shapes and biases, which say nothing of the precision of the weights.
_FEW_BYTES = 1024
_PRECISIONS = {
    DataType.HALF: "fp16",
    DataType.BFLOAT16: "fp16",
    DataType.INT8: "int8",
    DataType.QINT8: "int8",
    DataType.QUINT8: "int8",
    DataType.UINT8: "int8",
}


class NumpyGraphModel:
    """A graph evaluated op by op in numpy.

    States that it keeps in variables can be asked for by the names that conversions give them.
    """

    def __init__(self, graph: Graph) -> None:
        self.interface = describe(graph, f"numpy {np.__version__}")
        self._kept = {state.output: state.input for state in self.interface.kept}
        self._evaluator = Evaluator(graph)
        self._initializes = INITIALIZE in graph

    def reset(self) -> None:
        """Set the state variables to zero, if there are any."""
        if self._initializes:
            self._evaluator.run({}, [INITIALIZE])

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Evaluate the graph once."""
        found = self._evaluator.run(inputs, [name for name in outputs if name not in self._kept])
        kept = {name: self._kept[name] for name in outputs if name in self._kept}
        # Only the next run sees what this one assigned.
        values = self._evaluator.run({}, kept.values())
        return found | {name: values[variable] for name, variable in kept.items()}


class TensorFlowGraphModel:
    """A graph run by TensorFlow. Raises ToolkitError if that is not installed.

    States that it keeps in variables can be asked for by the names that conversions give them.
    """

    def __init__(self, graph: Graph) -> None:
        tf = _import_tensorflow()
        self.interface = describe(graph, f"tensorflow {tf.__version__}")
        self._kept = {state.output: state.input for state in self.interface.kept}
        self._initializes = INITIALIZE in graph
        # 0 leaves the number of threads to TensorFlow.
        threads = thread_limit() or 0
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=threads,
            use_per_session_threads=True,
        )
        loaded = imported(graph_def(graph))
        self._session = tf.compat.v1.Session(graph=loaded, config=config)

    def reset(self) -> None:
        """Set the state variables to zero, if there are any."""
        if self._initializes:
            self._session.run(INITIALIZE)

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Run the graph once."""
        fed = {f"{name}:0": value for name, value in inputs.items()}
        given = {name: f"{name}:0" for name in outputs if name not in self._kept}
        kept = {name: f"{self._kept[name]}:0" for name in outputs if name in self._kept}
        # In the same run a variable would be read before or after it is assigned, as it happens.
        found: Tensors = self._session.run(given, fed)
        return found | self._session.run(kept) if kept else found


def open_graph_model(source: Source | Path) -> NumpyGraphModel:
    """A graph to be evaluated in numpy."""
    return NumpyGraphModel(Source.of(source).graph)


def open_tensorflow_model(source: Source | Path) -> TensorFlowGraphModel:
    """A graph to be run by TensorFlow."""
    return TensorFlowGraphModel(Source.of(source).graph)


def describe(graph: Graph, runtime: str) -> Interface:
    """How to run a graph. Raises ConversionError if it is no streaming acoustic model."""
    inputs = tuple(_input_spec(node) for node in graph if node.op == "Placeholder")
    if PROBABILITIES not in graph:
        raise ConversionError(f"the graph has no output '{PROBABILITIES}'.")
    ends = [node.name for node in graph if node.op in _RESULTS and not graph.consumers[node.name]]
    outputs = [TensorSpec(name, "float32", None) for name in dict.fromkeys([*ends, PROBABILITIES])]
    ops, classes = _scores(graph)
    softmax = "Softmax" in ops
    metadata, early = complete_metadata(graph, classes, softmax=softmax)
    return Interface.of(
        format="pbmm" if graph.packaged else "pb",
        runtime=runtime,
        precision=_precision(graph),
        inputs=inputs,
        outputs=outputs,
        classes=classes,
        gives_logits=not softmax,
        metadata=metadata,
        features_from=features_of(find_front_end(graph), early, metadata),
        stateless=not _keeps_states(graph, inputs),
        kept=_state_variables(graph),
    )


def _state_variables(graph: Graph) -> tuple[State, ...]:
    """The states that a graph keeps in variables; they come out as they do of its conversions."""
    lstm = block_lstm(graph)
    if lstm is None or states_of(graph) != "variables":
        return ()
    variables = [graph.source(name) for name in lstm.data_inputs[2:4]]
    names = (STATE_C[1], STATE_H[1])
    return tuple(
        State(variable.name, name, variable.shape() or ())
        for variable, name in zip(variables, names, strict=True)
    )


def _keeps_states(graph: Graph, inputs: Iterable[TensorSpec]) -> bool:
    """Whether states are kept in variables, or are inputs [batch, cells]."""
    in_variables = any(node.op == "VariableV2" for node in graph)
    return in_variables or any(len(spec.shape or ()) == 2 for spec in inputs)


_RESULTS = ("Identity", "Softmax")


def _scores(graph: Graph) -> tuple[list[str], int]:
    """The ops from the scores back to the last weights, and the number of classes."""
    *nodes, last = score_chain(graph, graph[PROBABILITIES])
    ops = [node.op for node in nodes]
    weights = graph.constant(last.data_inputs[1]) if last.op == "MatMul" else None
    # A transposition may put another dimension last than that of the classes.
    if weights is None or len(weights.shape) != 2 or "Transpose" in ops:
        raise ConversionError(f"the scores come from '{last.name}' ({last.op}), not from weights.")
    return ops, weights.shape[1]


def _precision(graph: Graph) -> str:
    """The precision of the largest weights."""
    sizes = {
        tensor.nbytes: tensor.dtype
        for node in graph
        if node.op in CONSTANTS
        for tensor in [graph.tensor(node)]
        if tensor.dtype.itemsize and tensor.nbytes >= _FEW_BYTES
    }
    return _PRECISIONS.get(sizes[max(sizes)], "fp32") if sizes else "fp32"


def _input_spec(node: Node) -> TensorSpec:
    return TensorSpec(node.name, node.attribute("dtype", DataType).label, node.shape())


def _import_tensorflow() -> Any:
    try:
        return import_tensorflow()
    except ToolkitError as error:
        raise ToolkitError(f"{error} Or leave out --reference tensorflow.") from None
