"""The command line: options in, library calls, tables out. No logic.

Library modules are imported inside the commands, so that ``--help`` and ``--version`` start at once
and no command loads what it does not use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from dsconv import __version__
from dsconv.errors import DsconvError
from dsconv.option_sections import SectionOption, write_sections

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose errors are one line and an exit code; --traceback shows where they arose."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        option = click.Option(
            ["--traceback"], is_flag=True, help="Show where an error arose.", expose_value=False
        )
        self.params.append(option)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["traceback"] = "--traceback" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DsconvError as error:
            if ctx.meta["traceback"]:
                raise
            report_error(error)
            ctx.exit(error.exit_code)


class SectionedCommand(Command):
    """A command with so many options that its help has headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_sections(self.get_params(ctx), ctx, formatter)


class Group(click.Group):
    """The group of all commands, in the order in which they are defined."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


def report_error(error: DsconvError) -> None:
    """Print an error as one line."""
    click.echo(f"dsconv: {' '.join(str(error).split())}", err=True)


def output_option(what: str) -> Callable[[F], F]:
    """--output, with what it names."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), help=what)


force_option = click.option("--force", is_flag=True, help="Replace files that exist.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")


beam_option = click.option(
    "--beam",
    type=click.IntRange(min=1),
    help="Width of the beam search; the model's own by default.",
)
resample_option = click.option(
    "--resample", is_flag=True, help="Convert recordings of other rates or channels."
)


def _parse_shape(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Sizes as in 1,16,19,26 or [1,16,19,26]; a ? is any size."""
    if text is None:
        return None
    try:
        return tuple(int(size.replace("?", "-1")) for size in text.strip("[]").split(","))
    except ValueError:
        raise click.BadParameter("pass sizes, such as 1,16,19,26.", ctx, param) from None


def _parse_steps(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> int | tuple[int, ...] | None:
    """A number of steps, or a choice of them as in 1,16,32."""
    if text is None:
        return None
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("pass a number, or several as in 1,16,32.", ctx, param) from None
    return steps[0] if len(steps) == 1 else steps


steps_option = click.option(
    "--n-steps", "steps", type=int, help="Frames per call; -1 for any number."
)
reference_evaluator_option = click.option(
    "--reference-evaluator",
    "evaluated",
    is_flag=True,
    help="Run Core ML models in numpy on macOS too.",
)


def overrides_options(function: F) -> F:
    """What the user knows better than the file."""
    options = [
        click.option(
            "--alphabet",
            type=click.Path(path_type=Path),
            help="The labels of the classes, where MODEL does not hold them.",
        ),
        click.option(
            "--sample-rate",
            type=click.IntRange(min=1),
            help="Samples a second, where MODEL does not say it.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def network_options(
    *precisions: str, steps: Callable[[Any], Any] = steps_option
) -> Callable[[F], F]:
    """What can be asked of a target that builds the network afresh; the first is the default."""
    options = [
        steps,
        click.option(
            "--input-shape", callback=_parse_shape, help="The same as a shape, such as 1,16,19,26."
        ),
        click.option(
            "--precision", type=click.Choice(precisions), help=f"Default: {precisions[0]}."
        ),
        click.option(
            "--lengths",
            type=click.Choice(["frozen", "input"]),
            help="All frames of a call are valid, or their number is an input.",
        ),
        click.option(
            "--states",
            type=click.Choice(["io", "internal"]),
            help="Inputs and outputs, or kept inside the model.",
        ),
        click.option(
            "--front-end", is_flag=True, help="Take the samples of a whole clip, not features."
        ),
        click.option(
            "--scores",
            type=click.Choice(["probabilities", "raw"]),
            default="probabilities",
            help="What comes out: after a softmax, the default, or before.",
        ),
        overrides_options,
        click.option(
            "--validate/--no-validate",
            default=True,
            help="Compare the result with MODEL on the packaged speech; the default.",
        ),
    ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def model_argument(default: str) -> Callable[[F], F]:
    """MODEL, a file in the current folder unless it is given."""
    return click.argument("model", type=click.Path(path_type=Path), default=default)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dsconv", message="%(prog)s %(version)s")
def main() -> None:
    """Deploy DeepSpeech and Coqui STT acoustic models today.

    Exit codes: 0 done; 1 parity failed; 2 usage; 3 the input is not a model that dsconv knows, or
    is damaged; 4 it is known but cannot be converted so; 5 a toolkit is missing or failed; 6 the
    output cannot be written.
    """


@main.command()
@model_argument("output_graph.pb")
@output_option("The file to write; MODEL with the suffix .pbmm by default.")
@force_option
@json_option
@quiet_option
def pbmm(model: Path, output: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    """Convert MODEL, a frozen graph, to a memory-mappable package.

    MODEL is output_graph.pb by default. The original runtimes map the package into memory instead
    of reading it, so they start faster and use less memory.
    """
    _convert("pbmm", model, output, force, as_json, quiet)


@main.command()
@model_argument("output_graph.pbmm")
@output_option("The file to write; MODEL with the suffix .pb by default.")
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
    from dsconv.convert.registry import TARGETS, convert_file

    conversion = convert_file(TARGETS[name], model, output, force=force)
    if as_json:
        _print_json(conversion.to_json())
    elif not quiet:
        click.echo(f"Converted {conversion.details['converted_nodes']} nodes")
        click.echo(f"{conversion.output}: {conversion.bytes:,} bytes, {conversion.seconds:.2f} s")
    for note in conversion.notes:
        click.echo(f"dsconv: note: {note}", err=True)


@main.command()
@model_argument("output_graph.pb")
@network_options("int8", "fp32", "fp16")
@click.option(
    "--lstm",
    type=click.Choice(["loop", "unrolled"]),
    help="A loop with one copy of the weights, the default; or the exporter's form.",
)
@output_option("The file to write; MODEL with the suffix .tflite by default.")
@force_option
@json_option
@quiet_option
def tflite(model: Path, **asked: Any) -> None:
    """Convert MODEL, a frozen graph, to TFLite.

    MODEL is output_graph.pb by default. The inputs and outputs are those of the original exporter,
    whose runtimes open the result.
    """
    _convert_network("tflite", model, **asked)


@main.command()
@model_argument("output_graph.pb")
@network_options(
    "fp32",
    "fp16",
    "int8",
    steps=click.option(
        "--n-steps",
        "steps",
        callback=_parse_steps,
        help="Frames per call; -1 for any number, 1,16,32 for a choice.",
    ),
)
@click.option(
    "--format",
    "core_ml_format",
    type=click.Choice(["mlprogram", "neuralnetwork"]),
    default="mlprogram",
    help="A package for iOS 16 and later, the default; or an .mlmodel for iOS 13 and later.",
)
@click.option(
    "--target",
    "deployment_target",
    type=click.Choice(["ios16", "ios17", "ios18", "ios26"]),
    help="The oldest system that is to run it; the oldest that can by default.",
)
@click.option(
    "--palettize",
    "palette_bits",
    type=click.Choice(["4", "6", "8"]),
    help="Store each weight as so many bits that point to a value.",
)
@click.option(
    "--max-steps", type=int, help="With --n-steps -1, the most frames of a call. Default: 3000."
)
@click.option("--author", default="", help="The author that the model names.")
@click.option("--license", default="", help="The license that the model names.")
@click.option("--model-version", default="", help="The version that the model names.")
@reference_evaluator_option
@output_option("What to write; MODEL with the suffix .mlpackage or .mlmodel by default.")
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

    MODEL is output_graph.pb by default. Reduced precisions compute in float16, as the Neural
    Engine does; inputs and outputs stay float32. Away from macOS the result is validated by an
    evaluation of the saved file in numpy.
    """
    from dsconv.convert.options import CoreMlOptions

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


@main.command()
@model_argument("output_graph.pb")
@network_options("fp32", "fp16", "int8")
@output_option("The file to write; MODEL with the suffix .xml by default, a .bin beside it.")
@force_option
@json_option
@quiet_option
def openvino(model: Path, **asked: Any) -> None:
    """Convert MODEL, a frozen graph, to OpenVINO IR.

    MODEL is output_graph.pb by default. The states are inputs and outputs; the lengths are frozen
    to the steps, so that every frame of a call counts.
    """
    _convert_network("openvino", model, **asked)


@main.command()
@model_argument("output_graph.pb")
@network_options("fp32", "fp16", "int8")
@output_option("The file to write; MODEL with the suffix .onnx by default.")
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
    evaluated: bool = False,
    alphabet: Path | None = None,
    sample_rate: int | None = None,
    **asked: Any,
) -> None:
    """Convert, and print the verdict; the exit code is 1 if the result fails."""
    from dsconv.acoustic.overrides import Overrides
    from dsconv.checked import convert_checked
    from dsconv.convert.options import Options
    from dsconv.convert.registry import TARGETS

    with _progress("Validating", quiet or not validate) as progress:
        checked = convert_checked(
            TARGETS[name],
            model,
            output,
            options=Options(**asked, overrides=Overrides.of(alphabet, sample_rate)),
            force=force,
            validate=validate,
            evaluated=evaluated,
            progress=progress,
        )
    conversion, result = checked.conversion, checked.result
    if as_json:
        _print_json(checked.to_json())
    elif not quiet:
        click.echo(f"{conversion.output}: {conversion.bytes:,} bytes, {conversion.seconds:.2f} s")
    if result is not None and not as_json and (not quiet or not checked.passed):
        from dsconv.inspect.parity.text import verdict_line

        click.echo(verdict_line(result), err=quiet)
    if not quiet:
        for note in conversion.notes:
            click.echo(f"dsconv: note: {note}", err=True)
    if not checked.passed:
        click.get_current_context().exit(1)


@main.command("all")
@model_argument("output_graph.pb")
@network_options("fp32", "fp16", "int8")
@output_option("The folder to write into; that of MODEL by default.")
@force_option
@json_option
@quiet_option
def convert_to_all(
    model: Path,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    validate: bool,
    alphabet: Path | None,
    sample_rate: int | None,
    **asked: Any,
) -> None:
    """Convert MODEL to every target that is installed, and compare them all.

    MODEL is output_graph.pb by default. What a target cannot do, or what is not installed, is
    listed with the reason; the exit code is 1 if a file does not say the same.
    """
    from dsconv.acoustic.overrides import Overrides
    from dsconv.convert.options import Options
    from dsconv.convert_all import convert_all

    overrides = Overrides.of(alphabet, sample_rate)
    with _progress("Converting", quiet) as progress:
        done = convert_all(
            model,
            output,
            options=Options(**asked, overrides=overrides),
            force=force,
            validate=validate,
            progress=lambda _, share: progress(share),
        )
    if as_json:
        _print_json(done.to_json())
    elif not quiet or not done.passed:
        from dsconv.tables import render_all

        _print_rich(render_all(done))
    if not done.passed:
        click.get_current_context().exit(1)


@main.command()
@json_option
def formats(as_json: bool) -> None:
    """List the targets, which of them are installed, and how to install the others."""
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
        _print_json({"schema_version": 1, "targets": listed})
        return
    from dsconv.tables import render_formats

    _print_rich(render_formats(targets))


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@click.pass_context
def inspect(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Tell what is in FILES: format, network, inputs, outputs, weights, what they convert to.

    The format is told by a file's content, whatever its name. All files are inspected; the exit
    code is that of the first that fails.
    """
    from dsconv.inspect.registry import inspect_file
    from dsconv.inspect.report import SCHEMA_VERSION

    inspected: list[dict[str, Any]] = []
    errors: list[DsconvError] = []
    for number, path in enumerate(files):
        try:
            inspection = inspect_file(path)
        except DsconvError as error:
            if ctx.meta["traceback"]:
                raise
            errors.append(error)
            inspected.append({"path": str(path), "error": str(error)})
            report_error(error)
            continue
        inspected.append(inspection.to_json())
        if not as_json:
            from dsconv.inspect.text import render

            click.echo(("\n" if number else "") + render(inspection))
    if as_json:
        _print_json({"schema_version": SCHEMA_VERSION, "files": inspected})
    if errors:
        ctx.exit(errors[0].exit_code)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("audio", nargs=-1, required=True, type=click.Path(path_type=Path))
@beam_option
@resample_option
@overrides_options
@reference_evaluator_option
@json_option
@quiet_option
def transcribe(
    model: Path,
    audio: tuple[Path, ...],
    beam: int | None,
    resample: bool,
    alphabet: Path | None,
    sample_rate: int | None,
    evaluated: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Transcribe AUDIO (WAVs, folders of WAVs, CSVs of clips) with MODEL, of any format.

    A .pb or .pbmm is evaluated by dsconv itself; other formats run in their own runtime.
    """
    from dsconv.acoustic.overrides import Overrides
    from dsconv.runtime.transcribe import Transcriber
    from dsconv.speech.corpus import find_clips

    clips = find_clips(audio)
    transcriber = Transcriber(
        model,
        beam=beam,
        resample=resample,
        evaluated=evaluated,
        overrides=Overrides.of(alphabet, sample_rate),
    )
    results = []
    with _progress("Transcribing", quiet) as progress:
        for number, clip in enumerate(clips):
            part = _part_of(progress, number, len(clips))
            results.append(transcriber.transcribe(clip, part))
    if as_json:
        _print_json({"schema_version": 1, **transcriber.about, "clips": [vars(r) for r in results]})
        return
    for result in results:
        click.echo(f"{result.clip}: {result.text}" if len(results) > 1 else result.text)
    if not quiet:
        click.echo(transcriber.summary(results), err=True)


@main.command()
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("candidates", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--audio",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A WAV, a folder of WAVs or a CSV of clips; the packaged speech by default.",
)
@beam_option
@resample_option
@click.option("--strict", is_flag=True, help="Fail for another text at reduced precision too.")
@click.option(
    "--reference",
    "evaluator",
    type=click.Choice(["numpy", "tensorflow"]),
    default="numpy",
    show_default=True,
    help="What runs a reference graph.",
)
@overrides_options
@reference_evaluator_option
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write an HTML page of the result here."
)
@click.option(
    "--save-io",
    type=click.Path(path_type=Path),
    help="Keep the reference's inputs and outputs in this .npz.",
)
@click.option(
    "--load-io",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Compare a run that was made elsewhere, kept in such an .npz.",
)
@force_option
@json_option
@quiet_option
@click.pass_context
def validate(
    ctx: click.Context,
    reference: Path,
    candidates: tuple[Path, ...],
    audio: tuple[Path, ...],
    beam: int | None,
    resample: bool,
    strict: bool,
    evaluator: str,
    alphabet: Path | None,
    sample_rate: int | None,
    evaluated: bool,
    report: Path | None,
    save_io: Path | None,
    load_io: tuple[Path, ...],
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check that CANDIDATES still say the same as REFERENCE.

    Three levels: structure, numbers over whole clips with the states fed back, transcripts. The
    exit code is 0 if every candidate passes, 1 if one fails.
    """
    from dsconv.acoustic.overrides import Overrides
    from dsconv.fixtures.demo_model import SPEECH
    from dsconv.inspect.parity.trace import TraceFile
    from dsconv.inspect.parity.validate import Options, validate_models
    from dsconv.output import check_writable
    from dsconv.speech.corpus import find_clips

    if not candidates and not load_io and save_io is None:
        raise click.UsageError("pass a candidate, --load-io or --save-io.")
    written = [path for path in (report, save_io) if path is not None]
    if len(set(written)) != len(written):
        raise click.UsageError("--report and --save-io name the same file.")
    for path in written:
        check_writable(path, force=force)
    kept = TraceFile() if save_io else None
    with _progress("Validating", quiet) as progress:
        validation = validate_models(
            reference,
            candidates,
            find_clips(audio or [SPEECH]),
            Options(
                beam,
                strict,
                resample,
                evaluator == "tensorflow",
                evaluated,
                Overrides.of(alphabet, sample_rate),
            ),
            recorded=load_io,
            save_to=kept,
            progress=progress,
        )
    if as_json:
        _print_json(validation.to_json())
    elif not quiet:
        from dsconv.inspect.parity.text import render

        _print_rich(render(validation))
    if save_io is not None and kept is not None:
        kept.save(
            save_io, validation.reference.runtime, validation.reference.precision, force=force
        )
    if report is not None:
        from dsconv.inspect.parity.page import write_page

        write_page(validation, report, force=force)
    if not validation.passed:
        ctx.exit(1)


def _section(heading: str) -> Callable[..., Callable[[F], F]]:
    """`click.option`, for options under a heading of the help."""
    return partial(click.option, cls=SectionOption, section=heading)


_graph_option = _section("The graph")
_training_option = _section("How it was trained, as far as the checkpoint does not tell")
_card_option = _section("The model's card")


@main.command(cls=SectionedCommand)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@_graph_option(
    "--n-steps",
    type=int,
    default=16,
    show_default=True,
    help="Frames per call; -1 for any number.",
)
@_graph_option(
    "--exporter",
    type=click.Choice(["0.6.1", "0.9.3", "coqui-1.4.0"]),
    default="0.9.3",
    show_default=True,
    help="Whose graph to write.",
)
@_graph_option(
    "--load",
    "--load-evaluate",
    "load",
    type=click.Choice(["auto", "best", "last"]),
    default="auto",
    show_default=True,
    help="Which checkpoint of a folder; auto is the exporter's choice.",
)
@_graph_option(
    "--batch-size",
    "--export-batch-size",
    "batch_size",
    type=int,
    default=1,
    show_default=True,
    help="Clips at a time.",
)
@_graph_option(
    "--beam-width", "--export-beam-width", "beam_width", type=int, help="Default: 500, where any."
)
@_graph_option(
    "--language",
    "--export-language",
    "language",
    help='A tag such as de-Latn-DE; "" for none. By default the exporter\'s.',
)
@_training_option(
    "--alphabet",
    "--alphabet-config-path",
    "alphabet",
    type=click.Path(path_type=Path),
    help="The alphabet it was trained with; by default the one beside it, else English.",
)
@_training_option(
    "--bytes-output-mode",
    "--utf8",
    "bytes_output_mode",
    is_flag=True,
    help="It was trained on the bytes of UTF-8.",
)
@_training_option(
    "--audio-sample-rate",
    "sample_rate",
    type=int,
    default=16000,
    show_default=True,
    help="Samples per second.",
)
@_training_option(
    "--feature-win-len", type=int, default=32, show_default=True, help="Window, in milliseconds."
)
@_training_option(
    "--feature-win-step", type=int, default=20, show_default=True, help="Step, in milliseconds."
)
@_training_option("--n-input", type=int, default=26, show_default=True, help="Features of a frame.")
@_training_option(
    "--n-context", type=int, default=9, show_default=True, help="Frames of context on either side."
)
@_training_option(
    "--relu-clip", type=float, default=20.0, show_default=True, help="Where activations are cut."
)
@_card_option(
    "--metadata",
    "--model-card",
    "metadata",
    is_flag=True,
    help="Write the model's card, AUTHOR_NAME_VERSION.md, beside the graph, as the exporter did. "
    "Each of the following options does so too.",
)
@_card_option("--export-author-id", "author_id", help="Default: author.")
@_card_option("--export-model-name", "model_name", help="Default: model.")
@_card_option("--export-model-version", "model_version", help="Default: 0.0.1.")
@_card_option("--export-contact-info", "contact_info", help="How to reach the author.")
@_card_option("--export-license", "license", help="SPDX identifier of the license.")
@_card_option("--export-description", "description", help="What the model is, in Markdown.")
@_card_option(
    "--export-min-ds-version",
    "--export-min-stt-version",
    "min_version",
    help="The first version of the runtimes that it is for.",
)
@_card_option(
    "--export-max-ds-version", "--export-max-stt-version", "max_version", help="The last one."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("output_graph.pb"),
    show_default=True,
    help="The file to write.",
)
@force_option
@json_option
@quiet_option
def freeze(
    checkpoint: Path,
    output: Path,
    force: bool,
    as_json: bool,
    quiet: bool,
    metadata: bool,
    **asked: Any,
) -> None:
    """Freeze CHECKPOINT, what a training saved, to the graph that its exporter writes.

    CHECKPOINT is the folder of a training, the .index file of one of its checkpoints, or a
    SavedModel of Coqui STT; of DeepSpeech 0.6 or later, or Coqui STT. The sizes of the network are
    read from it; the defaults of the options are the exporter's.
    """
    from dsconv.freeze import freeze_checkpoint
    from dsconv.freeze_options import FreezeOptions
    from dsconv.model_card import ModelCard

    about_model = {name: asked.pop(name) for name in vars(ModelCard())}
    about_model = {name: text for name, text in about_model.items() if text is not None}
    card = ModelCard(**about_model) if metadata or about_model else None
    frozen = freeze_checkpoint(checkpoint, output, FreezeOptions(**asked, card=card), force=force)
    if as_json:
        _print_json(frozen.to_json())
    elif not quiet:
        click.echo(f"{frozen.output}: {frozen.bytes:,} bytes, {frozen.seconds:.2f} s")
        if frozen.card:
            click.echo(f"{frozen.card}: {frozen.card.stat().st_size:,} bytes")
    if not quiet:
        for note in frozen.notes:
            click.echo(f"dsconv: note: {note}", err=True)


@main.command()
@click.option(
    "--n-hidden",
    type=click.IntRange(min=1),
    help="Write a random model of this size instead of the demo model; the releases have 2048.",
)
@click.option("--n-steps", type=int, help="Frames per call; -1 for any number. Default: 16.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the random weights. Default: 0.")
@output_option("The folder to write into; the current one by default.")
@force_option
@json_option
@quiet_option
def fixture(
    n_hidden: int | None,
    n_steps: int | None,
    seed: int | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the demo model and its speech, or a random model of any size.

    The demo model transcribes the clips that are written beside it. A random model has the same
    graph, to the byte the size of the original exporter's, and weights that mean nothing.
    """
    from dsconv.fixtures.write import write_demo_model, write_random_model

    if seed is not None and n_hidden is None:
        raise click.UsageError("--seed goes with --n-hidden: the demo model is not random.")
    folder = output or Path()
    if n_hidden is None:
        files = write_demo_model(folder, n_steps, force=force)
    else:
        steps = 16 if n_steps is None else n_steps
        files = write_random_model(folder, n_hidden, steps, seed or 0, force=force)
    sizes = {str(path): path.stat().st_size for path in files}
    if as_json:
        listed = [{"path": path, "bytes": size} for path, size in sizes.items()]
        _print_json({"schema_version": 1, "files": listed})
    elif not quiet:
        for path, size in sizes.items():
            click.echo(f"{path}: {size:,} bytes")


@main.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("dsconv-demo"),
    show_default=True,
    help="The folder to write into.",
)
@force_option
@json_option
def demo(output: Path, force: bool, as_json: bool) -> None:
    """Run dsconv on its demo model, in a new folder.

    Writes the demo model, converts it to every format, looks at each file, and closes with a table
    of the files, their sizes and the time that each took.
    """
    from dsconv.demo import render, run_demo

    result = run_demo(output, force=force, say=str if as_json else click.echo)
    if as_json:
        _print_json(result.to_json())
    else:
        _print_rich(render(result))


@contextmanager
def _progress(label: str, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar on a terminal, nothing in a pipe; the share of the work moves it."""
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(length=1000, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield lambda share: bar.update(int(1000 * share) - bar.pos)


def _part_of(progress: Callable[[float], None], number: int, count: int) -> Callable[[float], None]:
    return lambda share: progress((number + share) / count)


def _print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_rich(renderable: Any) -> None:
    """Print tables; outside a terminal plain text without the padding of the lines."""
    from rich.console import Console

    # Names of files and nodes are no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as capture:
        console.print(renderable)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()).rstrip())
