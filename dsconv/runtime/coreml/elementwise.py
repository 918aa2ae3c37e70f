"""Core ML's element-wise ops, reductions and normalizations in numpy.

Source: the op definitions ``elementwise_binary.py``, ``elementwise_unary.py``, ``activation.py``,
``reduction.py`` and ``normalization.py`` of coremltools.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dsconv.runtime.coreml.operations import Array, Op, OpInfo
from dsconv.runtime.ops import sigmoid

# What `cast` calls the types.
CAST_TYPES = {
    "bool": "bool",
    "fp16": "float16",
    "fp32": "float32",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
}


def _binary(compute: Callable[[Array, Array], Array]) -> Op:
    """An op on two arrays of one type, which are broadcast."""

    def op(_: OpInfo, x: Array, y: Array) -> Array:
        return np.asarray(compute(x, y))

    return op


def _unary(compute: Callable[[Array], Array]) -> Op:
    def op(_: OpInfo, x: Array) -> Array:
        return np.asarray(compute(x))

    return op


def _logical(compute: Callable[[Array, Array], Array]) -> Op:
    def op(info: OpInfo, x: Array, y: Array) -> Array:
        if x.dtype != np.bool_ or y.dtype != np.bool_:
            raise info.damaged("takes values that are not true or false")
        return np.asarray(compute(x, y))

    return op


def real_div(info: OpInfo, x: Array, y: Array) -> Array:
    """The quotient; that of integers is not documented."""
    if x.dtype.kind != "f" or y.dtype.kind != "f":
        raise info.unsupported("of integers")
    return np.asarray(x / y)


def floor_div(info: OpInfo, x: Array, y: Array) -> Array:
    """The quotient, rounded towards minus infinity."""
    if y.dtype.kind != "f" and not y.all():
        raise info.unsupported("by an integer zero")
    return np.asarray(x // y)


def modulo(info: OpInfo, x: Array, y: Array) -> Array:
    """The rest, with the sign of the divisor."""
    if y.dtype.kind != "f" and not y.all():
        raise info.unsupported("by an integer zero")
    return np.asarray(x % y)


def power(info: OpInfo, x: Array, y: Array) -> Array:
    """X to the power of y."""
    if x.dtype.kind != "f" or y.dtype.kind != "f":
        raise info.unsupported("of integers")
    return np.asarray(x**y)


def logical_not(info: OpInfo, x: Array) -> Array:
    """True where a value is false."""
    if x.dtype != np.bool_:
        raise info.damaged("takes values that are not true or false")
    return np.logical_not(x)


def clip(info: OpInfo, x: Array, alpha: Array, beta: Array) -> Array:
    """At least alpha, at most beta."""
    if alpha > beta:
        raise info.unsupported("whose alpha is larger than its beta")
    return np.asarray(np.minimum(np.maximum(x, alpha), beta))


def cast(info: OpInfo, x: Array, dtype: str) -> Array:
    """Another type: numbers lose their fractions, and what is not zero is true."""
    target = CAST_TYPES.get(dtype)
    if target is None:
        raise info.unsupported(f"with dtype '{dtype}'")
    if target != info.dtypes[0]:
        raise info.damaged(f"with dtype '{dtype}' is declared to give {info.dtypes[0]}")
    return x.astype("float32" if target == "float16" else target)


def logarithm(info: OpInfo, x: Array, epsilon: Array | None = None) -> Array:
    """The natural logarithm of x + epsilon."""
    return np.asarray(np.log(x + _epsilon(info, epsilon, 1e-45)))


def rsqrt(info: OpInfo, x: Array, epsilon: Array | None = None) -> Array:
    """1 / sqrt(x + epsilon)."""
    return np.asarray(1 / np.sqrt(x + _epsilon(info, epsilon, 1e-12)))


def inverse(info: OpInfo, x: Array, epsilon: Array | None = None) -> Array:
    """1 / (x + epsilon)."""
    return np.asarray(1 / (x + _epsilon(info, epsilon, 1e-4)))


def _epsilon(info: OpInfo, epsilon: Array | None, default: float) -> np.float32:
    """What a program says, or the default of MIL's definition of the op."""
    return info.small(default) if epsilon is None else np.float32(epsilon)


def threshold(_: OpInfo, x: Array, alpha: Array) -> Array:
    """At least alpha."""
    return np.maximum(x, alpha)


def clamped_relu(_: OpInfo, x: Array, alpha: Array, beta: Array) -> Array:
    """The smaller of beta and x, which is multiplied by alpha below zero."""
    return np.asarray(np.minimum(np.where(x >= 0, x, alpha * x), beta))


def leaky_relu(_: OpInfo, x: Array, alpha: Array) -> Array:
    """X, multiplied by alpha below zero."""
    return np.where(x >= 0, x, alpha * x)


def softmax(_: OpInfo, x: Array, axis: Array | int = -1) -> Array:
    """Probabilities of logits along a dimension."""
    exponentials = np.exp(x - x.max(axis=int(axis), keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=int(axis), keepdims=True))


def select(info: OpInfo, cond: Array, a: Array, b: Array) -> Array:
    """The values of a where the condition holds, else those of b."""
    if cond.dtype != np.bool_:
        raise info.damaged("takes a condition that is not true or false")
    return np.where(cond, a, b)


def _reduction(compute: Callable[..., Array]) -> Op:
    """A reduction over some dimensions, by default all."""

    def op(
        _: OpInfo, x: Array, axes: Array | None = None, keep_dims: Array | bool = False
    ) -> Array:
        return np.asarray(compute(x, axis=_axes(axes), keepdims=bool(keep_dims)), x.dtype)

    return op


def _axes(axes: Array | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(int(axis) for axis in np.atleast_1d(axes))


def _extreme_index(find: Callable[..., Array]) -> Op:
    """The indices of the largest or the smallest numbers along a dimension."""

    def op(
        info: OpInfo, x: Array, axis: Array | int = -1, keep_dims: Array | bool = False
    ) -> Array:
        if info.dtypes[0] != "int32":
            raise info.unsupported(f"as {info.dtypes[0]}")
        return np.asarray(find(x, axis=int(axis), keepdims=bool(keep_dims)), np.int32)

    return op


def reduce_mean(
    info: OpInfo, x: Array, axes: Array | None = None, keep_dims: Array | bool = False
) -> Array:
    """The mean over some dimensions; that of integers is not documented."""
    if x.dtype.kind != "f":
        raise info.unsupported("of integers")
    return np.asarray(x.mean(axis=_axes(axes), keepdims=bool(keep_dims), dtype=x.dtype))


def layer_norm(
    info: OpInfo,
    x: Array,
    axes: Array | None = None,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: Array | None = None,
) -> Array:
    """Values of mean 0 and variance 1 over some dimensions, times gamma, plus beta."""
    over = tuple(range(x.ndim)) if axes is None else tuple(sorted(int(a) % x.ndim for a in axes))
    sizes = tuple(x.shape[axis] for axis in over)
    single = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
    for name, value in (("gamma", gamma), ("beta", beta)):
        if value is not None and value.shape != sizes:
            raise info.damaged(f"has a {name} of shape {list(value.shape)}, not {list(sizes)}")
    centred = x - x.mean(axis=over, keepdims=True)
    variance = np.square(centred).mean(axis=over, keepdims=True)
    result = centred / np.sqrt(variance + _epsilon(info, epsilon, 1e-5))
    if gamma is not None:
        result = result * gamma.reshape(single)
    return np.asarray(result if beta is None else result + beta.reshape(single))


ELEMENTWISE: dict[str, Op] = {
    "abs": _unary(np.abs),
    "add": _binary(np.add),
    "cast": cast,
    "ceil": _unary(np.ceil),
    "clamped_relu": clamped_relu,
    "clip": clip,
    "cos": _unary(np.cos),
    "equal": _binary(np.equal),
    "exp": _unary(np.exp),
    "floor": _unary(np.floor),
    "floor_div": floor_div,
    "greater": _binary(np.greater),
    "greater_equal": _binary(np.greater_equal),
    "identity": lambda _, x: x,
    "inverse": inverse,
    "layer_norm": layer_norm,
    "leaky_relu": leaky_relu,
    "less": _binary(np.less),
    "less_equal": _binary(np.less_equal),
    "log": logarithm,
    "logical_and": _logical(np.logical_and),
    "logical_not": logical_not,
    "logical_or": _logical(np.logical_or),
    "logical_xor": _logical(np.logical_xor),
    "maximum": _binary(np.maximum),
    "minimum": _binary(np.minimum),
    "mod": modulo,
    "mul": _binary(np.multiply),
    "not_equal": _binary(np.not_equal),
    "pow": power,
    "real_div": real_div,
    "reduce_argmax": _extreme_index(np.argmax),
    "reduce_argmin": _extreme_index(np.argmin),
    "reduce_max": _reduction(np.max),
    "reduce_mean": reduce_mean,
    "reduce_min": _reduction(np.min),
    "reduce_prod": _reduction(np.prod),
    "reduce_sum": _reduction(np.sum),
    "relu": _unary(lambda x: np.maximum(x, x.dtype.type(0))),
    "relu6": _unary(lambda x: np.clip(x, 0, 6)),
    "rsqrt": rsqrt,
    "select": select,
    "sigmoid": _unary(sigmoid),
    "sign": _unary(np.sign),
    "sin": _unary(np.sin),
    "softmax": softmax,
    "sqrt": _unary(np.sqrt),
    "square": _unary(np.square),
    "sub": _binary(np.subtract),
    "tanh": _unary(np.tanh),
    "threshold": threshold,
}
