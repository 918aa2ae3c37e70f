"""OpenVINO's converter (ovc), in a process of its own: GRAPH SPEC OUTPUT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run, unsupported
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import unused_name
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.write import new_node, write_graph
from dsconv.formats.toolkits import import_openvino
from dsconv.runtime.openvino import RT_INFO

LABEL = "OpenVINO"
_UNKNOWN = re.compile(r"No conversion rule found for operations?: ([^\n]+)")


def convert(source: Path, spec_path: Path, output: Path) -> None:
    """Write the graph as IR, a .bin beside it. Raises ConversionError for unknown ops."""
    openvino, spec = import_openvino(), Spec.read(spec_path)
    names = [given.name for given in spec.inputs]
    source, ends = _with_ends(source, spec.outputs)
    try:
        model = openvino.convert_model(
            str(source),
            input=[f"{name}:0" for name in names],
            output=[f"{name}:0" for name in ends],
        )
    except Exception as error:  # Its exceptions have no common base.
        if ops := _unknown_ops(openvino, source, error):
            raise unsupported(LABEL, open_graph(source), ops) from error
        raise
    model = _in_order(openvino, model, names, ends, spec.outputs)
    for key, value in spec.properties.items():
        model.set_rt_info(value, [RT_INFO, key])
    openvino.save_model(model, str(output), compress_to_fp16=False)


def _unknown_ops(openvino: Any, source: Path, error: Exception) -> list[str]:
    """The ops that stand in the way; they are only named for the whole graph."""
    found = _UNKNOWN.search(str(error))
    if found is None:
        try:
            openvino.convert_model(str(source))
        except Exception as whole:
            found = _UNKNOWN.search(str(whole))
    return [op.strip() for op in found[1].split(",")] if found else []


def _with_ends(source: Path, outputs: Sequence[str]) -> tuple[Path, list[str]]:
    """A graph whose outputs nothing takes, and what they are called in it.

    OpenVINO looks for outputs among the ends of the graph alone.
    """
    graph = open_graph(source)
    ends = [
        unused_name(graph, f"{name}/end") if graph.consumers[name] else name for name in outputs
    ]
    # It takes the type from what is copied.
    kind = {"T": DataType.FLOAT}
    pairs = zip(outputs, ends, strict=True)
    added = [new_node(end, "Identity", [name], kind) for name, end in pairs if end != name]
    if not added:
        return source, ends
    path = source.with_name("ends.pb")
    with path.open("xb") as file:
        write_graph(file, graph.replacing([*graph, *added]))
    return path, ends


def _in_order(
    openvino: Any, model: Any, inputs: list[str], ends: Sequence[str], outputs: Sequence[str]
) -> Any:
    """The model with its inputs and outputs in order, by the graph's names, which end in no :0."""
    parameters = [model.input(f"{name}:0").get_node() for name in inputs]
    results = [model.output(f"{name}:0").get_node() for name in ends]
    ordered = openvino.Model(results, model.get_sinks(), parameters, "graph")
    for name, node in zip((*inputs, *outputs), (*parameters, *results), strict=True):
        node.output(0).get_tensor().set_names({name})
        node.set_friendly_name(name)
    return ordered


if __name__ == "__main__":
    run(LABEL, convert)
