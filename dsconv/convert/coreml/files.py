"""Write Core ML files: an .mlmodel, or an .mlpackage."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dsconv.convert.coreml.builder import ProgramBuilder
from dsconv.convert.coreml.form import CoreMlForm
from dsconv.convert.coreml.precision import compressed_network, pipeline
from dsconv.errors import ToolkitError
from dsconv.formats.coreml.package import MODEL_FOLDER, MODEL_NAME, write_manifest
from dsconv.runtime.model import reason_of


def write_package(
    builder: ProgramBuilder, form: CoreMlForm, properties: Mapping[str, str], path: Path
) -> None:
    """Write a program as a package. Raises ToolkitError if the toolkit fails."""
    specification = _converted(
        builder,
        convert_to="mlprogram",
        minimum_deployment_target=builder.target,
        # The program computes in float16 where it was built so.
        compute_precision=builder.coremltools.precision.FLOAT32,
        pass_pipeline=pipeline(form),
        # The weights are written where they stay.
        package_dir=str(path),
    ).get_spec()
    # The toolkit's version is there too.
    specification.mlProgram.attributes.clear()
    describe(specification, form, properties)
    _write(specification, path / MODEL_FOLDER / MODEL_NAME)
    write_manifest(path)


def write_neural_network(
    builder: ProgramBuilder, form: CoreMlForm, properties: Mapping[str, str], path: Path
) -> None:
    """Write a neural network. Raises ToolkitError if the toolkit fails."""
    passes = builder.coremltools.PassPipeline()
    passes.remove_passes({"common::fuse_layernorm_or_instancenorm"})
    model = _converted(builder, convert_to="neuralnetwork", pass_pipeline=passes)
    with _quiet():
        specification = compressed_network(model, form)
    describe(specification, form, properties)
    _write(specification, path)


def describe(specification: Any, form: CoreMlForm, properties: Mapping[str, str]) -> None:
    """Write what a model says about itself."""
    metadata = specification.description.metadata
    network = form.network
    metadata.shortDescription = (
        f"Acoustic model of speech, LSTM of {network.lstm.cells} cells, {network.classes} classes."
    )
    metadata.author = form.core_ml.author
    metadata.license = form.core_ml.license
    metadata.versionString = form.core_ml.model_version
    # What the toolkit writes about itself differs from machine to machine.
    metadata.userDefined.clear()
    metadata.userDefined.update(properties)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The toolkit's own progress and advice are not for users of dsconv."""
    silent = io.StringIO()
    with (
        contextlib.redirect_stdout(silent),
        contextlib.redirect_stderr(silent),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _converted(builder: ProgramBuilder, **options: Any) -> Any:
    """What the toolkit makes of a program."""
    try:
        with _quiet():
            return builder.coremltools.convert(
                builder.program(),
                source="milinternal",
                inputs=builder.interface,
                skip_model_load=True,
                **options,
            )
    except Exception as error:  # Core ML Tools' exceptions have no common base.
        raise ToolkitError(f"Core ML Tools failed: {reason_of(error)}") from error


def _write(specification: Any, path: Path) -> None:
    """Write a Model message, its maps in a fixed order."""
    path.write_bytes(specification.SerializeToString(deterministic=True))
