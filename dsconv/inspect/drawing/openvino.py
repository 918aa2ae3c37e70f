"""The operations of an OpenVINO IR, from its .xml alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from dsconv.errors import ModelError
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor
from dsconv.inspect.openvino import NO_OPS, read_xml, result_name, tensor_info, weight_info

_BODIES = ("body", "then_body", "else_body")


def read_openvino(path: Path) -> OpGraph:
    """Read an IR. Values have the names of their layers. Raises ModelError if it is damaged."""
    root = read_xml(path)
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
        if kinds[number] not in NO_OPS
    ]
    constants, parameters, results = (
        [number for number, kind in kinds.items() if kind == each] for each in NO_OPS
    )
    return OpGraph(
        [_parameter(layers[number]) for number in parameters],
        [Tensor.of(weight_info(layers[number])) for number in constants],
        ops,
        [(result_name(layers[number]), source) for number in results for source in sources[number]],
    )


def _op(layer: ElementTree.Element, name: str, inputs: list[str]) -> Op:
    inside: Counter[str] = Counter()
    constants = []
    for body in _BODIES:
        for inner in layer.findall(f"./{body}//layer"):
            kind = inner.get("type", "?")
            if kind == "Const":
                constants.append(Tensor.of(weight_info(inner)))
            elif kind not in NO_OPS:
                inside[kind] += 1
    return Op(name, layer.get("type", "?"), tuple(inputs), (name,), inside, tuple(constants))


def _parameter(layer: ElementTree.Element) -> Tensor:
    name = layer.get("name", "")
    port = layer.find("./output/port")
    return Tensor(name, "?", None) if port is None else Tensor.of(tensor_info(port, name))
