"""The inspection of a file of any format."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dsconv.acoustic.source import Source
from dsconv.errors import ModelError, about
from dsconv.formats.format import load
from dsconv.formats.identify import describe, identify

if TYPE_CHECKING:
    from dsconv.inspect.report import Inspection


def inspect_file(model: str | os.PathLike[str] | Source) -> Inspection:
    """Tell what is in a model file, its format told by its content.

    Raises ModelError if it is no model that dsconv knows, and says what it is.
    """
    source = Source.of(model)
    path = source.path
    found = identify(source.content, "inspect")
    if found.inspect is None:
        raise ModelError(describe(path, found))
    given: Any = source if found.takes_source else path
    # Hashing takes longest and needs no interpreter, so it starts before anything else is loaded.
    with about(path), source.digest as digest:
        inspection: Inspection = load(found.inspect)(given, found, digest)
        return inspection
