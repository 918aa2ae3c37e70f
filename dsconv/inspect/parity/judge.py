"""Is a file right? Its weights are the graph's, and it computes with them what the network does.

Two things are looked at, neither of which the rounding of a lower precision can hide: the weights,
read back from the file; and calls of the file, replayed by an evaluation with those same weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from dsconv.acoustic.network import Network
from dsconv.acoustic.read_back import read_back
from dsconv.acoustic.source import Source
from dsconv.acoustic.stored import stored
from dsconv.errors import ConversionError
from dsconv.inspect.parity.audit import Audit, audit
from dsconv.inspect.parity.causes import Cause, all_causes, find_causes, locate
from dsconv.inspect.parity.reach import coverage, loud_windows
from dsconv.inspect.parity.replay import (
    EXACT,
    LARGE,
    SPEECH,
    Bounds,
    Call,
    GroupDifference,
    Observed,
    arithmetics_of,
    bounds_of,
    compare,
    observe,
    probes,
    replay,
)
from dsconv.inspect.parity.trace import Trace
from dsconv.runtime.model import Interface, Model, default_steps
from dsconv.runtime.network import Answers, Arithmetic, NetworkEvaluator
from dsconv.runtime.stream import USUAL_STEPS, Speech, Stream
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks, clip_features, whitened_windows
from dsconv.speech.settings import Features
from dsconv.speech.wav import Samples

_SEED = 7
_CLIP_CALLS, _FEW_CLIP_CALLS = 8, 3
_EXPLAINED_CALLS = 4
_SHORT_CLIPS = 4
_ROW = 4
_LOUD_CALL = 2
"""Which of the calls in a row reaches the clips of the layers."""

_LOUDEST = 32767


Group: TypeAlias = tuple[str, Sequence[Call], Sequence[Observed]]
"""What calls are for, the calls, and what the file gave."""


@dataclass(frozen=True)
class Judged:
    """What is found of a file without any speech.

    `errors` are sentences on what is wrong with it; `notes` say what no call exercised.
    """

    audit: Audit
    groups: tuple[GroupDifference, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def word(self) -> str:
        """Right or wrong, as far as it can be told without speech."""
        return "wrong" if self.errors else "right"

    def to_json(self) -> dict[str, Any]:
        """What was compared, as plain values."""
        return {
            "weights": self.audit.numbers,
            "weight_errors": [asdict(error) for error in self.audit.errors],
            "replayed": [asdict(group) for group in self.groups],
            "errors": list(self.errors),
            "not_exercised": list(self.notes),
        }


class Judge:
    """Judges one file against the network of its graph.

    Raises ConversionError if its weights are in a form that is not read back.
    """

    def __init__(self, network: Network, source: Source, model: Model, features: Features) -> None:
        self._model = model
        self._interface: Interface = model.interface
        self._features = features
        self._given = network
        expected = stored(network)
        self._found = read_back(source, self._interface.format, network)
        self._audit = audit(expected, self._found)
        cells = network.lstm.cells
        self._ways = arithmetics_of(self._interface.format, self._interface.precision, cells)
        self._chosen: tuple[Arithmetic, Bounds] | None = None
        self._evaluators: dict[str, NetworkEvaluator] = {}
        self._causes: list[Cause] = []

    def judge(self) -> Judged:
        """Read the weights back, and replay calls that speech does not make."""
        errors = [error.sentence for error in self._audit.errors]
        if not self._audit.is_finite:
            return Judged(self._audit, (), tuple(errors), ())
        groups = []
        # Of whole clips there are probabilities, whatever the file gives.
        gives_logits = self._interface.gives_logits and not self._interface.takes_whole_clips
        found = list(self._probes())
        nearest = self._nearest(found, gives_logits)
        for (_, calls, observed), (difference, bounds) in zip(found, nearest, strict=True):
            groups.append(difference)
            if not difference.within(bounds):
                errors.append(self._sentence(difference, bounds, calls, observed, gives_logits))
        notes = coverage(self._found, self._largest())
        return Judged(self._audit, tuple(groups), tuple(dict.fromkeys(errors)), tuple(notes))

    def _largest(self) -> dict[str, float]:
        """What each layer with a clip came to in all calls."""
        found: dict[str, float] = {}
        for evaluator in self._evaluators.values():
            for name, size in evaluator.largest.items():
                found[name] = max(size, found.get(name, 0.0))
        return found

    def judge_clip(self, speech: Speech, trace: Trace) -> tuple[GroupDifference, str | None] | None:
        """Replay some calls of a clip that the file has run, or all if it hides its states."""
        interface = self._interface
        if interface.takes_whole_clips or not interface.states:
            calls, observed = self._whole_clip(speech, trace)
        else:
            found = calls_of(interface, speech, trace, self._found.lstm.cells)
            calls, observed = [each for each, _ in found], [each for _, each in found]
        if not calls:
            return None
        # A trace holds probabilities, whatever the file gives.
        ((difference, bounds),) = self._nearest([(SPEECH, calls, observed)], False)
        if difference.within(bounds):
            return difference, None
        return difference, self._sentence(difference, bounds, calls, observed, False)

    def _probes(self) -> Iterator[Group]:
        interface = self._interface
        if interface.takes_whole_clips:
            yield ("short clips", *self._short_clips())
            return
        windows = self._noise_windows(4 * USUAL_STEPS)
        if not interface.states:
            yield ("calls in a row", *self._row(windows))
            return
        for name, calls in probes(self._found, windows, interface).items():
            yield name, calls, [observe(self._model, call) for call in calls]

    def _nearest(
        self, groups: Sequence[Group], gives_logits: bool
    ) -> list[tuple[GroupDifference, Bounds]]:
        """The differences of groups in the nearest of the ways in which the runtime may compute.

        One in which all are within their bounds is the way of all that follows.
        """
        found = []
        for arithmetic, bounds in [self._chosen] if self._chosen else self._ways:
            # All groups at once: the weights are read from memory once.
            calls = [call for _, calls, _ in groups for call in calls]
            answers = iter(replay(self._evaluator(arithmetic), calls))
            differences = [
                compare(
                    name,
                    calls,
                    observed,
                    [next(answers) for _ in calls],
                    bounds,
                    gives_logits=gives_logits,
                )
                for name, calls, observed in groups
            ]
            cells = self._found.lstm.cells
            judged = [(each, bounds_of(each.group, bounds, cells)) for each in differences]
            if all(difference.within(limits) for difference, limits in judged):
                self._chosen = (arithmetic, bounds)
                return judged
            found.append(judged)
        return min(found, key=lambda judged: sum(each.logits for each, _ in judged))

    def _evaluator(self, arithmetic: Arithmetic) -> NetworkEvaluator:
        if arithmetic.name not in self._evaluators:
            self._evaluators[arithmetic.name] = NetworkEvaluator(self._found, arithmetic)
        return self._evaluators[arithmetic.name]

    def _sentence(
        self,
        difference: GroupDifference,
        bounds: Bounds,
        calls: Sequence[Call],
        observed: Sequence[Observed],
        gives_logits: bool,
    ) -> str:
        """What a difference comes from, by trying."""
        arithmetic = (self._chosen or self._ways[0])[0]
        answers = replay(self._evaluator(arithmetic), calls)
        some = _most_telling(calls, observed, answers, bounds, gives_logits)
        explain = partial(
            find_causes,
            self._found,
            arithmetic,
            [calls[index] for index in some],
            [observed[index] for index in some],
            bounds,
            gives_logits=gives_logits,
        )
        # What explained other calls is tried first, as all causes take their time.
        causes = explain(self._causes) or explain(all_causes(self._found, self._given.features))
        if causes:
            self._causes = causes
            return " or ".join(dict.fromkeys(cause.sentence for cause in causes))
        where = locate(calls, observed, answers, bounds, gives_logits=gives_logits)
        return f"{where} ({figures(difference)})"

    def _noise_windows(self, frames: int) -> FloatArray:
        """Windows [frames, values] of the features of noise that grows and fades as speech does."""
        settings = self._features
        samples = np.random.default_rng(_SEED).standard_normal(
            settings.window + frames * settings.step
        )
        level = 2000 * (1 + np.sin(np.arange(len(samples)) / 900)) ** 2
        features = clip_features((samples * level).clip(-32768, 32767).astype(np.int16), settings)
        # The first versions skip every other frame.
        windows = next(chunks(features[:frames], self._given.context, frames))
        return np.ascontiguousarray(windows.reshape(len(windows), -1))

    def _row(self, windows: FloatArray) -> tuple[list[Call], list[Observed]]:
        """Calls one after the other of a file that keeps its states; each from those replayed."""
        interface, cells = self._interface, self._found.lstm.cells
        steps = default_steps(interface, USUAL_STEPS)
        self._model.reset()
        cell: FloatArray = np.zeros(cells, np.float32)
        hidden = cell
        calls, observed = [], []
        for number in range(_ROW):
            part: FloatArray = np.resize(windows[number * steps :], (steps, windows.shape[1]))
            if number == _LOUD_CALL:
                part = loud_windows(self._found, steps)
            call = Call(part, cell, hidden, steps)
            observed.append(replace(observe(self._model, call), cell=None, hidden=None))
            calls.append(call)
            (answer,) = replay(self._evaluator(self._ways[0][0]), [call])
            cell, hidden = answer.cell, answer.hidden
        return calls, observed

    def _whole_clip(self, speech: Speech, trace: Trace) -> tuple[list[Call], list[Observed]]:
        """The calls over a clip, each from the states that the replay of those before left."""
        windows = self._windows_of(speech)[: trace.ends[-1]]
        cell: FloatArray = np.zeros(self._found.lstm.cells, np.float32)
        hidden = cell
        evaluator = self._evaluator((self._chosen or self._ways[0])[0])
        calls, observed = [], []
        for start, end in zip((0, *trace.ends[:-1]), trace.ends, strict=True):
            call = Call(windows[start:end], cell, hidden, end - start)
            observed.append(Observed(trace.probabilities[start:end], None, None))
            calls.append(call)
            if end < len(windows):
                (answer,) = replay(evaluator, [call])
                cell, hidden = answer.cell, answer.hidden
        return calls, observed

    def _short_clips(self) -> tuple[list[Call], list[Observed]]:
        """Clips of a few frames, from fresh states, of a file that takes whole clips."""
        settings, stream = self._features, Stream(self._model)
        random, zeros = np.random.default_rng(_SEED), np.zeros(self._found.lstm.cells, np.float32)
        calls, observed = [], []
        for number in range(_SHORT_CLIPS):
            length = settings.window + (8 + 5 * number) * settings.step
            samples = random.standard_normal(length) * 2000 * (1 + number)
            if number == _SHORT_CLIPS - 1:
                # As loud as can be, and silent at times.
                samples = _LOUDEST * np.sign(samples) * (np.arange(length) // 2000 % 2)
            speech = self._speech(samples.astype(np.int16), 16.0 if number == 2 else 1.0)
            (chunk,) = stream.run_clip(speech)
            windows = self._windows_of(speech)
            calls.append(Call(windows, zeros, zeros, len(windows)))
            observed.append(Observed(chunk.probabilities, None, None))
        return calls, observed

    def _speech(self, samples: Samples, scale: float) -> Speech:
        """Samples with their features, larger than they are if the file takes those."""
        features = clip_features(samples, self._features)
        if self._interface.samples is None:
            features = np.asarray(features * np.float32(scale), np.float32)
        return Speech(samples, features)

    def _windows_of(self, speech: Speech) -> FloatArray:
        """The windows of a whole clip, as rows."""
        if self._given.backward is not None:
            windows: FloatArray = whitened_windows(speech.features, self._given.context)
        else:
            windows = next(chunks(speech.features, self._given.context, len(speech.features)))
        return np.ascontiguousarray(windows.reshape(len(windows), -1), np.float32)


def _most_telling(
    calls: Sequence[Call],
    observed: Sequence[Observed],
    answers: Sequence[Answers],
    bounds: Bounds,
    gives_logits: bool,
) -> list[int]:
    """The calls that differ most, and two that differ least: a cause has to explain both."""
    sizes = []
    for call, seen, answer in zip(calls, observed, answers, strict=True):
        found = compare("", [call], [seen], [answer], bounds, gives_logits=gives_logits)
        sizes.append(max(found.logits, found.states, found.probabilities))
    order = np.argsort(np.nan_to_num(sizes, nan=np.inf)).tolist()
    return sorted({*order[-_EXPLAINED_CALLS:], *order[:2]})


def calls_of(
    interface: Interface, speech: Speech, trace: Trace, cells: int
) -> list[tuple[Call, Observed]]:
    """Some calls that a model made over a clip, with the states that it was in; whole ones only."""
    if interface.takes_whole_clips or len(interface.states) != 2 or interface.context is None:
        return []
    rows = {int(end): index for index, end in enumerate(trace.state_ends)}
    names = [state.output for state in interface.states]
    zeros = np.zeros(cells, np.float32)
    found = []
    starts = [0, *trace.ends[:-1].tolist()]
    for start, end in zip(starts, trace.ends.tolist(), strict=True):
        if end not in rows or (start and start not in rows):
            continue
        before = [trace.states[n][rows[start]] if start else zeros for n in names]
        after = [trace.states[n][rows[end]] for n in names]
        found.append((start, end, before, after))
    most = _FEW_CLIP_CALLS if cells >= LARGE else _CLIP_CALLS
    chosen = sorted({int(i) for i in np.linspace(0, len(found) - 1, min(len(found), most))})
    windows = next(iter(chunks(speech.features, interface.context, len(speech.features))))
    windows = windows.reshape(len(windows), -1)
    return [
        (
            Call(np.asarray(windows[start:end], np.float32), before[0], before[1], end - start),
            Observed(trace.probabilities[start:end], after[0], after[1]),
        )
        for start, end, before, after in (found[index] for index in chosen)
    ]


def recognition_error(
    network: Network, interface: Interface, speech: Speech, trace: Trace
) -> str | None:
    """Whether the network is what the graph computes; None if it is.

    The graph was evaluated op by op, which knows nothing of the network that was recognised in it.
    """
    found = calls_of(interface, speech, trace, network.lstm.cells)
    if not found:
        return None
    calls, observed = zip(*found, strict=True)
    answers = replay(NetworkEvaluator(stored(network)), calls)
    difference = compare("the graph", calls, observed, answers, EXACT, gives_logits=False)
    if difference.within(EXACT):
        return None
    return f"the network that was recognised is not what the graph computes ({figures(difference)})"


def figures(difference: GroupDifference) -> str:
    """The measures of a difference in words."""
    return (
        f"{difference.group}: logits {difference.logits:.1e}, states {difference.states:.1e}, "
        f"probabilities {difference.probabilities:.1e}"
    )


def judge_of(network: Network, source: Source, model: Model, features: Features) -> Judge | str:
    """The judge of a file, or why its weights are not read back."""
    try:
        return Judge(network, source, model, features)
    except ConversionError as error:
        return str(error)
