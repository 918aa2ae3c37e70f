"""The folder that Apple's tools take for one file, an .mlpackage, and the manifest in it.

The toolkit's own writer gives every package new random identifiers; with these the same model gives
the same bytes.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from dsconv.formats.output import MANIFEST

_AUTHOR = "com.apple.CoreML"
_WEIGHTS = "weights"
# Any fixed name space will do; identifiers only have to differ within a package.
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://developer.apple.com/documentation/coreml")

MODEL_FOLDER = Path("Data", _AUTHOR)
"""Where in a package the model stands, and its weights."""

MODEL_NAME = "model.mlmodel"
"""The file of the Model message there."""


def write_manifest(path: Path) -> None:
    """Write what a package holds, whose model and weights are there already."""
    manifest = json.dumps(_manifest(path / MODEL_FOLDER), indent=4, sort_keys=True)
    (path / MANIFEST).write_text(f"{manifest}\n", encoding="utf-8")


def _manifest(folder: Path) -> dict[str, Any]:
    items = {MODEL_NAME: "CoreML Model Specification"}
    if (folder / _WEIGHTS).is_dir():
        items[_WEIGHTS] = "CoreML Model Weights"
    entries = {
        _identifier(name): {
            "author": _AUTHOR,
            "description": description,
            "name": name,
            "path": f"{_AUTHOR}/{name}",
        }
        for name, description in items.items()
    }
    return {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": _identifier(MODEL_NAME),
    }


def _identifier(name: str) -> str:
    return str(uuid.uuid5(_SPACE, name)).upper()
