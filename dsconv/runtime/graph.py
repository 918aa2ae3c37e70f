"""Run a TensorFlow graph (.pb, .pbmm): in numpy, or in TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.acoustic.front_end import features_of, find_front_end
from dsconv.acoustic.names import PROBABILITIES
from dsconv.acoustic.source import Source
from dsconv.acoustic.structure import score_chain
from dsconv.acoustic.versions import complete_metadata
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.toolkits import import_tensorflow
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import Interface, Tensors, TensorSpec
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
    """A graph evaluated op by op in numpy."""

    def __init__(self, graph: Graph) -> None:
        self.interface = describe(graph, f"numpy {np.__version__}")
        self._evaluator = Evaluator(graph)
        self._initializes = INITIALIZE in graph

    def reset(self) -> None:
        """Set the state variables to zero, if there are any."""
        if self._initializes:
            self._evaluator.run({}, [INITIALIZE])

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Evaluate the graph once."""
        return self._evaluator.run(inputs, outputs)


class TensorFlowGraphModel:
    """A graph run by TensorFlow. Raises ToolkitError if that is not installed."""

    def __init__(self, graph: Graph) -> None:
        tf = _import_tensorflow()
        self.interface = describe(graph, f"tensorflow {tf.__version__}")
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
        fetches = [f"{name}:0" for name in outputs]
        values = self._session.run(fetches, {f"{name}:0": v for name, v in inputs.items()})
        return dict(zip(outputs, values, strict=True))


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
