"""A file's calls, replayed with the file's own weights in its runtime's arithmetic.

Each call starts from the states that the file itself was in. So neither the rounding of weights and
activations nor what the states add up over time is in the difference: what is left is an error.
Beside calls over speech there are calls that speech does not make: that reach the clips of the
layers, saturate the gates, and use every number of valid frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsconv.acoustic.stored import StoredNetwork
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.parity.reach import loud_windows
from dsconv.runtime.model import Interface, Model, Tensors, scores
from dsconv.runtime.network import (
    Answers,
    Arithmetic,
    Calls,
    NetworkEvaluator,
    call_asymmetric,
    rows_asymmetric,
    rows_symmetric,
    rows_symmetric_away,
)
from dsconv.speech.decode import softmax
from dsconv.speech.features import FloatArray

_SEED = 19
_DYNAMIC_STEPS = (1, 7, 16, 33, 250)
"""Frames of a call that are tried where a file takes any number: up to five seconds."""

_SATURATED = 300.0
"""A cell state that stays beyond 1 however far the forget gate closes."""

_OPENING = 8.0
"""How much larger than any hidden state one is that opens gates."""


_USUAL_LOGITS = 10.0
"""Beyond these, float32 leaves more difference of probabilities in proportion."""


@dataclass(frozen=True)
class Call:
    """A call of a file: `windows` [steps, window values], the states [cells], the valid frames."""

    windows: FloatArray
    cell: FloatArray
    hidden: FloatArray
    length: int


@dataclass(frozen=True)
class Observed:
    """What a file gave: `scores` [steps, classes] as it gives them, its states [cells] if shown."""

    scores: FloatArray
    cell: FloatArray | None
    hidden: FloatArray | None


@dataclass(frozen=True)
class Bounds:
    """How far a file may be from its replay.

    `logits` is the median over frames of the difference of the centred logits, as a part of them;
    `states` the median over calls of the same for both states; `single` is for the largest of these
    in any frame or call. `probabilities` is for the largest difference, as a part of the logits
    where those exceed 10. Probabilities below `least` count as that, and logits below `floor` too:
    their differences are lost in the rounding of probabilities.
    """

    logits: float
    states: float
    probabilities: float
    single: float
    least: float = 1e-30
    floor: float = 0.05


EXACT = Bounds(logits=1e-5, states=1e-5, probabilities=1e-4, single=1e-3)
"""Where nothing is rounded but float32. 1e-5 of logits of 10 is 1e-4 of a probability."""

LOUD = ("clips of the layers", "calls in a row", "short clips")
"""The groups with features beyond those of speech."""

_LOUD_PROBABILITIES = 2e-4
"""What float32 loses of their sums: right files were seen at 1.7e-5."""

HALF = Bounds(logits=5e-3, states=2e-3, probabilities=2e-2, single=0.1, least=1e-4, floor=0.2)
"""Where the runtime computes in float16, which knows no small probabilities."""

INTEGER = Bounds(logits=3e-3, states=6e-4, probabilities=5e-2, single=0.2)
"""Where activations are rounded to 8 bits: some are on the edge between two integers."""

INTEGER_PROBES = Bounds(logits=2e-2, states=5e-3, probabilities=5e-2, single=0.5)
"""The same for calls of large networks that speech does not make: more numbers are on an edge."""

SPEECH = "speech"
"""The group of calls that were made over speech."""

LARGE = 512
"""Cells from which OpenVINO's CPU plugin rounds what it multiplies with integers."""


def arithmetics_of(file_format: str, precision: str, cells: int) -> list[tuple[Arithmetic, Bounds]]:
    """How the runtime of a format may compute with weights of a precision; the usual way first.

    Measured with LiteRT, ONNX Runtime and OpenVINO on x86, and with dsconv's evaluation of Core ML.
    """
    if file_format == "mlpackage":
        exact = precision == "fp32"
        return [(Arithmetic("float16", half=not exact), EXACT if exact else HALF)]
    if precision != "int8" or file_format == "mlmodel":
        return [(Arithmetic(), EXACT)]
    if file_format == "tflite":
        return [
            (Arithmetic("rows rounded by XNNPACK", rows_asymmetric), INTEGER),
            (Arithmetic("rows rounded by TensorFlow Lite", rows_symmetric_away), INTEGER),
        ]
    if file_format == "onnx":
        return [(Arithmetic("calls rounded by ONNX Runtime", call_asymmetric), INTEGER)]
    if cells >= LARGE and cells % 16 == 0:
        return [
            (Arithmetic("rows rounded by OpenVINO", rows_symmetric), INTEGER),
            (Arithmetic(), EXACT),
        ]
    return [(Arithmetic(), EXACT)]


def bounds_of(group: str, bounds: Bounds, cells: int) -> Bounds:
    """The bounds of a group of calls of a network, where those of speech are given."""
    if bounds is INTEGER and group != SPEECH and cells >= LARGE:
        return INTEGER_PROBES
    if group not in LOUD:
        return bounds
    return replace(bounds, probabilities=max(bounds.probabilities, _LOUD_PROBABILITIES))


@dataclass(frozen=True)
class GroupDifference:
    """How far the calls of a group are from their replay, by the measures of `Bounds`.

    Groups of small networks have eight calls, so that medians are steady; a large one is slow, and
    its many cells make them steady as well.
    """

    group: str
    frames: int
    logits: float
    states: float
    probabilities: float
    single: float = 0.0

    def within(self, bounds: Bounds) -> bool:
        """Whether all measures are; one that is no number is not."""
        return (
            self.logits <= bounds.logits
            and self.states <= bounds.states
            and self.probabilities <= bounds.probabilities
            and self.single <= bounds.single
        )

    def explains(self, other: GroupDifference, bounds: Bounds) -> bool:
        """Whether this replay fits where another did not, and not by a hair."""
        return self.within(bounds) and all(
            not getattr(self, each) > getattr(other, each) / 2
            for each in ("logits", "states", "probabilities", "single")
            if not getattr(other, each) <= getattr(bounds, each)
        )


def worst_of(differences: Sequence[GroupDifference]) -> GroupDifference:
    """The largest of each measure, over groups of one kind."""
    return GroupDifference(
        differences[0].group,
        sum(each.frames for each in differences),
        max(each.logits for each in differences),
        max(each.states for each in differences),
        max(each.probabilities for each in differences),
        max(each.single for each in differences),
    )


def observe(model: Model, call: Call) -> Observed:
    """Run one call of a file. Raises ToolkitError if its runtime fails."""
    interface = model.interface
    assert interface.windows is not None
    shape = (interface.batch, len(call.windows), *(interface.windows.shape or ())[2:])
    windows = np.broadcast_to(call.windows.reshape(1, *shape[1:]), shape)
    inputs: Tensors = {interface.windows.name: np.ascontiguousarray(windows, np.float32)}
    for state, value in zip(interface.states, (call.cell, call.hidden), strict=False):
        inputs[state.input] = np.ascontiguousarray(
            np.broadcast_to(value, (interface.batch, len(value))).reshape(state.shape), np.float32
        )
    if interface.lengths is not None:
        lengths = np.full(interface.batch, call.length, interface.lengths.dtype)
        inputs[interface.lengths.name] = lengths
    outputs = ["logits", *(state.output for state in interface.states)]
    found = model.call(inputs, outputs)
    states = [
        np.asarray(found[state.output], np.float32).reshape(interface.batch, -1)[0]
        for state in interface.states
    ]
    cell, hidden = states if len(states) == 2 else (None, None)
    return Observed(np.array(scores(found, interface.classes, interface.batch)), cell, hidden)


def replay(evaluator: NetworkEvaluator, calls: Sequence[Call]) -> list[Answers]:
    """What the network gives for the calls, those of one length of windows at once."""
    by_steps: dict[int, list[int]] = {}
    for index, call in enumerate(calls):
        by_steps.setdefault(len(call.windows), []).append(index)
    found: dict[int, Answers] = {}
    for indices in by_steps.values():
        chosen = [calls[index] for index in indices]
        answers = evaluator.run(
            Calls(
                np.stack([call.windows for call in chosen]),
                np.stack([call.cell for call in chosen]),
                np.stack([call.hidden for call in chosen]),
                np.array([call.length for call in chosen]),
            )
        )
        for row, index in enumerate(indices):
            found[index] = Answers(*(part[row] for part in vars(answers).values()))
    return [found[index] for index in range(len(calls))]


def compare(
    group: str,
    calls: Sequence[Call],
    observed: Sequence[Observed],
    answers: Sequence[Answers],
    bounds: Bounds,
    *,
    gives_logits: bool,
) -> GroupDifference:
    """How far what a file gave is from its replay, over the valid frames of all calls."""
    parts: list[FloatArray] = []
    largest = 0.0
    states: list[float] = []
    for call, seen, answer in zip(calls, observed, answers, strict=True):
        logits, expected = seen.scores[: call.length], answer.logits[: call.length]
        if call.length:
            apart, difference = _score_differences(
                logits, expected, bounds, gives_logits=gives_logits
            )
            parts.append(apart)
            largest = _largest(largest, difference)
        if seen.cell is not None and seen.hidden is not None:
            states.append(
                _largest(relative(seen.cell, answer.cell), relative(seen.hidden, answer.hidden))
            )
    frames = np.concatenate(parts).tolist() if parts else []
    single = 0.0
    for each in (*frames, *states):
        single = _largest(single, each)
    return GroupDifference(group, len(frames), _median(frames), _median(states), largest, single)


def _score_differences(
    found: FloatArray, expected: FloatArray, bounds: Bounds, *, gives_logits: bool
) -> tuple[FloatArray, float]:
    """The relative difference of the centred logits of each frame, and that of probabilities."""
    least = bounds.least
    ours = np.log(_softmax(expected))
    theirs = np.log(_softmax(found)) if gives_logits else np.log(np.maximum(found, least))
    ours = np.maximum(ours, np.log(least))
    theirs = np.maximum(theirs, np.log(least))
    centred, apart = _centred(ours), _centred(ours - theirs)
    size = np.maximum(np.sqrt(np.square(centred).mean(axis=-1)), bounds.floor)
    relative = np.sqrt(np.square(apart).mean(axis=-1)) / size
    if gives_logits:
        # Their sizes are part of the answer, which probabilities do not show.
        level = np.abs(_centred(expected) - _centred(found)).max(axis=-1)
        relative = np.maximum(relative, level / (np.abs(_centred(expected)).max(axis=-1) + 1e-12))
    # Of logits of a hundred, float32 leaves ten times less.
    scale = np.maximum(np.abs(_centred(expected)).max(axis=-1, keepdims=True) / _USUAL_LOGITS, 1)
    return relative, float((np.abs(np.exp(ours) - np.exp(theirs)) / scale).max(initial=0.0))


def _softmax(logits: FloatArray) -> FloatArray:
    """In float64, and never zero, for its logarithm."""
    return np.asarray(np.maximum(softmax(np.asarray(logits, np.float64)), 1e-300))


def _centred(numbers: FloatArray) -> FloatArray:
    return np.asarray(numbers - numbers.mean(axis=-1, keepdims=True))


def relative(found: FloatArray, expected: FloatArray) -> float:
    """The size of a difference as a part of what is expected."""
    size = float(np.linalg.norm(expected)) or 1.0
    return float(np.linalg.norm(found - expected)) / size


def _largest(first: float, second: float) -> float:
    """The larger of two; one that is no number counts as the largest."""
    return second if not second <= first else first


def _median(numbers: Sequence[float]) -> float:
    return float(np.median(numbers)) if numbers else 0.0


def probes(
    network: StoredNetwork, windows: FloatArray, interface: Interface
) -> dict[str, list[Call]]:
    """Calls that speech does not make, by what they are for.

    `windows` [frames, window values] of some speech are what they are made of.
    """
    maker = _Probes(network, windows, interface)
    groups = {
        LOUD[0]: maker.loud(),
        "saturated gates": maker.saturated(),
        "clip after the LSTM": maker.aimed(),
    }
    if interface.lengths is not None:
        groups["numbers of valid frames"] = maker.lengths()
    if interface.steps == DYNAMIC:
        groups["numbers of frames"] = maker.steps()
    return {name: calls for name, calls in groups.items() if calls}


class _Probes:
    def __init__(self, network: StoredNetwork, windows: FloatArray, interface: Interface) -> None:
        self.network = network
        self.windows = windows
        self.count = 16 if interface.steps == DYNAMIC else interface.steps
        self.cells = network.lstm.cells
        self.random = np.random.default_rng(_SEED)
        self.many = 2 if self.cells >= LARGE else 8

    def some(self, steps: int, scale: float = 1.0) -> FloatArray:
        """Windows of speech in another order."""
        rows = self.random.integers(0, len(self.windows), steps)
        return np.asarray(self.windows[rows] * np.float32(scale), np.float32)

    def states(self, cell: float = 1.0) -> tuple[FloatArray, FloatArray]:
        """States of a size, as they are after some speech."""
        found = self.random.standard_normal(self.cells) * cell
        hidden = np.tanh(self.random.standard_normal(self.cells))
        return found.astype(np.float32), hidden.astype(np.float32)

    def call(self, windows: FloatArray, cell: float = 1.0, length: int | None = None) -> Call:
        """A call from some states."""
        return Call(windows, *self.states(cell), len(windows) if length is None else length)

    def loud(self) -> list[Call]:
        """Features so large that the layers before the LSTM reach their clips."""
        half = self.many // 2
        loud = np.split(loud_windows(self.network, half * self.count), half)
        scales = (-16.0, 4.0, -4.0, 16.0)[:half]
        calls = [self.call(self.some(self.count, scale)) for scale in scales]
        return [*calls, *map(self.call, loud)]

    def saturated(self) -> list[Call]:
        """States far beyond those of speech, and none."""
        sizes = (4.0, 0.0, 1.0, 20.0, 0.0, 1.0, 4.0, 20.0)[: self.many]
        calls = [self.call(self.some(self.count), size) for size in sizes]
        zeros = np.zeros(self.cells, np.float32)
        return [*calls, Call(self.some(self.count), zeros, zeros, self.count)]

    def aimed(self) -> list[Call]:
        """States that make single units of the next layer as large as they can be.

        The cells have the signs of the unit's weights, and the hidden state opens the output gate.
        """
        if not self.network.after:
            return []
        weights = self.network.after[0].weights.floats[: self.cells]
        gates = self.network.lstm.recurrent.floats[:, -self.cells :]
        calls = []
        for unit in np.argsort(-np.abs(weights).sum(axis=0))[: self.many // 2]:
            cell = np.asarray(_SATURATED * np.sign(weights[:, unit]), np.float32)
            opening = gates @ np.abs(weights[:, unit])
            opening /= np.abs(opening).max(initial=1e-30)
            for size in (1, _OPENING):
                hidden = np.asarray(size * opening, np.float32)
                calls.append(Call(self.some(self.count), cell, hidden, self.count))
        return calls

    def lengths(self) -> list[Call]:
        """Every number of valid frames, from none to all."""
        lengths = range(0, self.count + 1, 8 // self.many)
        return [self.call(self.some(self.count), length=length) for length in lengths]

    def steps(self) -> list[Call]:
        """Several numbers of frames."""
        # The longest takes seconds in large networks.
        most = len(_DYNAMIC_STEPS) - (self.cells >= LARGE)
        return [self.call(self.some(steps)) for steps in _DYNAMIC_STEPS[:most]]
