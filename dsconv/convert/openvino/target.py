"""OpenVINO IR, for Intel's CPUs, GPUs and NPUs."""

from __future__ import annotations

import time
from pathlib import Path

from dsconv.convert.options import Options, Plan, make_plan
from dsconv.convert.target import Conversion, Job
from dsconv.digest import Digest
from dsconv.errors import OutputError, ToolkitError
from dsconv.graph.graph import Graph
from dsconv.output import new_files


class OpenVinoTarget:
    """The network built afresh in the form that the CPU plugin runs fastest."""

    name = "openvino"
    label = "OpenVINO IR"
    suffix = ".xml"
    validated = True

    def check(self, graph: Graph, options: Options) -> None:
        """The network must be recognised."""
        self.plan(graph, options)

    def plan(self, graph: Graph, options: Options) -> Plan:
        """What to build."""
        return make_plan(graph, options, lengths="frozen", states=("io", "internal"))

    def outputs(self, output: Path) -> tuple[Path, ...]:
        """The .xml and the .bin of the weights beside it."""
        if output.suffix != self.suffix:
            raise OutputError(
                f"{output} is no name for an IR; choose one that ends in {self.suffix}, beside "
                "which the .bin of the weights will stand."
            )
        return output, output.with_suffix(".bin")

    def convert(self, job: Job) -> Conversion:
        """Write the IR."""
        from dsconv.convert.openvino.builder import ModelBuilder
        from dsconv.convert.openvino.network import add_network
        from dsconv.convert.properties import properties

        start = time.perf_counter()
        plan = self.plan(job.graph, job.options)
        with Digest(job.source) as digest:
            builder = ModelBuilder()
            add_network(builder, plan)
            model = builder.model("acoustic", properties(plan, digest.hexdigest()))
            if plan.precision == "int8":
                builder.quantize_at_run(model, plan.network.lstm.cells)
        paths = self.outputs(job.output)
        with new_files(paths, force=job.force) as folder:
            written = folder / job.output.name
            try:
                builder.openvino.save_model(model, str(written), compress_to_fp16=False)
            except RuntimeError as error:
                raise ToolkitError(f"OpenVINO does not write the result: {error}") from error
            size = sum((folder / path.name).stat().st_size for path in paths)
        seconds = time.perf_counter() - start
        notes = tuple(_notes(plan))
        return Conversion(self.name, job.source, job.output, size, seconds, notes=notes)


def _notes(plan: Plan) -> list[str]:
    """What differs from the graph's own inputs and outputs, as users of `mo` know it."""
    names = plan.network.names
    if plan.front_end:
        return []
    notes = []
    if plan.lengths == "frozen" and names.lengths:
        steps = "the number of frames" if plan.dynamic else f"[{plan.steps}]"
        notes.append(f"{names.lengths} is frozen to {steps}: {names.lengths}->{steps}.")
    if plan.states == "internal":
        notes.append("the states stay inside; reset_state() of the infer request starts a clip.")
    return notes
