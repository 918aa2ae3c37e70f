"""ONNX: for ONNX Runtime and everything else that reads it."""

from __future__ import annotations

import time
from pathlib import Path

from dsconv.convert.options import Options, Plan, make_plan
from dsconv.convert.target import Conversion, Job
from dsconv.digest import Digest
from dsconv.graph.graph import Graph
from dsconv.output import new_files


class OnnxTarget:
    """The network built afresh around one LSTM node."""

    name = "onnx"
    label = "ONNX model"
    suffix = ".onnx"
    validated = True

    def check(self, graph: Graph, options: Options) -> None:
        """The network must be recognised, and ONNX has no states inside a model."""
        self.plan(graph, options)

    def plan(self, graph: Graph, options: Options) -> Plan:
        """What to build."""
        return make_plan(graph, options, lengths="input", states=("io",))

    def outputs(self, output: Path) -> tuple[Path, ...]:
        """One file, or two if the weights are too many for one; the second is never replaced."""
        return (output,)

    def convert(self, job: Job) -> Conversion:
        """Write the model, checked by the toolkit's own checker."""
        from dsconv.convert.onnx.builder import GraphBuilder
        from dsconv.convert.onnx.checker import check_file
        from dsconv.convert.onnx.file import external_data_path, is_external, write_model
        from dsconv.convert.onnx.network import add_network
        from dsconv.convert.properties import properties

        start = time.perf_counter()
        plan = self.plan(job.graph, job.options)
        with Digest(job.source) as digest:
            builder = GraphBuilder(plan.network.names.all)
            add_network(builder, plan)
            model = builder.model("acoustic", properties(plan, digest.hexdigest()))
        paths = [job.output]
        if is_external(builder.initializers):
            paths.append(external_data_path(job.output))
        with new_files(paths, force=job.force) as folder:
            written = folder / job.output.name
            write_model(written, model, builder.initializers)
            check_file(written)
            size = sum((folder / path.name).stat().st_size for path in paths)
        seconds = time.perf_counter() - start
        return Conversion(self.name, job.source, job.output, size, seconds)
