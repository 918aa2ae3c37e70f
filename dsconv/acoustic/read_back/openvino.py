"""Weights in OpenVINO IRs of dsconv, by the names of its constants."""

from __future__ import annotations

from collections.abc import Iterator
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
from dsconv.formats.openvino.model import CONSTANT, IrModel


def read_openvino(path: Path, network: Network) -> StoredNetwork:
    """The weights of an IR. Raises ConversionError for another form, ModelError."""
    return _Reader(IrModel(path), network).network()


class _Reader:
    def __init__(self, model: IrModel, network: Network) -> None:
        self.constants = dict(_constants(model))
        self.layers = {layer.name: layer for layer in model.all_layers()}
        self.given = network

    def network(self) -> StoredNetwork:
        """All layers."""
        return put_together(self.given, self._layer, self._lstm)

    def _layer(self, layer: DenseLayer) -> StoredLayer:
        name = layer.name
        unit = self.layers.get(f"{name}/unit_variance")
        epsilon = None
        if unit is not None and unit.kind == "MVN":
            epsilon = float(unit.attributes["eps"])
        weights = self._matrix(f"{name}/weights")
        return named_layer(self.constants, name, weights, self._limits(name), epsilon)

    def _limits(self, name: str) -> tuple[bool, float | None]:
        """Whether a layer's numbers are cut at zero, and where else."""
        layer = self.layers.get(f"{name}/clipped") or self.layers.get(f"{name}/relu")
        if layer is None or layer.kind != "Clamp":
            return layer is not None and layer.kind == "ReLU", None
        return float(layer.attributes["min"]) == 0, float(layer.attributes["max"])

    def _lstm(self, lstm: Lstm, name: str) -> StoredLstm:
        order = "".join(lstm.gates)
        inputs, recurrent = (
            matrix_in_graph_order(self._matrix(f"{name}/{part}"), order) for part in "WR"
        )
        bias = in_graph_order(named(self.constants, f"{name}/B").reshape(-1), order)
        return StoredLstm(name, inputs, recurrent, bias)

    def _matrix(self, name: str) -> StoredMatrix:
        """Weights, which stand as [outputs, inputs]."""
        numbers = named(self.constants, name, f"{name}/half", f"{name}/integers").T
        scales = self.constants.get(f"{name}/scales")
        return StoredMatrix(numbers, None if scales is None else scales.reshape(-1))


def _constants(model: IrModel) -> Iterator[tuple[str, Array]]:
    """All constants by name, as views on the .bin."""
    for layer in model.all_layers():
        if layer.kind == CONSTANT and layer.constant.nbytes:
            found = layer.constant
            data = np.frombuffer(model.data(found).view, found.dtype)
            yield layer.name, data.reshape(found.shape)
