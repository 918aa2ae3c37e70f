"""Weights in Core ML programs of dsconv: what its operations take, however that is compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dsconv.acoustic.network import DenseLayer, Lstm, Network
from dsconv.acoustic.read_back.found import (
    Array,
    MissingConstantError,
    in_graph_order,
    matrix_in_graph_order,
    put_together,
    without_drive,
)
from dsconv.acoustic.read_back.neural_network import read_neural_network
from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredMatrix, StoredNetwork, StoredNorm
from dsconv.errors import ConversionError
from dsconv.formats.coreml.file import PROGRAM, open_core_ml
from dsconv.formats.coreml.program import Operation, Value, read_function
from dsconv.formats.coreml.values import read_value, unpack
from dsconv.formats.coreml.weights import WeightFiles

GATES = "ifoc"
"""The order of the gates in MIL."""

# The ops of constants that are not compressed, and what they hold.
_PLAIN = {"const": "val", "constexpr_cast": "source_val"}

# The ops that cut numbers at limits, and the inputs of these: the lowest, then the highest.
_LIMITS = {"clip": ("alpha", "beta"), "relu": ("", ""), "minimum": ("", "y")}

_PALETTE_BITS = {2: 1, 4: 2, 16: 4, 64: 6, 256: 8}


def read_core_ml(path: Path, network: Network) -> StoredNetwork:
    """The weights of a model. Raises ConversionError for another form, ModelError."""
    file = open_core_ml(path)
    if file.kind != PROGRAM:
        return read_neural_network(file.body, network)
    operations = read_function(file.body).block.operations
    return _Reader(operations, WeightFiles(file.model_path.parent), network).network()


class _Reader:
    def __init__(
        self, operations: tuple[Operation, ...], weights: WeightFiles, network: Network
    ) -> None:
        self.weights = weights
        self.makers = {out.name: op for op in operations for out in op.outputs}
        self.lstms = [op for op in operations if op.kind == "lstm"]
        self.given = network

    def network(self) -> StoredNetwork:
        """All layers."""
        return put_together(self.given, self._layer, self._lstm)

    def _layer(self, layer: DenseLayer) -> StoredLayer:
        name = layer.name
        product = self._operation(f"{name}_product")
        relu, clip = self._limits(name)
        normalized = self.makers.get(f"{name}_normalized")
        if normalized is not None and normalized.kind != "layer_norm":
            normalized = None
        return StoredLayer(
            name,
            self._matrix(product, "weight"),
            self._floats(product, "bias"),
            relu=relu,
            clip=clip,
            norm=None if normalized is None else self._norm(normalized),
        )

    def _limits(self, name: str) -> tuple[bool, float | None]:
        """Whether a layer's numbers are cut at zero, and where else."""
        operation = self.makers.get(f"{name}_clipped") or self.makers.get(f"{name}_relu")
        if operation is None or operation.kind not in _LIMITS:
            return False, None
        lowest, highest = (
            float(self._floats(operation, limit)) if limit in operation.inputs else None
            for limit in _LIMITS[operation.kind]
        )
        return operation.kind == "relu" or lowest == 0, highest

    def _norm(self, operation: Operation) -> StoredNorm:
        scale, offset, epsilon = (
            self._floats(operation, part) for part in ("gamma", "beta", "epsilon")
        )
        return StoredNorm(scale, offset, float(epsilon))

    def _lstm(self, lstm: Lstm, name: str) -> StoredLstm:
        operation = self.lstms[0 if name == "lstm" else 1]
        inputs = self._matrix(operation, "weight_ih")
        if len(inputs.numbers) == lstm.inputs + 1:
            inputs = without_drive(inputs)
        return StoredLstm(
            name,
            matrix_in_graph_order(inputs, GATES),
            matrix_in_graph_order(self._matrix(operation, "weight_hh"), GATES),
            in_graph_order(self._floats(operation, "bias"), GATES),
        )

    def _operation(self, name: str) -> Operation:
        if name not in self.makers:
            raise MissingConstantError(name)
        return self.makers[name]

    def _matrix(self, operation: Operation, name: str) -> StoredMatrix:
        """Weights, which stand as [outputs, inputs]."""
        maker = self._maker(operation, name)
        given = dict(maker.attributes) | _values(maker)
        half = any(out.type is not None and out.type.dtype == "float16" for out in maker.outputs)

        def array(key: str) -> Array:
            return np.asarray(read_value(given[key], self.weights))

        if maker.kind in _PLAIN:
            # The first layer of a model of samples is a convolution [units, features, frames].
            numbers = array(_PLAIN[maker.kind]).T
            return StoredMatrix(numbers.reshape(-1, numbers.shape[-1]))
        if maker.kind == "constexpr_affine_dequantize":
            if np.any(array("zero_point")):
                raise ConversionError(f"'{name}' has zero points, which are not read back.")
            scale = np.asarray(array("scale"), np.float32).reshape(-1)
            return StoredMatrix(array("quantized_data").T, scale, half=half)
        if maker.kind == "constexpr_blockwise_shift_scale" and "offset" not in given:
            scale = np.asarray(array("scale"), np.float32).reshape(-1)
            return StoredMatrix(array("data").T, scale, half=half)
        if maker.kind == "constexpr_lut_to_dense":
            return _looked_up(array, given)
        raise ConversionError(f"weights of the kind {maker.kind} are not read back.")

    def _floats(self, operation: Operation, name: str) -> Array:
        """An input of floats that is a constant, in the type that is stored."""
        argument = operation.inputs[name][0]
        if argument.value is not None:
            return np.asarray(read_value(argument.value, self.weights))
        maker = self._maker(operation, name)
        given = dict(maker.attributes) | _values(maker)
        key = _PLAIN.get(maker.kind, "")
        if key not in given:
            raise MissingConstantError(name)
        return np.asarray(read_value(given[key], self.weights))

    def _maker(self, operation: Operation, name: str) -> Operation:
        found = operation.inputs.get(name)
        return self._operation(found[0].name or name if found else name)


def _values(operation: Operation) -> dict[str, Value]:
    """The inputs of an operation that are constants, since opset CoreML8."""
    found = {name: many[0].value for name, many in operation.inputs.items() if len(many) == 1}
    return {name: value for name, value in found.items() if value is not None}


def _looked_up(array: object, given: dict[str, Value]) -> StoredMatrix:
    assert callable(array)
    table, indices = np.asarray(array("lut")), np.asarray(array("indices"))
    if "shape" in given:
        shape = tuple(int(size) for size in array("shape"))
        count = int(np.prod(shape))
        indices = unpack(indices, _PALETTE_BITS[len(table)], count).reshape(shape)
    values = table.reshape(-1)
    return StoredMatrix(values[indices].T, palette=values)
