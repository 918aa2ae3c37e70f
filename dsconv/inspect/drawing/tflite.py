"""The operations of a TFLite model, without LiteRT."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsconv.formats.tflite import model as tflite
from dsconv.formats.tflite.model import TfliteModel, open_tflite
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor


def read_tflite(path: Path) -> OpGraph:
    """Read a model. Raises ModelError if it is damaged."""
    with open_tflite(path) as model:
        main = model.main
        return OpGraph(
            list(map(_tensor, main.inputs)),
            list(map(_tensor, main.constants)),
            [_op(operator, model) for operator in main.operators],
            [(_name(tensor), _name(tensor)) for tensor in main.outputs],
        )


def _op(operator: tflite.Operator, model: TfliteModel) -> Op:
    """An op, with what the subgraphs that it runs hold."""
    inside: Counter[str] = Counter()
    constants: list[Tensor] = []
    for index in operator.subgraph_indices:
        graph = model.subgraphs[index]
        inside.update(each.kind for each in graph.operators)
        constants += map(_tensor, graph.constants)
    inputs = tuple(_name(tensor) for tensor in operator.inputs if tensor is not None)
    outputs = tuple(map(_name, operator.outputs))
    name = outputs[0] if outputs else operator.kind
    return Op(name, operator.kind, inputs, outputs, inside, tuple(constants))


def _name(tensor: tflite.Tensor) -> str:
    """A name of its own also for a tensor that has none."""
    return tensor.name or f"tensor {tensor.index}"


def _tensor(tensor: tflite.Tensor) -> Tensor:
    return Tensor(_name(tensor), tensor.dtype, tensor.shape)
