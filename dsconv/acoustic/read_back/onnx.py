"""Weights in ONNX files of dsconv, by the names of its initializers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dsconv.acoustic.network import DenseLayer, Lstm, Network
from dsconv.acoustic.read_back.found import (
    Array,
    in_graph_order,
    matrix_in_graph_order,
    named,
    named_layer,
    put_together,
)
from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredMatrix, StoredNetwork
from dsconv.formats.onnx.schema import ModelProto, NodeProto, TensorProto
from dsconv.formats.storage import Storage

GATES = "iofc"
"""The order of the gates in ONNX."""


def read_onnx(path: Path, network: Network) -> StoredNetwork:
    """The weights of an ONNX file. Raises ConversionError for another form, ModelError."""
    graph = ModelProto.of_file(path).graph
    constants = {each.name: array_of(each, path) for each in graph.initializer}
    return _Reader(constants, graph.node, network).network()


class _Reader:
    def __init__(
        self, constants: dict[str, Array], nodes: list[NodeProto], network: Network
    ) -> None:
        self.constants = constants
        self.nodes = {name: node for node in nodes for name in node.output}
        self.given = network

    def network(self) -> StoredNetwork:
        """All layers."""
        return put_together(self.given, self._layer, self._lstm)

    def _layer(self, layer: DenseLayer) -> StoredLayer:
        name = layer.name
        normalized = self.nodes.get(f"{name}/normalized")
        epsilon = None
        if normalized is not None and normalized.op_type == "LayerNormalization":
            epsilon = float(normalized.attributes.get("epsilon", 1e-5))
        weights = self._matrix(f"{name}/weights")
        return named_layer(self.constants, name, weights, self._limits(name), epsilon)

    def _limits(self, name: str) -> tuple[bool, float | None]:
        """Whether a layer's numbers are cut at zero, and where else."""
        node = self.nodes.get(f"{name}/clipped") or self.nodes.get(f"{name}/relu")
        if node is None or node.op_type not in ("Relu", "Clip", "Min"):
            return False, None
        limits = [self.constants.get(each) for each in node.input[1:]]
        numbers = [None if each is None else float(each.reshape(-1)[0]) for each in limits]
        if node.op_type == "Clip":
            lowest, highest = (*numbers, None, None)[:2]
            return lowest == 0, highest
        return node.op_type == "Relu", numbers[0] if numbers else None

    def _matrix(self, name: str) -> StoredMatrix:
        numbers = named(self.constants, name, f"{name}/half")
        scales = self.constants.get(f"{name}/scales")
        return StoredMatrix(numbers, None if scales is None else scales.reshape(-1))

    def _lstm(self, lstm: Lstm, name: str) -> StoredLstm:
        direction = 0 if name == "lstm" else 1
        biases = named(self.constants, "lstm/B")[direction]
        bias = biases[: 4 * lstm.cells] + biases[4 * lstm.cells :]
        inputs, recurrent = (self._kernel(f"lstm/{part}", direction) for part in "WR")
        return StoredLstm(name, inputs, recurrent, in_graph_order(bias, GATES))

    def _kernel(self, name: str, direction: int) -> StoredMatrix:
        """Floats stand as [4 * cells, inputs], integers as [inputs, 4 * cells]."""
        numbers = named(self.constants, name, f"{name}/half")[direction]
        scales = self.constants.get(f"{name}/scales")
        if scales is None:
            return matrix_in_graph_order(StoredMatrix(numbers.T), GATES)
        return matrix_in_graph_order(StoredMatrix(numbers, np.asarray(scales[direction])), GATES)


def array_of(tensor: TensorProto, path: Path) -> Array:
    """The values of an initializer: a view on the file, or on the one beside it."""
    if tensor.external_data:
        given = tensor.external_data
        storage = Storage.of_file(path.with_name(given["location"]))
        start = int(given.get("offset", 0))
        data = storage.view[start : start + tensor.nbytes]
    elif len(tensor.raw_data):
        data = tensor.raw_data.view
    else:
        listed = tensor.float_data or tensor.int64_data or tensor.int32_data
        return np.array(listed).astype(tensor.dtype).reshape(tensor.dims)
    return np.frombuffer(data, tensor.dtype).reshape(tensor.dims)
