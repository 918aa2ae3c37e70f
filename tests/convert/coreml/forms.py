"""The forms that the Core ML target writes: names of them, conversions, and files read back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from dsconv.convert.coreml.options import CoreMlFormat, CoreMlOptions
from dsconv.formats.coreml.file import PROGRAM, CoreMlFile, open_core_ml
from dsconv.formats.coreml.interface import Description, read_description
from dsconv.formats.coreml.network import Network
from dsconv.formats.coreml.program import Function, read_function
from dsconv.runtime.model import Model
from tests.convert.conversions import convert, converted

FORMATS: tuple[CoreMlFormat, ...] = ("mlprogram", "neuralnetwork")

REDUCED: dict[str, dict[str, Any]] = {
    "fp16": {"precision": "fp16"},
    "fp16 ios16": {"precision": "fp16", "deployment_target": "ios16"},
    "int8": {"precision": "int8"},
    "int8 ios16": {"precision": "int8", "deployment_target": "ios16"},
    "palette8": {"palette_bits": 8},
    "palette6": {"palette_bits": 6},
    "palette4": {"palette_bits": 4},
    "fp16 neuralnetwork": {"precision": "fp16", "format": "neuralnetwork"},
    "int8 neuralnetwork": {"precision": "int8", "format": "neuralnetwork"},
}
"""Every form with weights of fewer bits, as it is asked for."""

_CORE_ML = ("format", "deployment_target", "palette_bits", "max_steps", "step_choices")


def asked_for(**asked: Any) -> dict[str, Any]:
    """Options of all targets, and those of Core ML alone in their place."""
    core_ml = {name: asked.pop(name) for name in (*_CORE_ML, *_TEXTS) if name in asked}
    return {**asked, "core_ml": CoreMlOptions(**core_ml)}


_TEXTS = ("author", "license", "model_version")


def core_ml_model(source: Path, output: Path, **asked: Any) -> Model:
    """A graph as it is converted when asked so, opened."""
    return converted("coreml", source, output, **asked_for(**asked))


def core_ml_path(source: Path, output: Path, **asked: Any) -> Path:
    """The package or the file of a graph."""
    return convert("coreml", source, output, **asked_for(**asked))


def core_ml_file(source: Path, output: Path, **asked: Any) -> CoreMlFile:
    """The file of a graph, read back."""
    return open_core_ml(core_ml_path(source, output, **asked))


def description(file: CoreMlFile) -> Description:
    """What a file says about itself."""
    return read_description(file.description)


def function(file: CoreMlFile) -> Function:
    """What a program runs."""
    return read_function(file.body)


def kinds(file: CoreMlFile) -> Counter[str]:
    """How many ops that are no constants, or layers, there are of each kind, at any depth."""
    if file.kind == PROGRAM:
        operations = function(file).block.all_operations()
        return Counter(op.kind for op in operations if op.kind != "const")
    return Counter(layer.kind for layer in Network(file.body).all_layers())
