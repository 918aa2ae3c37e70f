"""What a process of the toolkit route is told: the interface of the graph, and what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dsconv.runtime.model import TensorSpec


@dataclass(frozen=True)
class Spec:
    """The inputs and outputs in their order, texts to put beside the model, and settings.

    Sizes of -1 are open, the rank is known. The settings belong to the toolkit.
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
