"""Every target that is installed, side by side, validated against one run of the reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dsconv.convert.options import Options
from dsconv.convert.registry import all_targets, convert_graph, default_output
from dsconv.convert.target import Conversion, Target
from dsconv.errors import ConversionError, ModelError, ToolkitError
from dsconv.formats.digest import Digest
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.workflows.convert import check_on_random_inputs, takes_random_inputs, validate_on_speech
from dsconv.workflows.memory import PeakMemory

if TYPE_CHECKING:
    from dsconv.convert.toolkit.check import RandomCheck
    from dsconv.inspect.parity.result import CandidateResult
    from dsconv.inspect.parity.validation import Validation
    from dsconv.speech.corpus import ClipSource

SCHEMA_VERSION = 1

Status: TypeAlias = Literal["converted", "not installed", "refused", "failed"]


@dataclass
class TargetResult:
    """What became of one target.

    `reason` says why there is no file. `peak_mb` is the peak of the process's memory while the
    target was converted. `route` is ``toolkit`` where the toolkit's own converter made the file.
    `parity` is None where nothing was validated.
    """

    target: str
    label: str
    status: Status
    reason: str | None = None
    output: Path | None = None
    bytes: int | None = None
    seconds: float | None = None
    peak_mb: float | None = None
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    route: str | None = None
    parity: CandidateResult | RandomCheck | None = None

    @property
    def verdict(self) -> str:
        """The verdict of the validation, or what became of the target without one."""
        return self.parity.verdict if self.parity else self.status

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        values = {key: value for key, value in vars(self).items() if key != "parity"}
        parity = self.parity.to_json() if self.parity else None
        output = str(self.output) if self.output else None
        return values | {"output": output, "verdict": self.verdict, "parity": parity}


@dataclass
class AllTargets:
    """The results in the order of the targets, and the validation that they share."""

    source: Path
    results: list[TargetResult] = field(default_factory=list)
    validation: Validation | None = None

    @property
    def passed(self) -> bool:
        """Whether every file that was written says the same as its source."""
        failed = any(result.status == "failed" for result in self.results)
        differs = any(result.parity and not result.parity.passed for result in self.results)
        return not failed and not differs

    def _repr_html_(self) -> str:
        from dsconv.commands.tables import render_all
        from dsconv.inspect.notebook import table_html

        return table_html(render_all(self))

    def to_json(self) -> dict[str, Any]:
        """The results as plain values."""
        clips = [asdict(clip) for clip in self.validation.clips] if self.validation else []
        return {
            "schema_version": SCHEMA_VERSION,
            "source": str(self.source),
            "passed": self.passed,
            "clips": clips,
            "targets": [result.to_json() for result in self.results],
        }


def convert_all(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
    force: bool = False,
    validate: bool = True,
    clips: Sequence[ClipSource] | None = None,
    progress: Callable[[float], object] = float,
) -> AllTargets:
    """Convert a graph to every target whose toolkit is installed, into files beside it.

    The files go into `folder` if one is given. A target that is not installed, or that the graph or
    the options do not fit, is listed with the reason. All files are validated over the same run of
    the reference, over `clips` or some packaged speech. Raises ModelError for a source that is no
    graph, and ConversionError if no target can be made.
    """
    source = Path(source)
    options = options or Options()
    graph = open_graph(source)
    targets = [target for target in all_targets().values() if target.name != "pb"]
    done = AllTargets(source)
    for number, target in enumerate(targets):
        progress(number / (len(targets) + 1))
        done.results.append(_convert(target, graph, source, folder, options, force))
    converted = [result for result in done.results if result.status == "converted"]
    if not converted:
        raise ConversionError(f"{source}: no target: {_reasons(done.results)}")
    runnable = {target.name for target in targets if target.validated}
    if validate:
        files = [result for result in converted if result.target in runnable]
        _validate(done, files, options, clips, progress)
    return done


def _convert(
    target: Target,
    graph: Graph,
    source: Path,
    folder: str | os.PathLike[str] | None,
    options: Options,
    force: bool,
) -> TargetResult:
    result = TargetResult(target.name, target.label, "converted")
    toolkit = target.toolkit
    if toolkit is not None and toolkit.missing:
        result.status, result.reason = "not installed", toolkit.install
        return result
    output = default_output(source, target, options)
    if folder is not None:
        output = Path(folder) / output.name
    try:
        with PeakMemory() as peak:
            conversion = convert_graph(target, graph, source, output, options=options, force=force)
    except ConversionError as error:
        result.status, result.reason = "refused", str(error)
    except ToolkitError as error:
        result.status, result.reason = "failed", str(error)
    else:
        _fill(result, conversion, peak.mb)
    return result


def _fill(result: TargetResult, conversion: Conversion, peak_mb: float) -> None:
    result.output = conversion.output
    result.bytes = conversion.bytes
    result.seconds = conversion.seconds
    result.notes = conversion.notes
    route = conversion.details.get("route")
    result.route = str(route) if route else None
    result.peak_mb = peak_mb
    with Digest(conversion.output) as digest:
        result.sha256 = digest.hexdigest()


def _validate(
    done: AllTargets,
    files: list[TargetResult],
    options: Options,
    clips: Sequence[ClipSource] | None,
    progress: Callable[[float], object],
) -> None:
    """Validate all files at once; each keeps its part of the result.

    Where the toolkits' converters made some of no acoustic model, these alone are compared.
    """
    start = len(done.results) / (len(done.results) + 1)
    others = [r for r in files if takes_random_inputs(r.route, done.source, options)]
    try:
        if others:
            _check_others(done.source, others, options)
        else:
            done.validation = validate_on_speech(
                done.source,
                [result.output for result in files if result.output],
                options,
                clips=clips,
                progress=lambda share: progress(start + (1 - start) * share),
            )
            for result, candidate in zip(files, done.validation.candidates, strict=True):
                result.parity = candidate
    except (ConversionError, ModelError, ToolkitError) as error:
        raise type(error)(f"the files are written, but not validated: {error}") from error


def _check_others(source: Path, files: list[TargetResult], options: Options) -> None:
    for result in files:
        assert result.output is not None
        result.parity = check_on_random_inputs(source, result.output, options)


def _reasons(results: Sequence[TargetResult]) -> str:
    return "; ".join(f"{result.target}: {result.reason}" for result in results)
