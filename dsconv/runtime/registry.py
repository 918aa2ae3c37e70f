"""The opening of a model of any format, to be run."""

from __future__ import annotations

import os
from pathlib import Path

from dsconv.acoustic.overrides import Overrides
from dsconv.errors import ModelError, about
from dsconv.formats.format import load
from dsconv.formats.identify import describe, identify
from dsconv.runtime.model import Model


def open_model(
    path: str | os.PathLike[str],
    *,
    tensorflow: bool = False,
    evaluated: bool = False,
    overrides: Overrides | None = None,
) -> Model:
    """Open a model to be run.

    With `tensorflow` a graph is run by TensorFlow and not in numpy; `evaluated` a Core ML model in
    numpy also where Core ML could run it. `overrides` are what the user knows better than the file.

    Raises ModelError if the file is no model that dsconv can run, ConversionError if it is no
    acoustic model, ToolkitError if its runtime is missing or refuses it.
    """
    path = Path(path)
    found = identify(path, "open_model")
    opener = (
        (tensorflow and found.open_in_tensorflow)
        or (evaluated and found.open_evaluated)
        or found.open_model
    )
    if opener is None:
        raise ModelError(describe(path, found))
    with about(path):
        model: Model = load(opener)(path)
        return _Described(model, overrides) if overrides else model


class _Described:
    """A model with what the user says of it."""

    def __init__(self, model: Model, overrides: Overrides) -> None:
        self.interface = model.interface.with_overrides(overrides)
        self.reset = model.reset
        self.call = model.call
