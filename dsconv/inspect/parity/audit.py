"""The weights of a file, read back from its bytes, beside those of the graph that it was made from.

Each number must be the graph's, as exactly as the file can hold it: the same float32, the nearest
float16, within half a step of the integers. What differs is named by its cause where there is one:
a factor, a sign, an order, a value that was added, zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import GATES
from dsconv.acoustic.stored import (
    StoredLayer,
    StoredLstm,
    StoredMatrix,
    StoredNetwork,
    StoredNorm,
    gates_moved,
)
from dsconv.speech.features import FloatArray

_HALF = 2.0**-11
"""Half a step of float16, as a part of a number."""

_SMALLEST_HALF = 2.0**-25
"""Half of the smallest step of float16."""

_ROWS = 32

_UNKNOWN = "for a cause that is not known"

_SAME_SCALE = 2e-3
"""How far a scale may be from the largest weight over 127; rounded to float16 it is off by 5e-4."""

_FEW = 3
"""Numbers that are listed one by one."""

_NEARLY_ALL = 0.999
_MUCH = 0.25

_COARSEST = 64
"""The most values of a tensor that is called rounded."""

_EVEN = 0.3
"""The distance of numbers from evenly spaced values, as a part of the space between those."""

_SOME_OUTPUTS = 8
_FEWER = 6
"""How many numbers there are at least for each of the few values that they are rounded to."""

_NOT_FINITE = "has numbers that are not finite"


@dataclass(frozen=True)
class WeightError:
    """Weights that are not those of the graph: which, and what is wrong with them, in words.

    `numbers` differ; `largest` is the largest difference.
    """

    name: str
    cause: str
    numbers: int
    largest: float

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        return f"{self.name} {self.cause}"


@dataclass(frozen=True)
class Audit:
    """What reading back all weights of a file found."""

    errors: tuple[WeightError, ...]
    numbers: int

    @property
    def passed(self) -> bool:
        """Whether every number is the graph's."""
        return not self.errors

    @property
    def is_finite(self) -> bool:
        """Whether the file computes anything with its weights."""
        return not any(error.cause == _NOT_FINITE for error in self.errors)


def audit(expected: StoredNetwork, found: StoredNetwork) -> Audit:
    """Compare the weights of a file with those of its graph.

    The networks must have the same layers. Weights that the file divides by its factors are
    compared as they act, on features as they are.
    """
    errors: list[WeightError] = []
    pairs = list(_pairs(expected, found))
    for name, values, matrix, columns in pairs:
        if error := _compare(name, values, matrix, columns, expected):
            errors.append(error)
    if len(errors) == len(pairs) and all(_UNKNOWN in error.cause for error in errors):
        errors = [_other_model(errors)]
    errors += _settings(expected, found)
    return Audit(tuple(errors), sum(values.size for _, values, _, _ in pairs))


def _other_model(errors: list[WeightError]) -> WeightError:
    """One error for weights that are others in every tensor."""
    largest = max(error.largest for error in errors)
    cause = "are others in every layer: it is another model, or another training of this one"
    return WeightError("the weights", cause, sum(error.numbers for error in errors), largest)


def _pairs(
    expected: StoredNetwork, found: StoredNetwork
) -> Iterator[tuple[str, FloatArray, StoredMatrix, str]]:
    """Each tensor's name, its values in the graph, those in the file, and what its columns are."""
    for ours, theirs in zip(expected.layers, found.layers, strict=True):
        matrix = ours.weights.floats
        if found.factors is not None and ours is expected.layers[0]:
            matrix = matrix / found.factors[:, None]
        columns = "classes" if ours is expected.output else "units"
        yield f"{ours.name}/weights", matrix, theirs.weights, columns
        yield f"{ours.name}/bias", ours.bias, _bias(theirs), columns
        if ours.norm and theirs.norm:
            yield f"{ours.name}/norm/scale", ours.norm.scale, StoredMatrix(theirs.norm.scale), ""
            yield f"{ours.name}/norm/offset", ours.norm.offset, StoredMatrix(theirs.norm.offset), ""
    for lstm, other in zip(expected.lstms, found.lstms, strict=True):
        yield f"{lstm.name}/input kernel", lstm.inputs.floats, other.inputs, "gates"
        yield f"{lstm.name}/recurrent kernel", lstm.recurrent.floats, other.recurrent, "gates"
        yield f"{lstm.name}/bias", lstm.bias, _bias(other), "gates"


def _bias(stored: StoredLayer | StoredLstm) -> StoredMatrix:
    """A bias as a file holds it."""
    if stored.bias_steps is None:
        return StoredMatrix(stored.bias)
    return StoredMatrix(np.rint(stored.bias / stored.bias_steps), stored.bias_steps)


def _settings(expected: StoredNetwork, found: StoredNetwork) -> Iterator[WeightError]:
    """The single numbers beside the weights, and what follows each layer."""
    for ours, theirs in zip(expected.layers, found.layers, strict=True):
        if ours.clip != theirs.clip:
            limits = [
                f"at {each.clip:g}" if each.clip is not None else "nowhere"
                for each in (theirs, ours)
            ]
            text = f"clips {limits[0]} where the graph clips {limits[1]}"
            yield WeightError(ours.name, text, 1, abs((ours.clip or 0.0) - (theirs.clip or 0.0)))
        if ours.relu != theirs.relu:
            yield WeightError(
                ours.name, "has no ReLU" if ours.relu else "has a ReLU too many", 1, 0.0
            )
        if (ours.norm is None) != (theirs.norm is None):
            text = "is not normalized" if ours.norm else "is normalized, unlike in the graph"
            yield WeightError(ours.name, text, 1, 0.0)
        if ours.norm and theirs.norm:
            yield from _epsilon(ours, ours.norm, theirs.norm)


def _epsilon(layer: StoredLayer, expected: StoredNorm, found: StoredNorm) -> Iterator[WeightError]:
    difference = abs(expected.epsilon - found.epsilon)
    if difference > 1e-3 * expected.epsilon:
        yield WeightError(
            f"{layer.name}/norm/epsilon",
            f"is {found.epsilon:.3g} where the graph has {expected.epsilon:.3g}",
            1,
            difference,
        )


def _compare(
    name: str, expected: FloatArray, found: StoredMatrix, columns: str, graph: StoredNetwork
) -> WeightError | None:
    """What is wrong with a tensor, None if nothing is."""
    if found.numbers.shape != expected.shape:
        shapes = f"{list(found.numbers.shape)} where the graph has {list(expected.shape)}"
        return WeightError(name, f"has the shape {shapes}", expected.size, float("inf"))
    steps = _scale_error(expected, found)
    if not any(_wrong(expected[rows], found.rows(rows)).any() for rows in _blocks(expected)):
        return (
            WeightError(name, f"is stored otherwise: {steps}", expected.size, 0.0)
            if steps
            else None
        )
    floats, slack, wrong = found.floats, _slack(expected, found), _wrong(expected, found)
    cause = _cause(
        _Difference(expected, floats, slack, wrong, _is_half(found)), columns, found.numbers
    )
    if cause is None:
        cause = _other_tensor(name, floats, slack, graph) or _extent(wrong)
        cause += f"; {steps}" if steps else ""
    apart = np.abs(floats[wrong] - expected[wrong])
    return WeightError(name, cause, int(wrong.sum()), float(np.nanmax(apart, initial=0.0)))


def _blocks(numbers: FloatArray) -> Iterator[slice]:
    """Some rows at a time, so that what is computed on the way stays in the cache."""
    for start in range(0, len(numbers), _ROWS):
        yield slice(start, start + _ROWS)


def _wrong(expected: FloatArray, found: StoredMatrix) -> NDArray[np.bool_]:
    """Which numbers are farther from the graph's than the file's precision explains."""
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(found.floats - expected) <= _slack(expected, found)))


def _slack(expected: FloatArray, found: StoredMatrix) -> FloatArray:
    """How far each number may be from the graph's: half a step of what the file can hold."""
    size = np.abs(expected)
    # Toolkits that look for the nearest value in float16 are off by a few of its steps.
    half = size * np.float32(4 * _HALF)
    if found.palette is not None:
        return np.asarray(_nearest(expected, found.palette) + half + np.float32(_SMALLEST_HALF))
    if found.scales is not None:
        step = np.broadcast_to(np.abs(found.scales), expected.shape)
        rest = half if found.half else size * np.float32(1e-6)
        return np.asarray(step * np.float32(0.5001) + rest, np.float32)
    if found.numbers.dtype == np.float16:
        return np.asarray(size * np.float32(_HALF * 1.001) + np.float32(_SMALLEST_HALF))
    return np.zeros_like(size)


def _is_half(found: StoredMatrix) -> bool:
    return found.half or found.numbers.dtype == np.float16


def _nearest(expected: FloatArray, palette: FloatArray) -> FloatArray:
    """How far the nearest value of a palette is from each number."""
    values = np.sort(palette.reshape(-1).astype(np.float32))
    after = np.clip(np.searchsorted(values, expected), 1, len(values) - 1)
    near = np.minimum(np.abs(values[after] - expected), np.abs(values[after - 1] - expected))
    return np.asarray(near, np.float32)


def _scale_error(expected: FloatArray, found: StoredMatrix) -> str | None:
    """Whether the steps of integers are those of the largest weights.

    Steps that are too large would let any number pass as rounded.
    """
    if found.palette is not None:
        return _palette_error(expected, found)
    if found.scales is None:
        return None
    largest = _largest_of_scale(np.abs(expected), found.scales)
    if found.beside is not None:
        largest = np.maximum(largest, found.beside.reshape(np.shape(largest)))
    usual = np.asarray(largest, np.float64) / 127
    some = usual > 1e-30
    ratio = np.where(some, found.scales.reshape(usual.shape) / np.where(some, usual, 1), 1.0)
    # Steps in float16 may be so small that it has none of their size.
    allowed = _SAME_SCALE + (_SMALLEST_HALF / np.where(some, usual, 1) if found.half else 0.0)
    off = np.abs(ratio - 1) > allowed
    if not off.any():
        return None
    worst = float(np.ravel(ratio)[np.argmax(np.abs(np.ravel(ratio) - 1))])
    where = "its step is" if ratio.ndim == 0 else f"the steps of {int(off.sum())} outputs are"
    return f"{where} {worst:.4g} times what its largest weight needs"


def _palette_error(expected: FloatArray, found: StoredMatrix) -> str | None:
    """Whether a palette is worse than one of as many values at the same distance.

    Values that are far from all weights would let any of them pass as the nearest.
    """
    assert found.palette is not None
    step = float(np.ptp(expected)) / max(found.palette.size - 1, 1)
    apart = float(np.sqrt(np.square(found.floats - expected).mean()))
    if apart <= step * _EVEN + _SMALLEST_HALF:
        return None
    return f"its palette is {apart / (step * _EVEN):.3g} times as far from it as an even one is"


@dataclass(frozen=True)
class _Difference:
    """A tensor in the graph and in the file, how far apart they may be, and where they are more."""

    expected: FloatArray
    found: FloatArray
    slack: FloatArray
    wrong: NDArray[np.bool_]
    half: bool

    @property
    def limit(self) -> float:
        """How far a number may be from another one than that in its own place."""
        largest = float(np.abs(self.expected).max())
        # Numbers of another size are rounded in steps of another size.
        changed = _HALF * float(np.abs(self.found).max()) if self.half else 0.0
        return 2 * max(float(self.slack.max()), 1e-6 * largest, changed)

    def explained_by(self, changed: FloatArray) -> bool:
        """Whether the file's numbers are these."""
        return bool((np.abs(changed - self.found) <= self.limit).all())


def _largest_of_scale(sizes: FloatArray, scales: FloatArray) -> FloatArray:
    """The largest number of each output, or of all, or in a bias of those with the same scale."""
    if scales.size == 1:
        return np.asarray(sizes.max())
    if sizes.ndim > 1:
        return np.asarray(sizes.max(axis=0))
    several, groups = np.unique(scales, return_inverse=True)
    largest = [sizes[groups == group].max() for group in range(len(several))]
    return np.asarray(np.array(largest)[groups])


def _cause(difference: _Difference, columns: str, stored: NDArray[Any]) -> str | None:
    """One change of all numbers, or of a few, that makes the graph's those of the file."""
    if not np.isfinite(difference.found).all():
        return _NOT_FINITE
    if not difference.found.any():
        return "is all zero"
    for text, changed in _moved(difference.expected, columns):
        if difference.explained_by(changed):
            return text
    return (
        _gate_offset(difference, columns)
        or _zeroed(difference)
        or _single(difference)
        or _factor(difference)
        or _coarse(difference, stored)
        or _permuted(difference, columns)
    )


def _moved(expected: FloatArray, columns: str) -> Iterator[tuple[str, FloatArray]]:
    """Ways to turn or to move a whole tensor."""
    yield "is negated", -expected
    if expected.ndim == 2 and expected.shape[0] == expected.shape[1]:
        yield "is transposed", expected.T
    if expected.ndim == 2 and expected.shape[1] == 4 * expected.shape[0]:
        blocks = np.split(expected, 4, axis=1)
        yield "has each gate's block transposed", np.concatenate([b.T for b in blocks], axis=1)
    if columns == "gates":
        for order in permutations(range(4)):
            if order != (0, 1, 2, 3):
                names = "".join(GATES[i] for i in order)
                text = f"has the gates in the order {names} instead of {''.join(GATES)}"
                yield text, gates_moved(expected, order)
    if columns in ("classes", "units"):
        # A shift by more is found as another order.
        for shift in (1, -1):
            yield f"has its {columns} shifted by {shift}", np.roll(expected, shift, axis=-1)
        yield f"has its {columns} in the opposite order", expected[..., ::-1]
        if expected.ndim == 2:
            yield "has its inputs in the opposite order", expected[::-1]


def _gate_offset(difference: _Difference, columns: str) -> str | None:
    """The same number added to one gate's bias, or to all of a bias."""
    expected, wrong = difference.expected, difference.wrong
    if expected.ndim != 1:
        return None
    parts, names = [np.arange(expected.size)], ["it"]
    if columns == "gates":
        parts = np.split(parts[0], 4)
        names = [f"the bias of gate {gate}" for gate in GATES]
    for name, part in zip(names, parts, strict=True):
        inside = np.zeros_like(wrong)
        inside[part] = True
        if (wrong & ~inside).any() or not wrong[part].all():
            continue
        apart = (difference.found - expected)[part]
        limit = max(difference.limit, 1e-4 * float(np.abs(apart).max()))
        added = _roundest(float(np.median(apart)), lambda a: np.abs(apart - a).max() <= limit)  # noqa: B023
        if added is not None:
            return f"has {added:g} added to {name}"
    return None


def _roundest(number: float, explains: Callable[[float], bool]) -> float | None:
    """The number with the fewest digits that explains what was found; None if it does not."""
    if not explains(number):
        return None
    rounded = (round(number, digits) for digits in range(1, 7))
    return next((each for each in rounded if explains(each)), number)


def _zeroed(difference: _Difference) -> str | None:
    """Numbers that became zero."""
    if difference.found[difference.wrong].any():
        return None
    count, size = int(difference.wrong.sum()), difference.wrong.size
    return f"has {count:,} of {size:,} numbers set to zero ({count / size:.2%})"


def _single(difference: _Difference) -> str | None:
    """One number, or a few."""
    indices = np.argwhere(difference.wrong)
    if len(indices) > _FEW:
        return None
    pairs = ((index.tolist(), tuple(index)) for index in indices)
    parts = [
        f"{listed} is {difference.found[at]:.6g} and not {difference.expected[at]:.6g}"
        for listed, at in pairs
    ]
    return f"differs in {len(parts)} of {difference.wrong.size:,} numbers: {'; '.join(parts)}"


def _factor(difference: _Difference) -> str | None:
    """All numbers multiplied by one factor, or all of a few outputs or inputs."""
    expected, wrong = difference.expected, difference.wrong
    everything = np.ones(expected.shape, bool)
    if found := _factor_of(difference, everything):
        return f"is multiplied by {found:.6g}"
    if expected.ndim < 2:
        return None
    for axis, name in ((0, "output"), (1, "input")):
        lines = wrong.any(axis=axis, keepdims=True)
        if 2 * lines.sum() > lines.size:
            continue
        if found := _factor_of(difference, lines & everything):
            return f"has {int(lines.sum())} of its {name}s multiplied by {found:.6g}"
    return None


def _factor_of(difference: _Difference, chosen: NDArray[np.bool_]) -> float | None:
    """By what the chosen numbers are multiplied; None if they are not, or are not changed."""
    ours, theirs = (
        each[chosen].astype(np.float64) for each in (difference.expected, difference.found)
    )
    factor = float(ours @ theirs) / max(float(ours @ ours), 1e-300)
    if abs(factor - 1) < 1e-7:
        return None
    # Scaled numbers are rounded in scaled steps.
    slack = np.maximum(difference.slack[chosen], 1e-6 * np.abs(ours)) * max(1.0, abs(factor)) * 1.5
    return _roundest(
        factor, lambda f: bool(np.mean(np.abs(theirs - f * ours) <= slack) > _NEARLY_ALL)
    )


def _coarse(difference: _Difference, stored: NDArray[Any]) -> str | None:
    """Few different values where there should be many, in all of the tensor or in each output."""
    if stored.ndim < 2 or difference.wrong.mean() < _MUCH:
        return None
    columns = list(stored[:, :_SOME_OUTPUTS].T)
    for parts, where in (([stored.reshape(-1)], ""), (columns, " in each output")):
        levels = max(len(np.unique(part)) for part in parts)
        if levels <= _COARSEST and _FEWER * levels <= len(parts[0]):
            bits = max(1, int(np.ceil(np.log2(levels))))
            return f"is rounded to {bits} bits ({levels} different values{where})"
    return None


def _permuted(difference: _Difference, columns: str) -> str | None:
    """The outputs in any other order."""
    expected, found = difference.expected, difference.found
    if columns not in ("classes", "units"):
        return None
    if expected.ndim == 1:
        ordered = np.abs(np.sort(expected) - np.sort(found)).max() <= difference.limit
        return f"has its {columns} in another order" if ordered else None
    norms = np.square(found).sum(axis=0)[:, None] + np.square(expected).sum(axis=0)[None]
    order = (norms - 2 * found.T @ expected).argmin(axis=1)
    if len(set(order.tolist())) < len(order) or not difference.explained_by(expected[:, order]):
        return None
    return f"has its {columns} in another order"


def _other_tensor(
    name: str, found: FloatArray, slack: FloatArray, graph: StoredNetwork
) -> str | None:
    """Whether it is another tensor of the graph."""
    for other, values, _, _ in _pairs(graph, graph):
        if other == name or values.shape != found.shape:
            continue
        limit = 2 * max(float(slack.max()), 1e-6 * float(np.abs(values).max()))
        if (np.abs(values - found) <= limit).all():
            return f"is that of {other.partition('/')[0]}"
    return None


def _extent(wrong: NDArray[np.bool_]) -> str:
    share = f"{int(wrong.sum()):,} of {wrong.size:,} numbers"
    return f"differs in {share}, {_UNKNOWN}"
