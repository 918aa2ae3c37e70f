"""Recognise dense layers, with their activations and normalizations."""

from __future__ import annotations

from dataclasses import replace

from dsconv.acoustic.matching import ADD, Matcher, mismatch
from dsconv.acoustic.network import DenseLayer, LayerNorm
from dsconv.formats.graphdef.node import Node, TensorName

_LAYER_OPS = ("BiasAdd", "Minimum", "Relu", *ADD)


def read_layers(matcher: Matcher, name: TensorName) -> tuple[list[DenseLayer], TensorName]:
    """The dense layers that lead to a tensor, first to last, and what the first of them takes."""
    layers: list[DenseLayer] = []
    seen = {name}
    while matcher.graph.origin(name)[0].op in _LAYER_OPS:
        layer, name = _read_layer(matcher, name)
        layers.insert(0, layer)
        if name in seen:
            raise mismatch(matcher.graph[name.node], "takes its own output", "another tensor")
        seen.add(name)
    return layers, name


def _read_layer(matcher: Matcher, name: TensorName) -> tuple[DenseLayer, TensorName]:
    node = matcher.made_by(name, *_LAYER_OPS)
    norm = None
    if node.op in ADD and not _is_bias(matcher, node):
        norm, source = _read_norm(matcher, node)
        node = matcher.made_by(source, "Minimum", "Relu", "BiasAdd", *ADD)
    relu, clip = False, None
    if node.op == "Minimum":
        source, limit = matcher.one_of(node, "Relu")
        clip = matcher.number(node, limit, "a limit")
        node = matcher.made_by(source, "Relu")
    if node.op == "Relu":
        relu = True
        node = matcher.made_by(matcher.inputs(node, 1)[0], "BiasAdd", *ADD)
    layer, source = _read_product(matcher, node)
    if norm is not None and norm.scale.shape != (layer.units,):
        raise mismatch(node, f"has a scale of shape {list(norm.scale.shape)}", f"[{layer.units}]")
    return replace(layer, relu=relu, clip=clip, norm=norm), source


def _is_bias(matcher: Matcher, node: Node) -> bool:
    """Whether an addition takes a product of matrices: a bias, as graphs up to 0.4 add it."""
    return any(matcher.graph.origin(name)[0].op == "MatMul" for name in node.data_inputs)


def _read_product(matcher: Matcher, node: Node) -> tuple[DenseLayer, TensorName]:
    """The weights and the bias, and what they are multiplied with."""
    source, bias = matcher.one_of(node, "MatMul")
    if node.op == "BiasAdd" and node.attributes.get("data_format", b"NHWC") != b"NHWC":
        raise mismatch(node, "adds along the second dimension (data_format NCHW)", "the last")
    product = matcher.made_by(source, "MatMul")
    for key in ("transpose_a", "transpose_b"):
        if product.attributes.get(key):
            raise mismatch(
                product, f"transposes a matrix ({key})", "a product of matrices as they are"
            )
    values, matrix = matcher.inputs(product, 2)
    weights = matcher.weights(product, matrix, (-1, -1), "weights")
    layer = DenseLayer("", weights, matcher.weights(node, bias, (weights.shape[1],), "a bias"))
    return layer, values


def _read_norm(matcher: Matcher, node: Node) -> tuple[LayerNorm, TensorName]:
    """A layer normalization and what it takes: ``x * factor + (offset - mean * factor)``."""
    rest, scaled = matcher.one_of(node, "Sub")
    values, factor = matcher.one_of(matcher.made_by(scaled, "Mul"), "Minimum", "Relu", "BiasAdd")
    scale, epsilon = _read_factor(matcher, matcher.made_by(factor, "Mul"), values)
    subtraction = matcher.made_by(rest, "Sub")
    offset, product = matcher.inputs(subtraction, 2)
    mean, other = matcher.one_of(matcher.made_by(product, "Mul"), "Mean")
    _check_mean(matcher, mean, values)
    if matcher.graph.origin(other) != matcher.graph.origin(factor):
        raise mismatch(subtraction, "scales the mean in another way", "the values' own factor")
    shape = matcher.constant(node, scale, "a scale").shape
    norm = LayerNorm(
        matcher.weights(node, scale, (shape[0] if shape else -1,), "a scale"),
        matcher.weights(subtraction, offset, (shape[0] if shape else -1,), "an offset"),
        epsilon,
    )
    return norm, values


def _read_factor(matcher: Matcher, node: Node, values: TensorName) -> tuple[TensorName, float]:
    """Scale and epsilon of ``scale / sqrt(variance + epsilon)``."""
    root, scale = matcher.one_of(node, "Rsqrt")
    added = matcher.made_by(matcher.inputs(matcher.made_by(root, "Rsqrt"), 1)[0], *ADD)
    variance, epsilon = matcher.one_of(added, "Mean")
    averaged = _mean_over_units(matcher, variance)
    squares = matcher.made_by(averaged, "SquaredDifference")
    first, second = matcher.inputs(squares, 2)
    if matcher.graph.origin(first) != matcher.graph.origin(values):
        raise mismatch(squares, "takes other values", "those that are normalized")
    stopped, _ = matcher.graph.origin(second)
    mean = matcher.inputs(stopped, 1)[0] if stopped.op == "StopGradient" else second
    _check_mean(matcher, mean, values)
    return scale, matcher.number(added, epsilon, "an epsilon")


def _check_mean(matcher: Matcher, mean: TensorName, values: TensorName) -> None:
    if matcher.graph.origin(_mean_over_units(matcher, mean)) != matcher.graph.origin(values):
        raise mismatch(
            matcher.graph.origin(mean)[0], "takes other values", "those that are normalized"
        )


def _mean_over_units(matcher: Matcher, name: TensorName) -> TensorName:
    """What a Mean takes, which must be over the last of two dimensions."""
    node = matcher.made_by(name, "Mean")
    values, axes = matcher.inputs(node, 2)
    matcher.numbers(node, axes, [1], "axes")
    matcher.expect(node, keep_dims=True)
    return values
