"""A converted file against TensorFlow, on the same inputs: random ones, or the user's own.

Three calls are compared, with other sizes where dimensions are dynamic. How far numbers may be off
is measured: TensorFlow runs the graph in float64 as well, and with each weight and input moved to a
neighbour in float32. Ten times the largest of these differences passes, and a rounding or two of
the largest number in the output, as other runtimes compute the exponential otherwise. Integers must
be equal, but where TensorFlow's own are not.
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
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph

NOISE = 10.0
"""How many times the reference's own rounding a file may be off."""

ROUNDINGS = 16
"""How many steps of the output's type, at its largest number, it may be off in any case."""

MOST_NOISE = 1e-2
"""Above this part of the largest number the rounding hides errors, and nothing is proved."""

_FEEDS, _PLAIN = "feeds.npz", "plain.pb"
_RANDOM = (
    "Multinomial ParameterizedTruncatedNormal SampleDistortedBoundingBox "
    "SampleDistortedBoundingBoxV2 StatefulStandardNormal StatefulStandardNormalV2 "
    "StatefulTruncatedNormal StatefulUniform TruncatedNormal"
).split()


@dataclass(frozen=True)
class OutputDifference:
    """How far an output is from TensorFlow's, over all calls.

    `max_abs` is the largest difference, `max_rel` that as a part of the largest number in the
    output; both are infinite where shapes differ, or one has a number and the other has none.
    `tolerance` is what `max_abs` may be, `noise` what TensorFlow itself is off in other arithmetic.
    """

    name: str
    max_abs: float
    max_rel: float
    tolerance: float
    noise: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.max_abs <= self.tolerance

    @property
    def text(self) -> str:
        """The difference and the tolerance, with as many digits as it takes to tell them apart."""
        for digits in range(1, 17):
            apart, most = (f"{value:.{digits}e}" for value in (self.max_abs, self.tolerance))
            if self.passed or float(apart) > float(most):
                break
        return f"{self.name} {apart} of {most}"


@dataclass(frozen=True)
class RandomCheck:
    """A verdict on the differences of all outputs; `given` says that the inputs are the user's."""

    outputs: tuple[OutputDifference, ...]
    calls: int = 1
    given: bool = False

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
        parts = ", ".join(output.text for output in self.outputs)
        return f"{self.verdict}: {parts}, on {self._inputs} against TensorFlow"

    @property
    def _inputs(self) -> str:
        return "given inputs" if self.given else "random inputs"

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
                "noise": output.noise,
                "passed": output.passed,
            }
            for output in self.outputs
        ]
        return {
            "kind": self._inputs,
            "reference": "tensorflow",
            "calls": self.calls,
            "verdict": self.verdict,
            "passed": self.passed,
            "outputs": outputs,
        }


def check_file(
    prepared: Prepared,
    plain: Graph,
    path: Path,
    given: Arrays | None = None,
    *,
    named: bool = False,
    evaluated: bool = False,
) -> RandomCheck:
    """Compare a file that was made of a prepared graph with the graph in TensorFlow.

    `plain` is the same graph without ops that have no float64, `given` the user's own inputs.
    `named` says that the user named the outputs. With `evaluated` a Core ML model is run in numpy
    also where Core ML could run it. Raises ToolkitError if TensorFlow or the file's runtime is
    missing or fails, ConversionError for a graph that TensorFlow does not run, or that says nothing
    on these inputs.
    """
    _check_determined(prepared.graph)
    settings = {"evaluated": evaluated, "named": named}
    spec = Spec(prepared.inputs, prepared.outputs, settings=settings)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        graph = save(prepared.graph, spec, folder)
        with (folder / _PLAIN).open("xb") as file:
            write_graph(file, plain)
        if given is not None:
            write_calls(folder / _FEEDS, [given])
        runs = _answers("TensorFlow", "reference", folder, graph, folder / _PLAIN)
        actual = _answers("the runtime", "runner", folder, path)
    calls = len(actual)
    outputs = []
    for index, name in enumerate(spec.outputs):
        answers = [call[index] for call in runs]
        found = [call[index] for call in actual]
        each = [answers[start : start + calls] for start in range(0, len(answers), calls)]
        outputs.append(judged(name, found, each))
    return RandomCheck(tuple(outputs), calls, given is not None)


def judged(
    name: str,
    found: Sequence[NDArray[np.generic]],
    runs: Sequence[Sequence[NDArray[np.generic]]],
) -> OutputDifference:
    """How far an output is from TensorFlow's first run, in each call.

    The runs come in pairs that differ by rounding alone. Raises ConversionError where this proves
    nothing: no call gives a number, or the rounding moves it too far.
    """
    reference = runs[0]
    if not any(np.isfinite(_numbers(array)).any() for array in reference):
        raise ConversionError(
            f"'{name}' holds no number on these inputs, so nothing is compared; pass others with "
            "--check-inputs."
        )
    noise = max(
        compared(name, *pair).max_rel
        for run, other in zip(runs[::2], runs[1::2], strict=True)
        for pair in zip(run, other, strict=True)
    )
    if noise > MOST_NOISE and reference[0].dtype.kind not in "iub":
        raise ConversionError(
            f"'{name}' changes by {noise:.2g} of its largest number where TensorFlow rounds "
            "otherwise, so a comparison says nothing; pass inputs with --check-inputs."
        )
    pairs = zip(reference, found, strict=True)
    return worst([compared(name, *pair, noise=noise) for pair in pairs])


def compared(
    name: str, reference: NDArray[np.generic], found: NDArray[np.generic], *, noise: float = 0.0
) -> OutputDifference:
    """How far one answer is from TensorFlow's. Toolkits may store integers in other sizes.

    `noise` is what TensorFlow itself is off, as a part of the largest number.
    """
    expected, actual = _numbers(reference), _numbers(found)
    finite = np.isfinite(expected)
    largest = float(np.abs(expected[finite]).max(initial=0.0))
    tolerance = noise * largest
    if reference.dtype.kind in "fc":
        tolerance = (NOISE * noise + ROUNDINGS * _step(reference)) * largest
    if expected.shape != actual.shape:
        return OutputDifference(name, np.inf, np.inf, tolerance, noise * largest)
    with np.errstate(invalid="ignore"):
        apart = np.asarray(np.abs(expected - actual))
    # Infinities and NaNs must be the same at the same indices.
    apart = np.where(finite, apart, np.where(_same(expected, actual), 0.0, np.inf))
    apart = np.where(np.isnan(apart), np.inf, apart)
    most = float(apart.max(initial=0.0))
    relative = most / largest if largest else most
    return OutputDifference(name, most, relative, tolerance, noise * largest)


def worst(calls: Sequence[OutputDifference]) -> OutputDifference:
    """The call that is farthest from passing."""
    found = max(calls, key=lambda call: (not call.passed, call.max_abs / (call.tolerance or 1.0)))
    return replace(found, max_rel=max(call.max_rel for call in calls))


def _step(array: NDArray[np.generic]) -> float:
    """How far apart numbers of its type are at 1."""
    return float(np.finfo(np.dtype(array.dtype.name)).eps)


def _numbers(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """An array as float64, the parts of complex numbers one beside the other."""
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    return np.asarray(array, np.float64)


def _same(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> NDArray[np.bool_]:
    both_nan = np.isnan(expected) & np.isnan(actual)
    return np.asarray(both_nan | (expected == actual))


def _check_determined(graph: Graph) -> None:
    """Refuse to compare what gives other numbers in each run."""
    for node in graph:
        if node.op in _RANDOM or node.op.startswith(("Random", "StatelessRandom")):
            raise ConversionError(
                f"'{node.name}' ({node.op}) draws random numbers, which differ from run to run and "
                "from runtime to runtime; compare what comes before it, with --outputs."
            )


def _answers(label: str, module: str, folder: Path, *models: Path) -> list[Arrays]:
    answers = folder / f"{module}.npz"
    paths = (*models, folder / SPEC, folder / _FEEDS, answers)
    run_module(label, f"dsconv.convert.toolkit.{module}", *paths)
    return read_calls(answers)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
