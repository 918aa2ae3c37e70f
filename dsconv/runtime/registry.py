"""The opening of a model of any format, to be run."""

from __future__ import annotations

import os
from typing import Any

from dsconv.acoustic.overrides import Overrides
from dsconv.acoustic.source import Source
from dsconv.errors import ModelError, about
from dsconv.formats.format import load
from dsconv.formats.identify import describe, identify
from dsconv.runtime.model import Model


def open_model(
    model: str | os.PathLike[str] | Source,
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
    source = Source.of(model)
    path = source.path
    found = identify(source.content, "open_model")
    opener = (
        (tensorflow and found.open_in_tensorflow)
        or (evaluated and found.open_evaluated)
        or found.open_model
    )
    if opener is None:
        raise ModelError(describe(path, found))
    given: Any = source if found.takes_source else path
    with about(path):
        opened: Model = load(opener)(given)
        return _Described(opened, overrides) if overrides else opened


class _Described:
    """A model with what the user says of it."""

    def __init__(self, model: Model, overrides: Overrides) -> None:
        self.interface = model.interface.with_overrides(overrides)
        self.reset = model.reset
        self.call = model.call
