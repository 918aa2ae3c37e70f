"""The fields of the neural networks and layers that dsconv writes, by the names of the messages.

Fields that dsconv never writes are left out. Source: ``NeuralNetwork.proto`` of coremltools.
"""

from __future__ import annotations

from enum import IntEnum


class NeuralNetwork(IntEnum):
    """NeuralNetwork."""

    LAYERS = 1
    PREPROCESSING = 2
    ARRAY_INPUT_SHAPE_MAPPING = 5
    IMAGE_INPUT_SHAPE_MAPPING = 6
    UPDATE_PARAMS = 10


EXACT_ARRAY_MAPPING = 1
"""The NeuralNetworkMultiArrayShapeMapping that leaves arrays as they are."""


class NoFields(IntEnum):
    """A message that says all by being there."""


class Axis(IntEnum):
    """SoftmaxNDLayerParams, ConcatNDLayerParams."""

    AXIS = 1


class Axes(IntEnum):
    """TransposeLayerParams, ExpandDimsLayerParams, SqueezeLayerParams."""

    AXES = 1


class TargetShape(IntEnum):
    """ReshapeStaticLayerParams."""

    TARGET_SHAPE = 1


class Activation(IntEnum):
    """ActivationParams: which nonlinearity it is, by the one field that is there."""

    LINEAR = 5
    RELU = 10
    TANH = 30
    SIGMOID = 40


class Linear(IntEnum):
    """ActivationLinear."""

    ALPHA = 1
    BETA = 2


class Unary(IntEnum):
    """UnaryFunctionLayerParams."""

    TYPE = 1
    ALPHA = 2
    EPSILON = 3
    SCALE = 5


class UnaryType(IntEnum):
    """UnaryFunctionLayerParams.Operation."""

    SQRT = 0
    RSQRT = 1
    POWER = 3
    LOG = 5


class Clip(IntEnum):
    """ClipLayerParams."""

    MIN_VAL = 1
    MAX_VAL = 2


class Reduce(IntEnum):
    """ReduceMeanLayerParams."""

    AXES = 1
    KEEP_DIMS = 2


class Split(IntEnum):
    """SplitNDLayerParams."""

    AXIS = 1
    NUM_SPLITS = 2


class Reverse(IntEnum):
    """ReverseLayerParams."""

    REVERSE_DIM = 1


class RangeDynamic(IntEnum):
    """RangeDynamicLayerParams."""

    STEP_SIZE_VALUE = 3


class Constant(IntEnum):
    """LoadConstantNDLayerParams."""

    SHAPE = 1
    DATA = 2


class Padding(IntEnum):
    """PaddingLayerParams."""

    CONSTANT = 1
    PADDING_AMOUNTS = 10


class ValidPadding(IntEnum):
    """ValidPadding."""

    PADDING_AMOUNTS = 1


class BorderAmounts(IntEnum):
    """BorderAmounts: of the height and of the width."""

    BORDER_AMOUNTS = 10


class EdgeSizes(IntEnum):
    """BorderAmounts.EdgeSizes."""

    START_EDGE_SIZE = 1
    END_EDGE_SIZE = 2


class InnerProduct(IntEnum):
    """InnerProductLayerParams."""

    INPUT_CHANNELS = 1
    OUTPUT_CHANNELS = 2
    HAS_BIAS = 10
    WEIGHTS = 20
    BIAS = 21


class Convolution(IntEnum):
    """ConvolutionLayerParams."""

    OUTPUT_CHANNELS = 1
    KERNEL_CHANNELS = 2
    N_GROUPS = 10
    KERNEL_SIZE = 20
    STRIDE = 30
    DILATION_FACTOR = 40
    VALID = 50
    HAS_BIAS = 70
    WEIGHTS = 90
    BIAS = 91


class UniDirectionalLstm(IntEnum):
    """UniDirectionalLSTMLayerParams."""

    INPUT_VECTOR_SIZE = 1
    OUTPUT_VECTOR_SIZE = 2
    ACTIVATIONS = 10
    PARAMS = 15
    WEIGHT_PARAMS = 20


class LstmParams(IntEnum):
    """LSTMParams."""

    SEQUENCE_OUTPUT = 10
    HAS_BIAS_VECTORS = 20
    CELL_CLIP_THRESHOLD = 60


class LstmWeights(IntEnum):
    """LSTMWeightParams."""

    INPUT_GATE_WEIGHT_MATRIX = 1
    FORGET_GATE_WEIGHT_MATRIX = 2
    BLOCK_INPUT_WEIGHT_MATRIX = 3
    OUTPUT_GATE_WEIGHT_MATRIX = 4
    INPUT_GATE_RECURSION_MATRIX = 20
    FORGET_GATE_RECURSION_MATRIX = 21
    BLOCK_INPUT_RECURSION_MATRIX = 22
    OUTPUT_GATE_RECURSION_MATRIX = 23
    INPUT_GATE_BIAS_VECTOR = 40
    FORGET_GATE_BIAS_VECTOR = 41
    BLOCK_INPUT_BIAS_VECTOR = 42
    OUTPUT_GATE_BIAS_VECTOR = 43
