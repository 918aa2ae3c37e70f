"""Convert graphs with coremltools' own TensorFlow converter, in a process of its own.

coremltools finds TensorFlow only if it is imported with it, and the tests keep the two apart.
The argument is a JSON list of jobs: graph, package, frames, target, precision. `frames` is a
number, or the least and the largest one.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

OUTPUTS = ("logits", "new_state_c", "new_state_h")


def convert(job: dict[str, Any]) -> None:
    """Convert a graph and save the package."""
    import coremltools
    import numpy as np
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(Path(job["graph"]).read_bytes())
    (state,) = (node for node in graph.node if node.name == "previous_state_c")
    cells = state.attr["shape"].shape.dim[1].size
    frames = job["frames"]
    size = coremltools.RangeDim(*frames, default=16) if isinstance(frames, list) else frames
    shapes = {
        "input_node": (1, size, 19, 26),
        "input_lengths": (1,),
        "previous_state_c": (1, cells),
        "previous_state_h": (1, cells),
    }
    types = {"input_lengths": np.int32}
    model = coremltools.convert(
        graph,
        source="tensorflow",
        inputs=[
            coremltools.TensorType(name, shape, dtype=types.get(name, np.float32))
            for name, shape in shapes.items()
        ],
        outputs=[coremltools.TensorType(name, dtype=np.float32) for name in OUTPUTS],
        convert_to="mlprogram",
        minimum_deployment_target=getattr(coremltools.target, job["target"]),
        compute_precision=getattr(coremltools.precision, job["precision"]),
    )
    model.save(job["package"])


if __name__ == "__main__":
    os.environ.update(TQDM_DISABLE="1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    for each in json.loads(sys.argv[1]):
        convert(each)
