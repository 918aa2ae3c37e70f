"""Convert TensorFlow graphs with the converter of Core ML Tools, in a process of its own.

That converter needs TensorFlow beside Core ML Tools, which dsconv keeps apart. A list of jobs,
read as JSON from the standard input, names the graphs:

    {"graph": "a.pb", "saved": "a.mlmodel", "inputs": {"x": [1, 4]}, "outputs": ["y"]}

A size of -1 is open. The small graphs below are written first, where a job names their files.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", TQDM_DISABLE="1")
logging.getLogger("coremltools").setLevel(logging.ERROR)
warnings.simplefilter("ignore")

import coremltools  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow  # noqa: E402

tf = tensorflow.compat.v1
MOST_FRAMES = 64


def dense() -> None:
    """Dense layers with a clip, a normalization and probabilities."""
    generator = np.random.default_rng(0)
    x = tf.placeholder(tf.float32, [3, 4], "x")
    hidden = tf.matmul(x, tf.constant(generator.normal(size=(4, 5)).astype(np.float32)))
    hidden = tf.nn.bias_add(hidden, tf.constant(generator.normal(size=5).astype(np.float32)))
    hidden = tf.minimum(tf.nn.relu(hidden), 1.5)
    mean = tf.reduce_mean(hidden, -1, keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(hidden, mean), -1, keepdims=True)
    normal = (hidden - mean) * tf.math.rsqrt(variance + 1e-3)
    weights = tf.constant(generator.normal(size=(5, 6)).astype(np.float32))
    tf.nn.softmax(tf.matmul(normal, weights), name="y")


def pieces() -> None:
    """Slices, picks and arrangements."""
    x = tf.placeholder(tf.float32, [2, 5, 6], "x")
    part = tf.strided_slice(x, [0, 1, -1], [2, 5, 0], [1, 2, -2])
    picked = tf.gather(x, [3, 0, 3], axis=1)
    joined = tf.concat([tf.tile(part, [1, 2, 1]), tf.transpose(picked[:, :, :4], [0, 2, 1])], 2)
    masked = tf.where(joined > 0.25, joined, tf.sqrt(tf.abs(joined)))
    tf.identity(tf.reshape(tf.pad(masked, [[0, 0], [1, 0], [0, 2]]), [-1, 4]), name="y")


SMALL_GRAPHS = {"dense.pb": dense, "pieces.pb": pieces}


def write_small_graph(path: Path) -> None:
    """A small graph by the name of its file."""
    with tf.Graph().as_default() as graph:
        SMALL_GRAPHS[path.name]()
        path.write_bytes(graph.as_graph_def().SerializeToString())


def convert(job: dict[str, Any]) -> None:
    """Convert one graph and save it as a neural network."""
    definition = tf.GraphDef()
    definition.ParseFromString(Path(job["graph"]).read_bytes())
    model = coremltools.convert(
        definition,
        source="tensorflow",
        convert_to="neuralnetwork",
        inputs=[
            coremltools.TensorType(name, tuple(map(_size, shape)))
            for name, shape in job["inputs"].items()
        ],
        outputs=[coremltools.TensorType(name) for name in job["outputs"]],
    )
    model.save(job["saved"])


def _size(size: int) -> Any:
    return coremltools.RangeDim(1, MOST_FRAMES, default=16) if size < 0 else size


if __name__ == "__main__":
    for entry in json.load(sys.stdin):
        if Path(entry["graph"]).name in SMALL_GRAPHS:
            write_small_graph(Path(entry["graph"]))
        convert(entry)
