"""Core ML Tools for the tests, quiet, and what they save."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsconv.errors import ToolkitError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.toolkits import import_coremltools
from dsconv.runtime.coreml.evaluator import ProgramEvaluator


@contextlib.contextmanager
def quiet_coremltools() -> Iterator[Any]:
    """Core ML Tools, without what they print and warn of; a skip if they are not installed."""
    try:
        toolkit = import_coremltools()
    except ToolkitError as error:
        pytest.skip(str(error))
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield toolkit


def converted(
    toolkit: Any,
    function: Callable[..., Any],
    inputs: list[Any],
    target: str,
    precision: str = "FLOAT32",
) -> Any:
    """The model of a function that is written with the builder."""
    from coremltools.converters.mil.mil import Builder

    opset = getattr(toolkit.target, target)
    program = Builder.program(input_specs=inputs, opset_version=opset)(function)
    return toolkit.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=opset,
        compute_precision=getattr(toolkit.precision, precision),
    )


def saved(model: Any, path: Path) -> ProgramEvaluator:
    """Save a model and open what was saved."""
    model.save(str(path))
    return ProgramEvaluator(open_core_ml(path))
