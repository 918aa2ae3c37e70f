"""Inspect a MetaGraph: a graph as a training saves it (.meta), and each one of a SavedModel."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from dsconv.acoustic.metadata import read_metadata
from dsconv.errors import ModelError
from dsconv.formats.checkpoint.locate import find_checkpoint
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.graphdef.graph import VARIABLES
from dsconv.formats.graphdef.meta_graph import MetaGraph, SignatureTensor, read_meta_graph
from dsconv.inspect.checkpoint import read_trained
from dsconv.inspect.graph import UNFROZEN, constants_of, inputs_of
from dsconv.inspect.identity import Identity, identify_network, metadata_values, state_names
from dsconv.inspect.report import Inspection, MetaGraphInfo, SignatureInfo, StateInfo, TensorInfo

FROZEN = (
    "its weights are constants of its graph already: save that graph_def as an output_graph.pb "
    "with TensorFlow, and pass it."
)
"""How to come to a .pb from a graph that is frozen, but in another container."""


def inspect_meta_graph(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a ``.meta`` file. Raises ModelError if it is damaged."""
    meta_graph = read_meta_graph(path)
    inspection = inspection_of(path, found, digest.hexdigest(), meta_graph, [meta_graph])
    if inspection.identity.frozen:
        return replace(inspection, next_step=FROZEN)
    return replace(inspection, next_step=_next_step(path))


def inspection_of(
    path: Path, found: Format, sha256: str, meta_graph: MetaGraph, all_of_them: list[MetaGraph]
) -> Inspection:
    """The report on a graph in a MetaGraph, without what lies beside it."""
    graph = meta_graph.graph
    metadata = read_metadata(graph)
    info = [_described(each) for each in all_of_them]
    # Training graphs differ from the frozen ones that tell the exporters apart.
    identity = replace(
        identify_network(graph, metadata, versions=()),
        frozen=not any(node.op in VARIABLES for node in graph),
    )
    return Inspection(
        path=str(path),
        format=found.key,
        format_label=found.label,
        bytes=path.stat().st_size,
        sha256=sha256,
        identity=_without_guesses(identity),
        inputs=_named(info, "inputs") or inputs_of(graph),
        outputs=_named(info, "outputs"),
        states=[StateInfo(name, out, None) for name, out in state_names(graph)],
        metadata=metadata_values(metadata),
        nodes=len(graph),
        ops=dict(Counter(node.op for node in graph).most_common()),
        weights=constants_of(graph),
        opened_by=[],
        not_opened_because="they read frozen graphs",
        converts_to=[],
        meta_graphs=info,
    )


def _without_guesses(identity: Identity) -> Identity:
    """The kind of the output is only known where the output is."""
    return identity if identity.classes else replace(identity, output=None)


def _next_step(path: Path) -> str:
    """What to do with the checkpoint that belongs to a ``.meta`` file, if it lies beside it."""
    try:
        trained = read_trained(find_checkpoint(path))
    except ModelError:
        return f"it holds a graph without the values of its variables; {UNFROZEN}"
    return trained.next_step(path)


def _described(meta_graph: MetaGraph) -> MetaGraphInfo:
    signatures = [
        SignatureInfo(name, each.method, _tensors(each.inputs), _tensors(each.outputs))
        for name, each in meta_graph.signatures.items()
    ]
    return MetaGraphInfo(list(meta_graph.tags), meta_graph.tensorflow_version, signatures)


def _tensors(tensors: dict[str, SignatureTensor]) -> dict[str, TensorInfo]:
    return {
        key: TensorInfo(each.name, each.dtype.label, None if each.shape is None else [*each.shape])
        for key, each in tensors.items()
    }


def _named(meta_graphs: list[MetaGraphInfo], side: str) -> list[TensorInfo]:
    """The inputs or outputs of all signatures, each tensor once."""
    found: dict[str, TensorInfo] = {}
    for meta_graph in meta_graphs:
        for signature in meta_graph.signatures:
            for tensor in getattr(signature, side).values():
                found.setdefault(tensor.name, tensor)
    return list(found.values())
