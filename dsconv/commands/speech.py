"""``dsconv transcribe`` and ``dsconv validate``."""

from __future__ import annotations

from pathlib import Path

import click

from dsconv.commands.command import Command
from dsconv.commands.options import (
    beam_option,
    force_option,
    json_option,
    limit_options,
    overrides_options,
    quiet_option,
    reference_evaluator_option,
    resample_option,
)
from dsconv.commands.show import print_json, print_rich, progress_bar
from dsconv.progress import equal_parts


@click.command(cls=Command)
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
    """Transcribe AUDIO (WAVs, folders of WAVs, CSVs of clips) with a MODEL of any format.

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
    with progress_bar("Transcribing", quiet) as progress:
        for clip, part in zip(clips, equal_parts(progress, len(clips)), strict=True):
            results.append(transcriber.transcribe(clip, part))
    if as_json:
        print_json({"schema_version": 1, **transcriber.about, "clips": [vars(r) for r in results]})
        return
    for result in results:
        click.echo(f"{result.clip}: {result.text}" if len(results) > 1 else result.text)
    if not quiet:
        click.echo(transcriber.summary(results), err=True)


@click.command(cls=Command)
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("candidates", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--audio",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A WAV, a folder of WAVs or a CSV of clips. Default: the packaged speech.",
)
@beam_option
@resample_option
@limit_options
@click.option(
    "--reference",
    "evaluator",
    type=click.Choice(["numpy", "tensorflow"]),
    default="numpy",
    show_default=True,
    help="What evaluates a reference graph.",
)
@overrides_options
@reference_evaluator_option
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write an HTML report to this file."
)
@click.option(
    "--save-io",
    type=click.Path(path_type=Path),
    help="Save the inputs and outputs of the reference to this .npz.",
)
@click.option(
    "--load-io",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Compare a run of another machine, saved in such an .npz.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Run clips in this many processes, each with its own copy of the models.",
)
@click.option(
    "--dask", metavar="ADDRESS", help="Run clips on the Dask cluster with this scheduler."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="Keep finished clips in this file, and continue from it if the run was stopped.",
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
    max_cer: float | None,
    max_wer_increase: float | None,
    evaluator: str,
    alphabet: Path | None,
    sample_rate: int | None,
    evaluated: bool,
    report: Path | None,
    save_io: Path | None,
    load_io: tuple[Path, ...],
    jobs: int,
    dask: str | None,
    resume: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check that CANDIDATES give the same results as REFERENCE.

    Compares the structure, the outputs over whole clips with the states fed back, and the
    transcripts. The exit code is 0 if every candidate passes, 1 if one fails.
    """
    from dsconv.acoustic.overrides import Overrides
    from dsconv.api import validate_models
    from dsconv.formats.output import check_writable
    from dsconv.inspect.parity.trace import TraceFile
    from dsconv.inspect.parity.validate import ValidationOptions

    if not candidates and not load_io and save_io is None:
        raise click.UsageError("pass a candidate, --load-io or --save-io.")
    if dask is not None and jobs > 1:
        raise click.UsageError("pass --jobs or --dask, not both.")
    if resume is not None and save_io is not None:
        raise click.UsageError(
            "--resume and --save-io do not work together; leave one of them out."
        )
    written = [path for path in (report, save_io, resume) if path is not None]
    if len(set(written)) != len(written):
        raise click.UsageError("--report, --save-io and --resume must name different files.")
    for path in written[: len(written) - (resume is not None)]:
        check_writable(path, force=force)
    kept = TraceFile() if save_io else None
    with progress_bar("Validating", quiet) as progress:
        validation = validate_models(
            reference,
            candidates,
            audio or None,
            options=ValidationOptions(
                beam,
                strict,
                resample,
                evaluator == "tensorflow",
                evaluated,
                Overrides.of(alphabet, sample_rate),
                max_cer,
                max_wer_increase,
            ),
            recorded=load_io,
            save_to=kept,
            progress=progress,
            jobs=jobs,
            dask=dask,
            resume=resume,
        )
    if as_json:
        print_json(validation.to_json())
    elif not quiet:
        from dsconv.inspect.parity.validation import render

        print_rich(render(validation))
    if save_io is not None and kept is not None:
        kept.save(
            save_io, validation.reference.runtime, validation.reference.precision, force=force
        )
    if report is not None:
        from dsconv.inspect.parity.page import write_page

        write_page(validation, report, force=force)
    if not validation.passed:
        ctx.exit(1)
