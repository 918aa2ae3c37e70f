"""Convert a model, and validate what came out of it against what went in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.plan import Conversion, Plan
from dsconv.convert.run import default_output, plan_conversion, write_plan
from dsconv.convert.target import Target
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.formats.output import new_files
from dsconv.progress import Progress, ignore_progress
from dsconv.workflows.speech_check import SpeechCheck

if TYPE_CHECKING:
    from dsconv.inspect.parity.verdict import Verdict


def ignore_warning(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class CheckedConversion:
    """A conversion and how its result compares with its source.

    `result` is None if it was not validated; `not_validated` says why it could not be, and is None
    where nobody asked for it.
    """

    conversion: Conversion
    result: Verdict | None
    not_validated: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the result."""
        return self.result is None or self.result.passed

    @property
    def lines(self) -> list[str]:
        """The verdict and what there is to say about it, or why there is none."""
        if self.result is not None:
            return [self.result.line, *self.result.remarks]
        return [f"not validated: {self.not_validated}"] if self.not_validated else []

    def _repr_html_(self) -> str:
        from dsconv.inspect.notebook import text_html

        first = f"{self.conversion.output}: {self.conversion.bytes:,} bytes"
        return text_html("\n".join([first, *self.lines, *self.conversion.notes]))

    def to_json(self) -> dict[str, Any]:
        """The conversion as plain values, the parity among them."""
        parity = self.result.to_json() if self.result else None
        values = self.conversion.to_json() | {"parity": parity}
        return values | ({"not_validated": self.not_validated} if self.not_validated else {})


def convert_checked(
    target: Target,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
    validate: bool = True,
    require_validation: bool = False,
    check: SpeechCheck | None = None,
    warn: Callable[[str], None] = ignore_warning,
    progress: Progress = ignore_progress,
) -> CheckedConversion:
    """Convert a graph, and validate the result over some packaged speech unless told not to.

    Where no speech can be fed, as the result is no whole acoustic model, random inputs are. `warn`
    is told what a user should know before anything is written.

    Raises the errors of `convert_file`. A parity that fails is no error: the file stays. It stays
    as well where the two cannot be compared here, and the result says why; with
    `require_validation` that is a ConversionError, and nothing is written. ToolkitError is raised
    if the file's runtime is missing or fails, ModelError if the source gives no numbers.
    """
    opened, options, how = Source(source), options or Options(), check or SpeechCheck()
    # What is wrong with the audio is said before any work.
    clips = how.clips() if validate and target.validated else ()
    plan = plan_conversion(target, opened, options)
    if how.asked and target.validated and not plan.is_on_speech:
        raise ConversionError(
            f"{opened.path}: the result is compared on random inputs, not on speech; leave out "
            f"{', '.join(how.asked)}."
        )
    output = Path(output or default_output(opened.path, target, options))
    for text in plan.warnings():
        warn(text)

    def compared(path: Path) -> Verdict:
        verdict = plan.check(path, evaluated=how.evaluated)
        if verdict is None:
            validation = how.validate(opened, [path], options.overrides, clips, progress)
            (verdict,) = validation.candidates
        return verdict

    if require_validation:
        if not validate or not target.validated:
            raise ConversionError(
                f"{opened.path}: without a validation none can be required; leave out "
                f"{'--require-validation' if validate else '--no-validate'}."
            )
        return _converted_if_checked(plan, output, compared, force=force)
    conversion = write_plan(plan, output, force=force)
    if not validate or not target.validated:
        return CheckedConversion(conversion, None)
    try:
        return CheckedConversion(conversion, compared(output))
    except ConversionError as error:
        return CheckedConversion(conversion, None, not_validated=str(error))
    except (ModelError, ToolkitError) as error:
        raise type(error)(
            f"{output} was written but not validated: {error} Or pass --no-validate."
        ) from error


def _converted_if_checked(
    plan: Plan, output: Path, check: Callable[[Path], Verdict], *, force: bool
) -> CheckedConversion:
    """Convert, and put the files in their place only if they could be checked."""
    from dsconv.inspect.parity.result import CandidateResult

    with new_files(plan.outputs(output), force=force) as folder:
        conversion = write_plan(plan, folder / output.name)
        try:
            verdict = check(conversion.output)
        except ConversionError as error:
            reason = str(error).replace(str(conversion.output), str(output))
            raise ConversionError(
                f"{plan.source.path}: not validated, so nothing is written: {reason}"
            ) from error
    if isinstance(verdict, CandidateResult):
        verdict.model = replace(verdict.model, path=str(output))
    return CheckedConversion(replace(conversion, output=output), verdict)
