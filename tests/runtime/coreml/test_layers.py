"""Each layer that dsconv writes gives what the documentation of its parameters says, by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.coreml.network_schema import LAYER_KINDS
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
E = math.e
A, B = floats([1, 2], [3, 4]), floats([10, 20])

ELEMENTWISE = [
    case("activation", "linear", X, floats(0, 3, 4, 5, 8), linear={"alpha": 2.0, "beta": 4.0}),
    case("activation", "ReLU", X, floats(0, 0, 0, 0.5, 2), ReLU={}),
    case("unary", "sqrt", floats(4, 9), floats(2, 3), type=0),
    case("unary", "sqrt with the scale of 1", floats(4, 9), floats(2, 3), type=0, scale=1.0),
    case("unary", "rsqrt", floats(0.75, 3.75), floats(1, 0.5), type=1, epsilon=0.25),
    case("unary", "rsqrt with the default epsilon", floats(0, 3e-6), floats(1000, 500), type=1),
    case("unary", "power", floats(2, 3), floats(8, 27), type=3, alpha=3.0),
    case("unary", "log", floats(1, E), floats(0, 1), type=5),
    case("clip", "both ends", X, floats(-1, -0.5, 0, 0.5, 1), minVal=-1.0, maxVal=1.0),
    case("copy", "as it is", X, X),
    case("add", "one shape", (A, A), floats([2, 4], [6, 8])),
    case("add", "dimension of one", (A, floats([10], [20])), floats([11, 12], [23, 24])),
    case("multiply", "one shape", (A, A), floats([1, 4], [9, 16])),
    case("multiply", "dimension of one", (A, floats([10], [20])), floats([10, 20], [60, 80])),
    case("addBroadcastable", "row", (A, B), floats([11, 22], [13, 24])),
    case("subtractBroadcastable", "row", (A, B), floats([-9, -18], [-7, -16])),
    case("multiplyBroadcastable", "row", (A, B), floats([10, 40], [30, 80])),
    case("maxBroadcastable", "row", (A, floats([2])), floats([2, 2], [3, 4])),
    case("greaterEqual", "one for all", (floats(1, 2, 3), floats(2)), floats(0, 1, 1)),
    case("whereBroadcastable", "column", (floats([1], [0]), A, floats(9)), floats([1, 2], [9, 9])),
    case("softmaxND", "last axis", floats([0, math.log(3)]), floats([0.25, 0.75]), axis=-1),
    case("softmaxND", "first axis", floats([0], [math.log(3)]), floats([0.25], [0.75]), axis=0),
    case("reduceMean", "one axis", A, floats(1.5, 3.5), axes=[1]),
    case("reduceMean", "kept", A, floats([1.5], [3.5]), axes=[-1], keepDims=True),
]

SHAPES = [
    case(
        "transpose",
        "",
        counted(1, 2, 3),
        floats([[0], [3]], [[1], [4]], [[2], [5]]),
        axes=[2, 1, 0],
    ),
    case("reshapeStatic", "dynamic size", counted(2, 3), counted(3, 2), targetShape=[3, -1]),
    case("expandDims", "front", counted(2, 3), counted(1, 1, 2, 3), axes=[0, 1]),
    case("expandDims", "inside", counted(2, 3), counted(1, 2, 1, 3), axes=[0, 2]),
    case("expandDims", "back", counted(2, 3), counted(2, 3, 1, 1), axes=[-2, -1]),
    case("squeeze", "axes", counted(1, 2, 3, 1), counted(2, 3), axes=[0, 3]),
    case("squeeze", "the last dimension stays", counted(1), counted(1), axes=[0]),
    case("loadConstantND", "", (), counted(2, 3), shape=[2, 3], data=counted(6)),
    case("concatND", "columns", (A, A), floats([1, 2, 1, 2], [3, 4, 3, 4]), axis=1),
    case("concatND", "three", (floats(1), floats(2, 3), floats(4)), floats(1, 2, 3, 4), axis=0),
    case("splitND", "equal", counted(4), (counted(2), counted(2, start=2)), axis=0, numSplits=2),
    case("gather", "rows", (counted(3, 2), floats([2, 0])), floats([[4, 5], [0, 1]])),
    case("gather", "from the end", (counted(3, 2), floats(-1)), floats([4, 5])),
    case("rangeDynamic", "end", floats(5), floats(0, 2, 4), stepSizeValue=2.0),
    case("getShape", "", counted(4, 1, 2), floats(4, 1, 2)),
    case("reverse", "", A, floats([2, 1], [4, 3]), reverseDim=[False, True]),
    case(
        "padding",
        "zeros",
        counted(1, 1, 2, start=1),
        floats([[0, 0, 0, 0], [0, 1, 2, 0]]),
        constant={},
        paddingAmounts={
            "borderAmounts": [{"startEdgeSize": 1}, {"startEdgeSize": 1, "endEdgeSize": 1}]
        },
    ),
    case("padding", "none", A, A, constant={}, paddingAmounts={}),
]

WEIGHTS = floats([1, 2, 3], [4, 5, 6])
DENSE = {"inputChannels": 3, "outputChannels": 2, "weights": WEIGHTS}
ROW = floats(1, 10, 100)
CONVOLUTION = {
    "outputChannels": 1,
    "kernelChannels": 1,
    "kernelSize": [1, 2],
    "stride": [1, 1],
    "weights": floats(1, 10),
}
LINE = counted(1, 1, 1, 5, start=1)

MATRICES = [
    case("innerProduct", "rows", floats(ROW), floats([321, 654]), **DENSE),
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
        "innerProduct",
        "bias that is not added",
        floats(ROW),
        floats([321, 654]),
        **DENSE,
        bias=floats(1, 2),
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
        **CONVOLUTION | {"stride": [1, 2]},
    ),
    case(
        "convolution",
        "channels and bias",
        counted(1, 2, 2, 1, start=1),
        floats(4321 + 7, 1234 + 8).reshape(1, 2, 1, 1),
        valid={"paddingAmounts": {"borderAmounts": [{}, {}]}},
        nGroups=1,
        dilationFactor=[1, 1],
        outputChannels=2,
        kernelChannels=2,
        kernelSize=[2, 1],
        stride=[1, 1],
        weights=floats(1, 10, 100, 1000, 1000, 100, 10, 1),
        hasBias=True,
        bias=floats(7, 8),
    ),
]

CASES = [*ELEMENTWISE, *SHAPES, *MATRICES]


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
    """Weights of a gate: inputs [2, 3], recursion [2, 2] and bias [2]."""
    generator = np.random.default_rng(index)
    return [generator.normal(size=shape).astype(np.float32) for shape in ((2, 3), (2, 2), 2)]


GATES = {"inputGate": gate(0), "forgetGate": gate(1), "blockInput": gate(2), "outputGate": gate(3)}
LSTM = {"sequenceOutput": True, "hasBiasVectors": True, "cellClipThreshold": 500.0}


def lstm(params: dict[str, Any] = LSTM, **parameters: Any) -> dict[str, Any]:
    """The parameters of an LSTM of three inputs and two cells."""
    weights = {}
    for name, (matrix, recursion, bias) in GATES.items():
        weights[f"{name}WeightMatrix"] = matrix
        weights[f"{name}RecursionMatrix"] = recursion
        weights[f"{name}BiasVector"] = bias
    activations: list[Any] = [{"sigmoid": {}}, {"tanh": {}}, {"tanh": {}}]
    usual = {"inputVectorSize": 3, "outputVectorSize": 2, "activations": activations}
    return usual | {"params": params, "weightParams": weights} | parameters


def lstm_by_hand(
    x: Any, h: list[float], c: list[float], limit: float
) -> tuple[list[list[float]], list[float]]:
    """The equations of LSTMParams for one sequence [T, 3], a number at a time: outputs and c."""

    def total(name: str, cell: int, frame: Any) -> float:
        matrix, recursion, biases = GATES[name]
        value = sum(float(matrix[cell, k]) * float(frame[k]) for k in range(3))
        value += sum(float(recursion[cell, k]) * h[k] for k in range(2))
        return max(-50.0, min(50.0, value + float(biases[cell])))

    def opened(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    outputs = []
    for frame in x:
        after = []
        for cell in range(2):
            i = opened(total("inputGate", cell, frame))
            f = opened(total("forgetGate", cell, frame))
            z = math.tanh(total("blockInput", cell, frame))
            after.append(max(-limit, min(limit, c[cell] * f + i * z)))
        h = [math.tanh(after[cell]) * opened(total("outputGate", cell, frame)) for cell in range(2)]
        c = after
        outputs.append(h)
    return outputs, c


@pytest.mark.parametrize("limit", [0.25, 500.0], ids=["clipped cells", "high limit"])
@pytest.mark.parametrize("scale", [1.0, 40.0], ids=["usual", "saturated"])
def test_lstm_follows_the_equations(limit: float, scale: float, tmp_path: Path) -> None:
    """Two sequences at once, with states that come in, against loops over single numbers."""
    generator = np.random.default_rng(5)
    x = (scale * generator.normal(size=(4, 2, 3, 1, 1))).astype(np.float32)
    h = generator.normal(size=(1, 2, 2, 1, 1)).astype(np.float32)
    c = floats(0.5, -0.5, 0.1, 70).reshape(1, 2, 2, 1, 1)
    parameters = lstm(LSTM | {"cellClipThreshold": limit})
    y, last_h, last_c = run_layer(tmp_path, "uniDirectionalLSTM", parameters, (x, h, c), 3)
    assert y.shape == (4, 2, 2, 1, 1)
    assert last_h.shape == last_c.shape == (1, 2, 2, 1, 1)
    for row in range(2):
        before = h[0, row, :, 0, 0].tolist(), c[0, row, :, 0, 0].tolist()
        outputs, cells = lstm_by_hand(x[:, row, :, 0, 0], *before, limit)
        np.testing.assert_allclose(y[:, row, :, 0, 0], outputs, rtol=0, atol=1e-6)
        np.testing.assert_allclose(last_h[0, row, :, 0, 0], outputs[-1], rtol=0, atol=1e-6)
        np.testing.assert_allclose(last_c[0, row, :, 0, 0], cells, rtol=1e-6, atol=1e-6)


STATE = np.zeros((1, 1, 2, 1, 1), np.float32)
SEQUENCE = (np.zeros((1, 1, 3, 1, 1), np.float32), STATE, STATE)
VALID = CONVOLUTION | {"valid": {}}

REFUSED: dict[str, tuple[str, dict[str, Any], tuple[Any, ...], str]] = {
    "another nonlinearity": ("activation", {"sigmoid": {}}, (X,), "sets sigmoid"),
    "one that dsconv never writes": ("activation", {"leakyReLU": {}}, (X,), "sets leakyReLU"),
    "no nonlinearity": ("activation", {}, (X,), "neither linear nor ReLU"),
    "another unary function": ("unary", {"type": 4}, (X,), "is of type 4"),
    "a unary function that scales": ("unary", {"type": 3, "scale": 2.0}, (X,), "or scales"),
    "a unary function that shifts": ("unary", {"type": 3, "shift": 2.0}, (X,), "sets shift"),
    "addition of a number": ("add", {"alpha": 1.0}, (A, A), "sets alpha"),
    "ranks that differ": (
        "add",
        {},
        (A, floats(1, 2)),
        r"takes inputs of shape \[2, 2\] and \[2\]",
    ),
    "outer product": (
        "multiply",
        {},
        (floats([1, 2]), floats([1], [2])),
        r"takes inputs of shape \[1, 2\] and \[2, 1\]",
    ),
    "shapes that differ": ("addBroadcastable", {}, (A, floats(1, 2, 3)), "cannot be computed"),
    "too many inputs": ("addBroadcastable", {}, (A, A, A), "has 3 inputs"),
    "too few inputs": ("whereBroadcastable", {}, (A, A), "has 2 inputs"),
    "no axes": ("reduceMean", {}, (A,), "has no axes"),
    "all axes": ("reduceMean", {"reduceAll": True}, (A,), "sets reduceAll"),
    "fraction as index": ("gather", {}, (A, floats(0.5)), "not a whole number"),
    "index that is not there": ("gather", {}, (A, floats(2)), "cannot be computed"),
    "another axis": ("gather", {"axis": 1}, (A, floats(0)), "sets axis"),
    "interleaved": ("concatND", {"interleave": True}, (A, A), "sets interleave"),
    "padding with a number": (
        "padding",
        {"constant": {"value": 9.0}, "paddingAmounts": {}},
        (A,),
        "sets value",
    ),
    "padding without a kind": ("padding", {"paddingAmounts": {}}, (A,), "pad with a constant"),
    "dynamic quantization": (
        "innerProduct",
        DENSE | {"int8DynamicQuantize": True},
        (floats(ROW),),
        "sets int8DynamicQuantize",
    ),
    "a product of a vector": ("innerProduct", DENSE, (ROW,), "takes 1 dimensions"),
    "deconvolution": (
        "convolution",
        VALID | {"isDeconvolution": True},
        (LINE,),
        "sets isDeconvolution",
    ),
    "groups": ("convolution", VALID | {"nGroups": 2}, (LINE,), "has groups"),
    "dilation": ("convolution", VALID | {"dilationFactor": [1, 2]}, (LINE,), "has groups"),
    "padding of a convolution": (
        "convolution",
        CONVOLUTION | {"valid": {"paddingAmounts": {"borderAmounts": [{}, {"startEdgeSize": 1}]}}},
        (LINE,),
        "or padding",
    ),
    "same padding": ("convolution", CONVOLUTION | {"same": {}}, (LINE,), "sets same"),
    "no padding": ("convolution", CONVOLUTION, (LINE,), "or padding"),
    "no stride": ("convolution", VALID | {"stride": []}, (LINE,), "no stride"),
    "LSTM with one state": ("uniDirectionalLSTM", lstm(), SEQUENCE[:2], "has 2 inputs"),
    "LSTM with hard sigmoid": (
        "uniDirectionalLSTM",
        lstm(activations=[{"sigmoid": {}}, {"tanh": {}}, {"ReLU": {}}]),
        SEQUENCE,
        "has other activations",
    ),
    "LSTM of no frame": (
        "uniDirectionalLSTM",
        lstm(),
        (np.zeros((0, 1, 3, 1, 1), np.float32), STATE, STATE),
        "on no frame",
    ),
    "LSTM from the end": (
        "uniDirectionalLSTM",
        lstm(reverseInput=True),
        SEQUENCE,
        "sets reverseInput",
    ),
    "LSTM with peepholes": (
        "uniDirectionalLSTM",
        lstm(LSTM | {"hasPeepholeVectors": True}),
        SEQUENCE,
        "sets hasPeepholeVectors",
    ),
    **{
        f"LSTM without {name}": (
            "uniDirectionalLSTM",
            lstm({key: value for key, value in LSTM.items() if key != name}),
            SEQUENCE,
            f"does not set {name}",
        )
        for name in LSTM
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_computed_is_refused_by_name(name: str, tmp_path: Path) -> None:
    """Never computed without what would change the numbers."""
    kind, parameters, inputs, says = REFUSED[name]
    outputs = 3 if kind == "uniDirectionalLSTM" else 1
    with pytest.raises(ConversionError, match=says) as error:
        run_layer(tmp_path, kind, parameters, inputs, outputs)
    assert "'layer'" in str(error.value)


@pytest.mark.parametrize("kind", sorted(set(LAYER_KINDS.values()) - set(LAYERS)))
def test_a_layer_that_dsconv_does_not_write_is_refused(kind: str, tmp_path: Path) -> None:
    """When the file is opened, by the layer's name and kind."""
    model = single_layer(kind, {}, (X,), 1)
    with pytest.raises(ConversionError, match=rf"'layer' \({kind}\) is not one that dsconv writes"):
        evaluator(model, tmp_path)


def test_a_parameter_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A field without a name here could change the numbers."""
    model = single_layer("clip", {"minVal": 1.0}, (X,), 1)
    model.neuralNetwork.layers[0].clip.MergeFromString(b"\x98\x06\x01")
    with pytest.raises(ConversionError, match=r"'layer' \(clip\) sets field 99"):
        evaluator(model, tmp_path)


def test_an_activation_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A field inside an activation of an LSTM as well."""
    model = single_layer("uniDirectionalLSTM", lstm(), SEQUENCE, 3)
    layer = model.neuralNetwork.layers[0].uniDirectionalLSTM
    layer.activations[1].tanh.MergeFromString(b"\x98\x06\x01")
    feeds = {f"in{number}": value for number, value in enumerate(SEQUENCE)}
    with pytest.raises(ConversionError, match="sets field 99"):
        evaluator(model, tmp_path).run(feeds)


def test_a_layer_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """So is a kind of layer without a name here."""
    model = single_layer("copy", {}, (X,), 1)
    layer = model.neuralNetwork.layers[0]
    layer.ClearField("copy")
    layer.MergeFromString(b"\xc2\xbb\x01\x00")
    with pytest.raises(ConversionError, match="layer 'layer' has fields 3000"):
        evaluator(model, tmp_path)
