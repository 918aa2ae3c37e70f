"""What a target is to the rest of dsconv."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dsconv.convert.options import Options
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.toolkits import Toolkit


@dataclass(frozen=True)
class Job:
    """A conversion to do: the graph of the file `source` becomes the file `output`."""

    graph: Graph
    source: Path
    output: Path
    options: Options = field(default_factory=Options)
    force: bool = False


@dataclass(frozen=True)
class Conversion:
    """A finished conversion.

    `bytes` are those of all files that were written. `notes` are for the user; `details` belong to
    the target.
    """

    target: str
    source: Path
    output: Path
    bytes: int
    seconds: float
    details: dict[str, int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The conversion as plain values, the target's details among them."""
        values = asdict(self) | {"source": str(self.source), "output": str(self.output)}
        details = values.pop("details")
        return {"schema_version": 1, **values, **details}


class Target(Protocol):
    """A format to convert to. Each target is one module, and none imports another."""

    @property
    def name(self) -> str:
        """The command that converts to it, such as ``pbmm``."""

    @property
    def label(self) -> str:
        """The format for people."""

    def suffix_for(self, options: Options) -> str:
        """The suffix of its files, with the dot."""

    @property
    def toolkit(self) -> Toolkit | None:
        """What must be installed for it; None if nothing."""

    @property
    def validated(self) -> bool:
        """Whether dsconv can run the results, so that they are validated."""

    def check(self, graph: Graph, options: Options) -> None:
        """Refuse, before any work, a graph that cannot become this target so.

        Raises ConversionError, which says what to do instead.
        """

    def outputs(self, output: Path, options: Options) -> tuple[Path, ...]:
        """The files that a conversion to `output` writes, that one first.

        Raises OutputError if the target cannot have that name.
        """

    def convert(self, job: Job) -> Conversion:
        """Write the output from a graph that `check` lets pass.

        Raises ConversionError, ToolkitError or OutputError, and then leaves nothing behind.
        """


class SingleFile:
    """What targets have in common that write one file, with the same suffix for all options."""

    suffix: str

    def suffix_for(self, options: Options) -> str:  # noqa: ARG002
        """The same for all."""
        return self.suffix

    def outputs(self, output: Path, options: Options) -> tuple[Path, ...]:  # noqa: ARG002
        """The one file."""
        return (output,)
