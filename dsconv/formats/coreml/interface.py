"""What a Core ML model takes, gives and says about itself: its ModelDescription."""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.errors import ModelError
from dsconv.formats.coreml.schema import (
    ARRAY_TYPES,
    FeatureDescription,
    FunctionDescription,
    ModelDescription,
)

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
    def dynamic_shape(self) -> tuple[int, ...] | None:
        """The shape with -1 for each dynamic dimension."""
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


def read_description(description: ModelDescription) -> Description:
    """The description of a model. Raises ModelError if it is damaged."""
    functions = {function.name: function for function in description.functions}
    described: ModelDescription | FunctionDescription = description
    if functions:
        # A model of several functions is run as its default one.
        first = next(iter(functions.values()))
        described = functions.get(description.defaultFunctionName, first)
    metadata = description.metadata
    return Description(
        inputs=tuple(map(_feature, described.input)),
        outputs=tuple(map(_feature, described.output)),
        states=tuple(map(_feature, described.state)),
        summary=metadata.shortDescription,
        version=metadata.versionString,
        author=metadata.author,
        license=metadata.license,
        properties=metadata.userDefined,
    )


def _feature(message: FeatureDescription) -> Feature:
    """What is no array has no shape."""
    name, kind = message.name, message.type
    if kind.has("stateType"):
        array = kind.stateType.arrayType
    elif kind.has("multiArrayType"):
        array = kind.multiArrayType
    else:
        return Feature(name, "?", None)
    shape = tuple(array.shape) or None
    ranges = shapes = None
    if array.has("shapeRange"):
        sizes = array.shapeRange.sizeRanges
        ranges = tuple((size.lowerBound, size.upperBound) for size in sizes)
    if array.has("enumeratedShapes"):
        shapes = tuple(tuple(each.shape) for each in array.enumeratedShapes.shapes)
        if len({len(sizes) for sizes in shapes}) != 1:
            raise ModelError(f"'{name}' takes shapes of unequal rank; copy the model again.")
    return Feature(name, ARRAY_TYPES.get(array.dataType, "?"), shape, ranges, shapes)
