"""What can be asked of Core ML alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

CoreMlFormat: TypeAlias = Literal["mlprogram", "neuralnetwork"]
DeploymentTarget: TypeAlias = Literal["ios16", "ios17", "ios18", "ios26"]
PaletteBits: TypeAlias = Literal[4, 6, 8]

MOST_STEPS = 3000
"""The frames of a call that a model of any number takes unless told otherwise: a minute."""


@dataclass(frozen=True)
class CoreMlOptions:
    """What only Core ML knows.

    `deployment_target` is the oldest system that the model is to run on. With `palette_bits` each
    weight is one of 2 ** bits values. A model of any number of frames a call takes up to
    `max_steps`; `step_choices` are all numbers that it takes.
    """

    format: CoreMlFormat = "mlprogram"
    deployment_target: DeploymentTarget | None = None
    palette_bits: PaletteBits | None = None
    max_steps: int | None = None
    step_choices: tuple[int, ...] = ()
    author: str = ""
    license: str = ""
    model_version: str = ""
