"""Weights in TFLite files: dsconv's, and those of the original exporters, which are unrolled.

Products are found in the order in which they run; names mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dsconv.acoustic.network import GATES, DenseLayer, Lstm, Network
from dsconv.acoustic.read_back.found import (
    Array,
    in_graph_order,
    matrix_in_graph_order,
    put_together,
)
from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredMatrix, StoredNetwork, StoredNorm
from dsconv.errors import ConversionError
from dsconv.formats.tflite.model import Operator, Tensor, TfliteModel, open_tflite
from dsconv.speech.features import FloatArray

_PRODUCT = "FULLY_CONNECTED"


@dataclass
class _Product:
    """A product with weights, and the operators from it to the next one."""

    operator: Operator
    weights: StoredMatrix
    bias: Array | None
    after: list[Operator] = field(default_factory=list)


def read_tflite(path: Path, network: Network) -> StoredNetwork:
    """The weights of a TFLite file. Raises ConversionError for another form, ModelError."""
    with open_tflite(path) as model:
        return _Reader(model, network).network()


class _Reader:
    def __init__(self, model: TfliteModel, network: Network) -> None:
        self.model = model
        self.given = network
        self.main = model.main
        self.makers = {out.index: op for op in self.main.operators for out in op.outputs}
        self.products = self._in_graph_order(list(self._products()))
        lstms = 1 if network.backward is None else 2
        dense = len(tuple(network.layers))
        self.joint = len(self.products) == dense + 1 and lstms == 1
        if not self.joint and len(self.products) != dense + 2 * lstms:
            raise ConversionError(
                f"the file has {len(self.products)} products with weights where the network has "
                f"{dense} layers around its LSTM, so its weights are not read back."
            )

    def network(self) -> StoredNetwork:
        """All layers; the products of the LSTMs stand between those before and those after."""
        before = len(self.given.before)
        first = self.products[:before]
        middle = 1 if self.joint else 2 * (1 if self.given.backward is None else 2)
        dense = iter([*first, *self.products[before + middle :]])
        inner = iter(self.products[before : before + middle])
        return put_together(
            self.given,
            lambda layer: self._layer(layer, next(dense)),
            lambda lstm, name: self._lstm(lstm, name, inner),
            self._factors(first[0]),
        )

    def _products(self) -> Iterator[_Product]:
        """The products of the model and of its loops' bodies, each of the same weights once."""
        seen: set[tuple[int, int]] = set()
        last: _Product | None = None
        for operator in self.main.operators:
            for graph, each in self._inside(operator):
                weights = each.inputs[1] if each.kind == _PRODUCT else None
                if weights is None:
                    if last is not None:
                        last.after.append(each)
                    continue
                source = self._stored(graph, weights)
                if source is None or (graph, source.index) in seen:
                    continue
                seen.add((graph, source.index))
                bias = each.inputs[2] if len(each.inputs) > 2 else None
                last = _Product(each, _matrix(source), None if bias is None else _array(bias))
                yield last

    def _in_graph_order(self, products: list[_Product]) -> list[_Product]:
        """With the product of the first hidden state, which may run before all others, in place.

        TensorFlow's converter puts it there; the product of the LSTM's inputs cannot be there.
        """
        columns = 4 * self.given.lstm.cells
        dense = self.given.before[0].units
        if self.given.backward is not None or dense == columns or not products:
            return products
        first, *others = products
        if first.weights.numbers.shape != (self.given.lstm.cells, columns):
            return products
        place = len(self.given.before) + 1
        return [*others[:place], first, *others[place:]]

    def _inside(self, operator: Operator) -> Iterator[tuple[int, Operator]]:
        """An operator, and what it runs."""
        yield 0, operator
        for index in operator.subgraph_indices:
            for each in self.model.subgraphs[index].operators:
                yield index, each

    def _stored(self, graph: int, tensor: Tensor) -> Tensor | None:
        """The constant that a tensor is, or is made float32 of; None for what is computed."""
        if len(tensor.data):
            return tensor
        for operator in self.model.subgraphs[graph].operators:
            if operator.kind == "DEQUANTIZE" and operator.outputs[0].index == tensor.index:
                source = operator.inputs[0]
                return source if source is not None and len(source.data) else None
        return None

    def _layer(self, layer: DenseLayer, product: _Product) -> StoredLayer:
        bias = product.bias
        if bias is None:
            bias = np.zeros(layer.units, np.float32)
        return StoredLayer(
            layer.name,
            product.weights,
            bias.reshape(-1),
            relu=product.operator.options.get("fused_activation_function", 0) in (1, 3)
            or any(op.kind in ("RELU", "RELU6") for op in product.after),
            clip=_clip(product),
            norm=_norm(product) if layer.norm else None,
        )

    def _lstm(self, lstm: Lstm, name: str, products: Iterator[_Product]) -> StoredLstm:
        order = "".join(lstm.gates)
        first = next(products)
        bias: Array = (
            np.zeros(4 * lstm.cells, np.float32) if first.bias is None else first.bias.reshape(-1)
        )
        bias = in_graph_order(bias, order).copy()
        start = GATES.index("f") * lstm.cells
        bias[start : start + lstm.cells] += np.float32(self._forget_bias(first, lstm))
        if self.joint:
            kernel = matrix_in_graph_order(first.weights, order)
            inputs, recurrent = _apart(kernel, lstm.inputs)
            return StoredLstm(name, inputs, recurrent, bias, joint=True)
        matrices = (first.weights, next(products).weights)
        inputs, recurrent = (matrix_in_graph_order(each, order) for each in matrices)
        return StoredLstm(name, inputs, recurrent, bias)

    def _forget_bias(self, product: _Product, lstm: Lstm) -> float:
        """What the graph adds to the forget gate itself; dsconv's files have it in the bias."""
        split = next((op for op in product.after if op.kind == "SPLIT"), None)
        if split is None or len(split.outputs) != len(lstm.gates):
            return 0.0
        gate = split.outputs[lstm.gates.index("f")]
        for operator in product.after:
            if operator.kind == "ADD" and gate in operator.inputs:
                for given in operator.inputs:
                    if given is not None and len(given.data) and np.prod(given.shape) == 1:
                        return float(_array(given).reshape(-1)[0])
        return 0.0

    def _factors(self, product: _Product) -> FloatArray | None:
        """What the features are multiplied with first."""
        rows = product.operator.inputs[0]
        maker = self.makers.get(rows.index) if rows is not None else None
        if maker is None or maker.kind != "MUL":
            return None
        found = [each for each in maker.inputs if each is not None and len(each.data)]
        return _array(found[0]).reshape(-1) if found else None


def _apart(kernel: StoredMatrix, inputs: int) -> tuple[StoredMatrix, StoredMatrix]:
    """The rows of the input and those of the hidden state, which share a scale."""
    largest = np.abs(kernel.floats).max(keepdims=True).reshape(-1)
    return (
        replace(kernel, numbers=kernel.numbers[:inputs], beside=largest),
        replace(kernel, numbers=kernel.numbers[inputs:], beside=largest),
    )


def _clip(product: _Product) -> float | None:
    for operator in product.after:
        if operator.kind == "MINIMUM":
            for given in operator.inputs:
                if given is not None and len(given.data):
                    return float(_array(given).reshape(-1)[0])
    return None


def _norm(product: _Product) -> StoredNorm | None:
    """The constants of a normalization: scale, offset and epsilon."""
    units = product.weights.numbers.shape[1]
    found: dict[str, Array] = {}
    for operator in product.after:
        for given in operator.inputs:
            if given is not None and len(given.data):
                size = int(np.prod(given.shape))
                if operator.kind == "ADD" and size == 1 and "epsilon" not in found:
                    found["epsilon"] = _array(given)
                elif operator.kind == "MUL" and size == units:
                    found["scale"] = _array(given)
                elif operator.kind == "SUB" and size == units:
                    found["offset"] = _array(given)
    if found.keys() != {"epsilon", "scale", "offset"}:
        return None
    epsilon = float(found["epsilon"].reshape(-1)[0])
    return StoredNorm(found["scale"].reshape(-1), found["offset"].reshape(-1), epsilon)


def _array(tensor: Tensor) -> Array:
    return np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape)


def _matrix(tensor: Tensor) -> StoredMatrix:
    """Weights, which stand as [outputs, inputs]."""
    scales = np.asarray(tensor.scales, np.float32) if len(tensor.scales) else None
    if any(tensor.zero_points):
        raise ConversionError(f"'{tensor.name}' has zero points, which are not read back.")
    return StoredMatrix(_array(tensor).T, scales)
