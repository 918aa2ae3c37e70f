"""Inspect a SavedModel, such as Coqui STT's training code exports with ``--export_savedmodel``.

Source: `export_savedmodel` in Coqui STT 1.4.0's training code: one MetaGraph for serving with the
signatures ``compute_features`` and ``forward_from_features``, the weights in ``variables``, the
alphabet beside ``saved_model.pb``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dsconv.acoustic.structure import score_chain
from dsconv.acoustic.versions import VERSIONS
from dsconv.errors import ModelError
from dsconv.formats.checkpoint.files import saved_model_files, saved_model_paths
from dsconv.formats.checkpoint.locate import VARIABLES
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.meta_graph import SERVING, MetaGraph, read_saved_model
from dsconv.formats.storage import disk_size
from dsconv.inspect.checkpoint import Trained, read_trained
from dsconv.inspect.identity import Identity
from dsconv.inspect.meta_graph import FROZEN, inspection_of
from dsconv.inspect.report import Inspection

_SCORES = "probs"


def inspect_saved_model(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a SavedModel, given by its folder or its ``saved_model.pb``.

    Raises ModelError if it is damaged, or in text form.
    """
    folder, main = saved_model_paths(path)
    if not main.exists():
        raise ModelError(
            f"{path} is a SavedModel in text form, which dsconv does not read; `dsconv freeze` "
            "takes its variables, or save it in binary form."
        )
    meta_graphs = read_saved_model(main)
    served = next((each for each in meta_graphs if each.tags == SERVING), meta_graphs[0])
    inspection = inspection_of(main, found, digest.hexdigest(), served, meta_graphs)
    files = saved_model_files(path)[1]
    inspection = replace(inspection, path=str(path), bytes=disk_size(*files))
    return _with_weights(inspection, _trained(folder), served, path)


def _trained(folder: Path) -> Trained | None:
    """The checkpoint in a SavedModel, None if it has no variables."""
    prefix = folder / VARIABLES / VARIABLES
    if not prefix.with_name(f"{VARIABLES}.index").exists():
        return None
    trained = read_trained(prefix)
    return trained if len(trained.checkpoint) else None


def _with_weights(
    inspection: Inspection, trained: Trained | None, served: MetaGraph, path: Path
) -> Inspection:
    """The report with the weights that lie in the folder ``variables``."""
    identity = replace(inspection.identity, exported_by=_exporter(served))
    if trained is None:
        frozen = identity.frozen
        return replace(inspection, identity=identity, next_step=FROZEN if frozen else _INCOMPLETE)
    return replace(
        inspection,
        identity=_trained_identity(identity, trained, served),
        weights=trained.weights,
        checkpoint=trained.info(),
        next_step=trained.next_step(path),
    )


_INCOMPLETE = (
    f"its weights are variables, and {VARIABLES}/{VARIABLES}.index is not there; copy the whole "
    "folder of the SavedModel."
)


def _exporter(served: MetaGraph) -> str | None:
    """Who writes the signatures that the graph has."""
    for version in VERSIONS:
        if version.signatures and version.signatures <= set(served.signatures):
            return f"{version.product} {version.major}"
    return None


def _trained_identity(identity: Identity, trained: Trained, served: MetaGraph) -> Identity:
    """What the graph tells, with what the shapes of its variables tell."""
    identity = replace(identity, frozen=False, weights=trained.weight_types)
    shape = trained.shape
    if shape is None:
        return identity
    return replace(
        identity,
        network="LSTM acoustic model of whole clips of features",
        n_hidden=shape.n_hidden,
        classes=shape.classes,
        layer_norm=shape.layer_norm,
        output=_output_kind(served),
    )


def _output_kind(served: MetaGraph) -> str | None:
    """Whether the scores of Coqui STT's signature went through a Softmax."""
    graph: Graph = served.graph
    for signature in served.signatures.values():
        scores = signature.outputs.get(_SCORES)
        if scores is not None and scores.name in graph:
            softmax = any(node.op == "Softmax" for node in score_chain(graph, graph[scores.name]))
            return "probabilities" if softmax else "logits"
    return None
