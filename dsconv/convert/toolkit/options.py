"""What can be asked of the toolkit route alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

Route: TypeAlias = Literal["auto", "build", "toolkit"]


@dataclass(frozen=True)
class ToolkitOptions:
    """What only the toolkit route knows: it converts graphs that hold any network.

    `inputs` and `outputs` are names of nodes or tensors; `freeze` holds the values, numbers or
    lists, of inputs that become constants; `input_shapes` the shapes of inputs, -1 for any size.
    `check_inputs` is an .npz with inputs for the check, random ones unless it is given.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    freeze: Mapping[str, Any] = field(default_factory=dict)
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    check_inputs: Path | None = None
