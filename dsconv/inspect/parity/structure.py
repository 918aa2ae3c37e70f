"""The first level: can the two models do the same job at all?"""

from __future__ import annotations

from collections.abc import Iterator

from dsconv.inspect.parity.result import Finding, Severity
from dsconv.runtime.model import Interface
from dsconv.speech.alphabet import Alphabet

LEVEL = "structure"

# What must be the same for the two to be fed the same speech and to mean the same by a class.
_SAME = {
    "context": "frames of context",
    "features": "features per frame",
    "classes": "classes",
}
_SAME_AUDIO = {
    "sample_rate": ("sample rate", " Hz"),
    "feature_win_len": ("feature window", " ms"),
    "feature_win_step": ("feature step", " ms"),
}


def compare_structure(reference: Interface, candidate: Interface) -> list[Finding]:
    """Everything that differs in what goes in, what comes out, and in the models' metadata."""
    return [
        *_frames_and_classes(reference, candidate),
        *_states(reference, candidate),
        *_audio(reference, candidate),
        *_alphabets(reference.metadata.alphabet, candidate.metadata.alphabet),
        *_front_ends(reference, candidate),
        *_notes(reference, candidate),
    ]


def _failure(message: str) -> Finding:
    return Finding(LEVEL, Severity.FAILURE, message)


def _note(message: str) -> Finding:
    return Finding(LEVEL, Severity.NOTE, message)


def _warning(message: str) -> Finding:
    return Finding(LEVEL, Severity.WARNING, message)


def _frames_and_classes(reference: Interface, candidate: Interface) -> Iterator[Finding]:
    for key, label in _SAME.items():
        expected, found = getattr(reference, key), getattr(candidate, key)
        if found not in (None, expected):
            yield _failure(f"{label}: {found}, the reference has {expected}: another network")


def _states(reference: Interface, candidate: Interface) -> Iterator[Finding]:
    """States may be inside a model; where both show them, they must have the same shape."""
    shapes = {state.output: state.shape for state in candidate.shown_states}
    if reference.shown_states and not shapes:
        yield _note("the candidate keeps its states itself; they are not compared")
    for state in reference.shown_states if shapes else ():
        if state.output not in shapes:
            yield _failure(f"output {state.output} is missing")
        # The first dimension is the number of clips in a call, of which one is compared.
        elif shapes[state.output][1:] != state.shape[1:]:
            yield _failure(
                f"{state.output}: {list(shapes[state.output])}, the reference has "
                f"{list(state.shape)}: another network"
            )


def _audio(reference: Interface, candidate: Interface) -> Iterator[Finding]:
    for key, (label, unit) in _SAME_AUDIO.items():
        expected, found = getattr(reference.metadata, key), getattr(candidate.metadata, key)
        if expected is None:
            continue
        if found is None:
            yield _warning(f"{label}: missing in the candidate's metadata")
        elif expected != found:
            yield _failure(f"{label}: {found}{unit}, the reference has {expected}{unit}")


def _alphabets(reference: Alphabet | None, candidate: Alphabet | None) -> Iterator[Finding]:
    if reference is None or reference == candidate:
        return
    if candidate is None:
        yield _warning("the candidate holds no alphabet; the reference's is used")
        return
    if len(reference.labels) != len(candidate.labels):
        yield _failure(
            f"alphabet: {len(candidate.labels)} labels, the reference has {len(reference.labels)}"
        )
        return
    if shift := _shift(reference, candidate):
        yield _failure(f"alphabet: the same labels, shifted by {shift}")
        return
    pairs = zip(reference.texts, candidate.texts, strict=True)
    index, (expected, found) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
    yield _failure(f"alphabet: label {index} is {found!r}, the reference has {expected!r}")


def _shift(reference: Alphabet, candidate: Alphabet) -> int:
    """By how many indices the labels are rotated; 0 if they differ in another way."""
    labels = reference.labels
    count = len(labels)
    shifts: list[int] = [*range(1, count // 2 + 1), *range(-(count // 2), 0)]
    for shift in shifts:
        rolled = tuple(labels[(i - shift) % count] for i in range(count))
        if rolled == candidate.labels:
            return shift
    return 0


def _front_ends(reference: Interface, candidate: Interface) -> Iterator[Finding]:
    expected, found = reference.features_from, candidate.features_from
    if expected and found and expected != found:
        yield _failure(f"front end: {found}, the reference has {expected}")
    elif expected and not found:
        yield _note("the candidate takes features; its front end is not compared")


def _notes(reference: Interface, candidate: Interface) -> Iterator[Finding]:
    """Differences that users want to know and that change no result."""
    if reference.steps != candidate.steps:
        steps = ["any number" if i.steps == -1 else str(i.steps) for i in (candidate, reference)]
        yield _note(f"steps: {steps[0]}, the reference has {steps[1]}")
    if reference.lengths and not candidate.lengths:
        yield _note("the candidate takes no lengths; states after a short chunk are not compared")
    for key in ("beam_width", "language"):
        expected, found = getattr(reference.metadata, key), getattr(candidate.metadata, key)
        if expected is not None and expected != found:
            yield _warning(f"{key.replace('_', ' ')} differs from the reference's")
