"""How to validate."""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.acoustic.overrides import Overrides


@dataclass(frozen=True)
class Options:
    """How to validate.

    `beam` None takes the reference's own width. `strict` makes another transcript a failure at
    reduced precision too. `tensorflow` runs a reference graph in TensorFlow, `evaluated` a Core ML
    model in numpy also where Core ML could run it. `overrides` are what the user knows better than
    the reference's file.
    """

    beam: int | None = None
    strict: bool = False
    resample: bool = False
    tensorflow: bool = False
    evaluated: bool = False
    overrides: Overrides | None = None
