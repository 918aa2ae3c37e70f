"""A target's file by the toolkit's own converter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dsconv.convert.coreml.options import MOST_STEPS
from dsconv.convert.options import Options
from dsconv.convert.plan import Plan
from dsconv.convert.properties import properties
from dsconv.convert.toolkit.block_lstm.lower import lowered
from dsconv.convert.toolkit.calls import Arrays
from dsconv.convert.toolkit.check import RandomCheck, check_file
from dsconv.convert.toolkit.converters import CONVERTERS, Converter
from dsconv.convert.toolkit.inputs import read_inputs
from dsconv.convert.toolkit.prepare import Prepared, prepare
from dsconv.convert.toolkit.process import run_module
from dsconv.convert.toolkit.spec import SPEC, Spec, save
from dsconv.convert.toolkit.worker import unsupported
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.output import new_files
from dsconv.formats.storage import disk_size
from dsconv.version import __version__

if TYPE_CHECKING:
    from dsconv.acoustic.network import Network
    from dsconv.acoustic.source import Source

ROUTE = "toolkit"
PRECISION = "fp32"


def plan_by_toolkit(
    target: str,
    source: Source,
    options: Options,
    outputs: Callable[[Path], tuple[Path, ...]],
) -> ToolkitPlan:
    """The conversion of a graph of any network; `outputs` are all files of one.

    Raises ConversionError for what cannot be prepared.
    """
    network = None
    if source.why_not_recognised is None:
        network = options.overrides.described(source.network)
    prepared = prepare(source.graph, options)
    _check_ops(CONVERTERS[target], graph_for_toolkit(prepared))
    own = options.toolkit.check_inputs
    given = None if own is None else read_inputs(own, prepared.inputs)
    return ToolkitPlan(target, source, options, outputs, prepared, network, given, route=ROUTE)


@dataclass(frozen=True)
class ToolkitPlan(Plan):
    """Lets the toolkit convert a prepared graph.

    `network` is what was recognised, for what the file says of itself. `given` are the user's own
    inputs for the check.
    """

    options: Options
    files: Callable[[Path], tuple[Path, ...]]
    prepared: Prepared
    network: Network | None
    given: Arrays | None = None

    def outputs(self, output: Path) -> tuple[Path, ...]:
        """The target's files."""
        return self.files(output)

    def write(self, output: Path, *, force: bool) -> int:
        """Convert the graph in a process of its own."""
        try:
            return self._write(output, force=force)
        except (ConversionError, ToolkitError) as error:
            if self.network is not None or self.options.route == ROUTE:
                raise
            reason = self.source.why_not_recognised
            raise type(error)(f"{error} dsconv does not build it itself: {reason}") from error

    def _write(self, output: Path, *, force: bool) -> int:
        with self.source.digest as digest:
            texts = _properties(self.network, digest.hexdigest())
        prepared = self.prepared
        spec = Spec(prepared.inputs, prepared.outputs, texts, _settings(self.options))
        files, converter = self.files(output), CONVERTERS[self.target]
        with (
            new_files(files, force=force) as folder,
            TemporaryDirectory(dir=folder) as scratch,
        ):
            graph = save(graph_for_toolkit(prepared), spec, Path(scratch))
            written = folder / output.name
            run_module(converter.label, converter.module, graph, graph.with_name(SPEC), written)
            return disk_size(*(folder / path.name for path in files))

    def warnings(self) -> tuple[str, ...]:
        """That the precision is not the target's own, unless fp32 was asked for."""
        own = CONVERTERS[self.target].precision
        if own == PRECISION or self.options.precision is not None:
            return ()
        return (
            f"the file will be {PRECISION} and not {own}: the toolkit's own converter keeps the "
            f"precision of the graph. Pass --precision {PRECISION} if that is what you want.",
        )

    def notes(self, output: Path) -> tuple[str, ...]:  # noqa: ARG002
        """That the toolkit made it and why, what was left out, and which names are others."""
        made, reason = "the toolkit's own converter made the result", self.source.why_not_recognised
        notes = (f"{made}: {reason}" if reason else f"{made}.", *self.prepared.notes)
        renamed = _renamed(CONVERTERS[self.target], self.prepared)
        return (*notes, renamed) if renamed else notes

    @property
    def is_on_speech(self) -> bool:
        """Whether it is a whole acoustic model, which nobody asked to feed otherwise."""
        asked = self.options.toolkit
        cut = asked.inputs or asked.outputs or asked.freeze
        return self.network is not None and not cut and self.given is None

    def check(self, output: Path, *, evaluated: bool = False) -> RandomCheck | None:
        """A comparison with TensorFlow of what is no whole acoustic model, or on given inputs."""
        if self.is_on_speech:
            return None
        plain = graph_for_toolkit(self.prepared)
        named = bool(self.options.toolkit.outputs)
        return check_file(
            self.prepared, plain, output, self.given, named=named, evaluated=evaluated
        )


def graph_for_toolkit(prepared: Prepared) -> Graph:
    """The prepared graph in ops that the toolkits know. Raises ConversionError."""
    # Without the weights that were taken apart.
    return extract(lowered(prepared.graph, prepared.inputs), prepared.outputs)


def _check_ops(converter: Converter, graph: Graph) -> None:
    """Raise ConversionError if a graph has ops that a converter is known not to convert.

    None converts the ops of ``tf.cond`` in TensorFlow 1, which stand outside of loops.
    """
    ops = {node.op for node in graph}
    known = converter.refuses if "Enter" in ops else converter.refuses | {"Merge", "Switch"}
    if ops & known:
        raise unsupported(converter.label, graph, ops & known)


def _renamed(converter: Converter, prepared: Prepared) -> str | None:
    """A note on the inputs and outputs that the file calls otherwise; None if there are none."""
    names = (*(given.name for given in prepared.inputs), *prepared.outputs)
    changed = [f"{name} is {new}" for name in names if (new := converter.name_of(name)) != name]
    return f"the file has other names: {', '.join(changed)}." if changed else None


def _properties(network: Network | None, sha256: str) -> Mapping[str, str]:
    if network is not None:
        return properties(network, PRECISION, sha256)
    return {"precision": PRECISION, "source_sha256": sha256, "dsconv_version": __version__}


def _settings(options: Options) -> dict[str, str | int | None]:
    core_ml = options.core_ml
    return {
        "deployment_target": core_ml.deployment_target,
        "author": core_ml.author,
        "license": core_ml.license,
        "version": core_ml.model_version,
        "max_steps": core_ml.max_steps or MOST_STEPS,
    }
