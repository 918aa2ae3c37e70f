"""Layers and weights of a Core ML neural network.

Source: the field numbers of ``NeuralNetwork.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

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
from dsconv.inspect.converted import ConvertedFile
from dsconv.inspect.report import FEWEST_ELEMENTS, WeightInfo

_FLOAT_BYTES = 4

_PEEPHOLES = ("inputGate", "forgetGate", "outputGate")
_GRU_GATES = ("updateGate", "resetGate", "outputGate")

# Of each kind of layer the weights: the way to them through its fields, their name, and the fields
# with the sizes of their shape. Without such fields the shape is the number of values.
_Weights = dict[tuple[int, ...], tuple[str, tuple[int, ...]]]
_DENSE: _Weights = {(20,): ("weights", (2, 1)), (21,): ("bias", (2,))}
_CONSTANT: _Weights = {(2,): ("data", (1,))}
_LSTM: _Weights = {
    **{(20, 1 + place): (f"{gate}WeightMatrix", (2, 1)) for place, gate in enumerate(LSTM_GATES)},
    **{
        (20, 20 + place): (f"{gate}RecursionMatrix", (2, 2))
        for place, gate in enumerate(LSTM_GATES)
    },
    **{(20, 40 + place): (f"{gate}BiasVector", (2,)) for place, gate in enumerate(LSTM_GATES)},
    **{(20, 60 + place): (f"{gate}PeepholeVector", (2,)) for place, gate in enumerate(_PEEPHOLES)},
}
_GRU: _Weights = {
    **{(30 + place,): (f"{gate}WeightMatrix", (2, 1)) for place, gate in enumerate(_GRU_GATES)},
    **{(50 + place,): (f"{gate}RecursionMatrix", (2, 2)) for place, gate in enumerate(_GRU_GATES)},
    **{(70 + place,): (f"{gate}BiasVector", (2,)) for place, gate in enumerate(_GRU_GATES)},
}
WEIGHTS: dict[str, _Weights] = {
    "activation": {
        (25, 1): ("alpha", ()),
        (71, 1): ("alpha", ()),
        (71, 2): ("beta", ()),
    },
    "batchedMatmul": {(8,): ("weights", (5, 6)), (9,): ("bias", ())},
    "batchnorm": {
        (15,): ("gamma", (1,)),
        (16,): ("beta", (1,)),
        (17,): ("mean", (1,)),
        (18,): ("variance", (1,)),
    },
    "bias": {(2,): ("bias", (1,))},
    "biDirectionalLSTM": _LSTM,
    "convolution": {(90,): ("weights", ()), (91,): ("bias", (1,))},
    "convolution3d": {(60,): ("weights", ()), (61,): ("bias", (1,))},
    "custom": {(20,): ("weights", ())},
    "embedding": _DENSE,
    "embeddingND": _DENSE,
    "gru": _GRU,
    "innerProduct": _DENSE,
    "layerNormalization": {(3,): ("gamma", (1,)), (4,): ("beta", (1,))},
    "loadConstant": _CONSTANT,
    "loadConstantND": _CONSTANT,
    "scale": {(2,): ("scale", (1,)), (5,): ("bias", (4,))},
    "simpleRecurrent": {
        (30,): ("weightMatrix", (2, 1)),
        (31,): ("recursionMatrix", (2, 2)),
        (32,): ("biasVector", (2,)),
    },
    "uniDirectionalLSTM": _LSTM,
}


def read_network(model: CoreMlFile, file: ConvertedFile) -> None:
    """Add the layers and weights of a neural network.

    Raises ModelError if it is damaged or has parts that dsconv does not know.
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
    for way, (name, sizes) in WEIGHTS.get(layer.kind, {}).items():
        messages = [layer.parameters]
        for number in way:
            messages = [inner for message in messages for inner in message.messages(number)]
        for place, message in enumerate(messages):
            params = read_weights(message)
            if params.form is None:
                continue
            shape = _shape(layer, name, sizes, params)
            # A second one is that of the other direction.
            weight = _weight(f"{layer.name}.{name}" + (f".{place}" if place else ""), shape, params)
            if weight.parameters >= FEWEST_ELEMENTS:
                yield weight


def _shape(layer: Layer, name: str, sizes: tuple[int, ...], params: WeightParams) -> list[int]:
    """The shape of weights. Raises ModelError if there are more or less in the file."""
    if not sizes:
        return [params.count]
    shape = [size for number in sizes for size in layer.parameters.integers(number)]
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
        if layer.kind == "innerProduct":
            return layer.parameters.integer(2)
        name = layer.inputs[0] if layer.inputs else ""
    return None
