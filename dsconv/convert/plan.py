"""What comes of a conversion that was asked for: a plan, and what it wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.inspect.parity.verdict import Verdict


@dataclass(frozen=True)
class Plan(ABC):
    """A conversion of a source to a target: all that can be checked is, and nothing is written.

    `details` belong to the target. `route` is None where dsconv makes the file itself.
    """

    target: str
    source: Source
    details: dict[str, int | str] = field(default_factory=dict, kw_only=True)
    route: str | None = field(default=None, kw_only=True)

    def outputs(self, output: Path) -> tuple[Path, ...]:
        """All files that are written, `output` first.

        Raises OutputError if the target cannot have that name.
        """
        return (output,)

    @abstractmethod
    def write(self, output: Path, *, force: bool) -> int:
        """Write the files; returns the bytes of all.

        Raises ConversionError, ToolkitError or OutputError, and then leaves nothing behind.
        """

    def warnings(self) -> tuple[str, ...]:
        """What a user should know before anything is written; notes of the conversion too."""
        return ()

    def notes(self, output: Path) -> tuple[str, ...]:  # noqa: ARG002
        """What a user should know of the result."""
        return ()

    @property
    def is_on_speech(self) -> bool:
        """Whether the result is compared over speech; else `check` compares it."""
        return True

    def check(self, output: Path, *, evaluated: bool = False) -> Verdict | None:  # noqa: ARG002
        """The verdict on a written file that speech says nothing of; None where speech does.

        With `evaluated` a Core ML model is run in numpy also where Core ML could run it. Raises
        ConversionError or ToolkitError if the file cannot be compared with its source.
        """
        return None


@dataclass(frozen=True)
class Conversion:
    """A finished conversion.

    `bytes` are those of all files that were written. `notes` are for the user; `details` belong to
    the target. `route` is None where dsconv made the file itself.
    """

    target: str
    source: Path
    output: Path
    bytes: int
    seconds: float
    details: dict[str, int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    route: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The conversion as plain values, the target's details among them."""
        values = asdict(self) | {"source": str(self.source), "output": str(self.output)}
        details = values.pop("details")
        if self.route is None:
            del values["route"]
        return {"schema_version": 1, **values, **details}
