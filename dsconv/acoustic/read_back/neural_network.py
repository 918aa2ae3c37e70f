"""Weights in Core ML neural networks of dsconv: what their layers hold, by the layers' names."""

from __future__ import annotations

import math

import numpy as np

from dsconv.acoustic.network import GATES, DenseLayer, Lstm, Network
from dsconv.acoustic.read_back.found import Array, MissingConstantError, put_together, without_drive
from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredMatrix, StoredNetwork, StoredNorm
from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml import network_schema as schema
from dsconv.formats.coreml.network import FLOAT16, FLOAT32, QUANTIZED, Layer, read_weights
from dsconv.formats.coreml.network import Network as Layers
from dsconv.formats.protobuf.message import Message
from dsconv.speech.features import FloatArray

_FIELDS = {"i": "inputGate", "c": "blockInput", "f": "forgetGate", "o": "outputGate"}
"""What the fields of a gate's weights begin with."""

_ZERO = 128
"""The number that stands for zero, as coremltools quantizes."""


def read_neural_network(body: Message, network: Network) -> StoredNetwork:
    """The weights of a neural network. Raises ConversionError for another form, ModelError."""
    return _Reader(Layers(body).layers, network).network()


class _Reader:
    def __init__(self, layers: tuple[Layer, ...], network: Network) -> None:
        self.makers = {output: layer for layer in layers for output in layer.outputs}
        self.lstms = [layer for layer in layers if layer.kind == "uniDirectionalLSTM"]
        self.given = network

    def network(self) -> StoredNetwork:
        """All layers."""
        return put_together(self.given, self._layer, self._lstm)

    def _layer(self, layer: DenseLayer) -> StoredLayer:
        name = layer.name
        weights, bias = self._product(f"{name}_product", layer)
        relu, clip = self._limits(name)
        norm = self._norm(name, layer.units) if f"{name}_normalized" in self.makers else None
        values, steps = _bias([bias], layer.units)
        return StoredLayer(name, weights, values, relu, clip, norm, steps)

    def _product(self, name: str, layer: DenseLayer) -> tuple[StoredMatrix, Message]:
        """Of a model of samples the first layer is a convolution [units, features, 1, frames]."""
        maker = self._maker(name)
        if maker.kind == "squeeze":
            maker = self._maker(maker.inputs[0])
        parameters = maker.parameters
        if isinstance(parameters, schema.ConvolutionLayerParams):
            numbers = _matrix(parameters.weights, layer.units).floats
            of_frames = numbers.reshape(parameters.kernelChannels, -1, layer.units)
            return StoredMatrix(of_frames.swapaxes(0, 1).reshape(numbers.shape)), parameters.bias
        if isinstance(parameters, schema.InnerProductLayerParams):
            return _matrix(parameters.weights, layer.units), parameters.bias
        raise MissingConstantError(name)

    def _limits(self, name: str) -> tuple[bool, float | None]:
        """Whether a layer's numbers are cut at zero, and where else."""
        layer = self.makers.get(f"{name}_clipped") or self.makers.get(f"{name}_relu")
        if layer is not None and isinstance(layer.parameters, schema.ClipLayerParams):
            return layer.parameters.minVal == 0, layer.parameters.maxVal
        return layer is not None and layer.kind == "activation", None

    def _norm(self, name: str, units: int) -> StoredNorm | None:
        """A normalization, which is written out."""
        factor = self.makers.get(f"{name}_factor")
        if factor is None or not isinstance(factor.parameters, schema.UnaryFunctionLayerParams):
            return None
        scale, offset = (self._beside(f"{name}_{each}", units) for each in ("scaled", "normalized"))
        return StoredNorm(scale, offset, factor.parameters.epsilon)

    def _beside(self, name: str, units: int) -> Array:
        """The constant that a sum or a product takes."""
        for given in self._maker(name).inputs:
            parameters = self._maker(given).parameters
            if isinstance(parameters, schema.LoadConstantNDLayerParams):
                return _constant(parameters.data, units)
        raise MissingConstantError(name)

    def _lstm(self, lstm: Lstm, name: str) -> StoredLstm:
        parameters = self.lstms[0 if name == "lstm" else 1].parameters
        assert isinstance(parameters, schema.UniDirectionalLSTMLayerParams)
        weights = parameters.weightParams

        def gates(kind: str) -> StoredMatrix:
            fields = (getattr(weights, f"{_FIELDS[gate]}{kind}Matrix") for gate in GATES)
            return _side_by_side([_matrix(field, lstm.cells) for field in fields])

        inputs = gates("Weight")
        if len(inputs.numbers) == lstm.inputs + 1:
            inputs = without_drive(inputs)
        biases = [getattr(weights, f"{_FIELDS[gate]}BiasVector") for gate in GATES]
        bias, steps = _bias(biases, lstm.cells)
        return StoredLstm(name, inputs, gates("Recursion"), bias, bias_steps=steps)

    def _maker(self, name: str) -> Layer:
        if name not in self.makers:
            raise MissingConstantError(name)
        return self.makers[name]


def _side_by_side(matrices: list[StoredMatrix]) -> StoredMatrix:
    scales = [matrix.scales for matrix in matrices if matrix.scales is not None]
    numbers = np.concatenate([matrix.numbers for matrix in matrices], axis=1)
    return StoredMatrix(numbers, np.concatenate(scales) if scales else None)


def _bias(messages: list[Message], units: int) -> tuple[Array, FloatArray | None]:
    """Biases one after the other, and the steps of those that are integers."""
    parts = [_matrix(message, 1) for message in messages]
    if any(part.scales is None for part in parts):
        return np.concatenate([part.numbers.reshape(units) for part in parts]), None
    steps = [np.broadcast_to(part.scales, units) for part in parts if part.scales is not None]
    return np.concatenate([part.floats.reshape(units) for part in parts]), np.concatenate(steps)


def _constant(message: Message, units: int) -> Array:
    return _matrix(message, 1).floats.reshape(units)


def _matrix(message: Message, outputs: int) -> StoredMatrix:
    """Weights, which stand as [outputs, inputs]."""
    weights = read_weights(message)
    if weights.form not in (FLOAT32, FLOAT16, QUANTIZED):
        raise ConversionError(f"weights of the form {weights.form} are not read back.")
    dtype = {FLOAT32: "<f4", FLOAT16: "<f2", QUANTIZED: "u1"}[weights.form]
    data = b"".join(span.view for span in weights.spans)
    if len(data) % (outputs * np.dtype(dtype).itemsize):
        raise ModelError(f"weights of {outputs} outputs are cut off; copy the model again.")
    numbers = np.frombuffer(data, dtype).reshape(outputs, -1).T
    if weights.quantization is None:
        return StoredMatrix(numbers)
    scales, biases = (
        np.array(each, np.float32)
        for each in (weights.quantization.scales, weights.quantization.biases)
    )
    if len(scales) not in (1, outputs) or not _has_zero(scales, biases):
        raise ConversionError("weights with a zero of their own are not read back.")
    return StoredMatrix(numbers.astype(np.int16) - _ZERO, scales)


def _has_zero(scales: Array, biases: Array) -> bool:
    """Whether the same number stands for zero everywhere."""
    return len(biases) == len(scales) and bool(
        np.allclose(biases, -_ZERO * scales, rtol=1e-5, atol=math.ulp(0.0))
    )
