"""One thing that validation has to say."""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """What a finding means for the verdict."""

    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """A difference at one of the levels: structure, numbers or transcripts."""

    level: str
    severity: Severity
    message: str

    @property
    def failed(self) -> bool:
        """Whether the candidate fails for it."""
        return self.severity is Severity.FAILURE
