"""``dsconv pbmm``, ``pb`` and the targets that build the network; ``all``, ``formats``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dsconv.commands.command import Command, SectionedCommand, report_error
from dsconv.commands.options import (
    asked_check,
    asked_options,
    force_option,
    json_option,
    model_argument,
    network_option,
    network_options,
    output_option,
    parse_steps,
    quiet_option,
    reference_evaluator_option,
    require_validation_option,
)
from dsconv.commands.show import print_json, print_rich, progress_bar
from dsconv.errors import ToolkitError


@click.command(cls=Command)
@model_argument("output_graph.pb")
@output_option("The file to write. Default: MODEL with the suffix .pbmm.")
@force_option
@json_option
@quiet_option
def pbmm(model: Path, output: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    """Convert MODEL, a frozen graph, to a memory-mappable package.

    MODEL is output_graph.pb by default. The original runtimes map the package into memory instead
    of reading it, so they start faster and use less memory.
    """
    _convert("pbmm", model, output, force, as_json, quiet)


@click.command(cls=Command)
@model_argument("output_graph.pbmm")
@output_option("The file to write. Default: MODEL with the suffix .pb.")
@force_option
@json_option
@quiet_option
def pb(model: Path, output: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    """Convert MODEL, a memory-mappable package, back to a frozen graph.

    MODEL is output_graph.pbmm by default. The result opens in any tool that reads a .pb.
    """
    _convert("pb", model, output, force, as_json, quiet)


def _convert(
    name: str, model: Path, output: Path | None, force: bool, as_json: bool, quiet: bool
) -> None:
    from dsconv.convert.registry import TARGETS
    from dsconv.convert.run import convert_file

    conversion = convert_file(TARGETS[name], model, output, force=force)
    if as_json:
        print_json(conversion.to_json())
    elif not quiet:
        click.echo(f"Converted {conversion.details['converted_nodes']} nodes")
        click.echo(f"{conversion.output}: {conversion.bytes:,} bytes, {conversion.seconds:.2f} s")
    for note in conversion.notes:
        click.echo(f"dsconv: note: {note}", err=True)


@click.command(cls=SectionedCommand)
@model_argument("output_graph.pb")
@network_options("int8", "fp32", "fp16")
@click.option(
    "--lstm",
    type=click.Choice(["loop", "unrolled"]),
    help="loop (the default but for one step): one copy of the weights. unrolled: the exporter's "
    "form.",
)
@require_validation_option
@output_option("The file to write. Default: MODEL with the suffix .tflite.")
@force_option
@json_option
@quiet_option
def tflite(model: Path, **asked: Any) -> None:
    """Convert MODEL, a frozen graph, to TFLite.

    MODEL is output_graph.pb by default. The inputs and outputs are those of the original exporter,
    whose runtimes open the result.
    """
    _convert_network("tflite", model, **asked)


@click.command(cls=SectionedCommand)
@model_argument("output_graph.pb")
@network_options(
    "fp32",
    "fp16",
    "int8",
    steps=network_option(
        "--n-steps",
        "steps",
        callback=parse_steps,
        help="Frames per call; -1 for any number, 1,16,32 for exactly these.",
    ),
)
@click.option(
    "--format",
    "core_ml_format",
    type=click.Choice(["mlprogram", "neuralnetwork"]),
    default="mlprogram",
    help="A package for iOS 16 or later (the default), or an .mlmodel for iOS 13 or later.",
)
@click.option(
    "--target",
    "deployment_target",
    type=click.Choice(["ios16", "ios17", "ios18", "ios26"]),
    help="The oldest system that must run the model. Default: the oldest that can.",
)
@click.option(
    "--palettize",
    "palette_bits",
    type=click.Choice(["4", "6", "8"]),
    help="Store each weight as an index of this many bits into a table of values.",
)
@click.option(
    "--max-steps", type=int, help="With --n-steps -1, the most frames per call. Default: 3000."
)
@click.option("--author", default="", help="The author, as Xcode shows it.")
@click.option("--license", default="", help="The license, as Xcode shows it.")
@click.option("--model-version", default="", help="The version, as Xcode shows it.")
@reference_evaluator_option
@require_validation_option
@output_option("The file to write. Default: MODEL with the suffix .mlpackage or .mlmodel.")
@force_option
@json_option
@quiet_option
def coreml(
    model: Path,
    steps: int | tuple[int, ...] | None,
    core_ml_format: Any,
    deployment_target: Any,
    palette_bits: str | None,
    max_steps: int | None,
    author: str,
    license: str,  # noqa: A002
    model_version: str,
    **asked: Any,
) -> None:
    """Convert MODEL, a frozen graph, to Core ML.

    MODEL is output_graph.pb by default. Precisions below fp32 compute in float16, as the Neural
    Engine does; inputs and outputs stay float32. Core ML runs only on macOS; elsewhere dsconv
    validates the saved file by evaluating it in numpy.
    """
    from dsconv.convert.coreml.options import CoreMlOptions

    core_ml = CoreMlOptions(
        format=core_ml_format,
        deployment_target=deployment_target,
        palette_bits=int(palette_bits) if palette_bits else None,  # type: ignore[arg-type]
        max_steps=max_steps,
        step_choices=steps if isinstance(steps, tuple) else (),
        author=author,
        license=license,
        model_version=model_version,
    )
    one = None if isinstance(steps, tuple) else steps
    _convert_network("coreml", model, steps=one, core_ml=core_ml, **asked)


@click.command(cls=SectionedCommand)
@model_argument("output_graph.pb")
@network_options("fp32", "fp16", "int8")
@require_validation_option
@output_option("The .xml to write, with a .bin beside it. Default: MODEL with the suffix .xml.")
@force_option
@json_option
@quiet_option
def openvino(model: Path, **asked: Any) -> None:
    """Convert MODEL, a frozen graph, to OpenVINO IR.

    MODEL is output_graph.pb by default. Unless you pass --states or --lengths, the states are
    inputs and outputs, and every frame of a call counts.
    """
    _convert_network("openvino", model, **asked)


@click.command(cls=SectionedCommand)
@model_argument("output_graph.pb")
@network_options("fp32", "fp16", "int8")
@require_validation_option
@output_option("The file to write. Default: MODEL with the suffix .onnx.")
@force_option
@json_option
@quiet_option
def onnx(model: Path, **asked: Any) -> None:
    """Convert MODEL, a frozen graph, to ONNX.

    MODEL is output_graph.pb by default. The inputs and outputs are those of the graph.
    """
    _convert_network("onnx", model, **asked)


def _convert_network(
    name: str,
    model: Path,
    *,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    validate: bool,
    require_validation: bool = False,
    evaluated: bool = False,
    alphabet: Path | None = None,
    sample_rate: int | None = None,
    **asked: Any,
) -> None:
    """Convert, and print the verdict; the exit code is 1 if the result fails."""
    from dsconv.api import convert_model
    from dsconv.workflows.convert import ignore_warning

    warned: list[str] = []

    def warn(text: str) -> None:
        warned.append(text)
        _note(text)

    check = asked_check(asked, validate=validate)
    with progress_bar("Validating", quiet or not validate) as progress:
        checked = convert_model(
            model,
            name,
            output,
            options=asked_options(asked, alphabet, sample_rate),
            force=force,
            validate=validate,
            require_validation=require_validation,
            evaluated=evaluated,
            check=check,
            warn=ignore_warning if quiet else warn,
            progress=progress,
        )
    conversion = checked.conversion
    if as_json:
        print_json(checked.to_json())
    elif not quiet:
        click.echo(f"{conversion.output}: {conversion.bytes:,} bytes, {conversion.seconds:.2f} s")
    if checked.lines and not as_json and (not quiet or not checked.passed):
        click.echo("\n".join(checked.lines), err=quiet)
    if not quiet:
        for note in conversion.notes:
            if note not in warned:
                _note(note)
    if not checked.passed:
        click.get_current_context().exit(1)


def _note(text: str) -> None:
    click.echo(f"dsconv: note: {text}", err=True)


@click.command("all", cls=SectionedCommand)
@model_argument("output_graph.pb")
@network_options("fp32", "fp16", "int8")
@output_option("The folder to write into. Default: the folder of MODEL.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write an HTML report to this file."
)
@force_option
@json_option
@quiet_option
def to_all(
    model: Path,
    output: Path | None,
    report: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    validate: bool,
    alphabet: Path | None,
    sample_rate: int | None,
    **asked: Any,
) -> None:
    """Convert MODEL to every installed target, and compare all results with it.

    MODEL is output_graph.pb by default. Targets that are not installed, or that cannot do what you
    ask for, are listed with the reason. The exit code is 1 if a result differs from MODEL.
    """
    from dsconv.api import convert_to_all
    from dsconv.formats.output import check_writable
    from dsconv.workflows.convert import ignore_warning

    if report is not None:
        check_writable(report, force=force)
    check = asked_check(asked, validate=validate)
    with progress_bar("Converting", quiet) as progress:
        done = convert_to_all(
            model,
            output,
            options=asked_options(asked, alphabet, sample_rate),
            force=force,
            validate=validate,
            check=check,
            warn=ignore_warning if quiet else _note,
            progress=progress,
        )
    if as_json:
        print_json(done.to_json())
    elif not quiet or not done.passed:
        from dsconv.workflows.all_results import render_all

        print_rich(render_all(done))
    if report is not None:
        from dsconv.workflows.all_results import write_all_page

        write_all_page(done, report, force=force)
    if not done.passed:
        click.get_current_context().exit(1)


@click.command(cls=Command)
@json_option
def formats(as_json: bool) -> None:
    """List the targets, and how to install those that are missing."""
    from dsconv.convert.registry import all_targets

    targets = list(all_targets().values())
    if as_json:
        listed = [
            {
                "target": target.name,
                "label": target.label,
                "installed": not (target.toolkit and target.toolkit.missing),
                "install": target.toolkit.install if target.toolkit else None,
            }
            for target in targets
        ]
        print_json({"schema_version": 1, "targets": listed})
        return
    from dsconv.commands.tables import render_formats

    print_rich(render_formats(targets))


def plugin_names() -> list[str]:
    """The targets of plug-ins, which are commands as well; none if a plug-in cannot be loaded."""
    from dsconv.convert.registry import TARGETS
    from dsconv.formats.extensions import plugin_targets

    try:
        return [name for name in plugin_targets() if name not in TARGETS]
    except ToolkitError as error:
        report_error(error)
        return []


def plugin_command(name: str) -> click.Command | None:
    """The command of a plug-in's target, with the options that all targets share."""
    from dsconv.formats.extensions import plugin_targets

    target = plugin_targets().get(name)
    if target is None:
        return None

    def convert(model: Path, **asked: Any) -> None:
        _convert_network(name, model, **asked)

    convert.__doc__ = (
        f"Convert MODEL, a frozen graph, to {target.label}.\n\n"
        "MODEL is output_graph.pb by default. A plug-in adds this target."
    )
    options: list[Callable[[Any], Any]] = [
        model_argument("output_graph.pb"),
        network_options("fp32", "fp16", "int8"),
        require_validation_option,
        output_option(f"The file to write. Default: MODEL with the suffix of {target.label}."),
        force_option,
        json_option,
        quiet_option,
    ]
    for option in reversed(options):
        convert = option(convert)
    return click.command(name, cls=SectionedCommand)(convert)
