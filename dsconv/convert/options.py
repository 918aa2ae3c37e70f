"""What can be asked of a conversion. What only one target knows is beside that target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from dsconv.acoustic.overrides import Overrides
from dsconv.convert.coreml.options import CoreMlOptions
from dsconv.convert.tflite.options import LstmForm
from dsconv.convert.toolkit.options import Route, ToolkitOptions

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
Lengths: TypeAlias = Literal["frozen", "input"]
States: TypeAlias = Literal["io", "internal"]
Scores: TypeAlias = Literal["probabilities", "logits", "raw"]
"""After the softmax or before it; ``raw`` is what logits were called in 0.1."""


@dataclass(frozen=True)
class Options:
    """What was asked for; None leaves the choice to the graph or the target.

    `steps` is -1 for any number of frames a call. `input_shape` is another way to say the steps:
    [batch, steps, 2 * context + 1, features]. `front_end` asks for a model that takes the samples
    of a whole clip. `lstm` chooses between the forms of TFLite. `scores` are what comes out, with a
    softmax in the graph or without. `overrides` are what the user knows better than the graph.
    `route` is how a target is made: built afresh, by the toolkit's own converter, or by that only
    where the network is not recognised.
    """

    steps: int | None = None
    input_shape: tuple[int, ...] | None = None
    precision: Precision | None = None
    lengths: Lengths | None = None
    states: States | None = None
    front_end: bool = False
    lstm: LstmForm | None = None
    core_ml: CoreMlOptions = field(default_factory=CoreMlOptions)
    scores: Scores = "probabilities"
    overrides: Overrides = field(default_factory=Overrides)
    route: Route = "auto"
    toolkit: ToolkitOptions = field(default_factory=ToolkitOptions)

    def __post_init__(self) -> None:
        if self.scores == "raw":
            object.__setattr__(self, "scores", "logits")
