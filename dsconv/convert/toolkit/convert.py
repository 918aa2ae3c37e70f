"""A target's file by the toolkit's own converter."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dsconv.acoustic.network import Network
from dsconv.convert.options import MOST_STEPS, Options
from dsconv.convert.properties import properties
from dsconv.convert.target import Conversion, Job
from dsconv.convert.toolkit.block_lstm.lower import lowered
from dsconv.convert.toolkit.prepare import Prepared, prepare
from dsconv.convert.toolkit.process import run_module
from dsconv.convert.toolkit.route import CONVERTERS, Converter
from dsconv.convert.toolkit.spec import Spec
from dsconv.formats.digest import Digest
from dsconv.formats.disk_size import disk_size
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.output import new_files
from dsconv.version import __version__

_GRAPH, _SPEC = "prepared.pb", "spec.json"

ROUTE = {"route": "toolkit"}
"""What the details of such a conversion hold."""


def check(graph: Graph, options: Options) -> None:
    """Refuse, before any work, what cannot be prepared. Raises ConversionError."""
    graph_for_toolkit(prepare(graph, options))


def convert(
    target: str, job: Job, files: tuple[Path, ...], network: Network | None, reason: str | None
) -> Conversion:
    """Write the files, the first of which the others belong to.

    `network` is what was recognised, for what the file says of itself; else `reason` is why it was
    not. Raises ConversionError, ToolkitError or OutputError, and then leaves nothing behind.
    """
    start = time.perf_counter()
    prepared = prepare(job.graph, job.options)
    with Digest(job.source) as digest:
        texts = _properties(network, digest.hexdigest())
    spec = Spec(prepared.inputs, prepared.outputs, texts, _settings(job.options))
    converter = CONVERTERS[target]
    with (
        new_files(files, force=job.force) as folder,
        TemporaryDirectory(dir=folder) as scratch,
    ):
        source = save(graph_for_toolkit(prepared), spec, Path(scratch))
        written = folder / job.output.name
        run_module(converter.label, converter.module, source, source.with_name(_SPEC), written)
        size = disk_size(*(folder / path.name for path in files))
    seconds = time.perf_counter() - start
    made = "the toolkit's own converter made the result"
    notes = (f"{made}: {reason}" if reason else f"{made}.", *prepared.notes)
    if renamed := _renamed(converter, prepared):
        notes = (*notes, renamed)
    return Conversion(target, job.source, job.output, size, seconds, dict(ROUTE), notes)


def graph_for_toolkit(prepared: Prepared) -> Graph:
    """The prepared graph in ops that the toolkits know. Raises ConversionError."""
    # The weights that were taken apart stay behind.
    return extract(lowered(prepared.graph, prepared.inputs), prepared.outputs)


def save(graph: Graph, spec: Spec, folder: Path) -> Path:
    """Write a graph and its interface for another process; returns the graph's file."""
    path = folder / _GRAPH
    with path.open("xb") as file:
        write_graph(file, graph)
    spec.write(folder / _SPEC)
    return path


def _renamed(converter: Converter, prepared: Prepared) -> str | None:
    """A note on the inputs and outputs that the file calls otherwise; None if there are none."""
    names = (*(given.name for given in prepared.inputs), *prepared.outputs)
    changed = [f"{name} is {new}" for name in names if (new := converter.name_of(name)) != name]
    return f"the file has other names: {', '.join(changed)}." if changed else None


def _properties(network: Network | None, sha256: str) -> Mapping[str, str]:
    if network is not None:
        return properties(network, "fp32", sha256)
    return {"precision": "fp32", "source_sha256": sha256, "dsconv_version": __version__}


def _settings(options: Options) -> dict[str, str | int | None]:
    core_ml = options.core_ml
    return {
        "deployment_target": core_ml.deployment_target,
        "author": core_ml.author,
        "license": core_ml.license,
        "version": core_ml.model_version,
        "max_steps": core_ml.max_steps or MOST_STEPS,
    }
