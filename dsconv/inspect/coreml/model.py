"""Inspect a Core ML model, package or file, without coremltools.

Source: the specification versions in the documentation of coremltools.
"""

from __future__ import annotations

from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.errors import ModelError
from dsconv.formats.coreml.file import NEURAL_NETWORK, PROGRAM, CoreMlFile, open_core_ml
from dsconv.formats.coreml.interface import Description, Feature, read_description
from dsconv.formats.coreml.schema import OTHER_KINDS
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.storage import unreadable
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.coreml.network import read_network
from dsconv.inspect.coreml.program import read_program
from dsconv.inspect.report import CoreMlInfo, Inspection, TensorInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME

_KINDS = {PROGRAM: "mlprogram", NEURAL_NETWORK: "neuralnetwork"}
# The first systems that open a specification version.
_SYSTEMS = {
    1: "iOS 11, macOS 10.13",
    2: "iOS 11.2, macOS 10.13.2",
    3: "iOS 12, macOS 10.14",
    4: "iOS 13, macOS 10.15",
    5: "iOS 14, macOS 11",
    6: "iOS 15, macOS 12",
    7: "iOS 16, macOS 13",
    8: "iOS 17, macOS 14",
    9: "iOS 18, macOS 15",
    10: "iOS 26, macOS 26",
}
_TOOLKIT = "com.github.apple.coremltools.version"


def inspect_core_ml(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a package or a file that was found to be Core ML.

    Raises ModelError if it is damaged, or a model of another kind than a program or a network.
    """
    try:
        file = _read(path)
        return inspection_of(path, found, digest, file, NO_ORIGINAL_RUNTIME)
    except ModelError as error:
        # It may hold a name from the model, and that a line break.
        raise ModelError(" ".join(str(error).splitlines())) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except (RecursionError, ValueError):
        # Names that are no file names, shapes of unequal rank, blocks within blocks without end.
        raise ModelError("the model is damaged; copy or download it again.") from None


def _read(path: Path) -> ConvertedFile:
    model = open_core_ml(path)
    if model.kind not in _KINDS:
        kind = OTHER_KINDS.get(model.kind, f"number {model.kind}")
        raise ModelError(
            f"it is a Core ML model of another kind ({kind}); "
            "pass an ML program or a neural network."
        )
    description = read_description(model.description)
    file = ConvertedFile(
        inputs=list(map(_tensor, description.inputs)),
        outputs=list(map(_tensor, description.outputs)),
        states=list(map(_tensor, description.states)),
        metadata=Metadata.from_text(description.properties),
        produced_by=_producer(description.properties),
        source_sha256=description.properties.get("source_sha256"),
    )
    opset: str | None = None
    functions: list[str] = []
    if model.kind == PROGRAM:
        opset, functions = read_program(model, file)
    else:
        read_network(model, file)
    file.core_ml = _info(model, description, opset, functions)
    return file


def _info(
    model: CoreMlFile, description: Description, opset: str | None, functions: list[str]
) -> CoreMlInfo:
    properties = description.properties.items()
    return CoreMlInfo(
        kind=_KINDS[model.kind],
        specification_version=model.version,
        deployment_target=_SYSTEMS.get(model.version),
        opset=opset,
        functions=functions,
        author=description.author,
        license=description.license,
        version=description.version,
        short_description=description.summary,
        properties={key: text for key, text in properties if not key.startswith("metadata_")},
    )


def _producer(properties: dict[str, str]) -> str | None:
    if version := properties.get("dsconv_version"):
        return f"dsconv {version}"
    version = properties.get(_TOOLKIT)
    return f"coremltools {version}" if version else None


def _tensor(feature: Feature) -> TensorInfo:
    shape, ranges, shapes = feature.dynamic_shape, feature.ranges, feature.shapes
    return TensorInfo(
        feature.name,
        feature.dtype,
        None if shape is None else list(shape),
        None if ranges is None else [list(sizes) for sizes in ranges],
        None if shapes is None else [list(sizes) for sizes in shapes],
    )
