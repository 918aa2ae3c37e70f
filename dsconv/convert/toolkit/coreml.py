"""Core ML Tools' converter of TensorFlow graphs, in a process of its own: GRAPH SPEC OUTPUT."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.convert.toolkit.results import gives_several, results_of
from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run, unsupported
from dsconv.errors import ConversionError
from dsconv.formats.coreml.names import core_ml_name
from dsconv.formats.coreml.package import MODEL_FOLDER, MODEL_NAME, write_manifest
from dsconv.formats.graphdef.edit import unused_name
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.write import edited, new_node
from dsconv.formats.toolkits import import_coremltools
from dsconv.runtime.model import TensorSpec
from dsconv.runtime.tensorflow import graph_def, register_functions

LABEL = "Core ML Tools"


def convert(source: Path, spec_path: Path, output: Path) -> None:
    """Write the graph as a package.

    Raises ConversionError for ops that Core ML Tools do not know, and for names that they change.
    """
    graph, spec = open_graph(source), Spec.read(spec_path)
    names = _names(spec)
    definition = graph_def(_with_single_results(graph, spec.outputs))
    if definition.library.function:
        # The converter looks there for the bodies of loops.
        register_functions(definition)
    coremltools = import_coremltools(with_tensorflow=True)
    try:
        model = coremltools.convert(
            definition,
            source="tensorflow",
            inputs=_interface(coremltools, spec),
            outputs=[coremltools.TensorType(name=name) for name in spec.outputs],
            skip_model_load=True,
            **_form(coremltools, spec, output),
        )
    except Exception as error:  # Its exceptions have no common base.
        if ops := _unknown_ops(graph):
            raise unsupported(LABEL, graph, ops) from error
        raise
    specification = model.get_spec()
    _check_names(specification.description, names)
    _describe(specification.description.metadata, spec)
    path = output / MODEL_FOLDER / MODEL_NAME
    path.write_bytes(specification.SerializeToString(deterministic=True))
    write_manifest(output)


def _with_single_results(graph: Graph, outputs: Iterable[str]) -> Graph:
    """The graph with the first result of an op with several as a node of the op's name.

    Core ML Tools take such an op for all of its results.
    """
    for name in outputs:
        types = results_of(graph[name])
        if types is None or not gives_several(graph[name]):
            continue
        node, other = graph[name], unused_name(graph, f"{name}/results")
        first = new_node(name, "Identity", [other], {"T": types[0]})
        kinds = {key: graph[name].attributes[key] for key in node.attributes}
        moved = new_node(other, node.op, node.inputs, kinds, node.device)
        users = (_renamed(each, name, other) for each in graph if each is not node)
        graph = graph.replacing([*users, moved, first])
    return graph


def _renamed(node: Node, old: str, new: str) -> Node:
    """A node that takes the results of one that has another name."""
    names = [TensorName.parse(name) for name in node.inputs]
    inputs = [str(name._replace(node=new)) if name.node == old else str(name) for name in names]
    return edited(node, inputs=inputs) if tuple(inputs) != node.inputs else node


def _names(spec: Spec) -> set[str]:
    """What the model is to call the inputs and outputs; each must have a name of its own."""
    names = (*(given.name for given in spec.inputs), *spec.outputs)
    found = {core_ml_name(name): name for name in names}
    for name in names:
        if found[core_ml_name(name)] != name:
            raise ConversionError(
                f"'{name}' and '{found[core_ml_name(name)]}' would both be '{core_ml_name(name)}' "
                "in Core ML; rename one of them in the graph."
            )
    return set(found)


def _check_names(description: Any, expected: set[str]) -> None:
    """Words of Core ML's language are replaced by names that nobody knows."""
    written = {one.name for one in (*description.input, *description.output)}
    if others := sorted(written - expected):
        raise ConversionError(
            f"{LABEL} replace {', '.join(sorted(expected - written))} by {', '.join(others)}; "
            "choose other names in the graph."
        )


def _describe(metadata: Any, spec: Spec) -> None:
    """What the model says about itself."""
    metadata.author = spec.settings["author"]
    metadata.license = spec.settings["license"]
    metadata.versionString = spec.settings["version"]
    # What the toolkit writes about itself differs from machine to machine.
    metadata.userDefined.clear()
    metadata.userDefined.update(spec.properties)


def _form(coremltools: Any, spec: Spec, package: Path) -> dict[str, Any]:
    target = spec.settings.get("deployment_target") or "ios16"
    return {
        "convert_to": "mlprogram",
        "minimum_deployment_target": getattr(coremltools.target, target.replace("ios", "iOS")),
        "compute_precision": coremltools.precision.FLOAT32,
        "package_dir": str(package),
    }


def _interface(coremltools: Any, spec: Spec) -> list[Any]:
    """The inputs. Dynamic dimensions of the same index are taken for equal, as of a batch."""
    most = int(spec.settings["max_steps"])
    dynamic: dict[int, Any] = {}

    def size(index: int, number: int) -> Any:
        if number >= 0:
            return number
        return dynamic.setdefault(index, coremltools.RangeDim(1, most, default=1))

    def declared(given: TensorSpec) -> Any:
        shape = [size(index, number) for index, number in enumerate(given.shape or ())]
        kind = np.int32 if given.dtype.startswith(("int", "uint")) else np.float32
        return coremltools.TensorType(name=given.name, shape=shape, dtype=kind)

    return [declared(given) for given in spec.inputs]


def _unknown_ops(graph: Graph) -> set[str]:
    """The ops of a graph that are not in the converter's table."""
    from coremltools.converters.mil.frontend.tensorflow.tf_op_registry import _TF_OPS_REGISTRY

    return {node.op for node in graph} - {"NoOp", *_TF_OPS_REGISTRY}


if __name__ == "__main__":
    run(LABEL, convert)
