"""What a validation over one clip gives, and how that of all clips becomes the result."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dsconv.inspect.parity.cost import Limits, cost_of
from dsconv.inspect.parity.judge import Judged
from dsconv.inspect.parity.pictures import ClipPicture, WorstPictures
from dsconv.inspect.parity.replay import GroupDifference, worst_of
from dsconv.inspect.parity.result import (
    CandidateResult,
    ClipInfo,
    ClipResult,
    Distance,
    Finding,
    ModelInfo,
)
from dsconv.inspect.parity.tolerances import Tolerance
from dsconv.inspect.parity.trace import Trace
from dsconv.inspect.parity.transcripts import TranscriptComparison
from dsconv.inspect.parity.validation import Validation
from dsconv.runtime.stream import Speech
from dsconv.speech.rates import CorpusRates, Edits, corpus_rates


@dataclass(frozen=True)
class CandidateInfo:
    """A candidate before any clip is run; `findings` are of its structure and its weights.

    `judged` is None where it cannot be judged by its own weights.
    """

    model: ModelInfo
    tolerance: Tolerance
    findings: list[Finding]
    judged: Judged | None = None


@dataclass(frozen=True)
class TaskInfo:
    """The models that take part."""

    reference: ModelInfo
    candidates: list[CandidateInfo]


@dataclass(frozen=True)
class Comparison:
    """A candidate beside the reference, over one clip.

    `transcripts` are None without an alphabet, `edits` where no transcript is expected, `replayed`
    where no call of the clip was replayed.
    """

    result: ClipResult
    findings: list[Finding]
    transcripts: TranscriptComparison | None
    edits: Edits | None
    replayed: GroupDifference | None = None
    exporters_way: Distance | None = None


@dataclass(frozen=True)
class ClipOutcome:
    """All that is kept of a clip: a few kilobytes. `edits` are the reference's.

    `comparisons` has one for each candidate, None for those that were not run.
    """

    info: ClipInfo
    edits: Edits | None
    comparisons: list[Comparison | None]

    @property
    def severity(self) -> float:
        """The largest share of a tolerance that any candidate used up."""
        return max((each.result.severity for each in self.comparisons if each), default=0.0)


@dataclass(frozen=True)
class ClipRun:
    """A clip that was run. A few have pictures; `io` is what the reference was fed and gave."""

    outcome: ClipOutcome
    picture: ClipPicture | None = None
    io: tuple[Speech, Trace] | None = None


class Tally:
    """The outcomes of clips that come in any order, each once."""

    def __init__(self, count: int) -> None:
        self._outcomes: list[ClipOutcome | None] = [None] * count
        self._pictures = WorstPictures()

    def add(self, index: int, run: ClipRun) -> bool:
        """Take in a clip by its index. Returns whether its picture is kept for now."""
        assert self._outcomes[index] is None, f"clip {index} is counted twice"
        self._outcomes[index] = _compact(run.outcome)
        return run.picture is not None and self._pictures.add(run.picture, index)

    @property
    def missing(self) -> list[int]:
        """The indices of the clips that are still to be run."""
        return [index for index, outcome in enumerate(self._outcomes) if outcome is None]

    @property
    def draw_from(self) -> float:
        """The severity below which no picture is kept any more."""
        return self._pictures.least_severity

    def result(self, info: TaskInfo, limits: Limits) -> Validation:
        """The result over all clips, in their order; costs beyond the limits are failures."""
        outcomes = [outcome for outcome in self._outcomes if outcome is not None]
        assert len(outcomes) == len(self._outcomes), "clips are missing"
        return Validation(
            info.reference,
            [outcome.info for outcome in outcomes],
            [
                _candidate(each, index, outcomes, limits)
                for index, each in enumerate(info.candidates)
            ],
            self._pictures.in_order,
            _rates([outcome.edits for outcome in outcomes]),
        )


def _compact(outcome: ClipOutcome) -> ClipOutcome:
    """The outcome with the largest lists in a quarter of the memory."""
    comparisons = [
        each
        and replace(
            each,
            result=replace(
                each.result, frame_differences=array("d", each.result.frame_differences)
            ),
        )
        for each in outcome.comparisons
    ]
    return replace(outcome, comparisons=comparisons)


def _candidate(
    info: CandidateInfo, index: int, outcomes: Sequence[ClipOutcome], limits: Limits
) -> CandidateResult:
    found = [outcome.comparisons[index] for outcome in outcomes]
    comparisons = [comparison for comparison in found if comparison is not None]
    transcripts = [each.transcripts for each in comparisons if each.transcripts is not None]
    pairs = [
        (outcome.edits, each.edits)
        for outcome, each in zip(outcomes, found, strict=True)
        if each is not None and outcome.edits is not None and each.edits is not None
    ]
    others = [each.exporters_way for each in comparisons if each.exporters_way is not None]
    cost = replace(cost_of(transcripts, pairs), exporters_way=Distance.over(others))
    return CandidateResult(
        info.model,
        info.tolerance,
        [
            *info.findings,
            *(finding for each in comparisons for finding in each.findings),
            *limits.exceeded(cost),
        ],
        [each.result for each in comparisons],
        transcripts,
        _rates([each.edits for each in comparisons]),
        judged=_with_speech(info.judged, [each.replayed for each in comparisons if each.replayed]),
        cost=cost,
    )


def _with_speech(judged: Judged | None, replayed: Sequence[GroupDifference]) -> Judged | None:
    """What was judged before any clip was run, with the calls of all clips as one more group."""
    if judged is None or not replayed:
        return judged
    return replace(judged, groups=(*judged.groups, worst_of(replayed)))


def _rates(edits: Sequence[Edits | None]) -> CorpusRates | None:
    return corpus_rates([each for each in edits if each is not None])
