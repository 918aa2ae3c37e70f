"""Small networks that are no acoustic models, as TensorFlow's code writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import new_constant, new_node
from tests.convert.conversions import require_toolkits

TOOLKIT_TARGETS = ("onnx", "coreml", "openvino", "tflite")

FLOAT = {"T": DataType.FLOAT}


def write_convolution(tensorflow: Any, path: Path) -> Path:
    """An image of 12 x 12 to the scores of 5 classes."""

    def build(tf: Any, random: np.random.Generator) -> None:
        image = tf.compat.v1.placeholder(tf.float32, [1, 12, 12, 3], "image")
        kernel = random.normal(size=(3, 3, 3, 8), scale=0.3).astype(np.float32)
        found = tf.nn.bias_add(
            tf.nn.conv2d(image, kernel, 1, "SAME"), random.normal(size=8).astype(np.float32)
        )
        pooled = tf.nn.max_pool2d(tf.nn.relu(found, name="found"), 2, 2, "VALID")
        rows = tf.reshape(pooled, [-1, 6 * 6 * 8])
        weights = random.normal(size=(288, 5), scale=0.1).astype(np.float32)
        tf.nn.softmax(tf.matmul(rows, weights), name="scores")

    return write(tensorflow, path, build)


def write_products(tensorflow: Any, path: Path) -> Path:
    """Numbers and an index for each of many rows, to 300 numbers and the index of the largest.

    The weights are above the size from which tf2onnx does not get to see them.
    """

    def build(tf: Any, random: np.random.Generator) -> None:
        numbers = tf.compat.v1.placeholder(tf.float32, [None, 60], "numbers")
        index = tf.compat.v1.placeholder(tf.int32, [None], "index")
        rows = tf.gather(random.normal(size=(10, 4)).astype(np.float32), index)
        weights = random.normal(size=(64, 300), scale=0.1).astype(np.float32)
        found = tf.tanh(tf.matmul(tf.concat([numbers, rows], 1), weights))
        tf.identity(found, name="found")
        tf.argmax(found, 1, name="place")

    return write(tensorflow, path, build)


def write_unsupported(tensorflow: Any, path: Path) -> Path:
    """A matrix to its logarithm, by an op that no toolkit has."""

    def build(tf: Any, _: np.random.Generator) -> None:
        given = tf.compat.v1.placeholder(tf.float32, [4, 4], "given")
        double = tf.identity(given + given, name="double")
        tf.raw_ops.MatrixLogarithm(input=tf.cast(double, tf.complex64), name="logarithm")

    return write(tensorflow, path, build)


def write(tensorflow: Any, path: Path, build: Callable[[Any, np.random.Generator], None]) -> Path:
    """A graph that `build` makes, as a file."""
    with tensorflow.Graph().as_default() as graph:
        build(tensorflow, np.random.default_rng(7))
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def named(target: str, folder: Path) -> Path:
    """A file name that fits a target; skips where its runtime is missing."""
    require_toolkits(target)
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    return folder / f"result{TARGETS[target].suffix_for(Options())}"


def placeholder(name: str, shape: tuple[int, ...], dtype: DataType = DataType.FLOAT) -> Node:
    """An input."""
    return new_node(name, "Placeholder", (), {"dtype": dtype, "shape": shape})


def chain() -> Graph:
    """``result`` is tanh(``x`` * ``scale`` + ``index``), ``other`` is ``x`` negated."""
    return Graph(
        [
            placeholder("x", (2, 3)),
            placeholder("scale", (1,)),
            placeholder("index", (1,), DataType.INT32),
            new_node("product", "Mul", ["x", "scale"], FLOAT),
            new_node("number", "Cast", ["index"], {"SrcT": DataType.INT32, "DstT": DataType.FLOAT}),
            new_node("sum", "Add", ["product", "number"], FLOAT),
            new_node("result", "Tanh", ["sum"], FLOAT),
            new_node("other", "Neg", ["x"], FLOAT),
            new_constant("unused", np.zeros(3, np.float32)),
            new_node("init", "NoOp"),
        ]
    )
