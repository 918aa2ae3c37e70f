"""The graph that a toolkit converts: cut to what is asked for, with inputs frozen and resized."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsconv.convert.options import Options
from dsconv.convert.toolkit.options import ToolkitOptions
from dsconv.convert.toolkit.results import gives_several, results_of
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.cut import cut_states
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import cut, extract, freeze_input, unused_name
from dsconv.formats.graphdef.graph import NO_RESULTS, VARIABLES, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.steps import input_node, set_steps
from dsconv.formats.graphdef.write import edited, new_node
from dsconv.runtime.model import TensorSpec

_INPUT = "Placeholder"
_FRONT_END = ("AudioSpectrogram", "DecodeWav", "Mfcc")
_NO_RESULT = (*NO_RESULTS, "Assign", "Print", "PrintV2")
# What shapes say that were written down before an input was resized.
_STALE = "_output_shapes"


@dataclass(frozen=True)
class Prepared:
    """A graph whose Placeholders are `inputs` and whose results are the first of each output."""

    graph: Graph
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()


def prepare(graph: Graph, options: Options) -> Prepared:
    """The part of a graph that is asked for, on its own.

    Raises ConversionError for names that the graph does not have, for inputs that are not said to
    be one or to be frozen, and for sizes and values that do not fit; it says what to pass.
    """
    asked = options.toolkit
    if any(node.op == "BlockLSTM" for node in graph):
        graph = cut_states(graph)
    graph = _without_defaults(graph, asked.freeze)
    graph, outputs, left_out = _choose_outputs(graph, asked.outputs)
    graph = _cut_inputs(graph, asked)
    graph = extract(graph, outputs)
    graph = _freeze(graph, asked.freeze)
    _check_variables(graph)
    _check_distinct(graph, outputs)
    graph, notes = _resize(graph, options)
    inputs = tuple(_spec(node) for node in _inputs(graph, asked.inputs, outputs))
    if not inputs:
        raise ConversionError(
            f"nothing is left to feed: {_listed(outputs)} needs no input; pass other --outputs, or "
            "freeze less."
        )
    return Prepared(graph, inputs, outputs, (*left_out, *notes))


def _without_defaults(graph: Graph, frozen: Collection[str]) -> Graph:
    """The graph with the default of each input that has one as its value, unless it is `frozen`."""

    def settled(node: Node) -> Node:
        if node.op != "PlaceholderWithDefault":
            return node
        kind = node.attribute("dtype", DataType)
        if node.name in frozen:
            shape = {} if node.shape() is None else {"shape": node.shape()}
            return new_node(node.name, _INPUT, (), {"dtype": kind, **shape}, node.device)
        return new_node(node.name, "Identity", node.inputs, {"T": kind}, node.device)

    return graph.replacing(map(settled, graph))


def _choose_outputs(
    graph: Graph, asked: Sequence[str]
) -> tuple[Graph, tuple[str, ...], tuple[str, ...]]:
    """The graph with a node for each output, their names, and notes on what is left out."""
    notes: tuple[str, ...] = ()
    if not asked:
        asked, notes = _results(graph)
    chosen: list[str] = []
    for name in asked:
        tensor = TensorName.parse(name)
        node = graph[tensor.node]
        if tensor.control or node.op in _NO_RESULT:
            raise ConversionError(f"'{name}' ({node.op}) gives no tensor; pass other --outputs.")
        if not tensor.output:
            chosen.append(node.name)
            continue
        # A file's outputs have names and no numbers.
        own = unused_name(graph, f"{node.name}_{tensor.output}")
        kind = {"T": _kind_of(node, tensor.output)}
        graph = graph.replacing([*graph, new_node(own, "Identity", [str(tensor)], kind)])
        chosen.append(own)
    if len(set(chosen)) != len(chosen):
        raise ConversionError("--outputs names a tensor twice; name each once.")
    return graph, tuple(chosen), notes


def _kind_of(node: Node, output: int) -> DataType:
    """The type of one of several results. Raises ConversionError if there is no such result."""
    types = results_of(node)
    if types is None:
        return DataType(node.attribute_or("T", DataType.FLOAT))
    if output >= len(types):
        raise ConversionError(
            f"'{node.name}' ({node.op}) has {len(types)} results, counted from 0; pass other "
            "--outputs."
        )
    return types[output]


def _results(graph: Graph) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is computed from the inputs and used by nobody, but for the features of samples.

    Of an op with several results all are taken.
    """
    fed = graph.downstream(node for node in graph if node.op == _INPUT)
    features = graph.downstream(node for node in graph if node.op in _FRONT_END)
    found, notes = [], []
    for name in (node.name for node in graph if node.name in fed):
        node = graph[name]
        if graph.consumers[name] or node.op in _NO_RESULT:
            continue
        if name in features or node.op in _FRONT_END:
            notes.append(f"{name} is left out: the front end is not part of the network.")
            continue
        if not gives_several(node):
            found.append(name)
            continue
        types = results_of(node)
        if types is None:
            raise ConversionError(
                f"'{name}' ({node.op}) has several results; name them, as in --outputs "
                f"{name},{name}:1."
            )
        found += [str(TensorName(name, index, False)) for index in range(len(types))]
    if not found:
        raise ConversionError(_why_no_result(graph, features))
    return tuple(found), tuple(notes)


def _why_no_result(graph: Graph, features: Collection[str]) -> str:
    """What to pass for a graph without results; one of samples can start at its features."""
    ends = [
        name
        for name in features
        if not graph.consumers[name] and graph[name].op != "AudioSpectrogram"
    ]
    made = [node.name for node in graph if node.op == "Mfcc"]
    if not ends or not made:
        return "no result depends on an input; name what to compute with --outputs."
    return (
        f"{_listed(ends)} is computed from samples by '{made[0]}' (Mfcc), which no toolkit "
        f"converts; start after it, as in --inputs {made[0]} --input-shape {made[0]}=1,98,40 "
        f"--outputs {','.join(ends)}."
    )


def _cut_inputs(graph: Graph, asked: ToolkitOptions) -> Graph:
    """The graph with those of --inputs that are computed in it as inputs."""
    for name in asked.inputs:
        tensor = TensorName.parse(name)
        if graph[tensor.node].op == _INPUT:
            continue
        shape = asked.input_shapes.get(name)
        if shape is None:
            raise ConversionError(
                f"'{name}' ({graph[tensor.node].op}) is computed in the graph; to make it an input "
                f"pass its shape too, as in --input-shape {name}=1,16."
            )
        graph = cut(graph, name, tuple(shape))
    return graph


def _freeze(graph: Graph, values: Mapping[str, Any]) -> Graph:
    for name, value in values.items():
        node = graph[name]
        if node.op == _INPUT:
            value = _value(node, value)
        graph = freeze_input(graph, name, value)
    return graph


def _value(node: Node, value: Any) -> Any:
    """The value of a frozen input in its type; a single number fills a known shape.

    Raises ConversionError for one that would not be the same in that type.
    """
    import numpy as np

    dtype = node.attribute("dtype", DataType)
    expected = f"input '{node.name}' is of {dtype.label}; --freeze {node.name}="
    try:
        given = np.asarray(value)
        if dtype is DataType.STRING:
            array = np.vectorize(_encoded, otypes=[object])(given)
        else:
            array = given.astype(dtype.label)
            if given.dtype.kind not in "biuf" or (dtype is DataType.BOOL) != (
                given.dtype.kind == "b"
            ):
                raise ValueError
            if dtype.label.startswith(("int", "uint")) and not np.array_equal(array, given):
                raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ConversionError(
            f"{expected}{value} does not fit; pass such a value, or a list such as [1, 2]."
        ) from None
    shape = node.shape()
    if array.ndim == 0 and shape and min(shape) > 0:
        return np.full(shape, array[()], array.dtype)
    return array


def _encoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    return text.encode()


def _check_variables(graph: Graph) -> None:
    for node in graph:
        if node.op in VARIABLES:
            raise ConversionError(
                f"it is not frozen: '{node.name}' is a variable, whose value is in a checkpoint; "
                "freeze the graph with the code that made it."
            )


def _check_distinct(graph: Graph, outputs: Iterable[str]) -> None:
    """Each output must be computed on its own: toolkits give a tensor one name."""
    names: dict[tuple[str, int], str] = {}
    for name in outputs:
        node, output = graph.origin(name)
        if node.op == _INPUT:
            raise ConversionError(
                f"'{name}' is the input '{node.name}', not a result; leave it out of --outputs."
            )
        other = names.setdefault((node.name, output), name)
        if other != name:
            raise ConversionError(
                f"'{other}' and '{name}' are the same tensor; name one of them with --outputs."
            )


def _resize(graph: Graph, options: Options) -> tuple[Graph, list[str]]:
    """The graph with the steps and sizes that are asked for, and notes on what that leaves."""
    if options.steps is not None:
        graph = set_steps(graph, options.steps)
    notes = []
    for name, shape in _shapes(graph, options).items():
        node = graph[name]
        old = node.shape()
        _check_shape(node, shape)
        if old == shape:
            continue
        if node is input_node(graph) and any(other.op == "BlockLSTM" for other in graph):
            graph = _set_steps_of(graph, node, shape)
            continue
        if old is not None and any(a not in (b, -1) for a, b in zip(old, shape, strict=True)):
            notes.append(
                f"{name} is resized from {list(old)} to {list(shape)}; shapes that the graph holds "
                "elsewhere do not change."
            )
        graph = _with_shape(graph, node, shape)
    return graph, notes


def _shapes(graph: Graph, options: Options) -> dict[str, tuple[int, ...]]:
    """The shapes that are asked for by the inputs' names."""
    shapes = {name: tuple(shape) for name, shape in options.toolkit.input_shapes.items()}
    for name in shapes:
        if graph[TensorName.parse(name).node].op != _INPUT and name not in options.toolkit.inputs:
            raise ConversionError(
                f"'{name}' ({graph[name].op}) is no input, so it cannot be resized; `dsconv "
                "inspect` lists the inputs."
            )
    cuts = {name: shape for name, shape in shapes.items() if name not in graph}
    shapes = {name: shape for name, shape in shapes.items() if name not in cuts}
    if options.input_shape is not None:
        inputs = [node for node in graph if node.op == _INPUT]
        window = input_node(graph)
        if window is not None:
            inputs = [window]
        if len(inputs) != 1:
            raise ConversionError(
                f"the graph has {len(inputs)} inputs; say whose the shape is, as in --input-shape "
                f"{inputs[0].name if inputs else 'NAME'}=1,16."
            )
        shapes[inputs[0].name] = options.input_shape
    return shapes


def _check_shape(node: Node, shape: tuple[int, ...]) -> None:
    old = node.shape()
    if any(size != -1 and size < 1 for size in shape):
        raise ConversionError(
            f"--input-shape of '{node.name}': dimensions are 1 or more, or -1 if dynamic."
        )
    if old is not None and len(old) != len(shape):
        raise ConversionError(
            f"input '{node.name}' has {len(old)} dimensions, {list(old)}; pass a shape of as many."
        )


def _set_steps_of(graph: Graph, node: Node, shape: tuple[int, ...]) -> Graph:
    old = node.shape() or ()
    if (old[0], *old[2:]) != (shape[0], *shape[2:]):
        sizes = ",".join("STEPS" if index == 1 else str(size) for index, size in enumerate(old))
        raise ConversionError(
            f"--input-shape {','.join(map(str, shape))} does not fit: input '{node.name}' takes "
            f"windows of shape {sizes}, STEPS being any number or -1."
        )
    return set_steps(graph, shape[1])


def _with_shape(graph: Graph, changed: Node, shape: tuple[int, ...]) -> Graph:
    def resized(node: Node) -> Node:
        if node is changed:
            return edited(node, attributes={"shape": shape}, without=[_STALE])
        return edited(node, without=[_STALE]) if _STALE in node.attributes else node

    return graph.replacing(map(resized, graph))


def _inputs(graph: Graph, asked: Sequence[str], outputs: Iterable[str]) -> list[Node]:
    """The inputs in the order of --inputs, else of the graph."""
    found = {node.name: node for node in graph if node.op == _INPUT}
    if not asked:
        return list(found.values())
    fed = [_input_name(name) for name in asked]
    for name in found:
        if name not in fed:
            raise ConversionError(
                f"{_listed(outputs)} needs input '{name}' too; name it in --inputs, or pass "
                f"--freeze {name}=VALUE."
            )
    for name in fed:
        if name not in found:
            raise ConversionError(
                f"{_listed(outputs)} does not need '{name}'; leave it out of --inputs."
            )
    return [found[name] for name in dict.fromkeys(fed)]


def _input_name(name: str) -> str:
    """What `cut` calls the input that replaces a tensor."""
    tensor = TensorName.parse(name)
    return f"{tensor.node}_{tensor.output}" if tensor.output else tensor.node


def _spec(node: Node) -> TensorSpec:
    shape, dtype = node.shape(), node.attribute("dtype", DataType)
    if dtype in (DataType.STRING, DataType.RESOURCE, DataType.VARIANT):
        raise ConversionError(
            f"input '{node.name}' is of {dtype.label}, which no toolkit takes; pass --freeze "
            f"{node.name}=VALUE, or --outputs that do not need it."
        )
    if shape is None:
        raise ConversionError(
            f"input '{node.name}' has no fixed rank; pass its shape, as in --input-shape "
            f"{node.name}=1,16."
        )
    return TensorSpec(node.name, dtype.label, shape)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
