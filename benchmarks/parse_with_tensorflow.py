"""What people do today to look into a graph: parse it through TensorFlow."""

import sys
from pathlib import Path

import tensorflow as tf

graph = tf.compat.v1.GraphDef()
graph.ParseFromString(Path(sys.argv[1]).read_bytes())
print(len(graph.node), "nodes")
