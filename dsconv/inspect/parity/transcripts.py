"""The third level: transcripts, by beam search and by best path."""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.speech.alphabet import Alphabet
from dsconv.speech.decode import beam_transcript, greedy_transcript
from dsconv.speech.features import FloatArray
from dsconv.speech.rates import Edits, ErrorRates, count_edits, error_rates


@dataclass(frozen=True)
class Transcript:
    """What a model transcribed from a clip."""

    beam: str
    greedy: str


@dataclass(frozen=True)
class TranscriptComparison:
    """Two transcripts of a clip. `truth` is the expected one, None where nobody wrote it down."""

    clip: str
    reference: Transcript
    candidate: Transcript
    to_reference: ErrorRates
    truth: str | None
    reference_to_truth: ErrorRates | None
    candidate_to_truth: ErrorRates | None

    @property
    def equal(self) -> bool:
        """Whether the beam search gives the same."""
        return self.reference.beam == self.candidate.beam


def transcribe_probabilities(
    probabilities: FloatArray, alphabet: Alphabet, beam: int
) -> Transcript:
    """The transcripts of probabilities [frames, classes]."""
    return Transcript(
        beam_transcript(probabilities, alphabet, beam), greedy_transcript(probabilities, alphabet)
    )


def compare_transcripts(
    clip: str, reference: Transcript, candidate: Transcript, truth: str | None
) -> TranscriptComparison:
    """Two transcripts beside each other, and beside the expected one where that is known."""
    known = truth is not None
    return TranscriptComparison(
        clip=clip,
        reference=reference,
        candidate=candidate,
        to_reference=error_rates(reference.beam, candidate.beam),
        truth=truth,
        reference_to_truth=error_rates(truth or "", reference.beam) if known else None,
        candidate_to_truth=error_rates(truth or "", candidate.beam) if known else None,
    )


def edits_of(expected: str | None, transcript: Transcript | None) -> Edits | None:
    """The edits from the expected transcript to this one, None where either is missing."""
    if expected is None or transcript is None:
        return None
    return count_edits(expected, transcript.beam)
