"""The layers of a Core ML neural network, and where their weights lie.

Source: the field numbers of ``NeuralNetwork.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import Span

# The kind of a layer, by the field of NeuralNetworkLayer that holds its parameters.
LAYER_KINDS = {
    100: "convolution",
    120: "pooling",
    130: "activation",
    140: "innerProduct",
    150: "embedding",
    160: "batchnorm",
    165: "mvn",
    170: "l2normalize",
    175: "softmax",
    180: "lrn",
    190: "crop",
    200: "padding",
    210: "upsample",
    211: "resizeBilinear",
    212: "cropResize",
    220: "unary",
    230: "add",
    231: "multiply",
    240: "average",
    245: "scale",
    250: "bias",
    260: "max",
    261: "min",
    270: "dot",
    280: "reduce",
    290: "loadConstant",
    300: "reshape",
    301: "flatten",
    310: "permute",
    320: "concat",
    330: "split",
    340: "sequenceRepeat",
    345: "reorganizeData",
    350: "slice",
    400: "simpleRecurrent",
    410: "gru",
    420: "uniDirectionalLSTM",
    430: "biDirectionalLSTM",
    500: "custom",
    600: "copy",
    605: "branch",
    615: "loop",
    620: "loopBreak",
    625: "loopContinue",
    635: "rangeStatic",
    640: "rangeDynamic",
    660: "clip",
    665: "ceil",
    670: "floor",
    680: "sign",
    685: "round",
    700: "exp2",
    710: "sin",
    715: "cos",
    720: "tan",
    730: "asin",
    735: "acos",
    740: "atan",
    750: "sinh",
    755: "cosh",
    760: "tanh",
    770: "asinh",
    775: "acosh",
    780: "atanh",
    790: "erf",
    795: "gelu",
    815: "equal",
    820: "notEqual",
    825: "lessThan",
    827: "lessEqual",
    830: "greaterThan",
    832: "greaterEqual",
    840: "logicalOr",
    845: "logicalXor",
    850: "logicalNot",
    855: "logicalAnd",
    865: "modBroadcastable",
    870: "minBroadcastable",
    875: "maxBroadcastable",
    880: "addBroadcastable",
    885: "powBroadcastable",
    890: "divideBroadcastable",
    895: "floorDivBroadcastable",
    900: "multiplyBroadcastable",
    905: "subtractBroadcastable",
    920: "tile",
    925: "stack",
    930: "gather",
    935: "scatter",
    940: "gatherND",
    945: "scatterND",
    950: "softmaxND",
    952: "gatherAlongAxis",
    954: "scatterAlongAxis",
    960: "reverse",
    965: "reverseSeq",
    975: "splitND",
    980: "concatND",
    985: "transpose",
    995: "sliceStatic",
    1000: "sliceDynamic",
    1005: "slidingWindows",
    1015: "topK",
    1020: "argMin",
    1025: "argMax",
    1040: "embeddingND",
    1045: "batchedMatmul",
    1065: "getShape",
    1070: "loadConstantND",
    1080: "fillLike",
    1085: "fillStatic",
    1090: "fillDynamic",
    1100: "broadcastToLike",
    1105: "broadcastToStatic",
    1110: "broadcastToDynamic",
    1120: "squeeze",
    1125: "expandDims",
    1130: "flattenTo2D",
    1135: "reshapeLike",
    1140: "reshapeStatic",
    1145: "reshapeDynamic",
    1150: "rankPreservingReshape",
    1155: "constantPad",
    1170: "randomNormalLike",
    1175: "randomNormalStatic",
    1180: "randomNormalDynamic",
    1190: "randomUniformLike",
    1195: "randomUniformStatic",
    1200: "randomUniformDynamic",
    1210: "randomBernoulliLike",
    1215: "randomBernoulliStatic",
    1220: "randomBernoulliDynamic",
    1230: "categoricalDistribution",
    1250: "reduceL1",
    1255: "reduceL2",
    1260: "reduceMax",
    1265: "reduceMin",
    1270: "reduceSum",
    1275: "reduceProd",
    1280: "reduceMean",
    1285: "reduceLogSum",
    1290: "reduceSumSquare",
    1295: "reduceLogSumExp",
    1313: "whereNonZero",
    1315: "matrixBandPart",
    1320: "lowerTriangular",
    1325: "upperTriangular",
    1330: "whereBroadcastable",
    1350: "layerNormalization",
    1400: "NonMaximumSuppression",
    1450: "oneHot",
    1455: "cumSum",
    1460: "clampedReLU",
    1461: "argSort",
    1465: "pooling3d",
    1466: "globalPooling3d",
    1470: "sliceBySize",
    1471: "convolution3d",
}

LSTM_GATES = ("inputGate", "forgetGate", "blockInput", "outputGate")
"""The gates of an LSTM in the order of their weights' fields."""

# Fields of NeuralNetworkLayer besides the parameters: name, inputs, outputs, their ranks, and
# whether the layer can be trained.
_LAYER_FIELDS = {1, 2, 3, 4, 5, 10}

# The networks inside a layer, by kind and name, as fields of the parameters.
_NESTED = {
    "branch": {"ifBranch": 1, "elseBranch": 2},
    "loop": {"conditionNetwork": 3, "bodyNetwork": 4},
}

FLOAT32, FLOAT16, QUANTIZED, INT8 = "float32", "float16", "quantized", "int8"

_BITS = {FLOAT32: 32, FLOAT16: 16, INT8: 8}
_WEIGHT_FORMS = {1: FLOAT32, 2: FLOAT16, 30: QUANTIZED, 31: INT8}
_MOST_BITS = 8


@dataclass(frozen=True)
class Layer:
    """A layer: its kind is the name that ``NeuralNetwork.proto`` gives its parameters."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Message

    @cached_property
    def networks(self) -> dict[str, Network]:
        """The networks that a loop or a branch runs, by the names of their fields."""
        fields = _NESTED.get(self.kind, {})
        found = {name: number for name, number in fields.items() if number in self.parameters}
        return {name: Network(self.parameters.message(number)) for name, number in found.items()}


class Network:
    """A neural network, or one that a layer runs."""

    def __init__(self, message: Message) -> None:
        self.message = message

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in the order in which they run.

        Raises ModelError if one has no parameters, ConversionError for an unknown kind.
        """
        return tuple(map(_layer, self.message.messages(1)))

    def all_layers(self) -> Iterator[Layer]:
        """The layers, and those of the networks inside them."""
        for layer in self.layers:
            yield layer
            for network in layer.networks.values():
                yield from network.all_layers()


def _layer(message: Message) -> Layer:
    name = message.text(1)
    numbers = [number for number in message.numbers if number not in _LAYER_FIELDS]
    if not numbers:
        raise ModelError(f"layer '{name}' has no parameters; copy the model again.")
    unknown = [number for number in numbers if number not in LAYER_KINDS]
    if unknown or len(numbers) > 1:
        raise ConversionError(
            f"layer '{name}' has fields {', '.join(map(str, unknown or numbers))}, which dsconv "
            "does not know; it may come from a newer Core ML."
        )
    (number,) = numbers
    return Layer(
        name,
        LAYER_KINDS[number],
        tuple(message.texts(2)),
        tuple(message.texts(3)),
        message.message(number),
    )


@dataclass(frozen=True)
class Quantization:
    """How numbers of `bits` bits stand for weights.

    Linear: number * scale + bias, where `scales` and `biases` have one element or one for each
    output channel (no bias: 0). Otherwise the numbers are positions in `table`.
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
    forms = [number for number in _WEIGHT_FORMS if number in message]
    filled = [number for number in forms if sum(map(len, message.spans(number)))]
    # Field 50 says whether the weights can be trained.
    unknown = set(message.numbers) - {*_WEIGHT_FORMS, 40, 50}
    if unknown:
        raise ConversionError(
            f"weights have fields {sorted(unknown)}, which dsconv does not know; "
            "they may come from a newer Core ML."
        )
    if len(filled) > 1:
        raise ModelError("weights are given in two forms; copy the model again.")
    if not filled:
        return WeightParams(None, ())
    form = _WEIGHT_FORMS[filled[0]]
    quantization = None
    if form in (QUANTIZED, INT8):
        quantization = _quantization(message.message(40))
    elif 40 in message and message.message(40).numbers:
        raise ConversionError(f"{form} weights have a quantization, which dsconv does not know.")
    return WeightParams(form, tuple(message.spans(filled[0])), quantization)


def _quantization(message: Message) -> Quantization:
    """A QuantizationParams. Raises ConversionError for one that is not known."""
    bits = message.integer(1)
    kinds = set(message.numbers) - {1}
    if not 1 <= bits <= _MOST_BITS or kinds not in ({101}, {102}):
        raise ConversionError(
            f"weights of {bits} bits are quantized in a way that dsconv does not know."
        )
    linear, table = message.message(101), message.message(102)
    if set(linear.numbers) - {1, 2} or set(table.numbers) - {1}:
        raise ConversionError("weights are quantized in a way that dsconv does not know.")
    return Quantization(bits, read_floats(linear, 1), read_floats(linear, 2), read_floats(table, 1))


def read_floats(message: Message, number: int) -> tuple[float, ...]:
    """A repeated field of floats, packed or not. Raises ModelError if it is damaged."""
    data = b"".join(span.view for span in message.spans(number))
    if len(data) % 4:
        raise ModelError(f"field {number} holds no whole floats; copy the model again.")
    return struct.unpack(f"<{len(data) // 4}f", data)
