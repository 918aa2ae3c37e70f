"""Which acoustic model a graph holds: read from its structure and its metadata.

Names of nodes are used only where they are the interface to the runtimes (`metadata_*`,
`model_metadata`); everything else is found by what feeds what.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from dsconv.acoustic.front_end import find_front_end
from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.names import PROBABILITIES
from dsconv.acoustic.structure import block_lstm, loop_kernels, score_chain, states_of
from dsconv.acoustic.versions import PLACEHOLDER_LANGUAGE, Version, label_of, versions_of
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.frozen import weight_variables
from dsconv.formats.graphdef.graph import CONSTANTS, VARIABLES, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.steps import DYNAMIC, input_node

DEFAULT_LANGUAGE_START = PLACEHOLDER_LANGUAGE.partition(" - ")[0]
"""What an exporter writes for a model whose language nobody named starts so."""

_QUANTIZED_TYPES = (
    DataType.INT8,
    DataType.UINT8,
    DataType.QINT8,
    DataType.QUINT8,
    DataType.QINT16,
    DataType.QUINT16,
    DataType.QINT32,
)
_FEW_BYTES = 1024

STREAMING = "streaming LSTM acoustic model"
"""The network that is called chunk by chunk, in words."""

UNKNOWN = "not a network that dsconv knows"
"""Any other, in words."""


@dataclass(frozen=True)
class Identity:
    """What makes an acoustic model the one that it is; None where the graph does not tell.

    `steps` is -1 for any number of frames; `window` and `window_step` are in milliseconds;
    `network` and `states` are words for people and programs alike; `weights` lists the types of the
    weights, the one with the most bytes first.
    """

    network: str
    exported_by: str | None
    frozen: bool
    weights: str
    quantized: bool
    graph_version: int | None
    n_hidden: int | None
    steps: int | None
    batch: int | None
    context: int | None
    features: int | None
    classes: int | None
    alphabet: list[str] | None
    bytes_output: bool | None
    output: str | None
    states: str
    takes_lengths: bool
    layer_norm: bool
    forget_bias: float | None
    sample_rate: int | None
    window: int | None
    window_step: int | None
    beam_width: int | None
    language: str | None


def find_versions(graph: Graph, metadata: Metadata) -> tuple[Version, ...]:
    """The versions that export such a graph, whose scores are found by their output's name."""
    return versions_of(graph, metadata, softmax=_has_softmax(graph))


def identify_network(graph: Graph, metadata: Metadata, versions: tuple[Version, ...]) -> Identity:
    """What a graph tells, with what its metadata says and the versions that export such graphs."""
    lstm = block_lstm(graph)
    windows = input_node(graph)
    batch, steps, context, features = (windows.shape() if windows else None) or (None,) * 4
    alphabet = metadata.alphabet
    front_end = _front_end(graph)
    weight_types = _weight_types(graph)
    return Identity(
        network=_network(graph, lstm),
        exported_by=label_of(versions) or None,
        frozen=not weight_variables(graph),
        weights=", ".join(dtype.label for dtype in weight_types) or "none",
        quantized=any(dtype in _QUANTIZED_TYPES for dtype in weight_types),
        graph_version=metadata.version,
        n_hidden=_hidden_size(graph, lstm),
        steps=steps if windows else _any_length(graph),
        batch=batch,
        context=(context - 1) // 2 if context else None,
        features=features,
        classes=_classes(graph),
        alphabet=alphabet.texts if alphabet else None,
        bytes_output=alphabet.is_bytes if alphabet else None,
        output=("probabilities" if _has_softmax(graph) else "logits") if lstm else None,
        states=states_of(graph),
        takes_lengths=any(_is_lengths(node) for node in graph),
        layer_norm=any(node.op == "SquaredDifference" for node in graph),
        forget_bias=lstm.attribute("forget_bias", float) if lstm else None,
        sample_rate=metadata.sample_rate or front_end[0],
        window=metadata.feature_win_len or front_end[1],
        window_step=metadata.feature_win_step or front_end[2],
        beam_width=metadata.beam_width,
        language=metadata.language,
    )


def metadata_values(metadata: Metadata) -> dict[str, Any]:
    """The exporter's metadata as it stands in the file, the alphabet as its labels."""
    values = {key: value for key, value in vars(metadata).items() if value is not None}
    del values["assumed"]
    if metadata.alphabet is not None:
        values["alphabet"] = metadata.alphabet.texts
    return values


def state_names(graph: Graph) -> list[tuple[str, str | None]]:
    """Where each state comes in and goes out: names of nodes, or a variable's name twice."""
    lstm = block_lstm(graph)
    if lstm is None:
        return []
    names: list[tuple[str, str | None]] = []
    for previous, output in zip(lstm.data_inputs[2:4], (1, 6), strict=True):
        source = graph.source(previous)
        if source.op == "Placeholder":
            after = _state_output(graph, source.name) or _last_step(graph, lstm, output)
            names.append((source.name, after))
        elif source.op in VARIABLES:
            names.append((source.name, source.name))
    return names


def _is_lengths(node: Node) -> bool:
    """Whether a node is the input of the numbers of valid frames, one for each of the batch."""
    is_input = node.op == "Placeholder" and len(node.shape() or ()) == 1
    return is_input and node.attribute("dtype", DataType) is DataType.INT32


def _network(graph: Graph, lstm: Node | None) -> str:
    if lstm is not None:
        return STREAMING
    if len(loop_kernels(graph)) == 2:
        return "bidirectional LSTM acoustic model"
    return UNKNOWN


def _hidden_size(graph: Graph, lstm: Node | None) -> int | None:
    """A quarter of the LSTM kernel's columns: it has four gates."""
    kernels = [graph.source(lstm.data_inputs[4])] if lstm else loop_kernels(graph)
    shapes = [_weight_shape(graph, kernel) for kernel in kernels]
    return shapes[0][1] // 4 if shapes and len(shapes[0]) == 2 else None


def _weight_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    if node.op in CONSTANTS:
        return graph.tensor(node).shape
    return node.shape() or ()


def _any_length(graph: Graph) -> int | None:
    """DYNAMIC where an input takes whole clips (0.1), else None."""
    inputs = [node.shape() for node in graph if node.op == "Placeholder"]
    return (
        DYNAMIC if any(shape and len(shape) == 3 and shape[1] == -1 for shape in inputs) else None
    )


def score_output(graph: Graph) -> Node | None:
    """The output that holds the scores or probabilities of the classes, or the decoded labels."""
    return next((graph[name] for name in (PROBABILITIES, "output_node") if name in graph), None)


def _scores(graph: Graph) -> list[Node]:
    """The nodes from the scores' output back to the last weights; none without such an output."""
    output = score_output(graph)
    return score_chain(graph, output) if output else []


def _classes(graph: Graph) -> int | None:
    """The columns of the last weights."""
    *_, last = [None, *_scores(graph)]
    if last is None or last.op != "MatMul":
        return None
    shape = _weight_shape(graph, graph.source(last.data_inputs[1]))
    return shape[1] if len(shape) == 2 else None


def _has_softmax(graph: Graph) -> bool:
    return any(node.op == "Softmax" for node in _scores(graph))


def _state_output(graph: Graph, previous: str) -> str | None:
    """The output that a state leaves by.

    The state before the first step is put in front of the states after each step (a ConcatV2);
    the output is picked from that history.
    """
    for expanded in graph.consumers[previous]:
        for history in graph.consumers[expanded.name]:
            if history.op == "ConcatV2" and history.data_inputs[0].node == expanded.name:
                return _unused_identity(graph, history)
    return None


def _last_step(graph: Graph, lstm: Node, output: int) -> str | None:
    """The output that the last step of one of the LSTM's outputs leaves by, without lengths."""
    for node in graph.consumers[lstm.name]:
        if node.op == "StridedSlice" and node.data_inputs[0].output == output:
            return _unused_identity(graph, node)
    return None


def _unused_identity(graph: Graph, start: Node) -> str | None:
    waiting = list(graph.consumers[start.name])
    while waiting:
        node = waiting.pop()
        if node.op == "Identity" and not graph.consumers[node.name]:
            return node.name
        if node.op in ("Gather", "GatherNd", "Identity", "Reshape", "StridedSlice"):
            waiting.extend(graph.consumers[node.name])
    return None


def _weight_types(graph: Graph) -> list[DataType]:
    """The types of the constants of any size, the one with the most bytes first."""
    totals: Counter[DataType] = Counter()
    for node in graph:
        tensor = graph.tensor(node) if node.op in CONSTANTS else None
        if tensor and tensor.dtype.itemsize and tensor.nbytes >= _FEW_BYTES:
            totals[tensor.dtype] += tensor.nbytes
    return [dtype for dtype, _ in totals.most_common()]


def _front_end(graph: Graph) -> tuple[int | None, int | None, int | None]:
    """Sample rate, and window and step in milliseconds, from the nodes that make the features."""
    found = find_front_end(graph)
    if found is None:
        return None, None, None
    hertz = int(found.sample_rate)
    window, step = (found.spectrogram.attribute(key, int) for key in ("window_size", "stride"))
    return hertz, window * 1000 // hertz, step * 1000 // hertz
