"""The results of candidates as people read them: tables that fit 80 columns, or one line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dsconv.inspect.parity.result import CandidateResult, ClipInfo, ModelInfo, finding_lines
from dsconv.inspect.parity.tolerances import TOLERANCES
from dsconv.speech.rates import CorpusRates

_STYLES = {"pass": "bold green", "warning": "bold yellow", "fail": "bold red"}


def render_results(
    reference: ModelInfo,
    clips: Sequence[ClipInfo],
    candidates: Sequence[CandidateResult],
    error_rates: CorpusRates | None,
) -> RenderableType:
    """The reference with its error rates, and each candidate's result."""
    seconds = sum(clip.seconds for clip in clips)
    count = f"{len(clips)} clips" if len(clips) != 1 else "1 clip"
    parts: list[RenderableType] = [
        Text(f"reference {_named(reference)}"),
        Text(f"{count}, {seconds:,.1f} seconds of speech"),
    ]
    if error_rates is not None:
        parts.append(Text(f"error rates: {_rates(error_rates)}"))
    for candidate in candidates:
        parts += [Text(), *_candidate(candidate)]
    return Group(*parts)


def _named(model: ModelInfo) -> str:
    return f"{model.path} ({model.runtime}, {model.precision})"


def _candidate(candidate: CandidateResult) -> list[RenderableType]:
    title = Text.assemble(
        (candidate.verdict.upper(), _STYLES[candidate.verdict]), f" {_named(candidate.model)}"
    )
    parts: list[RenderableType] = [title]
    if candidate.clips:
        parts.append(_numbers(candidate))
    if candidate.transcripts:
        parts.append(Text(_transcripts(candidate)))
    return [*parts, *map(Text, finding_lines(candidate.findings))]


def _numbers(candidate: CandidateResult) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("difference of", overflow="fold")
    for heading in ("largest", "mean", "tolerance", "above", "same class"):
        table.add_column(heading, justify="right", no_wrap=True)
    for difference in candidate.differences:
        agreement = difference.argmax_agreement
        table.add_row(
            difference.tensor,
            f"{difference.max_abs:.1e}",
            f"{difference.mean_abs:.1e}",
            f"{difference.tolerance:.1e}",
            f"{difference.above:,}",
            f"{agreement:.1%}" if agreement is not None else "",
        )
    return table


def _transcripts(candidate: CandidateResult) -> str:
    """How many transcripts are the reference's, and the error rates of all."""
    compared = candidate.transcripts
    equal = sum(transcript.equal for transcript in compared)
    line = f"transcripts: {equal} of {len(compared)} equal the reference's"
    if candidate.error_rates is not None:
        line += f"\nerror rates: {_rates(candidate.error_rates)}"
    return line


def _rates(rates: CorpusRates) -> str:
    """All edits by all words and characters, with the intervals of 95 % confidence."""
    return f"WER {rates.wer}, CER {rates.cer}"


def tolerance_rows() -> list[tuple[str, str, str]]:
    """The tolerance table as the documentation shows it."""
    return [
        (name, _shortest(tolerance.probabilities), _shortest(tolerance.states))
        for name, tolerance in TOLERANCES.items()
    ]


def _shortest(tolerance: float) -> str:
    """A tolerance with as few digits as give all of it: 1e-05, 1.5e-01."""
    return f"{tolerance:.1e}".replace(".0e", "e")
