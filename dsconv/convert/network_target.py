"""What the targets that build the network afresh have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from dsconv.acoustic.recognise import recognise
from dsconv.convert.options import Lengths, Options, Plan, Precision, States, make_plan
from dsconv.convert.target import Conversion, Job, SingleFile
from dsconv.convert.toolkit.route import choose_route, why_not_recognised
from dsconv.errors import ConversionError, ToolkitError
from dsconv.formats.digest import Digest
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.toolkits import Toolkit


class NetworkTarget(SingleFile, ABC):
    """A target whose files hold the recognised network in a form of their own.

    `lengths`, `precision` and the first of `states` are what it does unless asked otherwise.
    """

    name: str
    label: str
    toolkit: Toolkit | None
    lengths: Lengths = "frozen"
    states: tuple[States, ...] = ("io",)
    precision: Precision = "fp32"
    validated = True

    def check(self, graph: Graph, options: Options) -> None:
        """What is asked for must be possible on the route that the graph goes."""
        if choose_route(self.name, graph, options) == "build":
            self.plan(graph, options)
            return
        from dsconv.convert.toolkit import convert

        convert.check(graph, options)

    def plan(self, graph: Graph, options: Options) -> Plan:
        """What to build. Raises ConversionError if that cannot be."""
        return make_plan(
            graph, options, lengths=self.lengths, states=self.states, precision=self.precision
        )

    def convert(self, job: Job) -> Conversion:
        """Build the model and write it, or let the toolkit convert it.

        The source is hashed meanwhile.
        """
        if choose_route(self.name, job.graph, job.options) == "toolkit":
            return self._convert_by_toolkit(job)
        from dsconv.convert.properties import properties

        start = time.perf_counter()
        plan = self.plan(job.graph, job.options)
        with Digest(job.source) as digest:
            model = self.build(plan)
            texts = properties(plan.network, plan.weights_precision, digest.hexdigest())
        size = self.write(model, texts, job)
        seconds = time.perf_counter() - start
        notes = (*_assumptions(plan), *self.notes(plan))
        return Conversion(self.name, job.source, job.output, size, seconds, notes=notes)

    def _convert_by_toolkit(self, job: Job) -> Conversion:
        from dsconv.convert.toolkit.convert import convert

        reason = why_not_recognised(job.graph)
        network = None
        if reason is None:
            network = job.options.overrides.described(recognise(job.graph))
        files = self.outputs(job.output, job.options)
        try:
            return convert(self.name, job, files, network, reason)
        except (ConversionError, ToolkitError) as error:
            if reason is None or job.options.route == "toolkit":
                raise
            raise type(error)(f"{error} dsconv does not build it itself: {reason}") from error

    @abstractmethod
    def build(self, plan: Plan) -> Any:
        """The model in memory. Raises ToolkitError if the toolkit is missing."""

    @abstractmethod
    def write(self, model: Any, properties: Mapping[str, str], job: Job) -> int:
        """Write the model with these text properties; returns the bytes of all files.

        Raises ToolkitError or OutputError, and then leaves nothing behind.
        """

    def notes(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What a user should know of the result."""
        return ()


def _assumptions(plan: Plan) -> Iterator[str]:
    """What was taken for granted where the graph says nothing."""
    network = plan.network
    if "alphabet" in network.metadata.assumed:
        yield (
            "the graph holds no alphabet, so the English one is taken; pass --alphabet for another."
        )
    if "sample_rate" in network.metadata.assumed:
        yield (
            f"the graph does not say its sample rate, so {network.metadata.sample_rate} Hz is "
            "taken; pass --sample-rate for another."
        )
    if network.batch > 1:
        yield f"the graph takes {network.batch} clips a call, the result takes one."
