"""Core ML, for Apple's devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.convert.coreml.form import CoreMlForm
from dsconv.convert.coreml.options import DeploymentTarget
from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.options import Options
from dsconv.errors import ConversionError, OutputError
from dsconv.formats.graphdef.steps import DYNAMIC, check_steps
from dsconv.formats.output import new_files
from dsconv.formats.storage import disk_size
from dsconv.formats.table import CORE_ML_MODEL, CORE_ML_PACKAGE

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.convert.coreml.builder import ProgramBuilder

_FORMATS = {"mlprogram": CORE_ML_PACKAGE, "neuralnetwork": CORE_ML_MODEL}


@dataclass(frozen=True)
class Built:
    """A program and what it was built from."""

    form: CoreMlForm
    builder: ProgramBuilder


class CoreMlTarget(NetworkTarget):
    """One fused LSTM among dense layers, as an ML program or as a neural network."""

    name = "coreml"
    label = "Core ML"
    toolkit = CORE_ML_PACKAGE.toolkit
    suffix = CORE_ML_PACKAGE.suffix
    states = ("io", "internal")

    def suffix_for(self, options: Options) -> str:
        """A program is a package, a neural network one file."""
        return _FORMATS[options.core_ml.format].suffix

    def outputs(self, output: Path, options: Options) -> tuple[Path, ...]:
        """The package or the file."""
        suffix = self.suffix_for(options)
        if output.suffix != suffix:
            raise OutputError(
                f"{output} is not a name for a Core ML {options.core_ml.format}; choose one that "
                f"ends in {suffix}."
            )
        return (output,)

    def form(self, source: Source, options: Options) -> CoreMlForm:
        """What to build. Raises ConversionError for what this form of Core ML cannot do."""
        asked = options.core_ml
        _check_steps(options)
        if asked.step_choices:
            # What refuses a number of steps refuses a choice of them.
            options = replace(options, steps=max(asked.step_choices))
        if asked.palette_bits is not None:
            _check_palette(options)
            options = replace(options, precision="fp16")
        form = CoreMlForm(**vars(super().form(source, options)), core_ml=asked)
        if asked.step_choices:
            form = replace(form, steps=DYNAMIC)
        if asked.max_steps is not None and not form.dynamic:
            raise ConversionError("--max-steps goes with --n-steps -1, or with --front-end.")
        if asked.format == "neuralnetwork":
            _check_neural_network(form)
            return form
        oldest = _deployment_target(form)
        return replace(form, core_ml=replace(asked, deployment_target=oldest))

    def build(self, form: CoreMlForm) -> Built:
        """The program."""
        from dsconv.convert.coreml.builder import ProgramBuilder
        from dsconv.convert.coreml.network import add_network

        builder = ProgramBuilder(form.core_ml.deployment_target, half=_computes_in_half(form))
        add_network(builder, form)
        return Built(form, builder)

    def write(
        self, model: Built, properties: Mapping[str, str], output: Path, *, force: bool
    ) -> int:
        """Convert the program by the toolkit and write it."""
        from dsconv.convert.coreml.files import write_neural_network, write_package

        write = write_package if output.suffix == self.suffix else write_neural_network
        with new_files([output], force=force) as folder:
            path = folder / output.name
            write(model.builder, model.form, properties, path)
            return disk_size(path)

    def notes(self, form: CoreMlForm) -> tuple[str, ...]:
        """What a user should know of the interface."""
        if form.states == "internal":
            return ("the states stay inside, in float16; a new MLState starts a clip.",)
        names = form.network.names
        if form.lengths == "frozen" and names.lengths and not form.front_end:
            return (f"{names.lengths} is frozen: all frames of a call are valid.",)
        return ()


def _check_steps(options: Options) -> None:
    """Refuse choices of steps that exclude each other."""
    choices, most = options.core_ml.step_choices, options.core_ml.max_steps
    for steps in choices:
        check_steps(steps)
    if choices and (DYNAMIC in choices or len(set(choices)) < 2):
        raise ConversionError(
            "a choice of steps needs two numbers or more, such as --n-steps 1,16,32; pass -1 alone "
            "for any number."
        )
    if choices and (most is not None or options.front_end or options.input_shape):
        raise ConversionError(
            "a choice of --n-steps goes neither with --max-steps nor with --input-shape nor with "
            "--front-end; leave one of them out."
        )
    if most is not None and most < 1:
        raise ConversionError(f"--max-steps {most} is too small; pass 1 or more.")


def _computes_in_half(form: CoreMlForm) -> bool:
    """Whether a program computes in float16, which is all that the Neural Engine knows."""
    return form.core_ml.format == "mlprogram" and form.precision != "fp32"


def _check_palette(options: Options) -> None:
    if options.precision not in (None, "fp16"):
        raise ConversionError(
            f"--palettize stores weights as a choice of float16 values, not as {options.precision};"
            " leave out --precision."
        )


def _check_neural_network(form: CoreMlForm) -> None:
    """Refuse what only programs know."""
    refused = {
        "--palettize": form.core_ml.palette_bits is not None,
        "--target": form.core_ml.deployment_target is not None,
        "--states internal": form.states == "internal",
    }
    for option, given in refused.items():
        if given:
            raise ConversionError(
                f"{option} is for ML programs, and a neural network runs on iOS 13 and later as it "
                "is; leave it out, or pass --format mlprogram."
            )


def _deployment_target(form: CoreMlForm) -> DeploymentTarget:
    """As asked, else the oldest that knows what the form needs."""
    asked = form.core_ml.deployment_target
    needed: DeploymentTarget = "ios16"
    if form.states == "internal":
        needed, what = "ios18", "--states internal"
    elif form.core_ml.palette_bits is not None:
        needed, what = "ios17", "--palettize"
    elif asked is None and form.precision != "fp32":
        # Since then the LSTM computes in float16 too.
        needed = "ios17"
    if asked is not None and int(asked[3:]) < int(needed[3:]):
        raise ConversionError(
            f"{what} needs {needed} or later, but --target is {asked}; pass --target {needed}."
        )
    return asked or needed
