"""The parameters of a neural network layer, by name.

A layer whose parameters hold a field that is not named here is refused, never run without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.network import Layer, read_floats
from dsconv.formats.protobuf.message import Message
from dsconv.runtime.coreml.layer_weights import FloatArray, load_weights

Fields = Mapping[str, int]
Made = TypeVar("Made")


class Parameters:
    """Fields of a message by their names in ``NeuralNetwork.proto``.

    What is made of weights is kept. Raises ConversionError for a field without a name.
    """

    def __init__(self, layer: Layer, message: Message, fields: Fields) -> None:
        self.layer = layer
        self._message = message
        self._fields = fields
        self._kept: dict[str, FloatArray] = {}
        self._prepared: dict[Any, Any] = {}
        unknown = sorted(set(message.numbers) - set(fields.values()))
        if unknown:
            raise self.unsupported(f"with parameter {', '.join(map(str, unknown))}")

    def unsupported(self, what: str) -> ConversionError:
        """The error for a layer that is not computed."""
        return unsupported(self.layer, what)

    def __contains__(self, name: str) -> bool:
        return self._fields[name] in self._message

    def integer(self, name: str) -> int:
        """A number or the number of an enumeration, 0 if it is not there."""
        return self._message.integer(self._fields[name])

    def integers(self, name: str) -> tuple[int, ...]:
        """A repeated number."""
        return tuple(self._message.integers(self._fields[name]))

    def flag(self, name: str) -> bool:
        """A truth value."""
        return bool(self.integer(name))

    def flags(self, name: str) -> tuple[bool, ...]:
        """A repeated truth value."""
        return tuple(map(bool, self.integers(name)))

    def number(self, name: str, default: float = 0.0) -> np.float32:
        """A float; the default also where it is 0."""
        values = read_floats(self._message, self._fields[name])
        return np.float32((values[-1] if values else 0.0) or default)

    def text(self, name: str) -> str:
        """A text."""
        return self._message.text(self._fields[name])

    def nested(self, name: str, fields: Fields) -> Parameters:
        """A message inside the parameters."""
        return Parameters(self.layer, self._message.message(self._fields[name]), fields)

    def all_nested(self, name: str, fields: Fields) -> tuple[Parameters, ...]:
        """A repeated message inside the parameters."""
        found = self._message.messages(self._fields[name])
        return tuple(Parameters(self.layer, message, fields) for message in found)

    def only(self, what: str) -> str:
        """The name of the one field that is there."""
        names = [name for name in self._fields if name in self]
        if len(names) != 1:
            raise self.unsupported(f"without {what}")
        return names[0]

    def weights(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """Weights of this shape, kept once they are read. Errors name the layer."""
        if name not in self._kept:
            try:
                self._kept[name] = load_weights(self._message.message(self._fields[name]), shape)
            except (ConversionError, ModelError) as error:
                raise type(error)(f"layer '{self.layer.name}', {name}: {error}") from error
        return self._kept[name]

    def prepared(self, make: Callable[[Parameters], Made]) -> Made:
        """What is made of the parameters, made once."""
        if make not in self._prepared:
            self._prepared[make] = make(self)
        made: Made = self._prepared[make]
        return made

    def refuse(self, *names: str) -> None:
        """Raise ConversionError if one of these parameters is set to something."""
        for name in names:
            if any(self.integers(name)):
                raise self.unsupported(f"with {name}")


def unsupported(layer: Layer, what: str) -> ConversionError:
    """The error for a layer that is not computed."""
    return ConversionError(
        f"layer '{layer.name}' is a {layer.kind} {what}, which dsconv does not evaluate; "
        "run the model on macOS."
    )


def whole(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices or sizes, which are floats in a neural network. Raises ValueError for a fraction."""
    numbers = values.astype(np.int64)
    if (numbers != values).any():
        raise ValueError("an index is no whole number")
    return numbers
