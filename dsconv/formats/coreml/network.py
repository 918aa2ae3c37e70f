"""The layers of a Core ML neural network, and where their weights lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml import network_schema as schema
from dsconv.formats.coreml.network_schema import (
    LAYER_KINDS,
    PARAMETERS,
    BranchLayerParams,
    LoopLayerParams,
    NeuralNetwork,
    NeuralNetworkLayer,
    QuantizationParams,
)
from dsconv.formats.protobuf.message import Message
from dsconv.formats.protobuf.schema import TypedMessage
from dsconv.formats.storage import Span

LSTM_GATES = ("inputGate", "forgetGate", "blockInput", "outputGate")
"""The gates of an LSTM in the order of their weights' fields."""

FLOAT32, FLOAT16, QUANTIZED, INT8 = "float32", "float16", "quantized", "int8"

_BITS = {FLOAT32: 32, FLOAT16: 16, INT8: 8}
_WEIGHT_FORMS = {
    "floatValue": FLOAT32,
    "float16Value": FLOAT16,
    "rawValue": QUANTIZED,
    "int8RawValue": INT8,
}
_MOST_BITS = 8


@dataclass(frozen=True)
class Layer:
    """A layer: its kind is the name that ``NeuralNetwork.proto`` gives its parameters."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: TypedMessage

    @cached_property
    def networks(self) -> dict[str, Network]:
        """The networks that a loop or a branch runs, by the names of their fields."""
        parameters = self.parameters
        if not isinstance(parameters, LoopLayerParams | BranchLayerParams):
            return {}
        found = {name: getattr(parameters, name) for name in parameters.present}
        return {
            name: Network(each) for name, each in found.items() if isinstance(each, NeuralNetwork)
        }


class Network:
    """A neural network, or one that a layer runs."""

    def __init__(self, message: Message) -> None:
        self.message = NeuralNetwork(message.span)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in the order in which they run.

        Raises ModelError if one has no parameters, ConversionError for an unknown kind.
        """
        return tuple(map(_layer, self.message.layers))

    def all_layers(self) -> Iterator[Layer]:
        """The layers, and those of the networks inside them."""
        for layer in self.layers:
            yield layer
            for network in layer.networks.values():
                yield from network.all_layers()


def _layer(message: NeuralNetworkLayer) -> Layer:
    name, numbers = message.name, message.undeclared
    if not numbers:
        raise ModelError(f"layer '{name}' has no parameters; copy the model again.")
    unknown = [number for number in numbers if number not in LAYER_KINDS]
    if unknown or len(numbers) > 1:
        raise ConversionError(
            f"layer '{name}' has fields {', '.join(map(str, unknown or numbers))}, which dsconv "
            "does not know; it may come from a newer Core ML."
        )
    (number,) = numbers
    kind = LAYER_KINDS[number]
    parameters = PARAMETERS.get(kind, TypedMessage)(message.spans(number)[-1])
    return Layer(name, kind, tuple(message.input), tuple(message.output), parameters)


@dataclass(frozen=True)
class Quantization:
    """How numbers of `bits` bits stand for weights.

    Linear: number * scale + bias, where `scales` and `biases` have one element or one for each
    output channel (no bias: 0). Otherwise the numbers are indices of `table`.
    """

    bits: int
    scales: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()
    table: tuple[float, ...] = ()


@dataclass(frozen=True)
class WeightParams:
    """Weights in a file. `form` is one of the four above, None where there are none.

    The values lie one after the other in `spans`, little endian; numbers of fewer than 8 bits
    without gaps, the most significant bit first.
    """

    form: str | None
    spans: tuple[Span, ...]
    quantization: Quantization | None = None

    @property
    def nbytes(self) -> int:
        """The bytes that the values take in the file."""
        return sum(map(len, self.spans))

    @property
    def bits(self) -> int:
        """The bits of a value."""
        if self.quantization is not None:
            return self.quantization.bits
        return _BITS[self.form] if self.form else 0

    @property
    def count(self) -> int:
        """The number of values; of fewer than 8 bits a few more, as the last byte is filled."""
        return self.nbytes * 8 // self.bits if self.bits else 0


def read_weights(message: Message) -> WeightParams:
    """Where the values of a WeightParams lie, and in what form.

    Raises ModelError if they are given twice, ConversionError for a form that is not known.
    """
    params = schema.WeightParams(message.span)
    spans = {name: params.spans(params.number(name)) for name in _WEIGHT_FORMS}
    filled = [name for name, found in spans.items() if sum(map(len, found))]
    if params.undeclared:
        raise ConversionError(
            f"weights have fields {params.undeclared}, which dsconv does not know; "
            "they may come from a newer Core ML."
        )
    if len(filled) > 1:
        raise ModelError("weights are given in two forms; copy the model again.")
    if not filled:
        return WeightParams(None, ())
    form = _WEIGHT_FORMS[filled[0]]
    quantization = None
    if form in (QUANTIZED, INT8):
        quantization = _quantization(params.quantization)
    elif params.quantization.numbers:
        raise ConversionError(f"{form} weights have a quantization, which dsconv does not know.")
    return WeightParams(form, tuple(spans[filled[0]]), quantization)


def _quantization(message: QuantizationParams) -> Quantization:
    """How integers stand for weights. Raises ConversionError for a way that is not known."""
    bits = message.numberOfBits
    linear, table = message.linearQuantization, message.lookupTableQuantization
    one_of_two = message.has("linearQuantization") != message.has("lookupTableQuantization")
    if not 1 <= bits <= _MOST_BITS or not one_of_two or message.undeclared:
        raise ConversionError(
            f"weights of {bits} bits are quantized in a way that dsconv does not know."
        )
    if linear.undeclared or table.undeclared:
        raise ConversionError("weights are quantized in a way that dsconv does not know.")
    return Quantization(bits, tuple(linear.scale), tuple(linear.bias), tuple(table.floatValue))
