"""What a target is to the rest of dsconv."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dsconv.graph.graph import Graph


@dataclass(frozen=True)
class Conversion:
    """A finished conversion. `notes` are for the user; `details` belong to the target."""

    target: str
    source: Path
    output: Path
    bytes: int
    seconds: float
    details: dict[str, int] = field(default_factory=dict)
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

    @property
    def suffix(self) -> str:
        """The suffix of its files, with the dot."""

    def refusal(self, graph: Graph) -> str | None:
        """Why this graph cannot become this target and what to do instead; None if it can."""

    def convert(self, graph: Graph, source: Path, output: Path, *, force: bool) -> Conversion:
        """Write `output` from a graph that is not refused.

        Raises ConversionError or OutputError, and then leaves nothing behind.
        """
