"""Each layer gives what the documentation of its parameters says, written down by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.runtime.coreml.layers import LAYERS
from tests.runtime.coreml.layer_networks import evaluator, run_layer, single_layer

TOLERANCE = 1e-6


def floats(*values: Any) -> Any:
    """A vector; of lists, an array of more dimensions."""
    return np.array(values, np.float32)


def counted(*shape: int, start: float = 0.0) -> Any:
    """An array with the numbers 0, 1, 2, ... in order."""
    return (start + np.arange(math.prod(shape), dtype=np.float32)).reshape(shape)


@dataclass(frozen=True)
class Case:
    """A layer, its inputs, and what comes out."""

    kind: str
    variant: str
    inputs: tuple[Any, ...]
    expected: tuple[Any, ...]
    parameters: dict[str, Any] = field(default_factory=dict)


def case(kind: str, variant: str, inputs: Any, expected: Any, /, **parameters: Any) -> Case:
    """A case; an array alone is one input or output."""
    return Case(kind, variant, _tuple(inputs), _tuple(expected), parameters)


def _tuple(arrays: Any) -> tuple[Any, ...]:
    return arrays if isinstance(arrays, tuple) else (arrays,)


X = floats(-2, -0.5, 0, 0.5, 2)
E, E2 = math.e, math.e**2
A, B = floats([1, 2], [3, 4]), floats([10, 20])
SPLIT = 1 / (1 + math.exp(-0.5))

ACTIVATIONS = [
    case("activation", "linear", X, floats(0, 3, 4, 5, 8), linear={"alpha": 2.0, "beta": 4.0}),
    case("activation", "ReLU", X, floats(0, 0, 0, 0.5, 2), ReLU={}),
    case("activation", "leakyReLU", X, floats(-0.2, -0.05, 0, 0.5, 2), leakyReLU={"alpha": 0.1}),
    case(
        "activation", "thresholdedReLU", X, floats(0, 0, 0, 0.5, 2), thresholdedReLU={"alpha": 0.5}
    ),
    case("activation", "tanh", X[3:], floats(0.46211716, 0.96402758), tanh={}),
    case(
        "activation",
        "scaledTanh",
        X[3:],
        floats(2.28478247, 2.99798790),
        scaledTanh={"alpha": 3.0, "beta": 2.0},
    ),
    case("activation", "sigmoid", X[1:4], floats(1 - SPLIT, 0.5, SPLIT), sigmoid={}),
    case("activation", "saturated", floats(-200, 200), floats(0, 1), sigmoid={}),
    case(
        "activation",
        "sigmoidHard",
        X,
        floats(0.1, 0.4, 0.5, 0.6, 0.9),
        sigmoidHard={"alpha": 0.2, "beta": 0.5},
    ),
    case(
        "activation",
        "sigmoidHard clips",
        floats(-3, 3),
        floats(0, 1),
        sigmoidHard={"alpha": 0.2, "beta": 0.5},
    ),
    case("activation", "ELU", floats(-1, 2), floats(2 * (1 / E - 1), 2), ELU={"alpha": 2.0}),
    case("activation", "softsign", floats(-1, 3), floats(-0.5, 0.75), softsign={}),
    case("activation", "softplus", floats(0, 100), floats(math.log(2), 100), softplus={}),
]

UNARIES = [
    case("unary", "sqrt", floats(4, 9), floats(2, 3), type=0),
    case(
        "unary", "sqrt shifted and scaled", floats(1, 3), floats(3, 5), type=0, scale=8.0, shift=1.0
    ),
    case("unary", "rsqrt", floats(0.75, 3.75), floats(1, 0.5), type=1, epsilon=0.25),
    case("unary", "rsqrt with the default epsilon", floats(0, 3e-6), floats(1000, 500), type=1),
    case("unary", "inverse", floats(1.5, 3.5), floats(0.5, 0.25), type=2, epsilon=0.5),
    case("unary", "inverse with the default epsilon", floats(0), floats(1e6), type=2),
    case("unary", "power", floats(2, 3), floats(8, 27), type=3, alpha=3.0),
    case("unary", "exp", floats(1, 2), floats(E, E2), type=4),
    case("unary", "log", floats(1, E), floats(0, 1), type=5),
    case("unary", "abs", floats(-2, 3), floats(2, 3), type=6),
    case("unary", "threshold", floats(-2, 3), floats(1, 3), type=7, alpha=1.0),
]

COMPARISONS = [
    case(kind, f"{form}", inputs, floats(*expected), **parameters)
    for kind, expected in {
        "lessThan": (1, 0, 0),
        "lessEqual": (1, 1, 0),
        "greaterThan": (0, 0, 1),
        "greaterEqual": (0, 1, 1),
        "equal": (0, 1, 0),
        "notEqual": (1, 0, 1),
    }.items()
    for form, inputs, parameters in (
        ("two inputs", (floats(1, 2, 3), floats(2)), {}),
        ("alpha", floats(1, 2, 3), {"alpha": 2.0}),
    )
]

ARITHMETIC = [
    case("add", "alpha", A, floats([1.5, 2.5], [3.5, 4.5]), alpha=0.5),
    case("add", "three inputs", (A, A, A), floats([3, 6], [9, 12])),
    case("add", "dimension of one", (A, floats([10], [20])), floats([11, 12], [23, 24])),
    case("multiply", "alpha", A, floats([2, 4], [6, 8]), alpha=2.0),
    case("multiply", "three inputs", (A, A, A), floats([1, 8], [27, 64])),
    case("max", "three inputs", (floats(1, 5), floats(2, 4), floats(0, 6)), floats(2, 6)),
    case("min", "three inputs", (floats(1, 5), floats(2, 4), floats(0, 6)), floats(0, 4)),
    case("average", "three inputs", (floats(1, 5), floats(2, 4), floats(0, 6)), floats(1, 5)),
    case("addBroadcastable", "row", (A, B), floats([11, 22], [13, 24])),
    case("subtractBroadcastable", "row", (A, B), floats([-9, -18], [-7, -16])),
    case("multiplyBroadcastable", "row", (A, B), floats([10, 40], [30, 80])),
    case("divideBroadcastable", "row", (A, B), floats([0.1, 0.1], [0.3, 0.2])),
    case("floorDivBroadcastable", "signs", (floats(7, -7), floats(2)), floats(3, -4)),
    case("maxBroadcastable", "row", (A, floats([2])), floats([2, 2], [3, 4])),
    case("minBroadcastable", "row", (A, floats([2])), floats([1, 2], [2, 2])),
    case("powBroadcastable", "row", (A, floats(2, 3)), floats([1, 8], [9, 64])),
    case("clip", "both ends", X, floats(-1, -0.5, 0, 0.5, 1), minVal=-1.0, maxVal=1.0),
    case("clampedReLU", "both ends", X, floats(-1, -0.25, 0, 0.5, 1), alpha=0.5, beta=1.0),
    case("copy", "as it is", X, X),
    case(
        "scale",
        "of one",
        counted(1, 2, 2),
        floats([[0, 2], [4, 6]]),
        shapeScale=[1],
        scale=floats(2),
    ),
    case(
        "scale",
        "of channels, with a bias",
        counted(2, 1, 2),
        floats([[10, 12]], [[26, 29]]),
        shapeScale=[2],
        scale=floats(2, 3),
        hasBias=True,
        shapeBias=[2],
        bias=floats(10, 20),
    ),
    case(
        "bias",
        "of a plane",
        counted(2, 1, 2),
        floats([[10, 21]], [[12, 23]]),
        shape=[1, 1, 2],
        bias=floats(10, 20),
    ),
    *COMPARISONS,
    case("logicalAnd", "table", (floats(0, 0, 5, 5), floats(0, 2, 0, 2)), floats(0, 0, 0, 1)),
    case("logicalOr", "table", (floats(0, 0, 5, 5), floats(0, 2, 0, 2)), floats(0, 1, 1, 1)),
    case("logicalXor", "table", (floats(0, 0, 5, 5), floats(0, 2, 0, 2)), floats(0, 1, 1, 0)),
    case("logicalNot", "table", floats(0, 5), floats(1, 0)),
    case("whereBroadcastable", "column", (floats([1], [0]), A, floats(9)), floats([1, 2], [9, 9])),
    case("softmaxND", "last axis", floats([0, math.log(3)]), floats([0.25, 0.75]), axis=-1),
    case("softmaxND", "first axis", floats([0], [math.log(3)]), floats([0.25], [0.75]), axis=0),
    case("softmax", "channels", floats([[0]], [[math.log(3)]]), floats([[0.25]], [[0.75]])),
]

FUNCTIONS = [
    case("ceil", "", floats(-1.5, 1.5), floats(-1, 2)),
    case("floor", "", floats(-1.5, 1.5), floats(-2, 1)),
    case("sign", "", floats(-3, 0, 3), floats(-1, 0, 1)),
    case("exp2", "", floats(3, -1), floats(8, 0.5)),
    case("sin", "", floats(0, math.pi / 2), floats(0, 1)),
    case("cos", "", floats(0, math.pi), floats(1, -1)),
    case("tan", "", floats(0, math.pi / 4), floats(0, 1)),
    case("asin", "", floats(0, 1), floats(0, math.pi / 2)),
    case("acos", "", floats(1, -1), floats(0, math.pi)),
    case("atan", "", floats(0, 1), floats(0, math.pi / 4)),
    case("sinh", "", floats(1), floats((E - 1 / E) / 2)),
    case("cosh", "", floats(1), floats((E + 1 / E) / 2)),
    case("tanh", "", floats(1), floats((E2 - 1) / (E2 + 1))),
    case("asinh", "", floats((E - 1 / E) / 2), floats(1)),
    case("acosh", "", floats((E + 1 / E) / 2), floats(1)),
    case("atanh", "", floats(0.5), floats(math.log(3) / 2)),
]

SHAPES = [
    case(
        "transpose",
        "",
        counted(1, 2, 3),
        floats([[0], [3]], [[1], [4]], [[2], [5]]),
        axes=[2, 1, 0],
    ),
    case(
        "reshape",
        "keeps the sequence",
        counted(2, 1, 1, 1, 2),
        counted(2, 1, 2, 1, 1),
        targetShape=[2, 1, 1],
    ),
    case(
        "reshape",
        "new sequence",
        counted(2, 1, 1, 1, 2),
        counted(4, 1, 1, 1, 1),
        targetShape=[4, 1, 1, 1],
    ),
    case("reshapeStatic", "open size", counted(2, 3), counted(3, 2), targetShape=[3, -1]),
    case("reshapeDynamic", "open size", (counted(2, 3), floats(3, -1)), counted(3, 2)),
    case("reshapeLike", "", (counted(2, 3), counted(6, 1)), counted(6, 1)),
    case(
        "rankPreservingReshape",
        "kept and open",
        counted(5, 3, 2),
        counted(2, 3, 5),
        targetShape=[2, 0, -1],
    ),
    case("flattenTo2D", "from the end", counted(2, 3, 2), counted(6, 2), axis=-1),
    case("flattenTo2D", "two axes", counted(5, 5, 3), counted(5, 15), axis=-2),
    case("flattenTo2D", "behind the last", counted(3), counted(3, 1), axis=1),
    case("expandDims", "front", counted(2, 3), counted(1, 1, 2, 3), axes=[0, 1]),
    case("expandDims", "inside", counted(2, 3), counted(1, 2, 1, 3), axes=[0, 2]),
    case("expandDims", "back", counted(2, 3), counted(2, 3, 1, 1), axes=[-2, -1]),
    case("squeeze", "axes", counted(1, 2, 3, 1), counted(2, 3), axes=[0, 3]),
    case("squeeze", "all", counted(1, 2, 1), counted(2), squeezeAll=True),
    case("squeeze", "the last dimension stays", counted(1), counted(1), axes=[0]),
    case("loadConstant", "", (), counted(1, 1, 2, 1, 3), shape=[2, 1, 3], data=counted(6)),
    case("loadConstantND", "", (), counted(2, 3), shape=[2, 3], data=counted(6)),
    case("concat", "channels", (counted(1, 1, 2), counted(2, 1, 2, start=2)), counted(3, 1, 2)),
    case(
        "concat",
        "sequence",
        (counted(1, 1, 1, 1, 2), counted(1, 1, 1, 1, 2, start=2)),
        counted(2, 1, 1, 1, 2),
        sequenceConcat=True,
    ),
    case("concatND", "", (A, A), floats([1, 2, 1, 2], [3, 4, 3, 4]), axis=1),
    case(
        "concatND",
        "interleaved",
        (counted(3, 2, start=1), counted(3, 2, start=7)),
        floats([1, 2], [7, 8], [3, 4], [9, 10], [5, 6], [11, 12]),
        axis=0,
        interleave=True,
    ),
    case(
        "concatND",
        "interleaved at the end",
        (A, 10 * A),
        floats([1, 10, 2, 20], [3, 30, 4, 40]),
        axis=-1,
        interleave=True,
    ),
    case("stack", "", (floats(1, 2), floats(3, 4)), floats([1, 3], [2, 4]), axis=-1),
    case("split", "", counted(4, 1, 1), (counted(2, 1, 1), counted(2, 1, 1, start=2)), nOutputs=2),
    case("splitND", "equal", counted(4), (counted(2), counted(2, start=2)), axis=0, numSplits=2),
    case(
        "splitND", "sizes", counted(1, 3), (floats([0]), floats([1, 2])), axis=-1, splitSizes=[1, 2]
    ),
    case(
        "slice",
        "width",
        counted(2, 5),
        floats([1, 3], [6, 8]),
        startIndex=1,
        endIndex=-1,
        stride=2,
        axis=2,
    ),
    case(
        "slice",
        "channels",
        counted(3, 1, 1),
        floats([[1]], [[2]]),
        startIndex=1,
        endIndex=3,
        stride=1,
    ),
    case(
        "slice",
        "height",
        counted(3, 1),
        floats([0], [1]),
        startIndex=0,
        endIndex=2,
        stride=1,
        axis=1,
    ),
    case(
        "sliceStatic",
        "masks",
        counted(3, 4),
        floats([8, 10], [4, 6]),
        beginIds=[9, 2],
        beginMasks=[True, True],
        endIds=[0, 2],
        endMasks=[False, True],
        strides=[-1, 2],
        squeezeMasks=[False, False],
    ),
    case(
        "sliceStatic",
        "squeezed",
        counted(3, 4),
        floats(6, 7),
        beginIds=[1, 2],
        beginMasks=[True, False],
        endIds=[0, 4],
        endMasks=[False, False],
        strides=[1, 1],
        squeezeMasks=[True, False],
    ),
    case(
        "sliceStatic",
        "to one number",
        counted(3),
        floats(2),
        beginIds=[-1],
        beginMasks=[False],
        endIds=[0],
        endMasks=[False],
        strides=[1],
        squeezeMasks=[True],
    ),
    case(
        "sliceDynamic",
        "only the begin",
        (counted(3, 4), floats(1, 2)),
        floats([6], [10]),
        beginMasks=[False] * 5,
        endIds=[3, 3],
        endMasks=[False] * 5,
        strides=[1] * 5,
    ),
    case(
        "sliceDynamic",
        "all",
        (
            counted(3, 4),
            floats(0, 9),
            floats(9, 9),
            floats(2, 2),
            floats(0, 1),
            floats(1, 0),
            floats(0, 0),
        ),
        floats([0, 2], [8, 10]),
        endIds=[1, 1],
        strides=[5, 5],
    ),
    case("sliceBySize", "", (counted(2, 4), floats(1)), floats([1, 2], [5, 6]), size=2, axis=1),
    case("gather", "rows", (counted(3, 2), floats([2, 0])), floats([[4, 5], [0, 1]]), axis=0),
    case("gather", "from the end", (counted(2, 3), floats(-1)), floats([2], [5]), axis=-1),
    case("gatherND", "elements", (counted(2, 3), floats([1, 0], [0, 2])), floats(3, 2)),
    case("gatherND", "slices", (counted(2, 3), floats([1])), floats([3, 4, 5])),
    case(
        "gatherAlongAxis",
        "",
        (counted(2, 3), floats([2, 0], [1, 1])),
        floats([2, 0], [4, 4]),
        axis=1,
    ),
    case(
        "scatter",
        "update",
        (counted(3, 2), floats(2, 0), floats([7, 8], [9, 9])),
        floats([9, 9], [2, 3], [7, 8]),
        axis=0,
    ),
    case(
        "scatter",
        "add twice, second axis",
        (counted(2, 2), floats(1, 1), floats([1, 2], [3, 4])),
        floats([0, 4], [2, 10]),
        axis=1,
        mode=1,
    ),
    *(
        case("scatter", name, (floats(8, 6), floats(1), floats(3)), floats(8, result), mode=mode)
        for mode, name, result in (
            (2, "subtract", 3),
            (3, "multiply", 18),
            (4, "divide", 2),
            (5, "max", 6),
            (6, "min", 3),
        )
    ),
    case(
        "scatterND",
        "update",
        (counted(2, 2), floats([0, 1], [1, 1]), floats(7, 8)),
        floats([0, 7], [2, 8]),
    ),
    case(
        "scatterND",
        "rows added",
        (counted(2, 2), floats([1], [1]), floats([1, 1], [2, 2])),
        floats([0, 1], [5, 6]),
        mode=1,
    ),
    case("tile", "all dimensions", floats([1, 2]), floats([1, 2, 1, 2], [1, 2, 1, 2]), reps=[2, 2]),
    case("tile", "last dimensions", floats([1], [2]), floats([1, 1], [2, 2]), reps=[2]),
    case("tile", "second input", (floats([1, 2]), floats(2, 1)), floats([1, 2], [1, 2]), reps=[5]),
    case("fillStatic", "", (), floats([3, 3]), value=3.0, targetShape=[1, 2]),
    case("fillDynamic", "", floats(1, 2), floats([3, 3]), value=3.0),
    case("fillLike", "", A, floats([3, 3], [3, 3]), value=3.0),
    case("broadcastToStatic", "", B, floats([10, 20], [10, 20]), targetShape=[2, 2]),
    case("broadcastToDynamic", "", (B, floats(2, 2)), floats([10, 20], [10, 20])),
    case("broadcastToLike", "", (B, A), floats([10, 20], [10, 20])),
    case("rangeStatic", "", (), floats(1, 3), startValue=1.0, endValue=5.0, stepSizeValue=2.0),
    case("rangeDynamic", "end", floats(5), floats(1, 3), startValue=1.0, stepSizeValue=2.0),
    case(
        "rangeDynamic",
        "start",
        (floats(5), floats(2)),
        floats(2, 4),
        startValue=1.0,
        stepSizeValue=2.0,
    ),
    case(
        "rangeDynamic",
        "step",
        (floats(5), floats(2), floats(3)),
        floats(2),
        startValue=1.0,
        stepSizeValue=2.0,
    ),
    case("getShape", "", counted(4, 1, 2), floats(4, 1, 2)),
    case("reverse", "", A, floats([2, 1], [4, 3]), reverseDim=[False, True]),
    case(
        "constantPad",
        "amounts",
        A,
        floats([9, 1, 2], [9, 3, 4], [9, 9, 9]),
        value=9.0,
        padAmounts=[0, 1, 1, 0],
    ),
    case(
        "constantPad",
        "second input",
        (floats(1, 2), floats(1, 2)),
        floats(9, 1, 2, 9, 9),
        value=9.0,
    ),
    case(
        "constantPad",
        "to a size",
        A,
        floats([9, 1, 2], [9, 3, 4]),
        value=9.0,
        padAmounts=[0, 1, 3, 0],
        padToGivenOutputSizeMode=True,
    ),
    case(
        "padding",
        "constant",
        counted(1, 1, 2),
        floats([[9, 9, 9], [9, 0, 1]]),
        constant={"value": 9.0},
        paddingAmounts={"borderAmounts": [{"startEdgeSize": 1}, {"startEdgeSize": 1}]},
    ),
    case(
        "padding",
        "reflection",
        counted(1, 1, 3, start=1),
        floats([[3, 2, 1, 2, 3, 2]]),
        reflection={},
        paddingAmounts={"borderAmounts": [{}, {"startEdgeSize": 2, "endEdgeSize": 1}]},
    ),
    case(
        "padding",
        "replication",
        counted(1, 1, 3, start=1),
        floats([[1, 1, 1, 2, 3, 3]]),
        replication={},
        paddingAmounts={"borderAmounts": [{}, {"startEdgeSize": 2, "endEdgeSize": 1}]},
    ),
    case("cumSum", "", floats(4, 6, 7), floats(4, 10, 17)),
    case("cumSum", "without the last", floats(4, 6, 7), floats(0, 4, 10), excludeFinalSum=True),
    case("cumSum", "from the end", floats(4, 6, 7), floats(17, 13, 7), reverse=True),
    case("cumSum", "both", floats(4, 6, 7), floats(13, 7, 0), excludeFinalSum=True, reverse=True),
    case("cumSum", "axis as an input", (A, floats(1)), floats([1, 3], [3, 7]), axis=0),
    case("reduceSum", "one axis", A, floats(4, 6), axes=[0]),
    case("reduceSum", "kept", A, floats([3], [7]), axes=[-1], keepDims=True),
    case("reduceSum", "all", A, floats(10), axes=[0], reduceAll=True),
    case("reduceMean", "", A, floats(1.5, 3.5), axes=[1]),
    case("reduceMax", "", A, floats(2, 4), axes=[1]),
    case("reduceMin", "", A, floats(1, 3), axes=[1]),
    case("reduceProd", "", A, floats(2, 12), axes=[1]),
    case("reduceL1", "", floats([-3, 4]), floats(7), axes=[1]),
    case("reduceL2", "", floats([-3, 4]), floats(5), axes=[1]),
    case("reduceSumSquare", "", floats([-3, 4]), floats(25), axes=[1]),
    case("reduceLogSumExp", "", floats([0, math.log(3)]), floats(math.log(4)), axes=[1]),
    case(
        "reduceLogSumExp",
        "kept and large",
        floats([1000, 1000]),
        floats([1000 + math.log(2)]),
        axes=[1],
        keepDims=True,
    ),
]

WEIGHTS = floats([1, 2, 3], [4, 5, 6])
DENSE = {"inputChannels": 3, "outputChannels": 2, "weights": WEIGHTS}
ROW = floats(1, 10, 100)
CONVOLUTION = {
    "outputChannels": 1,
    "kernelChannels": 1,
    "kernelSize": [1, 2],
    "weights": floats(1, 10),
}
LINE = counted(1, 1, 1, 5, start=1)
MATRIX_PARAMETERS = {"weightMatrixFirstDimension": 3, "weightMatrixSecondDimension": 2}

MATRICES = [
    case("innerProduct", "rank 1", ROW, floats(321, 654), **DENSE),
    case("innerProduct", "rank 2", floats(ROW), floats([321, 654]), **DENSE),
    case(
        "innerProduct",
        "bias",
        floats(ROW),
        floats([322, 656]),
        **DENSE,
        hasBias=True,
        bias=floats(1, 2),
    ),
    case(
        "innerProduct", "bias that is not added", ROW, floats(321, 654), **DENSE, bias=floats(1, 2)
    ),
    case("innerProduct", "rank 3", floats([ROW]), floats([[321, 654]]), **DENSE),
    case(
        "innerProduct",
        "rank 4",
        ROW.reshape(1, 3, 1, 1),
        floats(321, 654).reshape(1, 2, 1, 1),
        **DENSE,
    ),
    case(
        "innerProduct",
        "rank 5",
        ROW.reshape(1, 1, 1, 3, 1),
        floats(321, 654).reshape(1, 1, 2, 1, 1),
        **DENSE,
    ),
    case(
        "batchedMatmul",
        "two inputs",
        (floats([[1, 2]], [[3, 4]]), floats([1, 0], [10, 100])),
        floats([[21, 200]], [[43, 400]]),
    ),
    case(
        "batchedMatmul",
        "transposed a",
        (floats([1], [2]), floats([1, 0], [10, 100])),
        floats([21, 200]),
        transposeA=True,
    ),
    case(
        "batchedMatmul",
        "transposed b",
        (floats([1, 2]), floats([1, 10], [0, 100])),
        floats([21, 200]),
        transposeB=True,
    ),
    case("batchedMatmul", "vectors", (floats(1, 2), floats(3, 4)), floats([11])),
    case(
        # The file holds the columns one after the other: [1, 2, 3] is the first.
        "batchedMatmul",
        "weights",
        floats(ROW),
        floats([321, 654]),
        **MATRIX_PARAMETERS,
        weights=WEIGHTS,
    ),
    case(
        "batchedMatmul",
        "weights and bias, which no flag transposes",
        floats([ROW]),
        floats([[322, 656]]),
        **MATRIX_PARAMETERS,
        weights=WEIGHTS,
        hasBias=True,
        bias=floats(1, 2),
        transposeA=True,
        transposeB=True,
    ),
    case(
        "embeddingND",
        "",
        floats([2], [0]),
        floats([3, 6], [1, 4]),
        vocabSize=3,
        embeddingSize=2,
        weights=WEIGHTS,
    ),
    case(
        "embeddingND",
        "bias",
        floats([1]),
        floats([12, 25]),
        vocabSize=3,
        embeddingSize=2,
        weights=WEIGHTS,
        hasBias=True,
        bias=floats(10, 20),
    ),
    case(
        "convolution",
        "valid",
        LINE,
        floats(21, 32, 43, 54).reshape(1, 1, 1, 4),
        valid={},
        **CONVOLUTION,
    ),
    case(
        "convolution",
        "stride",
        LINE,
        floats(21, 43).reshape(1, 1, 1, 2),
        valid={},
        stride=[1, 2],
        **CONVOLUTION,
    ),
    case(
        "convolution",
        "padded",
        LINE,
        floats(10, 21, 32, 43, 54).reshape(1, 1, 1, 5),
        valid={"paddingAmounts": {"borderAmounts": [{}, {"startEdgeSize": 1}]}},
        **CONVOLUTION,
    ),
    case(
        "convolution",
        "same",
        LINE,
        floats(21, 32, 43, 54, 5).reshape(1, 1, 1, 5),
        same={},
        **CONVOLUTION,
    ),
    case(
        "convolution",
        "same from the left",
        LINE,
        floats(10, 21, 32, 43, 54).reshape(1, 1, 1, 5),
        same={"asymmetryMode": 1},
        **CONVOLUTION,
    ),
    case(
        "convolution",
        "channels and bias",
        counted(1, 2, 2, 1, start=1),
        floats(4321 + 7, 1234 + 8).reshape(1, 2, 1, 1),
        valid={},
        outputChannels=2,
        kernelChannels=2,
        kernelSize=[2, 1],
        weights=floats(1, 10, 100, 1000, 1000, 100, 10, 1),
        hasBias=True,
        bias=floats(7, 8),
    ),
    case(
        "layerNormalization",
        "last axis",
        floats([1, 3], [0, 0]),
        floats([4, 6.5], [5, 5]),
        normalizedShape=[2],
        eps=3.0,
        gamma=floats(2, 3),
        beta=floats(5, 5),
    ),
    case(
        "layerNormalization",
        "all axes",
        floats([1, 3], [1, 3]),
        floats([-0.5, 0.5], [-0.5, 0.5]),
        normalizedShape=[2, 2],
        eps=3.0,
        gamma=floats([1, 1], [1, 1]),
        beta=floats([0, 0], [0, 0]),
    ),
]

CASES = [*ACTIVATIONS, *UNARIES, *ARITHMETIC, *FUNCTIONS, *SHAPES, *MATRICES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.variant}")
def test_layer_gives_what_its_documentation_says(case: Case, tmp_path: Path) -> None:
    """Shapes and float32; numbers differ by 1e-6 of the largest."""
    found = run_layer(tmp_path, case.kind, case.parameters, case.inputs, len(case.expected))
    for actual, expected in zip(found, case.expected, strict=True):
        assert (actual.shape, actual.dtype) == (expected.shape, np.float32)
        atol = TOLERANCE * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def test_every_layer_is_tested() -> None:
    """The cases here and those of the LSTM leave no layer out."""
    assert {case.kind for case in CASES} | {"uniDirectionalLSTM"} == set(LAYERS)


def gate(index: int) -> Any:
    """Weights of a gate: inputs [2, 3], recursion [2, 2], bias and peephole [2]."""
    generator = np.random.default_rng(index)
    return [generator.normal(size=shape).astype(np.float32) for shape in ((2, 3), (2, 2), 2, 2)]


GATES = {"inputGate": gate(0), "forgetGate": gate(1), "blockInput": gate(2), "outputGate": gate(3)}


def lstm(params: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """The parameters of an LSTM of three inputs and two cells."""
    weights = {}
    for name, (matrix, recursion, bias, peephole) in GATES.items():
        weights[f"{name}WeightMatrix"] = matrix
        weights[f"{name}RecursionMatrix"] = recursion
        weights[f"{name}BiasVector"] = bias
        if name != "blockInput":
            weights[f"{name}PeepholeVector"] = peephole
    activations: list[Any] = [{"sigmoid": {}}, {"tanh": {}}, {"tanh": {}}]
    usual = {"inputVectorSize": 3, "outputVectorSize": 2, "activations": activations}
    return usual | {"params": params, "weightParams": weights} | parameters


def lstm_by_hand(
    x: Any,
    h: list[float],
    c: list[float],
    *,
    bias: bool = True,
    forget_bias: float = 0.0,
    peephole: bool = False,
    coupled: bool = False,
    limit: float = 50.0,
    squash: Any = math.tanh,
) -> tuple[list[list[float]], list[float]]:
    """The equations of LSTMParams for one sequence [T, 3], a number at a time: outputs and c."""

    def total(name: str, cell: int, step: Any, cells: list[float], extra: float = 0.0) -> float:
        matrix, recursion, biases, peepholes = GATES[name]
        value = sum(float(matrix[cell, k]) * float(step[k]) for k in range(3))
        value += sum(float(recursion[cell, k]) * h[k] for k in range(2))
        value += float(biases[cell]) if bias else 0.0
        value += float(peepholes[cell]) * cells[cell] if peephole and name != "blockInput" else 0.0
        return max(-50.0, min(50.0, value + extra))

    def opened(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    outputs = []
    for step in x:
        after = []
        for cell in range(2):
            i = opened(total("inputGate", cell, step, c))
            f = 1 - i if coupled else opened(total("forgetGate", cell, step, c, forget_bias))
            z = squash(total("blockInput", cell, step, c))
            after.append(max(-limit, min(limit, c[cell] * f + i * z)))
        h = [
            squash(after[cell]) * opened(total("outputGate", cell, step, after))
            for cell in range(2)
        ]
        c = after
        outputs.append(h)
    return outputs, c


LSTM_CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"hasBiasVectors": True}, {}),
    "without biases": ({}, {"bias": False}),
    "forget bias": ({"hasBiasVectors": True, "forgetBias": True}, {"forget_bias": 1.0}),
    "forget bias alone": ({"forgetBias": True}, {"bias": False, "forget_bias": 1.0}),
    "peepholes": ({"hasBiasVectors": True, "hasPeepholeVectors": True}, {"peephole": True}),
    "coupled": ({"hasBiasVectors": True, "coupledInputAndForgetGate": True}, {"coupled": True}),
    "coupled with peepholes": (
        {"hasBiasVectors": True, "coupledInputAndForgetGate": True, "hasPeepholeVectors": True},
        {"coupled": True, "peephole": True},
    ),
    "clipped cells": ({"hasBiasVectors": True, "cellClipThreshold": 0.25}, {"limit": 0.25}),
    "higher limit": ({"hasBiasVectors": True, "cellClipThreshold": 500.0}, {"limit": 500.0}),
}


@pytest.mark.parametrize("name", LSTM_CASES)
@pytest.mark.parametrize("scale", [1.0, 40.0], ids=["usual", "saturated"])
@pytest.mark.parametrize("sequence", [False, True], ids=["last step", "all steps"])
def test_lstm_follows_the_equations(
    name: str, scale: float, sequence: bool, tmp_path: Path
) -> None:
    """Two sequences at once, with states that come in, against loops over single numbers."""
    params, options = LSTM_CASES[name]
    generator = np.random.default_rng(5)
    x = (scale * generator.normal(size=(4, 2, 3, 1, 1))).astype(np.float32)
    h = generator.normal(size=(1, 2, 2, 1, 1)).astype(np.float32)
    # Beyond the usual limit of 50 for the cells.
    c = floats(0.5, -0.5, 0.1, 70).reshape(1, 2, 2, 1, 1)
    parameters = lstm(params | {"sequenceOutput": sequence})
    y, last_h, last_c = run_layer(tmp_path, "uniDirectionalLSTM", parameters, (x, h, c), 3)
    assert y.shape == ((4 if sequence else 1), 2, 2, 1, 1)
    assert last_h.shape == last_c.shape == (1, 2, 2, 1, 1)
    for row in range(2):
        outputs, cells = lstm_by_hand(
            x[:, row, :, 0, 0],
            h[0, row, :, 0, 0].tolist(),
            c[0, row, :, 0, 0].tolist(),
            **options,
        )
        wanted = outputs if sequence else outputs[-1:]
        np.testing.assert_allclose(y[:, row, :, 0, 0], wanted, rtol=0, atol=1e-6)
        np.testing.assert_allclose(last_h[0, row, :, 0, 0], outputs[-1], rtol=0, atol=1e-6)
        np.testing.assert_allclose(last_c[0, row, :, 0, 0], cells, rtol=1e-6, atol=1e-6)


def test_lstm_from_the_end_and_without_states(tmp_path: Path) -> None:
    """The outputs lie where their inputs lie; states start at zero."""
    x = np.random.default_rng(6).normal(size=(4, 1, 3, 1, 1)).astype(np.float32)
    parameters = lstm({"hasBiasVectors": True, "sequenceOutput": True}, reverseInput=True)
    (y,) = run_layer(tmp_path, "uniDirectionalLSTM", parameters, (x,))
    outputs, _ = lstm_by_hand(x[::-1, 0, :, 0, 0], [0.0, 0.0], [0.0, 0.0])
    np.testing.assert_allclose(y[:, 0, :, 0, 0], outputs[::-1], rtol=0, atol=1e-6)


def test_lstm_with_other_activations(tmp_path: Path) -> None:
    """The second and the third function are those of the block input and of the output."""
    x = np.random.default_rng(7).normal(size=(4, 1, 3, 1, 1)).astype(np.float32)
    activations: list[Any] = [{"sigmoid": {}}, {"ReLU": {}}, {"ReLU": {}}]
    parameters = lstm({"hasBiasVectors": True}, activations=activations)
    (y,) = run_layer(tmp_path, "uniDirectionalLSTM", parameters, (x,))
    outputs, _ = lstm_by_hand(
        x[:, 0, :, 0, 0], [0.0, 0.0], [0.0, 0.0], squash=lambda value: max(0.0, value)
    )
    np.testing.assert_allclose(y[0, 0, :, 0, 0], outputs[-1], rtol=0, atol=1e-6)


REFUSED: dict[str, tuple[str, dict[str, Any], tuple[Any, ...], str]] = {
    "unknown layer": ("erf", {}, (X,), "'layer' is a erf layer"),
    "one-hot": ("oneHot", {}, (X,), "'layer' is a oneHot layer"),
    "PReLU": ("activation", {"PReLU": {"alpha": X}}, (X,), "with PReLU"),
    "no nonlinearity": ("activation", {}, (X,), "without a nonlinearity"),
    "dynamic quantization": (
        "innerProduct",
        DENSE | {"int8DynamicQuantize": True},
        (ROW,),
        "with int8DynamicQuantize",
    ),
    "dynamic quantization of a product": (
        "batchedMatmul",
        {"int8DynamicQuantize": True},
        (A, A),
        "with int8DynamicQuantize",
    ),
    "bias of two inputs": ("batchedMatmul", {"hasBias": True}, (A, A), "weights or a bias"),
    "channel-last reshape": (
        "reshape",
        {"mode": 1, "targetShape": [1, 1, 1]},
        (LINE,),
        "with mode",
    ),
    "deconvolution": (
        "convolution",
        CONVOLUTION | {"valid": {}, "isDeconvolution": True},
        (LINE,),
        "isDeconvolution",
    ),
    "groups": ("convolution", CONVOLUTION | {"nGroups": 2}, (LINE,), "nGroups or dilationFactor"),
    "dilation": (
        "convolution",
        CONVOLUTION | {"dilationFactor": [1, 2]},
        (LINE,),
        "nGroups or dilationFactor",
    ),
    "no padding": ("convolution", CONVOLUTION, (LINE,), "without a kind of padding"),
    "ranks that differ": (
        "add",
        {},
        (A, floats(1, 2)),
        r"a add of inputs of shape \[2, 2\], \[2\]",
    ),
    "outer product": (
        "multiply",
        {},
        (floats([1, 2]), floats([1], [2])),
        r"a multiply of inputs of shape \[1, 2\], \[2, 1\]",
    ),
    "shapes that differ": ("addBroadcastable", {}, (A, floats(1, 2, 3)), "cannot be computed"),
    "too many inputs": ("addBroadcastable", {}, (A, A, A), "with 3 inputs"),
    "too few inputs": ("whereBroadcastable", {}, (A, A), "with 2 inputs"),
    "no axes": ("reduceSum", {}, (A,), "without axes"),
    "empty slice": ("slice", {"stride": 1}, (A,), "with endIndex 0"),
    "fraction as index": ("gather", {}, (A, floats(0.5)), "no whole number"),
    "index that is not there": ("gather", {}, (A, floats(2)), "cannot be computed"),
    "negative index": ("gatherND", {}, (A, floats([-1])), "an index is negative"),
    "parts that do not fill": (
        "splitND",
        {"splitSizes": [1]},
        (floats(1, 2, 3),),
        "do not fill the dimension",
    ),
    "LSTM with one state": (
        "uniDirectionalLSTM",
        lstm({}),
        (np.zeros((1, 1, 3, 1, 1), np.float32),) * 2,
        "one state",
    ),
    "LSTM with hard sigmoid": (
        "uniDirectionalLSTM",
        lstm({}, activations=[{"sigmoidHard": {}}, {"tanh": {}}, {"tanh": {}}]),
        (np.zeros((1, 1, 3, 1, 1), np.float32),),
        "with activations sigmoidHard, tanh, tanh",
    ),
    "LSTM of no step": (
        "uniDirectionalLSTM",
        lstm({}),
        (np.zeros((0, 1, 3, 1, 1), np.float32),),
        "of no step",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_computed_is_refused_by_name(name: str, tmp_path: Path) -> None:
    """Never computed without what would change the numbers."""
    kind, parameters, inputs, says = REFUSED[name]
    with pytest.raises(ConversionError, match=says) as error:
        run_layer(tmp_path, kind, parameters, inputs)
    assert "'layer'" in str(error.value)


def test_a_parameter_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A field without a name here could change the numbers."""
    model = single_layer("clip", {"minVal": 1.0}, (X,), 1)
    model.neuralNetwork.layers[0].clip.MergeFromString(b"\x98\x06\x01")
    with pytest.raises(ConversionError, match="'layer' is a clip with parameter 99"):
        evaluator(model, tmp_path)


def test_an_activation_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A field inside an activation of an LSTM as well."""
    inputs = (np.zeros((1, 1, 3, 1, 1), np.float32),)
    model = single_layer("uniDirectionalLSTM", lstm({}), inputs, 1)
    layer = model.neuralNetwork.layers[0].uniDirectionalLSTM
    layer.activations[1].tanh.MergeFromString(b"\x98\x06\x01")
    with pytest.raises(ConversionError, match="with parameter 99"):
        evaluator(model, tmp_path).run({"in0": inputs[0]})


def test_a_layer_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """So is a kind of layer without a name here."""
    model = single_layer("copy", {}, (X,), 1)
    layer = model.neuralNetwork.layers[0]
    layer.ClearField("copy")
    layer.MergeFromString(b"\xc2\xbb\x01\x00")
    with pytest.raises(ConversionError, match="layer 'layer' has fields 3000"):
        evaluator(model, tmp_path)
