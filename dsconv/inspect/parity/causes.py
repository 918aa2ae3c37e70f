"""What is wrong with a file whose weights are right: the change of the network that explains it.

Each cause is tried: the calls are replayed with that one thing changed. Where the file then gives
the same to the bounds of a right one, that is what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TypeAlias

import numpy as np

from dsconv.acoustic.network import GATES
from dsconv.acoustic.stored import StoredLayer, StoredLstm, StoredNetwork, gates_moved
from dsconv.inspect.parity.replay import (
    Bounds,
    Call,
    GroupDifference,
    Observed,
    compare,
    relative,
    replay,
)
from dsconv.runtime.network import Answers, Arithmetic, NetworkEvaluator, sigmoid
from dsconv.speech.decode import softmax
from dsconv.speech.features import FloatArray

OnNetwork: TypeAlias = Callable[[StoredNetwork], StoredNetwork]
OnCall: TypeAlias = Callable[[Call], Call]
OnAnswer: TypeAlias = Callable[[Call, Answers], Answers]

UNKNOWN = "an op or its wiring is wrong, the cause is not known"
"""Where no cause explains a difference; weights are compared by the audit."""

_FRAMES = 4

_SINGLE = 10
"""How much further one call may be off than the median of many."""


@dataclass(frozen=True)
class Cause:
    """A change of the network, of what goes in, or of what comes out; `sentence` names it."""

    sentence: str
    network: OnNetwork | None = None
    call: OnCall | None = None
    answer: OnAnswer | None = None
    arithmetic: Callable[[Arithmetic], Arithmetic] | None = None
    gives_logits: bool = False
    whole: bool = False
    """Whether it shows only where calls are replayed with all their frames."""


def find_causes(
    network: StoredNetwork,
    arithmetic: Arithmetic,
    calls: Sequence[Call],
    observed: Sequence[Observed],
    bounds: Bounds,
    causes: Iterable[Cause],
    *,
    gives_logits: bool,
) -> list[Cause]:
    """Those of some causes that explain what a file gave; usually one, none if unknown."""
    found = []
    answers = replay(NetworkEvaluator(network, arithmetic), calls)
    unchanged = compare("", calls, observed, answers, bounds, gives_logits=gives_logits)
    if unchanged.within(bounds):
        return []
    # A few frames rule out most causes: at the size of the releases whole calls take long.
    few = _first_frames(calls[:1], observed[:1])
    loose = replace(bounds, logits=_SINGLE * bounds.logits, probabilities=1.0)
    for cause in causes:
        trial = _Trial(cause, network, arithmetic, bounds, gives_logits)
        if not cause.whole and network.backward is None and not trial.of(*few).within(loose):
            continue
        if trial.of(calls, observed).explains(unchanged, bounds):
            found.append(cause)
    return found


@dataclass(frozen=True)
class _Trial:
    """A replay with one thing changed."""

    cause: Cause
    network: StoredNetwork
    arithmetic: Arithmetic
    bounds: Bounds
    gives_logits: bool

    def of(self, calls: Sequence[Call], observed: Sequence[Observed]) -> GroupDifference:
        """How far what was observed is from it."""
        cause = self.cause
        changed = cause.network(self.network) if cause.network else self.network
        rounding = cause.arithmetic(self.arithmetic) if cause.arithmetic else self.arithmetic
        given = [cause.call(call) for call in calls] if cause.call else list(calls)
        logits = self.gives_logits or cause.gives_logits
        with np.errstate(all="ignore"):
            answers = replay(NetworkEvaluator(changed, rounding), given)
            if cause.answer:
                answers = [cause.answer(c, a) for c, a in zip(given, answers, strict=True)]
            return compare("", calls, observed, answers, self.bounds, gives_logits=logits)


def _first_frames(
    calls: Sequence[Call], observed: Sequence[Observed]
) -> tuple[list[Call], list[Observed]]:
    """The first frames of calls, without the states after them."""
    shorter = [
        replace(call, windows=call.windows[:_FRAMES], length=min(call.length, _FRAMES))
        for call in calls
    ]
    return shorter, [Observed(each.scores[:_FRAMES], None, None) for each in observed]


def locate(
    calls: Sequence[Call],
    observed: Sequence[Observed],
    answers: Sequence[Answers],
    bounds: Bounds,
    *,
    gives_logits: bool,
) -> str:
    """Which outputs differ, and whether in some calls only, where no cause is found."""
    wrong: dict[str, list[Call]] = {}
    for call, seen, answer in zip(calls, observed, answers, strict=True):
        scores = replace(seen, cell=None, hidden=None)
        found = compare("", [call], [scores], [answer], bounds, gives_logits=gives_logits)
        if not found.within(bounds):
            wrong.setdefault("the scores", []).append(call)
        for name in ("cell", "hidden"):
            ours, theirs = getattr(answer, name), getattr(seen, name)
            if theirs is not None and not relative(theirs, ours) <= _SINGLE * bounds.states:
                wrong.setdefault(f"the new {name} state", []).append(call)
    outputs = " and ".join(wrong) or "the outputs"
    short = [call for call in calls if call.length < len(call.windows)]
    all_wrong = [call for found in wrong.values() for call in found]
    if not short or not all(call.length < len(call.windows) for call in all_wrong):
        return f"{outputs} differ: {UNKNOWN}"
    if not wrong or "the scores" in wrong:
        return f"{outputs} differ in calls with frames that are not valid: {UNKNOWN}"
    return (
        f"{outputs.replace('the new', 'the')} that comes out is not that after the last valid frame"
    )


def all_causes(network: StoredNetwork, features: int) -> Iterator[Cause]:
    """All that are tried; `features` are the numbers of a frame in a window."""
    yield from _of_layers(network)
    yield from _of_lstm()
    yield from _of_calls(features)
    yield from _of_answers(network)


def _of_layers(network: StoredNetwork) -> Iterator[Cause]:
    clipped = [layer.name for layer in network.layers if layer.clip is not None]
    if clipped:
        yield Cause("no layer clips at its limit", _each(clipped, lambda x: replace(x, clip=None)))
    for name in clipped:
        yield Cause(f"{name} does not clip", _each([name], lambda x: replace(x, clip=None)))
    for layer in network.layers:
        if layer.relu:
            linear = _each([layer.name], lambda x: replace(x, relu=False, clip=None))
            yield Cause(f"{layer.name} lets negative numbers through (no ReLU)", linear)
        if layer.norm is not None:
            plain = _each([layer.name], lambda x: replace(x, norm=None))
            yield Cause(f"{layer.name} is not normalized", plain)
        without = _each([layer.name], lambda x: replace(x, bias=np.zeros_like(x.bias)))
        yield Cause(f"the bias of {layer.name} is not added", without)
    normed = [layer.name for layer in network.layers if layer.norm is not None]
    if len(normed) > 1:
        yield Cause("no layer is normalized", _each(normed, lambda x: replace(x, norm=None)))
    for epsilon in (1e-3, 1e-5, 6.1e-5, 0.0) if normed else ():
        yield Cause(
            f"layer normalization has an epsilon of {epsilon:g}",
            _each(normed, lambda x, e=epsilon: replace(x, norm=replace(x.norm, epsilon=e))),  # type: ignore[misc]
        )
    if network.factors is not None:
        yield Cause("the features are not scaled", lambda n: replace(n, factors=None))


def _of_lstm() -> Iterator[Cause]:
    hard = _hard_sigmoid
    yield Cause("the gates use a hard sigmoid", arithmetic=lambda a: replace(a, gate=hard))
    yield Cause(
        "the gates use a hard sigmoid of another slope",
        arithmetic=lambda a: replace(a, gate=_hard_sigmoid_of_six),
    )
    yield Cause("the gates use tanh", arithmetic=lambda a: replace(a, gate=np.tanh))
    yield Cause(
        "the cell uses a sigmoid where tanh belongs",
        arithmetic=lambda a: replace(a, squash=sigmoid),
    )
    yield Cause(
        "the cell uses ReLU where tanh belongs",
        arithmetic=lambda a: replace(a, squash=lambda x: np.maximum(x, 0)),
    )
    for order in permutations(range(4)):
        if order != (0, 1, 2, 3):
            names = "".join(GATES[i] for i in order)
            yield Cause(
                f"the LSTM takes its gates in the order {names} instead of {''.join(GATES)}",
                _on_lstms(lambda x, o=order: _with_gates(x, o)),  # type: ignore[misc]
            )
    for added in (1.0, -1.0):
        yield Cause(
            f"the forget gate has {added:+g} added to its bias",
            _on_lstms(lambda x, a=added: _with_forget_bias(x, a)),  # type: ignore[misc]
        )
    yield Cause(
        "the bias of the LSTM is not added",
        _on_lstms(lambda x: replace(x, bias=np.zeros_like(x.bias))),
    )
    yield Cause(
        "the LSTM reads the frames backward",
        call=lambda c: replace(c, windows=c.windows[::-1].copy()),
        answer=lambda _, a: replace(a, logits=a.logits[::-1]),
        whole=True,
    )


def _of_calls(features: int) -> Iterator[Cause]:
    def zeros(*names: str) -> OnCall:
        return lambda c: replace(c, **{n: np.zeros_like(getattr(c, n)) for n in names})

    yield Cause("the numbers of valid frames are ignored", call=_all_valid)
    both = "the states that come in are not used: each call starts from zeros"
    yield Cause(both, call=zeros("cell", "hidden"))
    yield Cause("the cell state that comes in is not used", call=zeros("cell"))
    yield Cause("the hidden state that comes in is not used", call=zeros("hidden"))
    yield Cause(
        "the cell state and the hidden state that come in are swapped",
        call=lambda c: replace(c, cell=c.hidden, hidden=c.cell),
    )
    for shift in (1, -1):
        for edge in (_moved, _later):
            yield Cause(
                "the context is off by 1 frame",
                call=lambda c, s=shift, e=edge: replace(c, windows=e(c.windows, s, features)),  # type: ignore[misc]
            )
    yield Cause(
        "the frames of a window are in the opposite order",
        call=lambda c: replace(
            c, windows=_windows(c.windows, features)[:, ::-1].reshape(c.windows.shape)
        ),
    )
    yield Cause(
        "the features of a window are transposed",
        call=lambda c: replace(
            c, windows=_windows(c.windows, features).transpose(0, 2, 1).reshape(c.windows.shape)
        ),
    )


def _of_answers(network: StoredNetwork) -> Iterator[Cause]:
    if network.softmax:
        yield Cause("the softmax is missing: logits come out as probabilities", gives_logits=True)
        yield Cause(
            "the softmax is applied twice",
            answer=lambda _, a: replace(a, logits=softmax(a.logits)),
        )
    else:
        yield Cause(
            "a softmax was added: probabilities come out as logits",
            answer=lambda _, a: replace(a, logits=softmax(a.logits)),
        )
    yield Cause(
        "the new cell state and the new hidden state are swapped",
        answer=lambda _, a: replace(a, cell=a.hidden, hidden=a.cell),
    )
    yield Cause(
        "the states come out as they came in",
        answer=lambda c, a: replace(a, cell=c.cell, hidden=c.hidden),
    )
    yield Cause(
        "the new cell state is the one that came in",
        answer=lambda c, a: replace(a, cell=c.cell),
    )
    yield Cause(
        "the new hidden state is the one that came in",
        answer=lambda c, a: replace(a, hidden=c.hidden),
    )
    zero = np.zeros_like
    yield Cause(
        "the states come out as zeros",
        answer=lambda _, a: replace(a, cell=zero(a.cell), hidden=zero(a.hidden)),
    )


def _each(names: Sequence[str], change: Callable[[StoredLayer], StoredLayer]) -> OnNetwork:
    """The network with some of its dense layers changed."""

    def changed(network: StoredNetwork) -> StoredNetwork:
        def one(layer: StoredLayer) -> StoredLayer:
            return change(layer) if layer.name in names else layer

        return replace(
            network,
            before=tuple(map(one, network.before)),
            after=tuple(map(one, network.after)),
            output=one(network.output),
        )

    return changed


def _on_lstms(change: Callable[[StoredLstm], StoredLstm]) -> OnNetwork:
    def changed(network: StoredNetwork) -> StoredNetwork:
        backward = change(network.backward) if network.backward else None
        return replace(network, lstm=change(network.lstm), backward=backward)

    return changed


def _with_gates(lstm: StoredLstm, order: tuple[int, ...]) -> StoredLstm:
    return replace(
        lstm,
        inputs=lstm.inputs.with_gates(order),
        recurrent=lstm.recurrent.with_gates(order),
        bias=gates_moved(lstm.bias, order),
    )


def _with_forget_bias(lstm: StoredLstm, added: float) -> StoredLstm:
    bias = lstm.bias.copy()
    start = GATES.index("f") * lstm.cells
    bias[start : start + lstm.cells] += np.float32(added)
    return replace(lstm, bias=bias)


def _all_valid(call: Call) -> Call:
    return replace(call, length=len(call.windows))


def _windows(windows: FloatArray, features: int) -> FloatArray:
    return windows.reshape(len(windows), -1, features)


def _moved(windows: FloatArray, shift: int, features: int) -> FloatArray:
    """Each window with its frames moved on by one, zeros where the next one would be."""
    frames = np.roll(_windows(windows, features), shift, axis=1)
    frames[:, 0 if shift > 0 else -1] = 0
    return frames.reshape(windows.shape)


def _later(windows: FloatArray, shift: int, features: int) -> FloatArray:
    """The windows of the frames before or after; at the end, where there is none, a moved one."""
    moved = np.roll(windows, shift, axis=0)
    end = 0 if shift > 0 else -1
    moved[end] = _moved(windows, shift, features)[end]
    return moved


def _hard_sigmoid(numbers: FloatArray) -> FloatArray:
    return np.clip(numbers * np.float32(0.2) + np.float32(0.5), 0, 1)


def _hard_sigmoid_of_six(numbers: FloatArray) -> FloatArray:
    return np.clip(numbers / np.float32(6) + np.float32(0.5), 0, 1)
