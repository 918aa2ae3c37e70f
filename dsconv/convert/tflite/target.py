"""TFLite, for LiteRT and for the original runtimes that people ship."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.options import Options, Plan
from dsconv.convert.target import Job
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.output import new_file
from dsconv.formats.table import TFLITE

if TYPE_CHECKING:
    from dsconv.convert.tflite.builder import ModelBuilder


class TfliteTarget(NetworkTarget):
    """The network around a loop with one copy of the weights, or unrolled."""

    name = "tflite"
    label = "TFLite model"
    toolkit = TFLITE.toolkit
    suffix = TFLITE.suffix
    precision = "int8"

    def plan(self, graph: Graph, options: Options) -> Plan:
        """What to build. Raises ConversionError for what an unrolled LSTM cannot be."""
        plan = super().plan(graph, options)
        if plan.lstm == "unrolled" and (plan.dynamic or plan.lengths == "input"):
            raise ConversionError(
                "an unrolled LSTM runs a fixed number of steps and all of them; pass --n-steps 16 "
                "and leave out --lengths input and --front-end, or leave out --lstm unrolled."
            )
        return plan

    def build(self, plan: Plan) -> ModelBuilder:
        """The subgraphs and buffers."""
        from dsconv.convert.tflite.builder import ModelBuilder
        from dsconv.convert.tflite.network import add_network

        model = ModelBuilder()
        add_network(model, plan)
        return model

    def write(self, model: ModelBuilder, properties: Mapping[str, str], job: Job) -> int:
        """Write the flatbuffer."""
        model.properties(properties)
        with new_file(job.output, force=job.force) as file:
            return model.write(file)

    def notes(self, plan: Plan) -> tuple[str, ...]:
        """Why the original runtimes cannot use the result, who would say nothing or crash."""
        metadata = plan.network.metadata
        reasons = {
            "it takes whole clips": plan.network.backward is not None,
            "it takes any number of frames, which stt alone runs; pass --n-steps 16": plan.dynamic,
            "it takes lengths, which they do not feed": plan.lengths == "input",
            "it was exported before 0.7, without a beam width": metadata.beam_width is None,
            "it makes no features of samples": plan.network.front_end is None,
        }
        reason = next((reason for reason, applies in reasons.items() if applies), None)
        if reason is None:
            return ()
        return (
            f"the result is for LiteRT, not for deepspeech-tflite 0.9.3 and stt 1.4: {reason}.",
        )
