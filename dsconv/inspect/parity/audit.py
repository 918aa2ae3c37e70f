"""The weights of a file, read back from its bytes, beside those of the graph that it was made from.

Each number must be the graph's, as exactly as the file can hold it: the same float32, the nearest
float16, within half a step of the integers. What differs is named by its cause where there is one:
a factor, a sign, an order, a value that was added, zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.network import GATES
from dsconv.acoustic.stored import (
    StoredLayer,
    StoredMatrix,
    StoredNetwork,
    StoredNorm,
)
from dsconv.speech.features import FloatArray

_HALF = 2.0**-11
"""Half a step of float16, as a part of a number."""

_SMALLEST_HALF = 2.0**-25
"""Half of the smallest step of float16."""

_ROWS = 32

_SAME_SCALE = 2e-3
"""How far a scale may be from the largest weight over 127; rounded to float16 it is off by 5e-4."""


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


def audit(expected: StoredNetwork, found: StoredNetwork) -> Audit:
    """Compare the weights of a file with those of its graph.

    The networks must have the same layers. Weights that the file divides by its factors are
    compared as they act, on features as they are.
    """
    errors: list[WeightError] = []
    numbers = 0
    for name, wanted, matrix, order in _pairs(expected, found):
        numbers += wanted.size
        if error := _compare(name, wanted, matrix, order):
            errors.append(error)
    errors += _settings(expected, found)
    return Audit(tuple(errors), numbers)


def _pairs(
    expected: StoredNetwork, found: StoredNetwork
) -> Iterator[tuple[str, FloatArray, StoredMatrix, str]]:
    """Each tensor's name, its values in the graph, those in the file, and what its columns are."""
    for ours, theirs in zip(expected.layers, found.layers, strict=True):
        matrix = ours.weights.floats()
        if found.factors is not None and ours is expected.layers[0]:
            matrix = matrix / found.factors[:, None]
        columns = "classes" if ours is expected.output else "units"
        yield f"{ours.name}/weights", matrix, theirs.weights, columns
        yield f"{ours.name}/bias", ours.bias, StoredMatrix(theirs.bias), columns
        if ours.norm and theirs.norm:
            yield f"{ours.name}/norm/scale", ours.norm.scale, StoredMatrix(theirs.norm.scale), ""
            yield f"{ours.name}/norm/offset", ours.norm.offset, StoredMatrix(theirs.norm.offset), ""
    for lstm, other in zip(expected.lstms, found.lstms, strict=True):
        yield f"{lstm.name}/input kernel", lstm.inputs.floats(), other.inputs, "gates"
        yield f"{lstm.name}/recurrent kernel", lstm.recurrent.floats(), other.recurrent, "gates"
        yield f"{lstm.name}/bias", lstm.bias, StoredMatrix(other.bias), "gates"


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
    name: str, expected: FloatArray, found: StoredMatrix, columns: str
) -> WeightError | None:
    """What is wrong with a tensor, None if nothing is."""
    if found.numbers.shape != expected.shape:
        shapes = f"{list(found.numbers.shape)} where the graph has {list(expected.shape)}"
        return WeightError(name, f"has the shape {shapes}", expected.size, float("inf"))
    scale_error = _scale_error(expected, found)
    if not any(_wrong(expected[rows], found.rows(rows)).any() for rows in _blocks(expected)):
        return WeightError(name, scale_error, expected.size, 0.0) if scale_error else None
    floats, slack, wrong = found.floats(), _slack(expected, found), _wrong(expected, found)
    cause = _cause(expected, floats, slack, wrong, columns) or scale_error or _extent(wrong)
    apart = np.abs(floats[wrong] - expected[wrong])
    return WeightError(name, cause, int(wrong.sum()), float(np.nanmax(apart, initial=0.0)))


def _blocks(numbers: FloatArray) -> Iterator[slice]:
    """Some rows at a time, so that what is computed on the way stays in the cache."""
    for start in range(0, len(numbers), _ROWS):
        yield slice(start, start + _ROWS)


def _wrong(expected: FloatArray, found: StoredMatrix) -> NDArray[np.bool_]:
    """Which numbers are farther from the graph's than the file's precision explains."""
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(found.floats() - expected) <= _slack(expected, found)))


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
    return np.zeros(expected.shape, np.float32)


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
    if found.scales is None:
        return None
    largest = np.abs(expected).max(axis=0) if found.scales.size > 1 else np.abs(expected).max()
    if found.beside is not None:
        largest = np.maximum(largest, found.beside.reshape(np.shape(largest)))
    usual = np.asarray(largest, np.float64) / 127
    some = usual > 1e-30
    ratio = np.where(some, found.scales.reshape(usual.shape) / np.where(some, usual, 1), 1.0)
    off = np.abs(ratio - 1) > _SAME_SCALE
    if not off.any():
        return None
    worst = float(np.ravel(ratio)[np.argmax(np.abs(np.ravel(ratio) - 1))])
    where = "its step is" if ratio.ndim == 0 else f"the steps of {int(off.sum())} outputs are"
    return f"has other steps: {where} {worst:.4g} times what its largest weight needs"


def _cause(
    expected: FloatArray,
    found: FloatArray,
    slack: FloatArray,
    wrong: NDArray[np.bool_],
    columns: str,
) -> str | None:
    """One change of all numbers, or of a few, that makes the graph's those of the file."""
    if not np.isfinite(found).all():
        return "has numbers that are not finite"
    if not found.any():
        return "is all zero"

    def explains(changed: FloatArray) -> bool:
        # The slack is that of the number in its own place; of moved ones it may be the largest.
        limit = max(float(slack.max()), 1e-6 * float(np.abs(expected).max()))
        return bool((np.abs(changed - found) <= 2 * limit).all())

    for text, changed in _moved(expected, columns):
        if explains(changed):
            return text
    return (
        _gate_offset(expected, found, wrong, columns)
        or _zeroed(expected, found, wrong)
        or _single(expected, found, wrong)
        or _factor(expected, found, slack, wrong)
        or _coarse(found, wrong)
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
        blocks = np.split(expected, 4, axis=-1)
        for order in permutations(range(4)):
            if order != (0, 1, 2, 3):
                names = "".join(GATES[i] for i in order)
                text = f"has the gates in the order {names} instead of {''.join(GATES)}"
                yield text, np.concatenate([blocks[i] for i in order], axis=-1)
    if columns in ("classes", "units"):
        # A shift by more is found as another order.
        for shift in (1, -1):
            yield f"has its {columns} shifted by {shift}", np.roll(expected, shift, axis=-1)
        yield f"has its {columns} in the opposite order", expected[..., ::-1]
        if expected.ndim == 2:
            yield "has its inputs in the opposite order", expected[::-1]


def _gate_offset(
    expected: FloatArray, found: FloatArray, wrong: NDArray[np.bool_], columns: str
) -> str | None:
    """The same number added to one gate's bias, or to all of a bias."""
    if expected.ndim != 1:
        return None
    parts = (
        np.split(np.arange(expected.size), 4) if columns == "gates" else [np.arange(expected.size)]
    )
    names = [f"the bias of gate {gate}" for gate in GATES] if columns == "gates" else ["it"]
    for name, part in zip(names, parts, strict=True):
        outside = wrong.copy()
        outside[part] = False
        apart = (found - expected)[part]
        if outside.any() or not wrong[part].any():
            continue
        added = float(np.median(apart))
        if abs(added) > 0 and np.abs(apart - added).max() <= 1e-4 * max(1.0, abs(added)):
            return f"has {added:.4g} added to {name}"
    return None


def _zeroed(expected: FloatArray, found: FloatArray, wrong: NDArray[np.bool_]) -> str | None:
    """Numbers that became zero."""
    if found[wrong].any():
        return None
    count = int(wrong.sum())
    return f"has {count:,} of {expected.size:,} numbers set to zero ({count / expected.size:.2%})"


def _single(expected: FloatArray, found: FloatArray, wrong: NDArray[np.bool_]) -> str | None:
    """One number, or a few."""
    indices = np.argwhere(wrong)
    if len(indices) > 3:
        return None
    parts = [
        f"{index.tolist()} is {found[tuple(index)]:.6g} and not {expected[tuple(index)]:.6g}"
        for index in indices
    ]
    return f"differs in {len(parts)} of {expected.size:,} numbers: {'; '.join(parts)}"


def _factor(
    expected: FloatArray, found: FloatArray, slack: FloatArray, wrong: NDArray[np.bool_]
) -> str | None:
    """All numbers multiplied by one factor, or all of a few outputs or inputs."""
    for axis, name in ((None, ""), (0, "output"), (1, "input")):
        if axis is not None and expected.ndim < 2:
            continue
        chosen = (
            np.ones(expected.shape, bool)
            if axis is None
            else np.broadcast_to(wrong.any(axis=axis, keepdims=True), expected.shape)
        )
        groups = 1 if axis is None else int(wrong.any(axis=axis).sum())
        if groups > 0.5 * expected.shape[-1 if axis == 0 else 0] and axis is not None:
            continue
        ours, theirs = expected[chosen].astype(np.float64), found[chosen].astype(np.float64)
        factor = float(ours @ theirs) / max(float(ours @ ours), 1e-300)
        # Scaled numbers are rounded in scaled steps.
        limit = slack[chosen] * max(1.0, abs(factor)) * 2
        if np.mean(np.abs(theirs - factor * ours) <= limit) > 0.999 and abs(factor - 1) > 1e-7:
            where = "is" if axis is None else f"has {groups} of its {name}s"
            return f"{where} multiplied by {factor:.5g}"
    return None


def _coarse(found: FloatArray, wrong: NDArray[np.bool_]) -> str | None:
    """Few different values where there should be many."""
    if found.size < 512 or wrong.mean() < 0.25:
        return None
    several = np.unique(found)
    if len(several) > 64:
        return None
    bits = max(1, int(np.ceil(np.log2(len(several)))))
    return f"is rounded to {bits} bits ({len(several)} different values)"


def _extent(wrong: NDArray[np.bool_]) -> str:
    share = f"{int(wrong.sum()):,} of {wrong.size:,} numbers"
    return f"differs in {share}, for a cause that is not known"
