"""TFLite, for LiteRT and for the original runtimes that people ship."""

from __future__ import annotations

import time
from pathlib import Path

from dsconv.convert.options import Options, Plan, make_plan
from dsconv.convert.target import Conversion, Job
from dsconv.digest import Digest
from dsconv.errors import ConversionError
from dsconv.graph.graph import Graph
from dsconv.output import new_file


class TfliteTarget:
    """The network built afresh around a loop with one copy of the weights."""

    name = "tflite"
    label = "TFLite model"
    suffix = ".tflite"
    validated = True

    def check(self, graph: Graph, options: Options) -> None:
        """The network must be recognised, and TFLite has no states inside a model."""
        self.plan(graph, options)

    def plan(self, graph: Graph, options: Options) -> Plan:
        """What to build. Raises ConversionError for what an unrolled LSTM cannot be."""
        plan = make_plan(graph, options, lengths="frozen", states=("io",), precision="int8")
        if options.lstm == "unrolled" and (plan.dynamic or plan.lengths == "input"):
            raise ConversionError(
                "an unrolled LSTM runs a fixed number of steps and all of them; leave out "
                "--lstm unrolled, or --n-steps -1, --lengths input and --front-end."
            )
        return plan

    def outputs(self, output: Path) -> tuple[Path, ...]:
        """The one file."""
        return (output,)

    def convert(self, job: Job) -> Conversion:
        """Write the model."""
        from dsconv.convert.properties import properties
        from dsconv.convert.tflite.builder import ModelBuilder
        from dsconv.convert.tflite.network import add_network

        start = time.perf_counter()
        plan = self.plan(job.graph, job.options)
        with Digest(job.source) as digest:
            model = ModelBuilder()
            add_network(model, plan, unrolled=job.options.lstm == "unrolled")
            model.properties(properties(plan, digest.hexdigest()))
        with new_file(job.output, force=job.force) as file:
            size = model.write(file)
        seconds = time.perf_counter() - start
        return Conversion(self.name, job.source, job.output, size, seconds)
