"""The inspection of a file of any format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.errors import ModelError, about
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format, load
from dsconv.formats.identify import describe, identify

if TYPE_CHECKING:
    from dsconv.inspect.report import Inspection


def inspect_file(path: str | os.PathLike[str]) -> Inspection:
    """Tell what is in a model file, its format told by its content.

    Raises ModelError if it is no model that dsconv knows, and says what it is.
    """
    path = Path(path)
    found = identify(path, "inspect")
    if found.inspect is None:
        raise ModelError(describe(path, found))
    # Hashing takes longest and needs no interpreter, so it starts before anything else is loaded.
    with about(path), _digest(path, found) as digest:
        inspection: Inspection = load(found.inspect)(path, found, digest)
        return inspection


def _digest(path: Path, found: Format) -> Digest:
    """The hash of a model, which is more than one file in a few formats."""
    return Digest(*found.files(path)) if found.files else Digest(path)
