"""A validation as one HTML page that needs nothing else: no network, no scripts, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsconv.errors import ToolkitError
from dsconv.formats.output import new_file
from dsconv.inspect.parity import charts as drawn
from dsconv.inspect.parity.charts import Chart, all_bars, draw, number, percent, rounded_up
from dsconv.inspect.parity.maps import (
    DIFFERENCE_COLOURS,
    PROBABILITY_COLOURS,
    difference_maps,
    legend,
    probability_maps,
)
from dsconv.inspect.parity.result import CandidateResult, Finding, first_findings
from dsconv.inspect.parity.structure import LEVEL as STRUCTURE
from dsconv.inspect.parity.validation import (
    Validation,
    farthest_transcripts,
    worst_clips,
    worst_results,
)
from dsconv.speech.rates import CorpusRates
from dsconv.version import __version__

_TEMPLATES = Path(__file__).parent
_LEVELS = (STRUCTURE, "numbers", "transcripts")
_MOST_CHARTS = 24
_MOST_ROWS = 50
_VERDICTS = ("pass", "warning", "fail")
"""From the best to the worst."""


@dataclass(frozen=True)
class ConversionRow:
    """What became of one target. Without a file `output` is None, and `remark` gives the reason."""

    target: str
    verdict: str
    remark: str
    output: str | None = None
    bytes: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    sha256: str = ""


@dataclass(frozen=True)
class Conversions:
    """Conversions of one model to many targets, with the verdict of all."""

    source: str
    verdict: str
    rows: list[ConversionRow]


def write_page(
    validation: Validation | None,
    path: Path,
    conversions: Conversions | None = None,
    *,
    force: bool = False,
) -> None:
    """Write the page. Raises ToolkitError without jinja2, OutputError if it cannot be written."""
    # A file name that is not UTF-8 holds surrogates, which cannot be encoded; they stay visible.
    page = render_page(validation, conversions).encode("utf-8", "backslashreplace")
    with new_file(path, force=force) as file:
        file.write(page)


def render_page(validation: Validation | None, conversions: Conversions | None = None) -> str:
    """The page as text. Raises ToolkitError if jinja2 is not installed."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise ToolkitError(
            "the report needs jinja2; install it with `pip install 'dsconv[report]'`."
        ) from None
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "rounded_up": rounded_up, "percent": percent}
    return environment.get_template("page.html.j2").render(
        validation=validation,
        conversions=conversions,
        title="Conversion to all targets" if conversions else "Validation",
        verdict=conversions.verdict if conversions else overall_verdict(validation),
        summary=conversion_summary(conversions) if conversions else summary(validation),
        sections=sections(validation, conversions),
        bars=all_bars(validation) if validation else [],
        error_rates=error_rates(validation) if validation else [],
        clips=worst_clips(validation, _MOST_ROWS) if validation else [],
        by_level=by_level,
        first_findings=first_findings,
        charts=charts,
        transcripts=lambda candidate: farthest_transcripts(candidate, _MOST_ROWS),
        frame={"width": drawn.WIDTH, "height": drawn.HEIGHT}
        | {"left": drawn.LEFT, "right": drawn.RIGHT, "top": drawn.TOP, "bottom": drawn.BOTTOM},
        probability_maps=probability_maps,
        difference_maps=difference_maps,
        legend=legend,
        probability_colours=PROBABILITY_COLOURS,
        difference_colours=DIFFERENCE_COLOURS,
        version=__version__,
    )


def overall_verdict(validation: Validation | None) -> str | None:
    """The worst verdict of a candidate; None if there is no candidate."""
    verdicts = [candidate.verdict for candidate in validation.candidates] if validation else []
    return max(verdicts, key=_VERDICTS.index, default=None)


def summary(validation: Validation | None) -> str:
    """How many candidates there are, and how many have each verdict."""
    verdicts = [candidate.verdict for candidate in validation.candidates] if validation else []
    if not verdicts:
        return "No candidate was compared."
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in _VERDICTS if v in verdicts)
    return f"{len(verdicts)} {'candidate' if len(verdicts) == 1 else 'candidates'}: {counts}."


def conversion_summary(conversions: Conversions) -> str:
    """How many targets there are, and how many have each verdict."""
    verdicts = [row.verdict for row in conversions.rows]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    return f"{len(verdicts)} {'target' if len(verdicts) == 1 else 'targets'}: {counts}."


def sections(
    validation: Validation | None, conversions: Conversions | None
) -> list[tuple[str, str]]:
    """Anchors of the sections that the page has, and what to call them."""
    found = [("targets", "Targets")] if conversions else []
    if validation is None:
        return found
    found.append(("reference", "Reference"))
    if all_bars(validation):
        found.append(("figures", "Size and time"))
    if error_rates(validation):
        found.append(("errors", "Errors"))
    found.append(("clips", "Clips"))
    if validation.pictures:
        found.append(("maps", "The reference's probabilities"))
    return found


def by_level(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """The findings of each level that has some, in the order of the levels."""
    others = dict.fromkeys(f.level for f in findings if f.level not in _LEVELS)
    groups = [(level, [f for f in findings if f.level == level]) for level in (*_LEVELS, *others)]
    return [(level, group) for level, group in groups if group]


def charts(candidate: CandidateResult) -> list[Chart]:
    """A chart for each clip; of very many for those that use up most of the tolerance."""
    allowed = candidate.tolerance.probabilities
    return [
        draw(clip.clip, clip.frame_differences, allowed)
        for clip in worst_results(candidate, _MOST_CHARTS)
    ]


def error_rates(validation: Validation) -> list[tuple[str, str | None, CorpusRates]]:
    """The error rates of all models that have some: what to call it, its anchor, the rates."""
    candidates = enumerate(validation.candidates, 1)
    named = [
        ("reference", None, validation.reference_error_rates),
        *((each.model.path, f"candidate-{i}", each.error_rates) for i, each in candidates),
    ]
    return [(label, anchor, known) for label, anchor, known in named if known is not None]
