"""The tables of `dsconv all` and `dsconv formats`; they fit 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dsconv.convert.target import Target
from dsconv.workflows.all_targets import AllTargets, TargetResult

if TYPE_CHECKING:
    from dsconv.convert.toolkit.check import RandomCheck
    from dsconv.inspect.parity.result import CandidateResult

_STYLES = {"pass": "green", "warning": "yellow", "fail": "bold red", "failed": "bold red"}


def render_all(done: AllTargets) -> RenderableType:
    """What was written and how it compares, then what was not written and why."""
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
        others += (Text(f"{result.target}: {line}") for line in _remarks(result.parity))
    return Group(table, Text("sha256"), hashes, *others)


def render_formats(targets: list[Target]) -> RenderableType:
    """Each target, whether it is installed, and how to install it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "format", "installed"):
        table.add_column(heading, overflow="fold")
    for target in targets:
        toolkit = target.toolkit
        missing = toolkit is not None and toolkit.missing
        table.add_row(target.name, target.label, toolkit.install if missing and toolkit else "yes")
    return table


def _remarks(parity: CandidateResult | RandomCheck | None) -> list[str]:
    """What a row leaves out: what speaks against the file, or how it compares on random inputs."""
    from dsconv.convert.toolkit.check import RandomCheck
    from dsconv.inspect.parity.text import objections

    if parity is None:
        return []
    return [parity.line] if isinstance(parity, RandomCheck) else objections(parity)


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
