"""The audio front end in standard ops: the samples of a clip to rows of windows of features."""

from __future__ import annotations

from dsconv.acoustic.network import Network
from dsconv.convert.onnx.builder import GraphBuilder


def add_front_end(builder: GraphBuilder, network: Network) -> str:
    raise NotImplementedError
