"""Open a Core ML model: an .mlmodel, or an .mlpackage, which is a folder with a model in it.

Source: the manifests that coremltools writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dsconv.errors import ModelError
from dsconv.formats.coreml.schema import FIRST_KIND, Model, ModelDescription
from dsconv.formats.output import MANIFEST
from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import unreadable

PROGRAM, NEURAL_NETWORK = Model.field_numbers("mlProgram", "neuralNetwork")
"""The kinds of model that dsconv reads, by their field in Model."""


@dataclass(frozen=True)
class CoreMlFile:
    """An opened model. `path` is what was opened, `model_path` the file of its Model message.

    `version` is Core ML's specificationVersion; `kind` the number of the field that holds the
    model, which is `body`.
    """

    path: Path
    model_path: Path
    version: int
    description: ModelDescription
    kind: int
    body: Message


def open_core_ml(path: Path) -> CoreMlFile:
    """Open a package or a model. Raises ModelError if it is damaged or something else."""
    model_path = _model_of_package(path) if path.is_dir() else path
    message = Model.of_file(model_path)
    kinds = [number for number in message.numbers if number >= FIRST_KIND]
    if len(kinds) != 1:
        raise ModelError(f"{model_path} holds no Core ML model; copy or download it again.")
    return CoreMlFile(
        path,
        model_path,
        message.specificationVersion,
        message.description,
        kinds[0],
        Message(message.spans(kinds[0])[-1]),
    )


def _model_of_package(path: Path) -> Path:
    """The file in a package that its manifest names as the root."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        entry = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
        relative = PurePosixPath(entry["path"])
    except OSError as error:
        raise unreadable(path / MANIFEST, error) from error
    except (KeyError, TypeError, ValueError):
        raise ModelError(
            f"{path / MANIFEST} names no model; copy the whole package again."
        ) from None
    if relative.is_absolute() or ".." in relative.parts or not entry["path"].isprintable():
        raise ModelError(f"{path / MANIFEST} leads out of the package; copy it again.")
    return path / "Data" / relative
