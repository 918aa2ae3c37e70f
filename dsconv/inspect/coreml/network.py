"""Layers and weights of a Core ML neural network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from dsconv.acoustic.names import PROBABILITIES
from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.file import CoreMlFile
from dsconv.formats.coreml.network import (
    FLOAT16,
    FLOAT32,
    LSTM_GATES,
    Layer,
    Network,
    WeightParams,
    read_weights,
)
from dsconv.formats.coreml.network_schema import InnerProductLayerParams
from dsconv.formats.protobuf.message import Message
from dsconv.inspect.converted import ConvertedFile
from dsconv.inspect.report import FEWEST_ELEMENTS, WeightInfo

_FLOAT_BYTES = 4

_PEEPHOLES = ("inputGate", "forgetGate", "outputGate")
_GRU_GATES = ("updateGate", "resetGate", "outputGate")

# Of each kind of layer the weights: the way to them through its fields, and the fields with the
# sizes of their shape. Without such fields the shape is the number of values.
_Weights = dict[str, tuple[str, ...]]
_CHANNELS = ("outputChannels",)
_CONSTANT: _Weights = {"data": ("shape",)}
_VECTOR = ("outputVectorSize",)
_MATRICES = {"Weight": (*_VECTOR, "inputVectorSize"), "Recursion": _VECTOR * 2}


def _recurrent(gates: Sequence[str], start: str = "") -> _Weights:
    """The weights of a recurrent layer, with those of each gate."""
    matrices = {
        f"{start}{gate}{name}Matrix": shape for name, shape in _MATRICES.items() for gate in gates
    }
    return {**matrices, **{f"{start}{gate}BiasVector": _VECTOR for gate in gates}}


_LSTM: _Weights = {
    **_recurrent(LSTM_GATES, "weightParams."),
    **{f"weightParams.{gate}PeepholeVector": _VECTOR for gate in _PEEPHOLES},
}
WEIGHTS: dict[str, _Weights] = {
    "activation": {
        "PReLU.alpha": (),
        "parametricSoftplus.alpha": (),
        "parametricSoftplus.beta": (),
    },
    "batchedMatmul": {
        "weights": ("weightMatrixFirstDimension", "weightMatrixSecondDimension"),
        "bias": (),
    },
    "batchnorm": dict.fromkeys(("gamma", "beta", "mean", "variance"), ("channels",)),
    "bias": {"bias": ("shape",)},
    "biDirectionalLSTM": _LSTM,
    "convolution": {"weights": (), "bias": _CHANNELS},
    "convolution3d": {"weights": (), "bias": _CHANNELS},
    "custom": {"weights": ()},
    "embedding": {"weights": (*_CHANNELS, "inputDim"), "bias": _CHANNELS},
    "embeddingND": {"weights": ("embeddingSize", "vocabSize"), "bias": ("embeddingSize",)},
    "gru": _recurrent(_GRU_GATES),
    "innerProduct": {"weights": (*_CHANNELS, "inputChannels"), "bias": _CHANNELS},
    "layerNormalization": dict.fromkeys(("gamma", "beta"), ("normalizedShape",)),
    "loadConstant": _CONSTANT,
    "loadConstantND": _CONSTANT,
    "scale": {"scale": ("shapeScale",), "bias": ("shapeBias",)},
    "simpleRecurrent": {
        "weightMatrix": _MATRICES["Weight"],
        "recursionMatrix": _MATRICES["Recursion"],
        "biasVector": _VECTOR,
    },
    "uniDirectionalLSTM": _LSTM,
}


def read_network(model: CoreMlFile, file: ConvertedFile) -> None:
    """Add the layers and weights of a neural network.

    Raises ModelError if it is damaged or has layers or weights that dsconv does not know.
    """
    network = Network(model.body)
    try:
        layers = list(network.all_layers())
        file.ops.update(layer.kind for layer in layers)
        file.weights += [weight for layer in layers for weight in _weights(layer)]
        file.classes = _classes(network)
    except ConversionError as error:
        raise ModelError(str(error)) from error


def _weights(layer: Layer) -> Iterator[WeightInfo]:
    """The weights of a layer of any size."""
    for way, sizes in WEIGHTS.get(layer.kind, {}).items():
        *_, name = way.split(".")
        for index, message in enumerate(_messages(layer.parameters, way)):
            params = read_weights(message)
            if params.form is None:
                continue
            shape = _shape(layer, name, sizes, params)
            # A second one is that of the other direction.
            weight = _weight(f"{layer.name}.{name}" + (f".{index}" if index else ""), shape, params)
            if weight.parameters >= FEWEST_ELEMENTS:
                yield weight


def _messages(parameters: Message, way: str) -> list[Message]:
    """What is found on a way through fields, of which some are repeated."""
    messages = [parameters]
    for name in way.split("."):
        messages = [inner for message in messages for inner in _values(message, name)]
    return messages


def _values(message: Message, name: str) -> list[Any]:
    """The values of a field, whether it is repeated or not."""
    value = getattr(message, name)
    return value if isinstance(value, list) else [value]


def _shape(layer: Layer, name: str, sizes: tuple[str, ...], params: WeightParams) -> list[int]:
    """The shape of weights. Raises ModelError if there are more or less in the file."""
    if not sizes:
        return [params.count]
    shape = [size for each in sizes for size in _values(layer.parameters, each)]
    if (math.prod(shape) * params.bits + 7) // 8 != params.nbytes:
        raise ModelError(
            f"the {name} of layer '{layer.name}' have {params.nbytes:,} bytes, "
            f"not those of shape {shape}; copy or download the model again."
        )
    return shape


def _weight(name: str, shape: list[int], params: WeightParams) -> WeightInfo:
    how = params.quantization
    dtype = params.form if params.form in (FLOAT32, FLOAT16) else None
    size, compression = params.nbytes, None
    if how is not None:
        size += _FLOAT_BYTES * (len(how.scales) + len(how.biases) + len(how.table))
        compression = f"{how.bits}-bit {'palettized' if how.table else 'linear'}"
    return WeightInfo(
        name, dtype or _number_type(params), shape, math.prod(shape), size, compression
    )


def _number_type(params: WeightParams) -> str:
    return "int8" if params.form == "int8" else f"uint{params.bits}"


def _classes(network: Network) -> int | None:
    """The outputs of the last layer of weights before the scores."""
    makers = {output: layer for layer in network.layers for output in layer.outputs}
    name = PROBABILITIES
    while name in makers:
        layer = makers.pop(name)
        if isinstance(layer.parameters, InnerProductLayerParams):
            return layer.parameters.outputChannels
        name = layer.inputs[0] if layer.inputs else ""
    return None
