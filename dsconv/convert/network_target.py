"""What the targets that build the network afresh have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsconv.convert.form import Form, form_of
from dsconv.convert.options import Lengths, Options, Precision, States
from dsconv.convert.plan import Plan
from dsconv.convert.target import Target
from dsconv.convert.toolkit.route import toolkit_plan

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source


class NetworkTarget(Target):
    """A target whose files hold the recognised network in a form of their own.

    `lengths`, `precision` and the first of `states` are what it does unless asked otherwise.
    """

    lengths: Lengths = "frozen"
    states: tuple[States, ...] = ("io",)
    precision: Precision = "fp32"

    def plan(self, source: Source, options: Options) -> Plan:
        """To build the network, or to let the toolkit convert a graph that is asked or left to it.

        Raises as `Target.plan` does.
        """
        outputs = partial(self.outputs, options=options)
        by_toolkit = toolkit_plan(self.name, source, options, outputs)
        return by_toolkit or BuildPlan(self.name, source, self, options, self.form(source, options))

    def form(self, source: Source, options: Options) -> Form:
        """What to build. Raises ConversionError if that cannot be."""
        return form_of(
            source, options, lengths=self.lengths, states=self.states, precision=self.precision
        )

    def outputs(self, output: Path, options: Options) -> tuple[Path, ...]:  # noqa: ARG002
        """All files that a conversion to `output` writes, that one first.

        Raises OutputError if the target cannot have that name.
        """
        return (output,)

    @abstractmethod
    def build(self, form: Any) -> Any:
        """The model in memory. Raises ToolkitError if the toolkit is missing."""

    @abstractmethod
    def write(self, model: Any, properties: Mapping[str, str], output: Path, *, force: bool) -> int:
        """Write the model with these text properties; returns the bytes of all files.

        Raises ToolkitError or OutputError, and then leaves nothing behind.
        """

    def notes(self, form: Any) -> tuple[str, ...]:  # noqa: ARG002
        """What a user should know of the result."""
        return ()


@dataclass(frozen=True)
class BuildPlan(Plan):
    """Builds a network afresh in the form that was chosen."""

    builder: NetworkTarget
    options: Options
    form: Form

    def outputs(self, output: Path) -> tuple[Path, ...]:
        """The target's files."""
        return self.builder.outputs(output, self.options)

    def write(self, output: Path, *, force: bool) -> int:
        """Build the model, while the source is hashed, and write it."""
        from dsconv.convert.properties import properties

        with self.source.digest as digest:
            model = self.builder.build(self.form)
            texts = properties(self.form.network, self.form.weights_precision, digest.hexdigest())
        return self.builder.write(model, texts, output, force=force)

    def notes(self, output: Path) -> tuple[str, ...]:  # noqa: ARG002
        """What was taken for granted, then what the target says."""
        return (*_assumptions(self.form), *self.builder.notes(self.form))


def _assumptions(form: Form) -> Iterator[str]:
    """What was taken for granted where the graph says nothing."""
    network = form.network
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
