"""The operations of a TFLite model, without LiteRT.

Source: the order of the fields in ``schema.fbs`` of TensorFlow Lite.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from flatbuffers import number_types as kinds

from dsconv.inspect import tflite
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor

# The options of an op (4) that runs other subgraphs: the fields that number them.
_SUBGRAPH_FIELDS = {"WHILE": (0, 1), "IF": (0, 1)}


def read_tflite(path: Path) -> OpGraph:
    """Read a model. Raises ModelError if it is damaged."""
    with tflite.read_tflite(path) as reader:
        return _GraphReader(reader).graph()


class _GraphReader:
    """What a reader of the file finds, as operations."""

    def __init__(self, reader: tflite.Reader) -> None:
        self._reader = reader

    def graph(self) -> OpGraph:
        """The main subgraph."""
        main = self._reader.subgraphs[0]
        tensors = [_tensor(place, each) for place, each in enumerate(main.children(0))]
        inputs = main.numbers(1)
        return OpGraph(
            [tensors[number] for number in inputs],
            [tensors[number] for number in self._constants(main)],
            [self._op(operator, tensors) for operator in main.children(3)],
            [(tensors[number].name, tensors[number].name) for number in main.numbers(2)],
        )

    def _constants(self, graph: tflite.Message) -> list[int]:
        """The places of the tensors that have a buffer of their own."""
        tensors = enumerate(graph.children(0))
        return [place for place, tensor in tensors if len(self._reader.constant(tensor))]

    def _op(self, operator: tflite.Message, tensors: list[Tensor]) -> Op:
        kind = self._reader.codes[operator.number(0, kinds.Uint32Flags)]
        inputs = tuple(tensors[number].name for number in operator.numbers(1) if number >= 0)
        outputs = tuple(tensors[number].name for number in operator.numbers(2))
        inside, constants = self._inside(operator, kind)
        name = outputs[0] if outputs else kind
        return Op(name, kind, inputs, outputs, inside, tuple(constants))

    def _inside(self, operator: tflite.Message, kind: str) -> tuple[Counter[str], list[Tensor]]:
        """What the subgraphs of an op run, and the constants in them."""
        inside: Counter[str] = Counter()
        constants: list[Tensor] = []
        options = operator.child(4) if kind in _SUBGRAPH_FIELDS else None
        if options is None:
            return inside, constants
        for field in _SUBGRAPH_FIELDS[kind]:
            graph = self._reader.subgraphs[options.number(field)]
            inside.update(self._reader.codes[each.number(0)] for each in graph.children(3))
            tensors = graph.children(0)
            constants += [_tensor(place, tensors[place]) for place in self._constants(graph)]
        return inside, constants


def _tensor(place: int, tensor: tflite.Message) -> Tensor:
    """A tensor; its place makes a name that is not unique, or empty, a name of its own."""
    info = tflite.tensor_info(tensor)
    return Tensor(info.name or f"tensor {place}", info.dtype, tuple(info.shape or ()))
