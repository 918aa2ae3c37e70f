"""What people do today to get a Core ML model: coremltools' own converter, which needs TensorFlow.

``python -m benchmarks.convert_with_coremltools GRAPH PACKAGE``
"""

import sys
from pathlib import Path

import coremltools as ct
import numpy as np
import tensorflow as tf

graph = tf.compat.v1.GraphDef()
graph.ParseFromString(Path(sys.argv[1]).read_bytes())
shapes = {
    node.name: [size.size for size in node.attr["shape"].shape.dim]
    for node in graph.node
    if node.op == "Placeholder" and node.name != "input_samples"
}
model = ct.convert(
    graph,
    source="tensorflow",
    inputs=[
        ct.TensorType(name, shape, np.int32 if name == "input_lengths" else np.float32)
        for name, shape in shapes.items()
    ],
    outputs=[ct.TensorType(name) for name in ("logits", "new_state_c", "new_state_h")],
    convert_to="mlprogram",
    compute_precision=ct.precision.FLOAT32,
    minimum_deployment_target=ct.target.iOS16,
)
model.save(sys.argv[2])
