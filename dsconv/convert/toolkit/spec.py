"""What a process of the toolkit route is told: the interface of the graph, and what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.runtime.model import TensorSpec

GRAPH, SPEC = "prepared.pb", "spec.json"
"""What the files for a process are called."""


@dataclass(frozen=True)
class Spec:
    """The inputs and outputs in their order, texts to put beside the model, and settings.

    Dimensions of -1 are dynamic, the rank is known. The settings belong to the toolkit.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Save it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Spec:
        """What `write` saved."""
        values = json.loads(path.read_text(encoding="utf-8"))
        inputs = tuple(
            TensorSpec(given["name"], given["dtype"], tuple(given["shape"]))
            for given in values["inputs"]
        )
        return cls(inputs, tuple(values["outputs"]), values["properties"], values["settings"])


def save(graph: Graph, spec: Spec, folder: Path) -> Path:
    """Write a graph and its interface for another process; returns the graph's file."""
    path = folder / GRAPH
    with path.open("xb") as file:
        write_graph(file, graph)
    spec.write(folder / SPEC)
    return path
