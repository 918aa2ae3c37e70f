"""Neural network layers in numpy that multiply with weights: dense, convolution, normalization.

Source: the comments of the layers' parameters in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dsconv.runtime.coreml.layer_kind import LayerKind
from dsconv.runtime.coreml.layer_parameters import Parameters, whole
from dsconv.runtime.coreml.layer_weights import FloatArray
from dsconv.runtime.coreml.layers_shape import border_amounts

# How many of the last dimensions hold the channels, by the rank of the input.
_CHANNEL_DIMENSIONS = {1: 1, 2: 1, 3: 1, 4: 3, 5: 3}


def inner_product(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A dense layer: [..., C_in] to [..., C_out]; of rank 4 and 5, [..., C_in, 1, 1] likewise."""
    parameters.refuse("int8DynamicQuantize")
    (x,) = inputs
    channels, count = (parameters.integer(name) for name in ("inputChannels", "outputChannels"))
    dimensions = _CHANNEL_DIMENSIONS.get(x.ndim)
    if dimensions is None:
        raise parameters.unsupported(f"of rank {x.ndim}")
    before, last = x.shape[:-dimensions], x.shape[-dimensions:]
    if math.prod(last) != channels:
        raise ValueError(f"{channels} input channels do not fit")
    rows = x.reshape(-1, channels) @ parameters.weights("weights", (count, channels)).T
    if parameters.flag("hasBias"):
        rows = rows + parameters.weights("bias", (count,))
    return rows.reshape(*before, count, *(1 for _ in last[1:]))


def batched_mat_mul(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A product of matrices in the last two dimensions, or with a matrix of weights."""
    parameters.refuse("int8DynamicQuantize")
    if len(inputs) == 1:
        return _weighted(parameters, inputs[0])
    if parameters.flag("hasBias") or "weights" in parameters:
        raise parameters.unsupported("of two inputs with weights or a bias")
    a, b = inputs
    a = a[None] if a.ndim == 1 else a
    b = b[:, None] if b.ndim == 1 else b
    a = np.swapaxes(a, -1, -2) if parameters.flag("transposeA") else a
    b = np.swapaxes(b, -1, -2) if parameters.flag("transposeB") else b
    return np.asarray(np.matmul(a, b))


def _weighted(parameters: Parameters, x: FloatArray) -> FloatArray:
    """[..., X1] times weights [X1, X2], which are stored column by column."""
    rows, columns = (
        parameters.integer(f"weightMatrix{which}Dimension") for which in ("First", "Second")
    )
    result = np.matmul(x, parameters.weights("weights", (columns, rows)).T)
    if parameters.flag("hasBias"):
        result = result + parameters.weights("bias", (columns,))
    return np.asarray(result)


def embedding_nd(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Indices [..., 1] to the columns of weights [embedding, vocabulary]: [..., embedding]."""
    indices = whole(inputs[0])
    size, vocabulary = parameters.integer("embeddingSize"), parameters.integer("vocabSize")
    if indices.ndim < 2 or indices.shape[-1] != 1:
        raise ValueError("the last dimension is not 1")
    if ((indices < 0) | (indices >= vocabulary)).any():
        raise IndexError("an index is not in the vocabulary")
    result = parameters.weights("weights", (size, vocabulary)).T[indices[..., 0]]
    if parameters.flag("hasBias"):
        result = result + parameters.weights("bias", (size,))
    return result


def convolution(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """[..., C_in, H, W] to [..., C_out, H_out, W_out], in one group and without dilation."""
    parameters.refuse("isDeconvolution", "outputShape")
    kernel = parameters.integers("kernelSize") or (3, 3)
    stride = parameters.integers("stride") or (1, 1)
    if parameters.integer("nGroups") > 1 or set(parameters.integers("dilationFactor")) - {1}:
        raise parameters.unsupported("with nGroups or dilationFactor")
    channels, count = parameters.integer("kernelChannels"), parameters.integer("outputChannels")
    weights = parameters.weights("weights", (count, channels, *kernel))
    (x,) = inputs
    if x.ndim < 4 or x.shape[-3] != channels:
        raise ValueError(f"{channels} input channels do not fit")
    borders = _borders(parameters, x.shape[-2:], kernel, stride)
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + borders)
    windows = _windows(x, kernel)[..., :: stride[0], :: stride[1], :, :]
    # [..., C_in, H, W, kernel H, kernel W] and [C_out, C_in, kernel H, kernel W]
    result = np.einsum("...chwij,ocij->...ohw", windows, weights, optimize=True)
    if parameters.flag("hasBias"):
        result = result + parameters.weights("bias", (count,))[:, None, None]
    return np.asarray(result)


def _windows(x: FloatArray, kernel: tuple[int, ...]) -> FloatArray:
    """All places of the kernel in the last two dimensions: [..., H, W, kernel H, kernel W]."""
    views: Any = sliding_window_view
    windows: FloatArray = views(x, kernel, (-2, -1))
    return windows


def _borders(
    parameters: Parameters,
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
) -> list[tuple[int, int]]:
    """The zeros around the height and the width."""
    if "same" not in parameters:
        if "valid" not in parameters:
            raise parameters.unsupported("without a kind of padding")
        valid = parameters.nested("valid", {"paddingAmounts": 1})
        return border_amounts(valid.nested("paddingAmounts", {"borderAmounts": 10}))
    mode = parameters.nested("same", {"asymmetryMode": 1}).integer("asymmetryMode")
    if mode not in (0, 1):
        raise parameters.unsupported(f"with asymmetryMode {mode}")
    borders = []
    for size, width, step in zip(sizes, kernel, stride, strict=True):
        total = max(0, (math.ceil(size / step) - 1) * step + width - size)
        less, more = total // 2, total - total // 2
        borders.append((more, less) if mode else (less, more))
    return borders


def layer_normalization(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The last dimensions with mean 0 and variance 1, times gamma plus beta."""
    (x,), shape = inputs, parameters.integers("normalizedShape")
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"a normalized shape of {list(shape)} does not fit")
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axes, keepdims=True)
    variance = np.square(centred).mean(axes, keepdims=True)
    scaled = centred / np.sqrt(variance + parameters.number("eps"))
    result = scaled * parameters.weights("gamma", shape) + parameters.weights("beta", shape)
    return np.asarray(result)


_DENSE = {"hasBias": 10, "weights": 20, "bias": 21, "int8DynamicQuantize": 22}

MATRICES: dict[str, LayerKind] = {
    "innerProduct": LayerKind(inner_product, {"inputChannels": 1, "outputChannels": 2} | _DENSE),
    "batchedMatmul": LayerKind(
        batched_mat_mul,
        {
            "transposeA": 1,
            "transposeB": 2,
            "weightMatrixFirstDimension": 5,
            "weightMatrixSecondDimension": 6,
            "hasBias": 7,
            "weights": 8,
            "bias": 9,
            "int8DynamicQuantize": 10,
        },
        inputs=(1, 2),
    ),
    "embeddingND": LayerKind(
        embedding_nd,
        {"vocabSize": 1, "embeddingSize": 2, "hasBias": 3, "weights": 20, "bias": 21},
    ),
    "convolution": LayerKind(
        convolution,
        {
            "outputChannels": 1,
            "kernelChannels": 2,
            "nGroups": 10,
            "kernelSize": 20,
            "stride": 30,
            "dilationFactor": 40,
            "valid": 50,
            "same": 51,
            "isDeconvolution": 60,
            "hasBias": 70,
            "weights": 90,
            "bias": 91,
            "outputShape": 100,
        },
    ),
    "layerNormalization": LayerKind(
        layer_normalization, {"normalizedShape": 1, "eps": 2, "gamma": 3, "beta": 4}
    ),
}
