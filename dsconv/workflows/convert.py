"""Convert a model, and validate what came out of it against what went in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsconv.convert.options import Options
from dsconv.convert.registry import convert_file
from dsconv.convert.target import Conversion, Target
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.formats.graphdef.graph import open_graph

if TYPE_CHECKING:
    from dsconv.convert.toolkit.check import RandomCheck
    from dsconv.inspect.parity.result import CandidateResult
    from dsconv.inspect.parity.validation import Validation
    from dsconv.speech.corpus import ClipSource


# Two clips, about six seconds: enough for the states to build up, and little to wait for.
_CLIPS = 2


@dataclass(frozen=True)
class CheckedConversion:
    """A conversion and how its result compares with its source; None if it was not validated.

    Where no speech can be fed, as the source is no acoustic model, random inputs are.
    """

    conversion: Conversion
    result: CandidateResult | RandomCheck | None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the result."""
        return self.result is None or self.result.passed

    def _repr_html_(self) -> str:
        from dsconv.inspect.notebook import text_html

        lines = [f"{self.conversion.output}: {self.conversion.bytes:,} bytes"]
        if self.result is not None:
            lines.append(verdict_of(self.result))
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
    evaluated: bool = False,
    progress: Callable[[float], object] = float,
) -> CheckedConversion:
    """Convert a graph, and validate the result over some packaged speech unless told not to.

    With `evaluated` a Core ML model is run in numpy also where Core ML could run it. The result of
    the toolkit route is compared with TensorFlow on random inputs if it is no acoustic model.

    Raises the errors of `convert_file`. A parity that fails is no error: the file stays. It stays
    as well where the two cannot be compared, for which the same families of errors are raised.
    """
    options = options or Options()
    conversion = convert_file(target, source, output, options=options, force=force)
    if not validate or not target.validated:
        return CheckedConversion(conversion, None)
    result: CandidateResult | RandomCheck
    try:
        if takes_random_inputs(conversion.details.get("route"), conversion.source, options):
            result = check_on_random_inputs(
                conversion.source, conversion.output, options, evaluated=evaluated
            )
        else:
            validation = validate_on_speech(
                conversion.source,
                [conversion.output],
                options,
                evaluated=evaluated,
                progress=progress,
            )
            result = validation.candidates[0]
    except (ConversionError, ModelError, ToolkitError) as error:
        raise type(error)(
            f"{conversion.output} is written, but not validated: {error} Or pass --no-validate."
        ) from error
    return CheckedConversion(conversion, result)


def takes_random_inputs(route: object, source: Path, options: Options) -> bool:
    """Whether a conversion gives no whole acoustic model, so that speech says nothing of it."""
    if route != "toolkit":
        return False
    from dsconv.convert.toolkit.route import why_not_recognised

    asked = options.toolkit
    parts = bool(asked.inputs or asked.outputs or asked.freeze)
    return parts or why_not_recognised(open_graph(source)) is not None


def check_on_random_inputs(
    source: Path, output: Path, options: Options, *, evaluated: bool = False
) -> RandomCheck:
    """Compare a result of the toolkit route with TensorFlow. Raises as `check_file` does."""
    from dsconv.convert.toolkit.check import check_file
    from dsconv.convert.toolkit.prepare import prepare

    prepared = prepare(open_graph(source), options)
    return check_file(prepared, output, evaluated=evaluated)


def validate_on_speech(
    source: Path,
    outputs: Sequence[Path],
    options: Options,
    *,
    clips: Sequence[ClipSource] | None = None,
    evaluated: bool = False,
    progress: Callable[[float], object] = float,
) -> Validation:
    """Compare results with their source over `clips` or some packaged speech.

    Raises as `validate_models` does.
    """
    from dsconv.fixtures.demo_model import SPEECH
    from dsconv.inspect.parity.validate import Options as ParityOptions
    from dsconv.inspect.parity.validate import validate_models
    from dsconv.speech.corpus import find_clips, shortest

    return validate_models(
        source,
        outputs,
        shortest(find_clips([SPEECH]), _CLIPS) if clips is None else clips,
        ParityOptions(resample=True, evaluated=evaluated, overrides=options.overrides),
        progress=progress,
    )


def verdict_of(result: CandidateResult | RandomCheck) -> str:
    """The verdict for people: one line, and what speaks against the result in more."""
    from dsconv.convert.toolkit.check import RandomCheck
    from dsconv.inspect.parity.text import verdict_line

    return result.line if isinstance(result, RandomCheck) else verdict_line(result)
