"""The audio front end in OpenVINO ops: the samples of a clip to rows of windows of features."""

from __future__ import annotations

from typing import Any

from dsconv.acoustic.network import Network
from dsconv.convert.openvino.builder import ModelBuilder


def add_front_end(builder: ModelBuilder, network: Network) -> Any:
    raise NotImplementedError
