"""dsconv as a library: what its commands do, for programs and notebooks.

Every function is there as ``dsconv.NAME`` too, and raises the errors of `dsconv.errors`, which say
what to do. Nothing is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dsconv.convert.options import Options
from dsconv.convert.registry import find_target
from dsconv.progress import Progress, ignore_progress
from dsconv.workflows.all_results import AllTargets
from dsconv.workflows.all_targets import convert_all
from dsconv.workflows.convert import CheckedConversion, convert_checked, ignore_warning
from dsconv.workflows.speech_check import SpeechCheck

if TYPE_CHECKING:
    from dsconv.acoustic.overrides import Overrides
    from dsconv.inspect.parity.trace import TraceFile
    from dsconv.inspect.parity.validate import ValidationOptions
    from dsconv.inspect.parity.validation import Validation
    from dsconv.inspect.report import Inspection
    from dsconv.runtime.transcribe import Transcription
    from dsconv.workflows.freeze import Frozen
    from dsconv.workflows.freeze_options import FreezeOptions

AnyPath: TypeAlias = str | os.PathLike[str]


def convert_model(
    model: AnyPath,
    target: str,
    output: AnyPath | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
    validate: bool = True,
    require_validation: bool = False,
    evaluated: bool = False,
    check: SpeechCheck | None = None,
    warn: Callable[[str], None] = ignore_warning,
    progress: Progress = ignore_progress,
) -> CheckedConversion:
    """Convert a frozen graph, and compare the result with it over some packaged speech.

    `target` is the name of a command, such as ``tflite``; `output` is a file beside the model
    unless it is given. What the options say nothing about is as in the graph, or the target's
    default. Files that exist are only replaced with `force`. The result's `passed` says whether the
    file is right; one that is not is no error, and stays. So does one that cannot be checked here,
    and `not_validated` says why, unless `require_validation` makes it an error. With `evaluated` a
    Core ML model is run in numpy on macOS too; `check` says over which speech, and which costs are
    failures. `warn` is told what to know before anything is written.

    Raises ModelError for a model that is damaged or no graph, ConversionError for what cannot be,
    ToolkitError for a toolkit that is missing or fails, OutputError; then nothing is written.
    """
    return convert_checked(
        find_target(target),
        model,
        output,
        options=options,
        force=force,
        validate=validate,
        require_validation=require_validation,
        check=replace(check or SpeechCheck(), evaluated=evaluated),
        warn=warn,
        progress=progress,
    )


def convert_to_all(
    model: AnyPath,
    folder: AnyPath | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
    validate: bool = True,
    check: SpeechCheck | None = None,
    warn: Callable[[str], None] = ignore_warning,
    progress: Progress = ignore_progress,
) -> AllTargets:
    """Convert a frozen graph to every target that is installed, and compare all files at once.

    The files stand beside the model, or in `folder`. Targets that are not installed, or that the
    graph or the options do not fit, are listed with the reason. Raises as `convert_model` does, but
    ConversionError only if no target can be made.
    """
    return convert_all(
        model,
        folder,
        options=options,
        force=force,
        validate=validate,
        check=check,
        warn=warn,
        progress=progress,
    )


def inspect_model(path: AnyPath) -> Inspection:
    """Tell what is in a model file of any format: network, inputs, outputs, weights, metadata.

    No toolkit is needed. Raises ModelError for what is damaged or no model.
    """
    from dsconv.workflows.inspection import inspect_model as inspect

    return inspect(path)


def validate_models(
    reference: AnyPath,
    candidates: Iterable[AnyPath],
    audio: Iterable[AnyPath] | None = None,
    *,
    options: ValidationOptions | None = None,
    recorded: Iterable[AnyPath] = (),
    save_to: TraceFile | None = None,
    progress: Progress = ignore_progress,
    jobs: int = 1,
    dask: str | None = None,
    resume: AnyPath | None = None,
) -> Validation:
    """Check that candidates still say the same as a reference, over speech.

    `audio` are WAVs, folders of WAVs and CSVs of the training code; the packaged speech unless they
    are given. Compared are the structure, probabilities [frames, classes] and states [n_hidden] in
    every call with the states fed back, and the texts. Runs made elsewhere are `recorded`;
    the reference's own is kept in `save_to`. Raises ModelError, ConversionError and
    ToolkitError for models that cannot be run; a difference is no error.

    Clips are run here, in `jobs` processes, or by the workers of the Dask cluster at the address
    `dask`; the figures are the same to the bit. With `jobs` a program needs the usual
    ``if __name__ == "__main__":``, because processes are started afresh. With `resume` finished
    clips are kept in that file, and a run that was stopped goes on from there; OutputError if the
    file is of another run.
    """
    from dsconv.fixtures.demo_model import SPEECH
    from dsconv.inspect.parity.validate import ValidationOptions
    from dsconv.inspect.parity.validate import validate_models as validate
    from dsconv.speech.corpus import find_clips

    clips = find_clips([SPEECH] if audio is None else map(Path, audio))
    paths = [Path(candidate) for candidate in candidates]
    options = options or ValidationOptions()
    if audio is None:
        options = replace(options, resample=True, packaged_speech=True)
    return validate(
        Path(reference),
        paths,
        clips,
        options,
        recorded=list(map(Path, recorded)),
        save_to=save_to,
        progress=progress,
        jobs=jobs,
        dask=dask,
        resume=None if resume is None else Path(resume),
    )


def transcribe(
    model: AnyPath,
    audio: Iterable[AnyPath],
    *,
    beam: int | None = None,
    resample: bool = False,
    overrides: Overrides | None = None,
) -> list[Transcription]:
    """The texts of recordings: WAVs, folders of WAVs and CSVs, each clip in its place.

    `beam` is the width of the beam search, by default the model's own. Recordings must have the
    model's sample rate and one channel unless `resample` is set. Raises ModelError, ConversionError
    and ToolkitError for a model that cannot be run, or holds no alphabet.
    """
    from dsconv.runtime.transcribe import Transcriber
    from dsconv.speech.corpus import find_clips

    transcriber = Transcriber(Path(model), beam=beam, resample=resample, overrides=overrides)
    return [transcriber.transcribe(clip) for clip in find_clips(map(Path, audio))]


def freeze_checkpoint(
    checkpoint: AnyPath,
    output: AnyPath = "output_graph.pb",
    options: FreezeOptions | None = None,
    *,
    force: bool = False,
) -> Frozen:
    """Write the graph of a training checkpoint, as the original exporter would.

    `checkpoint` is its folder, its .index file, the start of its files, or a SavedModel. Raises
    ModelError if a weight is missing or anything is damaged, ConversionError if the alphabet or the
    options do not fit, OutputError if the graph cannot be written.
    """
    from dsconv.workflows.freeze import freeze_checkpoint as freeze

    return freeze(checkpoint, output, options, force=force)
