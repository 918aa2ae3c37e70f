"""Evaluate a Core ML neural network layer by layer in numpy.

The file is read as it is, without coremltools. All values are float32, as in Core ML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError
from dsconv.formats.coreml.file import NEURAL_NETWORK, CoreMlFile
from dsconv.formats.coreml.interface import Feature, read_description
from dsconv.formats.coreml.network import Layer, Network
from dsconv.formats.protobuf.message import Message
from dsconv.runtime.coreml.layer_parameters import Parameters, unsupported
from dsconv.runtime.coreml.layer_weights import FloatArray
from dsconv.runtime.coreml.layers import LayerEvaluator

# Fields of NeuralNetwork.
_LAYERS, _PREPROCESSING, _ARRAY_MAPPING, _IMAGE_MAPPING, _UPDATE = 1, 2, 5, 6, 10
_KNOWN_FIELDS = {_LAYERS, _PREPROCESSING, _ARRAY_MAPPING, _IMAGE_MAPPING, _UPDATE}
_EXACT_ARRAY_MAPPING = 1

_LOOP_FIELDS = {
    "maxLoopIterations": 1,
    "conditionVar": 2,
    "conditionNetwork": 3,
    "bodyNetwork": 4,
}
_BRANCH_FIELDS = {"ifBranch": 1, "elseBranch": 2}

# What is closer to 0 counts as false.
_TRUE = 1e-6

_Values = dict[str, FloatArray]


class NetworkEvaluator:
    """An opened neural network. Weights are read when they are first needed, and kept.

    Raises ConversionError, naming it, for what is not computed here: unknown layers, parameters
    that are not implemented, image inputs, preprocessing, networks of other kinds.
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
        _check_network(file.body)
        if file.body.integer(_ARRAY_MAPPING) != _EXACT_ARRAY_MAPPING:
            raise ConversionError(
                "its arrayInputShapeMapping is not EXACT_ARRAY_MAPPING, which dsconv does not "
                "evaluate; convert the model again for iOS 13 or later."
            )
        self._steps = _Steps(Network(file.body))

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> _Values:
        """The outputs by name, after feeding every input by name.

        Raises ConversionError for an input that is missing, unknown, or not of the declared shape,
        and for values that do not fit the layers; ModelError for damaged weights.
        """
        values = {feature.name: _fed(feature, feeds) for feature in self.inputs}
        unknown = set(feeds) - set(values)
        if unknown:
            raise ConversionError(f"'{min(unknown)}' was fed, which is no input of the model.")
        self._steps.run(values)
        missing = [feature.name for feature in self.outputs if feature.name not in values]
        if missing:
            raise ConversionError(f"no layer has computed the output '{missing[0]}'.")
        return {feature.name: values[feature.name].copy() for feature in self.outputs}


class _BreakLoop(Exception):  # noqa: N818
    """A loopBreak layer was reached."""


class _ContinueLoop(Exception):  # noqa: N818
    """A loopContinue layer was reached."""


class _Steps:
    """The layers of a network, ready to be run one after the other on named values.

    Networks inside layers share the names with the network around them.
    """

    def __init__(self, network: Network, in_loop: bool = False) -> None:
        _check_network(network.message)
        self._steps = [_step(layer, in_loop) for layer in network.layers]

    def run(self, values: _Values) -> None:
        """Compute what the layers give and add it to the values."""
        for step in self._steps:
            step.run(values)


class _Computed:
    """A layer that computes its outputs from its inputs."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._evaluator = LayerEvaluator(layer)

    def run(self, values: _Values) -> None:
        inputs = [_value(self._layer, name, values) for name in self._layer.inputs]
        outputs = self._evaluator.run(inputs)
        values.update(zip(self._layer.outputs, outputs, strict=True))


class _Branch:
    """A layer that runs one network or the other."""

    def __init__(self, layer: Layer, in_loop: bool) -> None:
        Parameters(layer, layer.parameters, _BRANCH_FIELDS)
        self._layer = layer
        _check_connections(layer, 1, 1)
        if "ifBranch" not in layer.networks:
            raise unsupported(layer, "without ifBranch")
        networks = layer.networks.items()
        self._networks = {name: _Steps(network, in_loop) for name, network in networks}

    def run(self, values: _Values) -> None:
        condition = _value(self._layer, self._layer.inputs[0], values)
        taken = "ifBranch" if _holds(self._layer, condition) else "elseBranch"
        if taken in self._networks:
            self._networks[taken].run(values)


class _Loop:
    """A layer that runs a network so many times, or as long as another one says so, or both."""

    def __init__(self, layer: Layer, in_loop: bool) -> None:  # noqa: ARG002
        parameters = Parameters(layer, layer.parameters, _LOOP_FIELDS)
        self._layer = layer
        _check_connections(layer, 0, 1)
        self._most = parameters.integer("maxLoopIterations")
        self._variable = parameters.text("conditionVar")
        self._networks = {
            name: _Steps(network, in_loop=name == "bodyNetwork")
            for name, network in layer.networks.items()
        }
        if "bodyNetwork" not in layer.networks:
            raise unsupported(layer, "without bodyNetwork")
        if bool(self._variable) != ("conditionNetwork" in layer.networks):
            raise unsupported(layer, "with only one of conditionNetwork and conditionVar")

    def run(self, values: _Values) -> None:
        most: float = self._most
        if self._layer.inputs:
            most = float(_single(self._layer, _value(self._layer, self._layer.inputs[0], values)))
        elif self._variable and not self._most:
            most = np.inf
        count = 0
        while self._goes_on(values) and count < most:
            try:
                self._networks["bodyNetwork"].run(values)
            except _ContinueLoop:
                pass
            except _BreakLoop:
                break
            count += 1

    def _goes_on(self, values: _Values) -> bool:
        """Whether the condition holds, if there is one."""
        if not self._variable:
            return True
        self._networks["conditionNetwork"].run(values)
        return _holds(self._layer, _value(self._layer, self._variable, values))


class _Jump:
    """A layer that ends a loop, or one round of it."""

    def __init__(self, layer: Layer, in_loop: bool) -> None:
        Parameters(layer, layer.parameters, {})
        _check_connections(layer, 0, 0)
        if not in_loop:
            raise unsupported(layer, "outside of a loop")
        self._signal = _BreakLoop if layer.kind == "loopBreak" else _ContinueLoop

    def run(self, values: _Values) -> None:  # noqa: ARG002
        raise self._signal


_CONTROL: dict[str, type[_Branch] | type[_Loop] | type[_Jump]] = {
    "branch": _Branch,
    "loop": _Loop,
    "loopBreak": _Jump,
    "loopContinue": _Jump,
}


def _step(layer: Layer, in_loop: bool) -> _Computed | _Branch | _Loop | _Jump:
    if layer.kind in _CONTROL:
        return _CONTROL[layer.kind](layer, in_loop)
    return _Computed(layer)


def _check_network(message: Message) -> None:
    """Raise ConversionError for what would change the numbers and is not computed."""
    unknown = set(message.numbers) - _KNOWN_FIELDS
    if unknown:
        raise ConversionError(
            f"its neural network has fields {sorted(unknown)}, which dsconv does not know."
        )
    for name, number in (("preprocessing", _PREPROCESSING), ("updateParams", _UPDATE)):
        if number in message:
            raise ConversionError(
                f"its neural network has {name}, which dsconv does not evaluate; "
                "run the model on macOS."
            )


def _check_interface(inputs: tuple[Feature, ...], outputs: tuple[Feature, ...]) -> None:
    for feature in (*inputs, *outputs):
        if feature.dtype == "?":
            raise ConversionError(
                f"'{feature.name}' is no array but an image or something else, which dsconv does "
                "not evaluate; run the model on macOS."
            )


def _check_connections(layer: Layer, least: int, most: int) -> None:
    if not least <= len(layer.inputs) <= most or layer.outputs:
        raise unsupported(
            layer, f"with {len(layer.inputs)} inputs and {len(layer.outputs)} outputs"
        )


def _fed(feature: Feature, feeds: Mapping[str, NDArray[Any]]) -> FloatArray:
    """The array of an input as float32. Raises ConversionError if its shape is not declared."""
    if feature.name not in feeds:
        raise ConversionError(f"input '{feature.name}' is needed and was not fed.")
    value = np.asarray(feeds[feature.name], np.float32)
    if not feature.allows(value.shape):
        raise ConversionError(
            f"input '{feature.name}' was fed with shape {list(value.shape)}; the model takes "
            f"{list(feature.dynamic_shape or ())}."
        )
    return value


def _value(layer: Layer, name: str, values: _Values) -> FloatArray:
    if name not in values:
        raise ConversionError(
            f"layer '{layer.name}' needs '{name}', which nothing before it has computed."
        )
    return values[name]


def _single(layer: Layer, value: FloatArray) -> np.float32:
    if value.size != 1:
        raise unsupported(layer, f"with a condition of shape {list(value.shape)}")
    return np.float32(value.reshape(())[()])


def _holds(layer: Layer, value: FloatArray) -> bool:
    return abs(float(_single(layer, value))) > _TRUE
