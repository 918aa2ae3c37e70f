"""What a target is to the rest of dsconv."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.convert.options import Options
    from dsconv.convert.plan import Plan
    from dsconv.formats.toolkits import Toolkit


class Target(ABC):
    """A format to convert to. Each target is one module or folder, and none imports another.

    `name` is the command that converts to it, such as ``pbmm``, `label` the format for people, and
    `suffix` that of its files, with the dot. `toolkit` must be installed for it; None if nothing.
    `validated` tells whether dsconv can run the results, so that they are compared with the source.
    """

    name: str
    label: str
    suffix: str
    toolkit: Toolkit | None = None
    validated: bool = True

    def suffix_for(self, options: Options) -> str:  # noqa: ARG002
        """The suffix of the file when asked so."""
        return self.suffix

    @abstractmethod
    def plan(self, source: Source, options: Options) -> Plan:
        """How the source becomes this target, before any work.

        Raises ModelError for what is no graph, and ConversionError or ToolkitError, which say what
        to do instead, where it cannot become this target so.
        """
