"""What a Core ML model takes, gives and says about itself: its ModelDescription.

Source: the field numbers of ``Model.proto`` and ``FeatureTypes.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.errors import ModelError
from dsconv.formats.protobuf.message import Message

_ARRAY_TYPES = {
    65568: "float32",
    65600: "float64",
    131104: "int32",
    131080: "int8",
    65552: "float16",
}
_DYNAMIC = -1


@dataclass(frozen=True)
class Feature:
    """An input, output or state.

    `shape` is the usual one, None where the file does not tell. `ranges` are the least and the
    largest size of each dimension (-1: no limit), `shapes` all that are allowed, where it says so.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    ranges: tuple[tuple[int, int], ...] | None = None
    shapes: tuple[tuple[int, ...], ...] | None = None

    def allows(self, shape: tuple[int, ...]) -> bool:
        """Whether the model says that it takes a shape; one that says nothing takes any."""
        if self.shapes is not None:
            return shape in self.shapes
        if self.ranges is not None:
            return len(shape) == len(self.ranges) and all(
                least <= size and (most < 0 or size <= most)
                for size, (least, most) in zip(shape, self.ranges, strict=True)
            )
        return self.shape is None or shape == self.shape

    @property
    def open_shape(self) -> tuple[int, ...] | None:
        """The shape with -1 for every size that may be another one."""
        if self.shape is None:
            return None
        if self.ranges is not None:
            return tuple(least if least == most else _DYNAMIC for least, most in self.ranges)
        if self.shapes is not None:
            sizes = [set(sizes) for sizes in zip(*self.shapes, strict=True)]
            return tuple(size.pop() if len(size) == 1 else _DYNAMIC for size in sizes)
        return self.shape


@dataclass(frozen=True)
class Description:
    """The interface of a model and its metadata; `properties` are the user-defined ones."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...]
    summary: str
    version: str
    author: str
    license: str
    properties: dict[str, str]


def read_description(description: Message) -> Description:
    """The description of a model. Raises ModelError if it is damaged."""
    functions = {function.text(1): function for function in description.messages(20)}
    if functions:
        # A model of several functions is run as its default one.
        default = functions.get(description.text(21), next(iter(functions.values())))
        parts = [default.messages(number) for number in (2, 3, 6)]
    else:
        parts = [description.messages(number) for number in (1, 10, 13)]
    inputs, outputs, states = (tuple(map(_feature, part)) for part in parts)
    metadata = description.message(100)
    summary, version, author, license_ = (metadata.text(number) for number in (1, 2, 3, 4))
    properties = metadata.text_mapping(100)
    return Description(inputs, outputs, states, summary, version, author, license_, properties)


def _feature(message: Message) -> Feature:
    """A FeatureDescription; what is no array has no shape."""
    name, kind = message.text(1), message.message(3)
    array = kind.message(8).message(1) if 8 in kind else kind.message(5)
    if 8 not in kind and 5 not in kind:
        return Feature(name, "?", None)
    shape = tuple(array.integers(1)) or None
    ranges = shapes = None
    if 31 in array:
        sizes = array.message(31).messages(1)
        ranges = tuple((size.integer(1), size.integer(2)) for size in sizes)
    if 21 in array:
        shapes = tuple(tuple(entry.integers(1)) for entry in array.message(21).messages(1))
        if len({len(sizes) for sizes in shapes}) != 1:
            raise ModelError(f"'{name}' takes shapes of unequal rank; copy the model again.")
    return Feature(name, _ARRAY_TYPES.get(array.integer(2), "?"), shape, ranges, shapes)
