"""Convert a model, and validate what came out of it against what went in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsconv.acoustic.source import Source
from dsconv.convert.options import Options
from dsconv.convert.plan import Conversion
from dsconv.convert.run import default_output, plan_conversion, write_plan
from dsconv.convert.target import Target
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.progress import Progress, ignore_progress
from dsconv.workflows.speech_check import SpeechCheck

if TYPE_CHECKING:
    from dsconv.inspect.parity.verdict import Verdict


@dataclass(frozen=True)
class CheckedConversion:
    """A conversion and how its result compares with its source; None if it was not validated."""

    conversion: Conversion
    result: Verdict | None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the result."""
        return self.result is None or self.result.passed

    def _repr_html_(self) -> str:
        from dsconv.inspect.notebook import text_html

        lines = [f"{self.conversion.output}: {self.conversion.bytes:,} bytes"]
        if self.result is not None:
            lines += [self.result.line, *self.result.remarks]
        return text_html("\n".join([*lines, *self.conversion.notes]))

    def to_json(self) -> dict[str, Any]:
        """The conversion as plain values, the parity among them."""
        parity = self.result.to_json() if self.result else None
        return self.conversion.to_json() | {"parity": parity}


def convert_checked(
    target: Target,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
    validate: bool = True,
    check: SpeechCheck | None = None,
    progress: Progress = ignore_progress,
) -> CheckedConversion:
    """Convert a graph, and validate the result over some packaged speech unless told not to.

    Where no speech can be fed, as the result is no whole acoustic model, random inputs are.

    Raises the errors of `convert_file`. A parity that fails is no error: the file stays. It stays
    as well where the two cannot be compared, for which the same families of errors are raised.
    """
    opened, options, check = Source(source), options or Options(), check or SpeechCheck()
    # What is wrong with the audio is said before any work.
    clips = check.clips() if validate and target.validated else ()
    plan = plan_conversion(target, opened, options)
    output = output or default_output(opened.path, target, options)
    conversion = write_plan(plan, output, force=force)
    if not validate or not target.validated:
        return CheckedConversion(conversion, None)
    written = conversion.output
    try:
        verdict = plan.check(written, evaluated=check.evaluated)
        if verdict is None:
            validation = check.validate(opened, [written], options.overrides, clips, progress)
            (verdict,) = validation.candidates
    except (ConversionError, ModelError, ToolkitError) as error:
        raise type(error)(
            f"{written} was written but not validated: {error} Or pass --no-validate."
        ) from error
    return CheckedConversion(conversion, verdict)
