"""Neural networks of Core ML for the tests, written as protocol-buffer messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ToolkitError
from dsconv.formats.coreml.file import open_core_ml
from dsconv.formats.toolkits import import_coremltools
from dsconv.runtime.coreml.network import NetworkEvaluator

FLOAT32 = 65568


def coremltools() -> Any:
    """Core ML Tools; the test is skipped without it."""
    try:
        return import_coremltools()
    except ToolkitError as error:
        pytest.skip(str(error))


def new_model(inputs: Mapping[str, Sequence[int]], outputs: Sequence[str]) -> Any:
    """A Model without layers, of float32 arrays of these shapes."""
    model = coremltools().proto.Model_pb2.Model(specificationVersion=5)
    for name, shape in inputs.items():
        array = model.description.input.add(name=name).type.multiArrayType
        array.shape.extend(shape)
        array.dataType = FLOAT32
    for name in outputs:
        model.description.output.add(name=name).type.multiArrayType.dataType = FLOAT32
    model.neuralNetwork.arrayInputShapeMapping = 1
    return model


def add_layer(
    network: Any,
    kind: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
    name: str = "layer",
) -> Any:
    """Append a layer to a NeuralNetwork; returns its parameters."""
    layer = network.layers.add(name=name, input=inputs, output=outputs)
    message = getattr(layer, kind)
    message.SetInParent()
    fill(message, parameters or {})
    return message


def fill(message: Any, values: Mapping[str, Any]) -> None:
    """Set fields: mappings are messages, lists repeated fields, arrays float32 weights."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
        elif isinstance(value, np.ndarray):
            getattr(message, name).floatValue.extend(value.reshape(-1).tolist())
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for entry in value:
                fill(getattr(message, name).add(), entry)
        elif isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)


def single_layer(
    kind: str, parameters: Mapping[str, Any], inputs: Sequence[Any], outputs: int
) -> Any:
    """A model of one layer, with inputs in0, in1, ... and outputs out0, out1, ..."""
    shapes = {f"in{number}": value.shape for number, value in enumerate(inputs)}
    names = [f"out{number}" for number in range(outputs)]
    model = new_model(shapes, names)
    add_layer(model.neuralNetwork, kind, list(shapes), names, parameters)
    return model


def evaluator(model: Any, folder: Path) -> NetworkEvaluator:
    """A saved and opened model."""
    path = folder / "model.mlmodel"
    path.write_bytes(model.SerializeToString())
    return NetworkEvaluator(open_core_ml(path))


def run_layer(
    folder: Path, kind: str, parameters: Mapping[str, Any], inputs: Sequence[Any], outputs: int = 1
) -> list[Any]:
    """What a layer gives for arrays."""
    model = single_layer(kind, parameters, inputs, outputs)
    feeds = {f"in{number}": value for number, value in enumerate(inputs)}
    return list(evaluator(model, folder).run(feeds).values())
