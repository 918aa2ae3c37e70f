"""The results of candidates as people read them: tables that fit 80 columns, or one line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dsconv.inspect.parity.judge import Judged
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
    if candidate.judged is not None:
        parts.append(Text(_judged(candidate.judged)))
    if candidate.clips:
        parts.append(_numbers(candidate))
    if candidate.cost is not None and (other := candidate.cost.exporters_way) is not None:
        figures = f"largest {other.largest:.1e}, mean {other.mean:.1e}"
        parts.append(Text(f"int8 of the original exporter would cost: probabilities {figures}"))
    if candidate.transcripts:
        parts.append(Text(_transcripts(candidate)))
    return [*parts, *map(Text, finding_lines(candidate.findings))]


def _judged(judged: Judged) -> str:
    """What tells whether the file is right."""
    frames = sum(group.frames for group in judged.groups)
    errors = len(judged.audit.errors)
    weights = f"{errors} tensors differ" if errors else "as in the graph"
    return (
        f"{judged.word}: {judged.audit.numbers:,} weights {weights}; {frames:,} frames replayed "
        f"with them"
    )


def _numbers(candidate: CandidateResult) -> Table:
    """How far the candidate is from the reference: its cost where it is judged otherwise."""
    judged = candidate.judged is not None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    precision = candidate.model.precision
    table.add_column(f"cost of {precision}" if judged else "difference of", overflow="fold")
    limits = () if judged else ("tolerance", "above")
    for heading in ("largest", "mean", *limits, "same class"):
        table.add_column(heading, justify="right", no_wrap=True)
    for difference in candidate.differences:
        agreement = difference.argmax_agreement
        limits = () if judged else (f"{difference.tolerance:.1e}", f"{difference.above:,}")
        table.add_row(
            difference.tensor,
            f"{difference.max_abs:.1e}",
            f"{difference.mean_abs:.1e}",
            *limits,
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
    if candidate.cost is not None and candidate.cost.wer_increase is not None:
        line += f"\nWER above the reference's: {candidate.cost.wer_increase}"
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
