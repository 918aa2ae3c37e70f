"""Core ML's messages of neural networks: layers, their weights, and of some layers the parameters.

Declared are all parameters of the layers that dsconv writes, and of others those that hold weights
or say how many there are.

Source: ``NeuralNetwork.proto``, whose names these are.
"""

# ruff: noqa: N815

from __future__ import annotations

from collections.abc import Mapping

from dsconv.formats.protobuf.schema import Enum, Float, Int32, Int64, TypedMessage, field
from dsconv.formats.storage import Span

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
"""The kind of a layer, by the field of NeuralNetworkLayer that holds its parameters."""


class NeuralNetwork(TypedMessage):
    """A network, or one that a layer runs. The mapping of inputs' shapes is an enumeration."""

    layers: list[NeuralNetworkLayer] = field(1)
    preprocessing: list[Span] = field(2)
    arrayInputShapeMapping: Enum = field(5)
    imageInputShapeMapping: Enum = field(6)
    updateParams: Span = field(10)


EXACT_ARRAY_MAPPING = 1
"""The arrayInputShapeMapping that leaves arrays as they are."""


class NeuralNetworkLayer(TypedMessage):
    """A layer. One more field, of LAYER_KINDS, holds its parameters."""

    name: str = field(1)
    input: list[str] = field(2)
    output: list[str] = field(3)
    inputTensor: list[Span] = field(4)
    outputTensor: list[Span] = field(5)
    isUpdatable: bool = field(10)


class WeightParams(TypedMessage):
    """Weights in one of four forms; `quantization` says what the integers of two stand for."""

    floatValue: list[Span] = field(1)
    float16Value: Span = field(2)
    rawValue: Span = field(30)
    int8RawValue: Span = field(31)
    quantization: QuantizationParams = field(40)
    isUpdatable: bool = field(50)


class QuantizationParams(TypedMessage):
    """How integers stand for weights."""

    numberOfBits: Int64 = field(1)
    linearQuantization: LinearQuantizationParams = field(101)
    lookupTableQuantization: LookUpTableQuantizationParams = field(102)


class LinearQuantizationParams(TypedMessage):
    """Integer * scale + bias, for all weights or for each output channel."""

    scale: list[Float] = field(1)
    bias: list[Float] = field(2)


class LookUpTableQuantizationParams(TypedMessage):
    """Integers are indices of this table."""

    floatValue: list[Float] = field(1)


class ActivationParams(TypedMessage):
    """A function of an element: one of these fields."""

    linear: ActivationLinear = field(5)
    ReLU: Span = field(10)
    leakyReLU: Span = field(15)
    thresholdedReLU: Span = field(20)
    PReLU: ActivationPReLU = field(25)
    tanh: Span = field(30)
    scaledTanh: Span = field(31)
    sigmoid: Span = field(40)
    sigmoidHard: Span = field(41)
    ELU: Span = field(50)
    softsign: Span = field(60)
    softplus: Span = field(70)
    parametricSoftplus: ActivationParametricSoftplus = field(71)


class ActivationLinear(TypedMessage):
    """alpha * x + beta."""

    alpha: Float = field(1)
    beta: Float = field(2)


class ActivationPReLU(TypedMessage):
    """A slope for each channel, below 0."""

    alpha: WeightParams = field(1)


class ActivationParametricSoftplus(TypedMessage):
    """alpha * log(1 + exp(beta * x)), for each channel."""

    alpha: WeightParams = field(1)
    beta: WeightParams = field(2)


class BatchedMatMulLayerParams(TypedMessage):
    """A product of matrices, of which the second may be weights."""

    weightMatrixFirstDimension: Int64 = field(5)
    weightMatrixSecondDimension: Int64 = field(6)
    weights: WeightParams = field(8)
    bias: WeightParams = field(9)


class BatchnormLayerParams(TypedMessage):
    """A normalization of each channel."""

    channels: Int64 = field(1)
    gamma: WeightParams = field(15)
    beta: WeightParams = field(16)
    mean: WeightParams = field(17)
    variance: WeightParams = field(18)


class BiasLayerParams(TypedMessage):
    """A sum with weights."""

    shape: list[Int64] = field(1)
    bias: WeightParams = field(2)


class BiDirectionalLSTMLayerParams(TypedMessage):
    """Two LSTMs, forwards and backwards."""

    inputVectorSize: Int64 = field(1)
    outputVectorSize: Int64 = field(2)
    params: LSTMParams = field(15)
    weightParams: list[LSTMWeightParams] = field(20)


class ConvolutionLayerParams(TypedMessage):
    """A convolution; `same` is another way to pad than `valid`."""

    outputChannels: Int64 = field(1)
    kernelChannels: Int64 = field(2)
    nGroups: Int64 = field(10)
    kernelSize: list[Int64] = field(20)
    stride: list[Int64] = field(30)
    dilationFactor: list[Int64] = field(40)
    valid: ValidPadding = field(50)
    same: Span = field(51)
    isDeconvolution: bool = field(60)
    hasBias: bool = field(70)
    weights: WeightParams = field(90)
    bias: WeightParams = field(91)
    outputShape: list[Int64] = field(100)


class ValidPadding(TypedMessage):
    """A padding of as many elements as it says."""

    paddingAmounts: BorderAmounts = field(1)


class BorderAmounts(TypedMessage):
    """How much is added on either side of each dimension, the height first."""

    borderAmounts: list[EdgeSizes] = field(10)


class EdgeSizes(TypedMessage):
    """What is added before and after a dimension."""

    startEdgeSize: Int64 = field(1)
    endEdgeSize: Int64 = field(2)


class Convolution3DLayerParams(TypedMessage):
    """A convolution over three dimensions."""

    outputChannels: Int32 = field(1)
    weights: WeightParams = field(60)
    bias: WeightParams = field(61)


class CustomLayerParams(TypedMessage):
    """A layer of someone's own code."""

    weights: list[WeightParams] = field(20)


class EmbeddingLayerParams(TypedMessage):
    """Rows of a table, by their indices."""

    inputDim: Int64 = field(1)
    outputChannels: Int64 = field(2)
    weights: WeightParams = field(20)
    bias: WeightParams = field(21)


class EmbeddingNDLayerParams(TypedMessage):
    """The same for inputs of any rank."""

    vocabSize: Int64 = field(1)
    embeddingSize: Int64 = field(2)
    weights: WeightParams = field(20)
    bias: WeightParams = field(21)


class GRULayerParams(TypedMessage):
    """A GRU."""

    inputVectorSize: Int64 = field(1)
    outputVectorSize: Int64 = field(2)
    updateGateWeightMatrix: WeightParams = field(30)
    resetGateWeightMatrix: WeightParams = field(31)
    outputGateWeightMatrix: WeightParams = field(32)
    updateGateRecursionMatrix: WeightParams = field(50)
    resetGateRecursionMatrix: WeightParams = field(51)
    outputGateRecursionMatrix: WeightParams = field(52)
    updateGateBiasVector: WeightParams = field(70)
    resetGateBiasVector: WeightParams = field(71)
    outputGateBiasVector: WeightParams = field(72)


class InnerProductLayerParams(TypedMessage):
    """A dense layer."""

    inputChannels: Int64 = field(1)
    outputChannels: Int64 = field(2)
    hasBias: bool = field(10)
    weights: WeightParams = field(20)
    bias: WeightParams = field(21)
    int8DynamicQuantize: bool = field(22)


class LayerNormalizationLayerParams(TypedMessage):
    """A normalization over the last dimensions."""

    normalizedShape: list[Int64] = field(1)
    eps: Float = field(2)
    gamma: WeightParams = field(3)
    beta: WeightParams = field(4)


class LoadConstantLayerParams(TypedMessage):
    """A constant of three dimensions."""

    shape: list[Int64] = field(1)
    data: WeightParams = field(2)


class LoadConstantNDLayerParams(TypedMessage):
    """A constant."""

    shape: list[Int64] = field(1)
    data: WeightParams = field(2)


class ScaleLayerParams(TypedMessage):
    """A product with weights, and a sum with others."""

    shapeScale: list[Int64] = field(1)
    scale: WeightParams = field(2)
    hasBias: bool = field(3)
    shapeBias: list[Int64] = field(4)
    bias: WeightParams = field(5)


class SimpleRecurrentLayerParams(TypedMessage):
    """A recurrent layer without gates."""

    inputVectorSize: Int64 = field(1)
    outputVectorSize: Int64 = field(2)
    weightMatrix: WeightParams = field(30)
    recursionMatrix: WeightParams = field(31)
    biasVector: WeightParams = field(32)


class UniDirectionalLSTMLayerParams(TypedMessage):
    """An LSTM. The activations are those of the gates, the block input and the output."""

    inputVectorSize: Int64 = field(1)
    outputVectorSize: Int64 = field(2)
    activations: list[ActivationParams] = field(10)
    params: LSTMParams = field(15)
    weightParams: LSTMWeightParams = field(20)
    reverseInput: bool = field(100)


class LSTMParams(TypedMessage):
    """What an LSTM does."""

    sequenceOutput: bool = field(10)
    hasBiasVectors: bool = field(20)
    forgetBias: bool = field(30)
    hasPeepholeVectors: bool = field(40)
    coupledInputAndForgetGate: bool = field(50)
    cellClipThreshold: Float = field(60)


class LSTMWeightParams(TypedMessage):
    """The weights of an LSTM, gate by gate."""

    inputGateWeightMatrix: WeightParams = field(1)
    forgetGateWeightMatrix: WeightParams = field(2)
    blockInputWeightMatrix: WeightParams = field(3)
    outputGateWeightMatrix: WeightParams = field(4)
    inputGateRecursionMatrix: WeightParams = field(20)
    forgetGateRecursionMatrix: WeightParams = field(21)
    blockInputRecursionMatrix: WeightParams = field(22)
    outputGateRecursionMatrix: WeightParams = field(23)
    inputGateBiasVector: WeightParams = field(40)
    forgetGateBiasVector: WeightParams = field(41)
    blockInputBiasVector: WeightParams = field(42)
    outputGateBiasVector: WeightParams = field(43)
    inputGatePeepholeVector: WeightParams = field(60)
    forgetGatePeepholeVector: WeightParams = field(61)
    outputGatePeepholeVector: WeightParams = field(62)


class LoopLayerParams(TypedMessage):
    """A layer that runs a network again and again."""

    maxLoopIterations: Int64 = field(1)
    conditionVar: str = field(2)
    conditionNetwork: NeuralNetwork = field(3)
    bodyNetwork: NeuralNetwork = field(4)


class BranchLayerParams(TypedMessage):
    """A layer that runs one of two networks."""

    ifBranch: NeuralNetwork = field(1)
    elseBranch: NeuralNetwork = field(2)


class AddLayerParams(TypedMessage):
    """A sum, of one input with a number."""

    alpha: Float = field(1)


class MultiplyLayerParams(TypedMessage):
    """A product, of one input with a number."""

    alpha: Float = field(1)


class UnaryFunctionLayerParams(TypedMessage):
    """A function of scale * x + shift."""

    type: Enum = field(1)
    alpha: Float = field(2)
    epsilon: Float = field(3)
    shift: Float = field(4)
    scale: Float = field(5)


class ClipLayerParams(TypedMessage):
    """The limits of a value."""

    minVal: Float = field(1)
    maxVal: Float = field(2)


class GreaterEqualLayerParams(TypedMessage):
    """A comparison, of one input with a number."""

    alpha: Float = field(2)


class ReduceMeanLayerParams(TypedMessage):
    """A mean over dimensions."""

    axes: list[Int64] = field(1)
    keepDims: bool = field(2)
    reduceAll: bool = field(3)


class SoftmaxNDLayerParams(TypedMessage):
    """A softmax along a dimension."""

    axis: Int64 = field(1)


class ReshapeStaticLayerParams(TypedMessage):
    """Another shape, in which -1 is what is left and 0 what was there."""

    targetShape: list[Int64] = field(1)


class ExpandDimsLayerParams(TypedMessage):
    """New dimensions of one element."""

    axes: list[Int64] = field(1)


class SqueezeLayerParams(TypedMessage):
    """Dimensions of one element that go."""

    axes: list[Int64] = field(1)
    squeezeAll: bool = field(2)


class TransposeLayerParams(TypedMessage):
    """The dimensions in another order."""

    axes: list[Int64] = field(1)


class ReverseLayerParams(TypedMessage):
    """The dimensions that are reversed."""

    reverseDim: list[bool] = field(1)


class ConcatNDLayerParams(TypedMessage):
    """Inputs one after the other."""

    axis: Int64 = field(1)
    interleave: bool = field(2)


class SplitNDLayerParams(TypedMessage):
    """Outputs one after the other, of equal sizes or of these."""

    axis: Int64 = field(1)
    numSplits: Int64 = field(2)
    splitSizes: list[Int64] = field(3)


class GatherLayerParams(TypedMessage):
    """Elements by their indices along a dimension."""

    axis: Int64 = field(1)


class RangeDynamicLayerParams(TypedMessage):
    """Numbers in equal steps, up to an input."""

    startValue: Float = field(2)
    stepSizeValue: Float = field(3)


class PaddingLayerParams(TypedMessage):
    """More elements around height and width; `reflection` and `replication` are other ways."""

    constant: PaddingConstant = field(1)
    reflection: Span = field(2)
    replication: Span = field(3)
    paddingAmounts: BorderAmounts = field(10)


class PaddingConstant(TypedMessage):
    """The value of the elements that are added."""

    value: Float = field(1)


PARAMETERS: Mapping[str, type[TypedMessage]] = {
    "activation": ActivationParams,
    "add": AddLayerParams,
    "batchedMatmul": BatchedMatMulLayerParams,
    "batchnorm": BatchnormLayerParams,
    "bias": BiasLayerParams,
    "biDirectionalLSTM": BiDirectionalLSTMLayerParams,
    "branch": BranchLayerParams,
    "clip": ClipLayerParams,
    "concatND": ConcatNDLayerParams,
    "convolution": ConvolutionLayerParams,
    "convolution3d": Convolution3DLayerParams,
    "custom": CustomLayerParams,
    "embedding": EmbeddingLayerParams,
    "embeddingND": EmbeddingNDLayerParams,
    "expandDims": ExpandDimsLayerParams,
    "gather": GatherLayerParams,
    "greaterEqual": GreaterEqualLayerParams,
    "gru": GRULayerParams,
    "innerProduct": InnerProductLayerParams,
    "layerNormalization": LayerNormalizationLayerParams,
    "loadConstant": LoadConstantLayerParams,
    "loadConstantND": LoadConstantNDLayerParams,
    "loop": LoopLayerParams,
    "multiply": MultiplyLayerParams,
    "padding": PaddingLayerParams,
    "rangeDynamic": RangeDynamicLayerParams,
    "reduceMean": ReduceMeanLayerParams,
    "reshapeStatic": ReshapeStaticLayerParams,
    "reverse": ReverseLayerParams,
    "scale": ScaleLayerParams,
    "simpleRecurrent": SimpleRecurrentLayerParams,
    "softmaxND": SoftmaxNDLayerParams,
    "splitND": SplitNDLayerParams,
    "squeeze": SqueezeLayerParams,
    "transpose": TransposeLayerParams,
    "unary": UnaryFunctionLayerParams,
    "uniDirectionalLSTM": UniDirectionalLSTMLayerParams,
}
"""The parameters of the kinds of layers, where they have some and are declared."""
