"""A converted file against TensorFlow, on the same random inputs.

Two calls are compared, with other sizes where dimensions are dynamic. Numbers may differ by 1e-5,
and by 1e-5 of the largest number in the output, as sums in another order do; integers must be
equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.convert.toolkit.calls import Arrays, read_calls, write_calls
from dsconv.convert.toolkit.prepare import Prepared
from dsconv.convert.toolkit.process import run_module
from dsconv.convert.toolkit.spec import SPEC, Spec, save
from dsconv.runtime.model import TensorSpec

ABSOLUTE = RELATIVE = 1e-5
"""What numbers may differ by, and by as much of the largest number in the output."""

_SEED = 20
# Sizes of dynamic dimensions in each call, by their index; they differ, so that none is mistaken.
_SIZES = ((5, 7, 11, 13), (9, 6, 8, 10))
# Integers are often indices: of two things in the smallest case.
_INTEGERS = 2
_FEEDS = "feeds.npz"


@dataclass(frozen=True)
class OutputDifference:
    """How far an output is from TensorFlow's, over all calls.

    `max_abs` is the largest difference, `max_rel` that as a part of the largest number in the
    output; both are infinite where shapes differ, or one has a number and the other has none.
    `tolerance` is what `max_abs` may be.
    """

    name: str
    max_abs: float
    max_rel: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.max_abs <= self.tolerance


@dataclass(frozen=True)
class RandomCheck:
    """A verdict on the differences of all outputs."""

    outputs: tuple[OutputDifference, ...]

    @property
    def passed(self) -> bool:
        """Whether every output is within its tolerance."""
        return all(output.passed for output in self.outputs)

    @property
    def verdict(self) -> str:
        """``pass`` or ``fail``."""
        return "pass" if self.passed else "fail"

    @property
    def differences(self) -> tuple[()]:
        """None of speech."""
        return ()

    @property
    def line(self) -> str:
        """The verdict in one line, with each output's difference and tolerance."""
        parts = (f"{o.name} {o.max_abs:.1e} of {o.tolerance:.0e}" for o in self.outputs)
        return f"{self.verdict}: {', '.join(parts)}, on random inputs against TensorFlow"

    @property
    def remarks(self) -> list[str]:
        """None: the line has all outputs."""
        return []

    def to_json(self) -> dict[str, Any]:
        """The check as plain values; what is infinite is null."""
        outputs = [
            {
                "name": output.name,
                "max_abs": _finite(output.max_abs),
                "max_rel": _finite(output.max_rel),
                "tolerance": output.tolerance,
                "passed": output.passed,
            }
            for output in self.outputs
        ]
        return {
            "kind": "random inputs",
            "reference": "tensorflow",
            "calls": len(_SIZES),
            "verdict": self.verdict,
            "passed": self.passed,
            "outputs": outputs,
        }


def check_file(prepared: Prepared, path: Path, *, evaluated: bool = False) -> RandomCheck:
    """Compare a file that was made of a prepared graph with the graph in TensorFlow.

    With `evaluated` a Core ML model is run in numpy also where Core ML could run it. Raises
    ToolkitError if TensorFlow or the file's runtime is missing or fails, ConversionError for a
    graph that TensorFlow does not run.
    """
    spec = Spec(prepared.inputs, prepared.outputs, settings={"evaluated": evaluated})
    calls = [
        random_feeds(spec.inputs, sizes, _SEED + number) for number, sizes in enumerate(_SIZES)
    ]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        graph = save(prepared.graph, spec, folder)
        write_calls(folder / _FEEDS, calls)
        expected = _answers("TensorFlow", "reference", graph, folder)
        actual = _answers("the runtime", "runner", path, folder)
    found = [
        [compared(*each) for each in zip(spec.outputs, *answers, strict=True)]
        for answers in zip(expected, actual, strict=True)
    ]
    return RandomCheck(tuple(worst(calls) for calls in zip(*found, strict=True)))


def random_feeds(inputs: Sequence[TensorSpec], sizes: Sequence[int], seed: int) -> Arrays:
    """Numbers of a normal distribution, integers 0 and 1; the same for the same seed."""
    random = np.random.default_rng(seed)

    def feed(given: TensorSpec) -> NDArray[np.generic]:
        shape = tuple(
            size if size >= 0 else sizes[index % len(sizes)]
            for index, size in enumerate(given.shape or ())
        )
        kind = np.dtype(given.dtype)
        if kind.kind in "iub":
            return random.integers(0, _INTEGERS, shape).astype(kind)
        return random.standard_normal(shape).astype(kind)

    return [np.asarray(feed(given)) for given in inputs]


def compared(
    name: str, reference: NDArray[np.generic], found: NDArray[np.generic]
) -> OutputDifference:
    """How far one answer is from TensorFlow's. Toolkits may store integers in other sizes."""
    exact = reference.dtype.kind in "iub"
    expected, actual = (np.asarray(array, np.float64) for array in (reference, found))
    finite = np.isfinite(expected)
    largest = float(np.abs(expected, where=finite, out=np.zeros_like(expected)).max(initial=0.0))
    tolerance = 0.0 if exact else ABSOLUTE + RELATIVE * largest
    if expected.shape != actual.shape:
        return OutputDifference(name, np.inf, np.inf, tolerance)
    with np.errstate(invalid="ignore"):
        apart = np.abs(expected - actual)
    # Infinities and NaNs must be the same at the same indices.
    apart[~finite] = np.where(_same(expected, actual)[~finite], 0.0, np.inf)
    apart[np.isnan(apart)] = np.inf
    most = float(apart.max(initial=0.0))
    return OutputDifference(name, most, most / largest if largest else most, tolerance)


def _same(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> NDArray[np.bool_]:
    both_nan = np.isnan(expected) & np.isnan(actual)
    return np.asarray(both_nan | (expected == actual))


def _answers(label: str, module: str, model: Path, folder: Path) -> list[Arrays]:
    answers = folder / f"{module}.npz"
    paths = (model, folder / SPEC, folder / _FEEDS, answers)
    run_module(label, f"dsconv.convert.toolkit.{module}", *paths)
    return read_calls(answers)


def worst(calls: Sequence[OutputDifference]) -> OutputDifference:
    """The call that is farthest from passing."""
    found = max(calls, key=lambda call: call.max_abs / (call.tolerance or 1.0))
    return replace(found, max_rel=max(call.max_rel for call in calls))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
