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
from dsconv.formats.graphdef.schema import (
    MetaGraphDef,
    SavedModelProto,
    SignatureDef,
    TensorInfo,
)
from dsconv.formats.graphdef.tensor import Shape, parse_shape

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

    def __init__(self, message: MetaGraphDef) -> None:
        self._message = message

    @property
    def tags(self) -> tuple[str, ...]:
        """What the graph is for, such as ``serve``; none outside a SavedModel."""
        return tuple(self._message.meta_info_def.tags)

    @property
    def tensorflow_version(self) -> str:
        """The version of TensorFlow that wrote it; empty if it does not say."""
        return self._message.meta_info_def.tensorflow_version

    @cached_property
    def graph(self) -> Graph:
        """The graph itself."""
        return parse_graph(self._message.graph_def)

    @property
    def signatures(self) -> dict[str, Signature]:
        """The signatures by name."""
        return {name: _signature(each) for name, each in self._message.signature_def.items()}


def read_saved_model(path: Path) -> list[MetaGraph]:
    """The MetaGraphs of a ``saved_model.pb``. Raises ModelError if it is damaged or has none."""
    with about(path):
        found = [MetaGraph(each) for each in SavedModelProto.of_file(path).meta_graphs]
        if not found:
            raise ModelError("the SavedModel holds no graph; save it again.")
        return found


def read_meta_graph(path: Path) -> MetaGraph:
    """The MetaGraph of a ``.meta`` file. Raises ModelError if it is damaged."""
    with about(path):
        return MetaGraph(MetaGraphDef.of_file(path))


def _signature(signature: SignatureDef) -> Signature:
    inputs, outputs = (
        {key: _tensor(each) for key, each in tensors.items()}
        for tensors in (signature.inputs, signature.outputs)
    )
    return Signature(signature.method_name, inputs, outputs)


def _tensor(tensor: TensorInfo) -> SignatureTensor:
    """The first output of a node is known by the name of the node."""
    return SignatureTensor(
        tensor.name.removesuffix(":0"),
        data_type(tensor.dtype),
        parse_shape(tensor.tensor_shape) if tensor.has("tensor_shape") else None,
    )
