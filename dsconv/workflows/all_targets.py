"""Every target that is installed, side by side, validated against one run of the reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.plan import Conversion, Plan
from dsconv.convert.registry import all_targets
from dsconv.convert.run import default_output, plan_conversion, write_plan
from dsconv.convert.target import Target
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.progress import Progress, ignore_progress
from dsconv.workflows.all_results import AllTargets, TargetResult
from dsconv.workflows.convert import ignore_warning
from dsconv.workflows.memory import PeakMemory
from dsconv.workflows.speech_check import SpeechCheck

if TYPE_CHECKING:
    from dsconv.inspect.parity.validation import Validation


def convert_all(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
    validate: bool = True,
    check: SpeechCheck | None = None,
    warn: Callable[[str], None] = ignore_warning,
    progress: Progress = ignore_progress,
) -> AllTargets:
    """Convert a graph to every target whose toolkit is installed, into files beside it.

    The files go into `folder` if one is given. A target that is not installed, or that the graph or
    the options do not fit, is listed with the reason. All files are validated over the same run of
    the reference, over some packaged speech unless `check` says otherwise. `warn` is told what a
    user should know before a file is written. Raises ModelError for a source that is no graph, and
    ConversionError if no target can be made.
    """
    opened, options, check = Source(source), options or Options(), check or SpeechCheck()
    # What is wrong with the audio is said before any work.
    clips = check.clips() if validate else ()
    # What is no graph becomes nothing.
    _ = opened.graph
    targets = [target for target in all_targets().values() if target.name != "pb"]
    done = AllTargets(opened.path)
    plans: dict[str, Plan] = {}
    for number, target in enumerate(targets):
        progress(number / (len(targets) + 1))
        output = _output(target, opened.path, folder, options)
        result, plan = _convert(target, opened, output, options, force, warn)
        done.results.append(result)
        if plan is not None and target.validated:
            plans[target.name] = plan
    if not any(result.output for result in done.results):
        raise ConversionError(f"{opened.path}: no target: {_reasons(done.results)}")
    if validate:
        start = len(targets) / (len(targets) + 1)

        def over_speech(outputs: Sequence[Path]) -> Validation:
            rest: Progress = lambda share: progress(start + (1 - start) * share)  # noqa: E731
            return check.validate(opened, outputs, options.overrides, clips, rest)

        _validate(done, plans, over_speech)
    return done


def _output(
    target: Target, source: Path, folder: str | os.PathLike[str] | None, options: Options
) -> Path:
    beside = default_output(source, target, options)
    return beside if folder is None else Path(folder) / beside.name


def _convert(
    target: Target,
    source: Source,
    output: Path,
    options: Options,
    force: bool,
    warn: Callable[[str], None],
) -> tuple[TargetResult, Plan | None]:
    """What becomes of a target, and the plan of a file that was written."""
    result = TargetResult(target.name, target.label, "converted")
    toolkit = target.toolkit
    if toolkit is not None and toolkit.missing:
        result.status, result.reason = "not installed", toolkit.install
        return result, None
    try:
        with PeakMemory() as peak:
            plan = plan_conversion(target, source, options)
            for text in plan.warnings():
                warn(f"{target.name}: {text}")
            conversion = write_plan(plan, output, force=force)
    except ConversionError as error:
        result.status, result.reason = "refused", str(error)
    except ToolkitError as error:
        result.status, result.reason = "failed", str(error)
    else:
        _fill(result, conversion, peak.mb)
        return result, plan
    return result, None


def _fill(result: TargetResult, conversion: Conversion, peak_mb: float) -> None:
    result.output = conversion.output
    result.bytes = conversion.bytes
    result.seconds = conversion.seconds
    result.notes = conversion.notes
    result.route = conversion.route
    result.peak_mb = peak_mb
    with Source(conversion.output).digest as digest:
        result.sha256 = digest.hexdigest()


def _validate(
    done: AllTargets,
    plans: dict[str, Plan],
    validate: Callable[[Sequence[Path]], Validation],
) -> None:
    """Validate all files at once; each keeps its part of the result.

    Where speech says nothing of some, as they are no whole acoustic models, these alone are
    compared.
    """
    files = {r.target: r for r in done.results if r.target in plans}
    outputs = {name: result.output for name, result in files.items() if result.output}
    try:
        for name, output in outputs.items():
            _check(files[name], plans[name], output)
        if any(result.parity or result.not_validated for result in files.values()):
            return
        done.validation = validate(list(outputs.values()))
    except ConversionError as error:
        for name in outputs:
            files[name].not_validated = str(error)
        return
    except (ModelError, ToolkitError) as error:
        raise type(error)(f"the files were written but not validated: {error}") from error
    for name, candidate in zip(outputs, done.validation.candidates, strict=True):
        files[name].parity = candidate


def _check(result: TargetResult, plan: Plan, output: Path) -> None:
    """Compare a file that speech says nothing of, if that can be done here."""
    try:
        result.parity = plan.check(output)
    except ConversionError as error:
        result.not_validated = str(error)


def _reasons(results: Sequence[TargetResult]) -> str:
    return "; ".join(f"{result.target}: {result.reason}" for result in results)
