"""Evaluate a Core ML neural network layer by layer in numpy.

The file is read as it is, without coremltools. All values are float32, as in Core ML. Only what
dsconv writes is evaluated: see ``layers.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError
from dsconv.formats.coreml.file import NEURAL_NETWORK, CoreMlFile
from dsconv.formats.coreml.interface import Feature, read_description
from dsconv.formats.coreml.network import Layer, Network
from dsconv.formats.coreml.network_schema import EXACT_ARRAY_MAPPING, NeuralNetwork
from dsconv.runtime.coreml.layers import LAYERS
from dsconv.runtime.coreml.parameters import FloatArray, Parameters, unsupported

_REFUSED = ("preprocessing", "updateParams")


class NetworkEvaluator:
    """An opened neural network. Weights are read when they are first needed, and kept.

    Raises ConversionError, naming it, for what dsconv does not write: other layers and parameters,
    image inputs, preprocessing, models of other kinds.
    """

    def __init__(self, file: CoreMlFile) -> None:
        if file.kind != NEURAL_NETWORK:
            raise ConversionError(
                f"it is a Core ML model of kind {file.kind}, not a neural network "
                f"({NEURAL_NETWORK})."
            )
        description = read_description(file.description)
        self.inputs, self.outputs = description.inputs, description.outputs
        _check_interface(self.inputs, self.outputs)
        network = Network(file.body)
        _check_network(network.message)
        self._layers = [LayerEvaluator(layer) for layer in network.layers]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        """The outputs by name, after feeding every input by name.

        Raises ConversionError for an input that is missing, unknown, or not of the declared shape,
        and for values that do not fit the layers; ModelError for damaged weights.
        """
        values = {feature.name: _fed(feature, feeds) for feature in self.inputs}
        unknown = set(feeds) - set(values)
        if unknown:
            raise ConversionError(f"'{min(unknown)}' is not an input; feed {', '.join(values)}.")
        for layer in self._layers:
            layer.run(values)
        missing = [feature.name for feature in self.outputs if feature.name not in values]
        if missing:
            raise ConversionError(f"no layer has computed the output '{missing[0]}'.")
        return {feature.name: values[feature.name].copy() for feature in self.outputs}


class LayerEvaluator:
    """A layer, ready to be computed.

    Raises ConversionError for a kind, a parameter or a number of inputs that dsconv does not write.
    """

    def __init__(self, layer: Layer) -> None:
        if layer.kind not in LAYERS:
            raise ConversionError(
                f"the layer '{layer.name}' ({layer.kind}) is not one that dsconv writes; run the "
                "model on macOS, or convert its graph with dsconv."
            )
        self._layer = layer
        self._kind = LAYERS[layer.kind]
        self._parameters = Parameters(layer, layer.parameters, self._kind.fields)
        for what, names in (("inputs", layer.inputs), ("outputs", layer.outputs)):
            least, most = getattr(self._kind, what)
            if not least <= len(names) <= most:
                raise unsupported(layer, f"has {len(names)} {what}")

    def run(self, values: dict[str, FloatArray]) -> None:
        """Compute the outputs from values by their names, and add them to these.

        Raises ConversionError for a value that is missing, or that does not fit the layer.
        """
        for name in self._layer.inputs:
            if name not in values:
                raise ConversionError(
                    f"layer '{self._layer.name}' needs '{name}', which no layer before it has "
                    "computed."
                )
        outputs = self._compute([values[name] for name in self._layer.inputs])
        for name, output in zip(self._layer.outputs, outputs, strict=True):
            values[name] = np.atleast_1d(np.asarray(output, np.float32))

    def _compute(self, inputs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        try:
            with np.errstate(all="ignore"):
                result = self._kind.compute(self._parameters, inputs)
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            shapes = ", ".join(str(list(value.shape)) for value in inputs) or "none"
            raise ConversionError(
                f"layer '{self._layer.name}' ({self._layer.kind}) cannot be computed from inputs "
                f"of shape {shapes}: {error}."
            ) from error
        outputs = result if isinstance(result, tuple) else (result,)
        if len(outputs) != len(self._layer.outputs):
            raise unsupported(self._layer, f"has {len(self._layer.outputs)} outputs")
        return outputs


def _check_network(message: NeuralNetwork) -> None:
    """Raise ConversionError for what would change the numbers and is not computed."""
    if message.undeclared:
        raise ConversionError(
            f"its neural network has fields {message.undeclared}, which dsconv does not know."
        )
    for name in _REFUSED:
        if message.has(name):
            raise ConversionError(
                f"its neural network has {name}, which dsconv does not evaluate; "
                "run the model on macOS."
            )
    if message.arrayInputShapeMapping != EXACT_ARRAY_MAPPING:
        raise ConversionError(
            "its arrayInputShapeMapping is not EXACT_ARRAY_MAPPING, which dsconv does not "
            "evaluate; convert the model again for iOS 13 or later."
        )


def _check_interface(inputs: tuple[Feature, ...], outputs: tuple[Feature, ...]) -> None:
    for feature in (*inputs, *outputs):
        if feature.dtype == "?":
            raise ConversionError(
                f"'{feature.name}' is not an array but an image or something else, which dsconv "
                "does not evaluate; run the model on macOS."
            )


def _fed(feature: Feature, feeds: Mapping[str, NDArray[Any]]) -> FloatArray:
    """The array of an input as float32. Raises ConversionError if its shape is not declared."""
    if feature.name not in feeds:
        raise ConversionError(f"input '{feature.name}' is missing; feed it.")
    value = np.asarray(feeds[feature.name], np.float32)
    if not feature.allows(value.shape):
        raise ConversionError(
            f"input '{feature.name}' was fed with shape {list(value.shape)}; the model takes "
            f"{list(feature.dynamic_shape or ())}."
        )
    return value
