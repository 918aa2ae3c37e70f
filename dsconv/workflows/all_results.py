"""What became of each target, as JSON, as a table and as rows of a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dsconv.inspect.parity.page import ConversionRow
    from dsconv.inspect.parity.validation import Validation
    from dsconv.inspect.parity.verdict import Verdict

SCHEMA_VERSION = 1

Status: TypeAlias = Literal["converted", "not installed", "refused", "failed"]

_STYLES = {"pass": "green", "warning": "yellow", "fail": "bold red", "failed": "bold red"}


@dataclass
class TargetResult:
    """What became of one target.

    `reason` says why there is no file. `peak_mb` is the peak of the process's memory while the
    target was converted. `route` is None where dsconv made the file itself. `parity` is None where
    nothing was validated, and `not_validated` says why it could not be.
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
    parity: Verdict | None = None
    not_validated: str | None = None

    @property
    def verdict(self) -> str:
        """The verdict of the validation, or what became of the target without one."""
        if self.not_validated:
            return "not validated"
        return self.parity.verdict if self.parity else self.status

    @property
    def remarks(self) -> list[str]:
        """What speaks against the file; the whole verdict where no speech was compared."""
        if self.parity is None:
            return [f"not validated: {self.not_validated}"] if self.not_validated else []
        return self.parity.remarks or ([] if self.parity.differences else [self.parity.line])

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


def render_all(done: AllTargets) -> RenderableType:
    """What was written and how it compares, then what was not written and why; in 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("file", overflow="fold")
    for heading in ("bytes", "s", "MB", "probab.", "states"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("parity")
    hashes = Table.grid(padding=(0, 2))
    others: list[Text] = []
    for result in done.results:
        if result.output is None:
            others.append(Text(f"{result.target}: {result.status}: {result.reason}"))
            continue
        verdict = Text(result.verdict, _STYLES.get(result.verdict, ""))
        table.add_row(result.output.name, *_figures(result), verdict)
        hashes.add_row(result.target, result.sha256)
        others += (Text(f"{result.target}: {line}") for line in result.remarks)
    return Group(table, Text("sha256"), hashes, *others)


def _figures(result: TargetResult) -> list[str]:
    """Bytes, seconds, memory, and the largest differences of probabilities and states."""
    differences = {d.tensor: d.max_abs for d in result.parity.differences} if result.parity else {}
    states = [value for tensor, value in differences.items() if "state" in tensor]
    probabilities = differences.get("probabilities")
    return [
        f"{result.bytes:,}",
        f"{result.seconds:.2f}",
        f"{result.peak_mb:.0f}",
        f"{probabilities:.1e}" if probabilities is not None else "",
        f"{max(states):.1e}" if states else "",
    ]


def write_all_page(done: AllTargets, path: Path, *, force: bool = False) -> None:
    """Write an HTML page: what became of every target, then the validation of all files.

    Raises ToolkitError without jinja2, OutputError if it cannot be written.
    """
    from dsconv.inspect.parity.page import Conversions, write_page

    conversions = Conversions(str(done.source), verdict_of_all(done), _rows(done))
    write_page(done.validation, path, conversions, force=force)


def verdict_of_all(done: AllTargets) -> str:
    """The verdict of all targets as one."""
    from dsconv.inspect.parity.page import overall_verdict

    if not done.passed:
        return "fail"
    checked = any(result.parity for result in done.results)
    return overall_verdict(done.validation) or ("pass" if checked else "converted")


def _rows(done: AllTargets) -> list[ConversionRow]:
    """A row for each target; what was compared over speech has a section of its own below."""
    from dsconv.inspect.parity.page import ConversionRow

    rows = []
    for result in done.results:
        if result.output is None:
            rows.append(ConversionRow(result.target, result.verdict, result.reason or ""))
            continue
        line = [result.parity.line] if result.parity and done.validation is None else []
        rows.append(
            ConversionRow(
                result.target,
                result.verdict,
                "; ".join([*line, *result.notes]),
                str(result.output),
                result.bytes or 0,
                result.seconds or 0.0,
                result.peak_mb or 0.0,
                result.sha256 or "",
            )
        )
    return rows
