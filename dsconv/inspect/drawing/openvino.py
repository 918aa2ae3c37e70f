"""The operations of an OpenVINO IR, from its .xml alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsconv.formats.openvino.model import CONSTANT, NO_OPS, PARAMETER, RESULT, IrModel, Layer
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor


def read_openvino(path: Path) -> OpGraph:
    """Read an IR. Values have the names of their layers. Raises ModelError if it is damaged."""
    model = IrModel(path)
    sources: dict[str, list[str]] = {id_: [] for id_ in model.layers}
    for edge in model.edges:
        sources[edge.to_layer].append(_name(model.layers[edge.from_layer]))
    return OpGraph(
        list(map(_parameter, model.of_kind(PARAMETER))),
        list(map(_constant, model.of_kind(CONSTANT))),
        [_op(each, sources[each.id]) for each in model.layers.values() if each.kind not in NO_OPS],
        [(each.result_name, name) for each in model.of_kind(RESULT) for name in sources[each.id]],
    )


def _name(layer: Layer) -> str:
    return layer.name or layer.id


def _op(layer: Layer, inputs: list[str]) -> Op:
    inside = Counter(each.kind for each in layer.inner if each.kind not in NO_OPS)
    constants = tuple(_constant(each) for each in layer.inner if each.kind == CONSTANT)
    return Op(_name(layer), layer.kind, tuple(inputs), (_name(layer),), inside, constants)


def _constant(layer: Layer) -> Tensor:
    return Tensor(layer.name, layer.constant.dtype, layer.constant.shape)


def _parameter(layer: Layer) -> Tensor:
    ports = layer.outputs
    if not ports:
        return Tensor(layer.name, "?", None)
    return Tensor(layer.name, ports[0].dtype, ports[0].shape)
