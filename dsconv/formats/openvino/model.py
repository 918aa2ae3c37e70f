"""An OpenVINO IR as plain objects: layers, and what flows between them.

The .xml says all but the values of constants, which lie in the .bin beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from dsconv.errors import ModelError
from dsconv.formats.storage import Span, Storage

CONSTANT, PARAMETER, RESULT = "Const", "Parameter", "Result"
NO_OPS = (CONSTANT, PARAMETER, RESULT)
"""The layers that compute nothing."""

# Types as the data of constants call them, then those that ports call otherwise.
_TYPES = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "f64": "float64",
    "i8": "int8",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
    "boolean": "bool",
    "fp32": "float32",
    "fp16": "float16",
    "fp64": "float64",
}

# The folders of a loop's or a condition's layers.
_BODIES = ("body", "then_body", "else_body")


@dataclass(frozen=True)
class Port:
    """A value that enters or leaves a layer; -1 in its `shape` is a dynamic dimension.

    `names` are those that a tensor has besides its layer's.
    """

    id: str
    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """The type of a constant, and where its bytes lie in the .bin."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


class Layer:
    """A layer of a network; `kind` is the op, `attributes` are the settings of it."""

    def __init__(self, element: ElementTree.Element) -> None:
        self._element = element
        self.id = element.get("id", "")
        self.name = element.get("name", "")
        self.kind = element.get("type", "?")

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """The settings, as text."""
        data = self._element.find("data")
        return {} if data is None else data.attrib

    @cached_property
    def inputs(self) -> Sequence[Port]:
        """The values that it takes, in order."""
        return [_port(port) for port in self._element.findall("./input/port")]

    @cached_property
    def outputs(self) -> Sequence[Port]:
        """The values that it makes, in order."""
        return [_port(port) for port in self._element.findall("./output/port")]

    @cached_property
    def constant(self) -> Constant:
        """What the attributes of a constant say."""
        given = self.attributes
        shape = tuple(int(size) for size in given.get("shape", "").split(",") if size.strip())
        dtype = _dtype(given.get("element_type", "?"))
        return Constant(dtype, shape, int(given.get("offset", 0)), int(given.get("size", 0)))

    @property
    def result_name(self) -> str:
        """The name of the output of the model that a Result is."""
        return self._element.get("output_names") or self.name.split("/")[0]

    @cached_property
    def inner(self) -> Sequence[Layer]:
        """The layers of the networks that it runs, and those inside them."""
        return [
            Layer(each) for body in _BODIES for each in self._element.findall(f"./{body}//layer")
        ]


@dataclass(frozen=True)
class Edge:
    """What flows from a port of a layer to a port of another, by their ids."""

    from_layer: str
    from_port: str
    to_layer: str
    to_port: str


class IrModel:
    """An IR. `properties` are those that dsconv writes into its rt_info."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = _read_xml(path)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The layers of the model itself by their ids, in the order of the file."""
        layers = map(Layer, self._root.findall("./layers/layer"))
        return {layer.id: layer for layer in layers}

    def all_layers(self) -> Iterator[Layer]:
        """The layers, and those of the networks inside them."""
        for layers in self._root.iter("layers"):
            yield from map(Layer, layers)

    @cached_property
    def edges(self) -> list[Edge]:
        """The edges. Raises ModelError if one leads nowhere."""
        edges = [
            Edge(*(each.get(key, "") for key in ("from-layer", "from-port", "to-layer", "to-port")))
            for each in self._root.findall("./edges/edge")
        ]
        if any(
            edge.from_layer not in self.layers or edge.to_layer not in self.layers for edge in edges
        ):
            raise ModelError("an edge leads nowhere; copy the model again.")
        return edges

    def of_kind(self, kind: str) -> list[Layer]:
        """The layers of a kind."""
        return [layer for layer in self.layers.values() if layer.kind == kind]

    @cached_property
    def properties(self) -> dict[str, str]:
        """What dsconv wrote about the model."""
        entries = self._root.findall("./rt_info/dsconv/*")
        return {entry.tag: entry.get("value", "") for entry in entries}

    def data(self, constant: Constant) -> Span:
        """The bytes of a constant. Raises ModelError if the .bin does not hold them."""
        end = constant.offset + constant.nbytes
        if not 0 <= constant.offset <= end <= len(self._weights):
            raise ModelError("a constant lies beyond the end of the .bin; copy both files again.")
        return self._weights.span(constant.offset, end)

    @cached_property
    def _weights(self) -> Storage:
        return Storage.of_file(self._path.with_suffix(".bin"))


def _read_xml(path: Path) -> ElementTree.Element:
    """The root of an IR's .xml. Raises ModelError if it is damaged."""
    try:
        # The parser below it limits how far entities can grow.
        return ElementTree.parse(path).getroot()  # noqa: S314
    except ElementTree.ParseError as error:
        raise ModelError(f"the XML is damaged ({error}); copy the model again.") from None


def _port(port: ElementTree.Element) -> Port:
    shape = tuple(int(dim.text or -1) for dim in port.findall("dim"))
    names = tuple(port.get("names", "").split(","))
    return Port(port.get("id", ""), _dtype(port.get("precision", "?").lower()), shape, names)


def _dtype(name: str) -> str:
    """A type by its usual name; one that is not known as the IR calls it."""
    return _TYPES.get(name, name)
