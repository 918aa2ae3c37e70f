"""The operations of an OpenVINO IR, from its .xml alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from dsconv.errors import ModelError
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor

_BODIES = ("body", "then_body", "else_body")
_NO_OPS = ("Const", "Parameter", "Result")


def read_openvino(path: Path) -> OpGraph:
    """Read an IR. Values have the names of their layers. Raises ModelError if it is damaged."""
    try:
        # The parser below it limits how far entities can grow.
        root = ElementTree.parse(path).getroot()  # noqa: S314
    except ElementTree.ParseError as error:
        raise ModelError(f"the XML is damaged ({error}); copy the model again.") from None
    layers = {layer.get("id", ""): layer for layer in root.findall("./layers/layer")}
    names = {number: layer.get("name", number) for number, layer in layers.items()}
    sources: dict[str, list[str]] = {number: [] for number in layers}
    for edge in root.findall("./edges/edge"):
        start, end = edge.get("from-layer", ""), edge.get("to-layer", "")
        if start not in names or end not in names:
            raise ModelError("an edge leads nowhere; copy the model again.")
        sources[end].append(names[start])
    kinds = {number: layer.get("type", "?") for number, layer in layers.items()}
    ops = [
        _op(layer, names[number], sources[number])
        for number, layer in layers.items()
        if kinds[number] not in _NO_OPS
    ]
    results = [number for number, kind in kinds.items() if kind == "Result"]
    return OpGraph(
        [_tensor(layer) for number, layer in layers.items() if kinds[number] == "Parameter"],
        [_constant(layer) for number, layer in layers.items() if kinds[number] == "Const"],
        ops,
        [
            (layers[number].get("output_names") or names[number].split("/")[0], source)
            for number in results
            for source in sources[number]
        ],
    )


def _op(layer: ElementTree.Element, name: str, inputs: list[str]) -> Op:
    inside: Counter[str] = Counter()
    constants = []
    for body in _BODIES:
        for inner in layer.findall(f"./{body}//layer"):
            kind = inner.get("type", "?")
            if kind == "Const":
                constants.append(_constant(inner))
            elif kind not in _NO_OPS:
                inside[kind] += 1
    return Op(name, layer.get("type", "?"), tuple(inputs), (name,), inside, tuple(constants))


def _constant(layer: ElementTree.Element) -> Tensor:
    data = layer.find("data")
    sizes = data.get("shape", "") if data is not None else ""
    dtype = data.get("element_type", "?") if data is not None else "?"
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    return Tensor(layer.get("name", ""), dtype, shape)


def _tensor(layer: ElementTree.Element) -> Tensor:
    port = layer.find("./output/port")
    if port is None:
        return Tensor(layer.get("name", ""), "?", None)
    shape = tuple(int(dim.text or -1) for dim in port.findall("dim"))
    return Tensor(layer.get("name", ""), port.get("precision", "?").lower(), shape)
