"""Neural network layers in numpy that work element by element, and softmax.

Source: the comments of the layers' parameters in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.runtime.coreml.layer_kind import ANY, LayerKind
from dsconv.runtime.coreml.layer_parameters import Parameters
from dsconv.runtime.coreml.layer_weights import FloatArray
from dsconv.speech.decode import softmax

Ufunc = Callable[..., Any]

ACTIVATION_FIELDS = {
    "linear": 5,
    "ReLU": 10,
    "leakyReLU": 15,
    "thresholdedReLU": 20,
    "PReLU": 25,
    "tanh": 30,
    "scaledTanh": 31,
    "sigmoid": 40,
    "sigmoidHard": 41,
    "ELU": 50,
    "softsign": 60,
    "softplus": 70,
    "parametricSoftplus": 71,
}

_DEFAULT_EPSILON = 1e-6


def sigmoid(value: FloatArray) -> FloatArray:
    """The logistic function, rounded once."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-value.astype(np.float64))), np.float32)


# The parameters of the nonlinearities; the others have none.
_LETTERS = {"alpha": 1, "beta": 2}
_ALPHA = {"alpha": 1}
_ACTIVATION_PARAMETERS = {
    "linear": _LETTERS,
    "leakyReLU": _ALPHA,
    "thresholdedReLU": _ALPHA,
    "scaledTanh": _LETTERS,
    "sigmoidHard": _LETTERS,
    "ELU": _ALPHA,
}

# Functions of the input, alpha and beta.
_ACTIVATIONS: dict[str, Callable[[FloatArray, np.float32, np.float32], Any]] = {
    "linear": lambda x, alpha, beta: alpha * x + beta,
    "ReLU": lambda x, *_: np.maximum(x, 0),
    "leakyReLU": lambda x, alpha, _: np.where(x >= 0, x, alpha * x),
    "thresholdedReLU": lambda x, alpha, _: np.where(x >= alpha, x, 0),
    "tanh": lambda x, *_: np.tanh(x),
    "scaledTanh": lambda x, alpha, beta: alpha * np.tanh(beta * x),
    "sigmoid": lambda x, *_: sigmoid(x),
    "sigmoidHard": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "ELU": lambda x, alpha, _: np.where(x >= 0, x, alpha * np.expm1(x)),
    "softsign": lambda x, *_: x / (1 + np.abs(x)),
    "softplus": lambda x, *_: np.logaddexp(x, 0),
}

# Functions of the shifted and scaled input, alpha and epsilon, in the order of the enumeration.
_UNARY: tuple[Callable[[FloatArray, np.float32, np.float32], Any], ...] = (
    lambda x, *_: np.sqrt(x),
    lambda x, _, epsilon: 1 / np.sqrt(x + epsilon),
    lambda x, _, epsilon: 1 / (x + epsilon),
    lambda x, alpha, _: np.power(x, alpha),
    lambda x, *_: np.exp(x),
    lambda x, *_: np.log(x),
    lambda x, *_: np.abs(x),
    lambda x, alpha, _: np.maximum(x, alpha),
)


def activation(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A nonlinearity."""
    kind = parameters.only("a nonlinearity")
    if kind not in _ACTIVATIONS:
        raise parameters.unsupported(f"with {kind}")
    fields = _ACTIVATION_PARAMETERS.get(kind, {})
    values = parameters.nested(kind, fields)
    alpha, beta = (values.number(name) if name in fields else np.float32(0) for name in _LETTERS)
    return np.asarray(_ACTIVATIONS[kind](inputs[0], alpha, beta))


def unary(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A function of scale * x + shift."""
    kind = parameters.integer("type")
    if not 0 <= kind < len(_UNARY):
        raise parameters.unsupported(f"with type {kind}")
    x = parameters.number("scale", 1.0) * inputs[0] + parameters.number("shift")
    epsilon = parameters.number("epsilon", _DEFAULT_EPSILON)
    return np.asarray(_UNARY[kind](x, parameters.number("alpha"), epsilon))


def clip(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Values within a least and a largest one."""
    least, most = parameters.number("minVal"), parameters.number("maxVal")
    return np.asarray(np.minimum(np.maximum(inputs[0], least), most))


def clamped_relu(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """min(beta, x) where x is not negative, else min(beta, alpha * x)."""
    alpha, beta = parameters.number("alpha"), parameters.number("beta")
    return np.asarray(np.minimum(np.where(inputs[0] >= 0, inputs[0], alpha * inputs[0]), beta))


def scale(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The last three dimensions times weights, with a bias if there is one."""
    result = inputs[0] * _spatial(parameters, "scale", "shapeScale")
    if parameters.flag("hasBias"):
        result = result + _spatial(parameters, "bias", "shapeBias")
    return result


def bias(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The last three dimensions plus weights."""
    return inputs[0] + _spatial(parameters, "bias", "shape")


def _spatial(parameters: Parameters, name: str, shape_name: str) -> FloatArray:
    """Weights of shape [1], [C], [1, H, W] or [C, H, W], as [C, H, W]."""
    shape = parameters.integers(shape_name)
    if len(shape) not in (1, 3):
        raise parameters.unsupported(f"with {shape_name} of {len(shape)} sizes")
    return parameters.weights(name, shape).reshape((*shape, 1, 1)[:3])


def _folded(function: Ufunc) -> LayerKind:
    """A function of two or more arrays of one shape, where some dimensions may be 1."""

    def compute(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
        _check_shapes(parameters, inputs)
        return np.asarray(reduce(function, inputs))

    return LayerKind(compute, inputs=(2, ANY))


def _folded_or_scalar(function: Ufunc) -> LayerKind:
    """The same; with one input, a function of it and alpha."""

    def compute(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
        if len(inputs) == 1:
            return np.asarray(function(inputs[0], parameters.number("alpha")))
        _check_shapes(parameters, inputs)
        return np.asarray(reduce(function, inputs))

    return LayerKind(compute, {"alpha": 1}, inputs=(1, ANY))


def _check_shapes(parameters: Parameters, inputs: Sequence[FloatArray]) -> None:
    """These layers repeat dimensions of size 1 to the shape of another input, and no more."""
    shapes = [value.shape for value in inputs]
    if len(set(map(len, shapes))) > 1 or np.broadcast_shapes(*shapes) not in shapes:
        raise parameters.unsupported(f"of inputs of shape {', '.join(map(str, map(list, shapes)))}")


def average(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The mean of the inputs."""
    _check_shapes(parameters, inputs)
    return np.asarray(reduce(np.add, inputs) / np.float32(len(inputs)))


def _binary(function: Ufunc) -> LayerKind:
    """A function of two arrays that are broadcast as in numpy."""
    return LayerKind(lambda _, inputs: np.asarray(function(*inputs)), inputs=(2, 2))


def _compared(function: Ufunc, alpha: int) -> LayerKind:
    """A comparison of two arrays, or of one and alpha: 1 where it holds, else 0."""

    def compute(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
        other = inputs[1] if len(inputs) > 1 else parameters.number("alpha")
        return np.asarray(function(inputs[0], other), np.float32)

    return LayerKind(compute, {"alpha": alpha}, inputs=(1, 2))


def _logical(function: Ufunc, count: int) -> LayerKind:
    """A function of truth values: 0 is false, everything else true."""

    def compute(_: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(function(*(value != 0 for value in inputs)), np.float32)

    return LayerKind(compute, inputs=(count, count))


def _single(function: Ufunc) -> LayerKind:
    """A function of one array, without parameters."""
    return LayerKind(lambda _, inputs: np.asarray(function(inputs[0])))


def softmax_over(value: NDArray[np.float32], axis: int) -> FloatArray:
    """Shares of the exponentials along a dimension."""
    return np.asarray(np.moveaxis(softmax(np.moveaxis(value, axis, -1)), -1, axis), np.float32)


ELEMENTWISE: dict[str, LayerKind] = {
    "copy": _single(lambda value: value),
    "activation": LayerKind(activation, ACTIVATION_FIELDS),
    "unary": LayerKind(unary, {"type": 1, "alpha": 2, "epsilon": 3, "shift": 4, "scale": 5}),
    "clip": LayerKind(clip, {"minVal": 1, "maxVal": 2}),
    "clampedReLU": LayerKind(clamped_relu, {"alpha": 1, "beta": 2}),
    "scale": LayerKind(
        scale, {"shapeScale": 1, "scale": 2, "hasBias": 3, "shapeBias": 4, "bias": 5}
    ),
    "bias": LayerKind(bias, {"shape": 1, "bias": 2}),
    "add": _folded_or_scalar(np.add),
    "multiply": _folded_or_scalar(np.multiply),
    "max": _folded(np.maximum),
    "min": _folded(np.minimum),
    "average": LayerKind(average, inputs=(1, ANY)),
    "addBroadcastable": _binary(np.add),
    "subtractBroadcastable": _binary(np.subtract),
    "multiplyBroadcastable": _binary(np.multiply),
    "divideBroadcastable": _binary(np.divide),
    "floorDivBroadcastable": _binary(lambda a, b: np.floor(a / b)),
    "maxBroadcastable": _binary(np.maximum),
    "minBroadcastable": _binary(np.minimum),
    "powBroadcastable": _binary(np.power),
    "equal": _compared(np.equal, 1),
    "notEqual": _compared(np.not_equal, 1),
    "lessThan": _compared(np.less, 2),
    "lessEqual": _compared(np.less_equal, 2),
    "greaterThan": _compared(np.greater, 2),
    "greaterEqual": _compared(np.greater_equal, 2),
    "logicalAnd": _logical(np.logical_and, 2),
    "logicalOr": _logical(np.logical_or, 2),
    "logicalXor": _logical(np.logical_xor, 2),
    "logicalNot": _logical(np.logical_not, 1),
    "whereBroadcastable": LayerKind(
        lambda _, inputs: np.where(inputs[0] != 0, inputs[1], inputs[2]), inputs=(3, 3)
    ),
    "ceil": _single(np.ceil),
    "floor": _single(np.floor),
    "sign": _single(np.sign),
    "exp2": _single(np.exp2),
    "sin": _single(np.sin),
    "cos": _single(np.cos),
    "tan": _single(np.tan),
    "asin": _single(np.arcsin),
    "acos": _single(np.arccos),
    "atan": _single(np.arctan),
    "sinh": _single(np.sinh),
    "cosh": _single(np.cosh),
    "tanh": _single(np.tanh),
    "asinh": _single(np.arcsinh),
    "acosh": _single(np.arccosh),
    "atanh": _single(np.arctanh),
    "softmaxND": LayerKind(
        lambda parameters, inputs: softmax_over(inputs[0], parameters.integer("axis")), {"axis": 1}
    ),
    "softmax": _single(lambda value: softmax_over(value, -3)),
}
