"""Run a Core ML model: on macOS by Core ML itself, elsewhere by an evaluation in numpy.

The evaluation reads the saved file and computes what its operations are documented to do. It is not
the Neural Engine: a device rounds where it likes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dsconv.acoustic.names import PROBABILITIES, SAMPLES
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.coreml.file import NEURAL_NETWORK, PROGRAM, CoreMlFile, open_core_ml
from dsconv.formats.coreml.interface import Description, Feature, read_description
from dsconv.formats.toolkits import import_coremltools
from dsconv.runtime.coreml.evaluator import ProgramEvaluator
from dsconv.runtime.coreml.network import NetworkEvaluator
from dsconv.runtime.model import (
    Interface,
    Tensors,
    TensorSpec,
    precision_in,
    reason_of,
    self_description,
)

EVALUATION = "an evaluation in numpy, not by Core ML or the Neural Engine"
"""What runs a model where Core ML does not, as it is printed."""


class _Runner(Protocol):
    """What computes a model."""

    def reset(self) -> None:
        """Make the states zero."""

    def run(self, feeds: Tensors) -> Tensors:
        """All outputs by name."""


class CoreMlModel:
    """A Core ML model; inputs and outputs have the names of the graph that it was made from."""

    def __init__(self, path: Path, *, evaluate: bool) -> None:
        file = open_core_ml(path)
        description = read_description(file.description)
        self._runner, runtime = _runner(file, evaluate)
        self.interface = Interface.of(
            format="mlpackage" if file.kind == PROGRAM else "mlmodel",
            runtime=runtime,
            precision=_precision(description),
            inputs=[_input_spec(feature, file.kind) for feature in description.inputs],
            outputs=[TensorSpec(f.name, f.dtype, f.dynamic_shape) for f in description.outputs],
            classes=self._classes(description),
            **self_description(description.properties),
        )

    def reset(self) -> None:
        """Forget the states that the model keeps itself."""
        self._runner.reset()

    def call(self, inputs: Tensors, outputs: list[str]) -> Tensors:
        """Run the model once."""
        found = self._runner.run(inputs)
        return {name: found[name] for name in outputs}

    def _classes(self, description: Description) -> int | None:
        """The classes of a model that does not tell the sizes of its outputs: it is run once."""
        scores = next((f for f in description.outputs if f.name == PROBABILITIES), None)
        if scores is None or scores.shape is not None:
            return None
        zeros = {f.name: np.zeros(f.shape or (), f.dtype) for f in description.inputs}
        found = self._runner.run(zeros)[PROBABILITIES]
        self._runner.reset()
        return found.shape[-1]


def open_core_ml_model(path: Path) -> CoreMlModel:
    """Open a Core ML model, to be run by Core ML itself where that is possible.

    Raises ToolkitError on macOS if Core ML Tools are missing.
    """
    return CoreMlModel(path, evaluate=sys.platform != "darwin")


def evaluate_core_ml_model(path: Path) -> CoreMlModel:
    """Open a Core ML model, to be evaluated in numpy on any system."""
    return CoreMlModel(path, evaluate=True)


class _NetworkRunner:
    """A neural network keeps no states."""

    def __init__(self, file: CoreMlFile) -> None:
        self._evaluator = NetworkEvaluator(file)

    def reset(self) -> None:
        """There is nothing to forget."""

    def run(self, feeds: Tensors) -> Tensors:
        """All outputs by name."""
        return dict(self._evaluator.run(feeds))


class _CoreMlRunner:
    """Core ML itself."""

    def __init__(self, file: CoreMlFile) -> None:
        coremltools = import_coremltools()
        try:
            self._model: Any = coremltools.models.MLModel(
                str(file.path), compute_units=coremltools.ComputeUnit.ALL
            )
        except Exception as error:  # Core ML's errors have no common base.
            reason = reason_of(error)
            raise ToolkitError(f"Core ML cannot open {file.path}: {reason}") from error
        self._keeps_states = bool(read_description(file.description).states)
        self._state: Any = None
        self.reset()

    def reset(self) -> None:
        """Start with new states."""
        if self._keeps_states:
            self._state = self._model.make_state()

    def run(self, feeds: Tensors) -> Tensors:
        """All outputs by name."""
        state = {"state": self._state} if self._keeps_states else {}
        try:
            return dict(self._model.predict(feeds, **state))
        except Exception as error:  # Core ML's errors have no common base.
            raise ToolkitError(f"Core ML failed: {reason_of(error)}") from error


def _runner(file: CoreMlFile, evaluate: bool) -> tuple[_Runner, str]:
    """What computes a model, and what that is called."""
    if file.kind not in (PROGRAM, NEURAL_NETWORK):
        raise ConversionError(
            "it is neither an ML program nor a neural network; pass an acoustic model."
        )
    if not evaluate:
        version = import_coremltools().__version__
        return _CoreMlRunner(file), f"Core ML by coremltools {version}"
    runner = ProgramEvaluator if file.kind == PROGRAM else _NetworkRunner
    return runner(file), EVALUATION


def _input_spec(feature: Feature, kind: int) -> TensorSpec:
    """An input. One that takes a choice of shapes is run with its usual one.

    A neural network's inputs are all float32; one number among them is the number of frames.
    """
    shape = feature.shape if feature.shapes is not None else feature.dynamic_shape
    counts = kind == NEURAL_NETWORK and shape == (1,) and feature.name != SAMPLES
    return TensorSpec(feature.name, "int32" if counts else feature.dtype, shape)


def _precision(description: Description) -> str:
    """The precision of the weights, but no more than that of the states that the model keeps."""
    precision = precision_in(description.properties) or "fp32"
    return "fp16" if description.states and precision == "fp32" else precision
