"""MetaGraphs: a graph with what a program needs to use it, alone (.meta) or in a SavedModel.

Source: ``saved_model.proto``, ``meta_graph.proto`` and ``tensor_shape.proto`` of TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dsconv.errors import ModelError, about
from dsconv.formats.graphdef.dtypes import DataType, data_type
from dsconv.formats.graphdef.graph import Graph, parse_graph
from dsconv.formats.graphdef.tensor import Shape, parse_shape
from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import Storage

SERVING = ("serve",)
"""The tags of the MetaGraph that is meant for use."""


@dataclass(frozen=True)
class SignatureTensor:
    """A tensor that a signature names. `name` is that in the graph; empty for one of several."""

    name: str
    dtype: DataType
    shape: Shape


@dataclass(frozen=True)
class Signature:
    """A way to call a graph: tensors by the names that the caller knows."""

    method: str
    inputs: dict[str, SignatureTensor]
    outputs: dict[str, SignatureTensor]


class MetaGraph:
    """A MetaGraphDef, read where it lies.

    Raises WireError, or ModelError for types that TensorFlow does not have, where it is damaged.
    """

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def tags(self) -> tuple[str, ...]:
        """What the graph is for, such as ``serve``; none outside a SavedModel."""
        return tuple(self._message.message(1).texts(4))

    @property
    def tensorflow_version(self) -> str:
        """The version of TensorFlow that wrote it; empty if it does not say."""
        return self._message.message(1).text(5)

    @cached_property
    def graph(self) -> Graph:
        """The graph itself."""
        return parse_graph(self._message.message(2).span)

    @property
    def signatures(self) -> dict[str, Signature]:
        """The signatures by name."""
        return {name: _signature(each) for name, each in self._message.mapping(5).items()}


def read_saved_model(path: Path) -> list[MetaGraph]:
    """The MetaGraphs of a ``saved_model.pb``. Raises ModelError if it is damaged or has none."""
    with about(path):
        found = [MetaGraph(message) for message in _file(path).messages(2)]
        if not found:
            raise ModelError("the SavedModel holds no graph; save it again.")
        return found


def read_meta_graph(path: Path) -> MetaGraph:
    """The MetaGraph of a ``.meta`` file. Raises ModelError if it is damaged."""
    with about(path):
        return MetaGraph(_file(path))


def _file(path: Path) -> Message:
    return Message.of_storage(Storage.of_file(path))


def _signature(message: Message) -> Signature:
    inputs, outputs = (
        {key: _tensor(each) for key, each in message.mapping(number).items()} for number in (1, 2)
    )
    return Signature(message.text(3), inputs, outputs)


def _tensor(message: Message) -> SignatureTensor:
    """The first output of a node is known by the name of the node."""
    shapes = message.spans(3)
    return SignatureTensor(
        message.text(1).removesuffix(":0"),
        data_type(message.integer(2)),
        parse_shape(shapes[-1]) if shapes else None,
    )
