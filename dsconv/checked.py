"""Convert a model, and validate what came out of it against what went in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsconv.convert.options import Options
from dsconv.convert.registry import convert_file
from dsconv.convert.target import Conversion, Target
from dsconv.errors import ConversionError, ModelError, ToolkitError

if TYPE_CHECKING:
    from dsconv.inspect.parity.result import CandidateResult


# Two clips, about six seconds: enough for the states to build up, and little to wait for.
_CLIPS = 2


@dataclass(frozen=True)
class CheckedConversion:
    """A conversion and how its result compares with its source; None if it was not validated."""

    conversion: Conversion
    result: CandidateResult | None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the result."""
        return self.result is None or self.result.passed

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

    With `evaluated` a Core ML model is run in numpy also where Core ML could run it.

    Raises the errors of `convert_file`. A parity that fails is no error: the file stays. It stays
    as well where the two cannot be compared, for which the same families of errors are raised.
    """
    conversion = convert_file(target, source, output, options=options, force=force)
    if not validate or not target.validated:
        return CheckedConversion(conversion, None)
    from dsconv.fixtures.demo_model import SPEECH
    from dsconv.inspect.parity.validate import Options as ParityOptions
    from dsconv.inspect.parity.validate import validate_models
    from dsconv.speech.corpus import find_clips, shortest

    try:
        validation = validate_models(
            Path(source),
            [conversion.output],
            shortest(find_clips([SPEECH]), _CLIPS),
            ParityOptions(
                resample=True,
                evaluated=evaluated,
                overrides=options.overrides if options else None,
            ),
            progress=progress,
        )
    except (ConversionError, ModelError, ToolkitError) as error:
        raise type(error)(
            f"{conversion.output} is written, but not validated: {error} Or pass --no-validate."
        ) from error
    return CheckedConversion(conversion, validation.candidates[0])
