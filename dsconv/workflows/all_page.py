"""The page of `dsconv all`: what became of every target, then the validation of all files."""

from __future__ import annotations

from pathlib import Path

from dsconv.inspect.parity.page import ConversionRow, Conversions, overall_verdict, write_page
from dsconv.workflows.all_targets import AllTargets, TargetResult


def write_all_page(done: AllTargets, path: Path, *, force: bool = False) -> None:
    """Write the page. Raises ToolkitError without jinja2, OutputError if it cannot be written."""
    write_page(done.validation, path, conversions_of(done), force=force)


def conversions_of(done: AllTargets) -> Conversions:
    """The results as the page shows them."""
    verdict = "fail"
    if done.passed:
        verdict = overall_verdict(done.validation) or ("pass" if _checked(done) else "converted")
    return Conversions(str(done.source), verdict, [_row(result) for result in done.results])


def _checked(done: AllTargets) -> bool:
    return any(result.parity for result in done.results)


def _row(result: TargetResult) -> ConversionRow:
    if result.output is None:
        return ConversionRow(result.target, result.verdict, result.reason or "")
    return ConversionRow(
        result.target,
        result.verdict,
        _remark(result),
        str(result.output),
        result.bytes or 0,
        result.seconds or 0.0,
        result.peak_mb or 0.0,
        result.sha256 or "",
    )


def _remark(result: TargetResult) -> str:
    """The route, a check that was no validation over speech, and the notes."""
    parts = ["made by the toolkit's own converter"] if result.route == "toolkit" else []
    if (line := getattr(result.parity, "line", None)) is not None:
        parts.append(str(line))
    return "; ".join([*parts, *result.notes])
