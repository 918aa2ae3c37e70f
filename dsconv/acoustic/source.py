"""A model file that was opened once, and the network that was found in it once."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.errors import ConversionError
from dsconv.formats.digest import Digest
from dsconv.formats.storage import disk_size

if TYPE_CHECKING:
    from dsconv.acoustic.network import Network
    from dsconv.formats.content import Content
    from dsconv.formats.format import Format
    from dsconv.formats.graphdef.graph import Graph


class Source:
    """A model file that conversion, inspection and validation share.

    Whatever is asked of it is done when it is first asked for, and kept. Sent to another process it
    is a path again, which is opened there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def of(cls, source: str | os.PathLike[str] | Source) -> Source:
        """The source itself, or that of a path."""
        return source if isinstance(source, Source) else cls(source)

    def __reduce__(self) -> tuple[type[Source], tuple[Path]]:
        return Source, (self.path,)

    @cached_property
    def graph(self) -> Graph:
        """The graph in the file. Raises ModelError if the file holds none, or is damaged."""
        from dsconv.formats.graphdef.graph import read_graph

        return read_graph(self.content)

    @cached_property
    def content(self) -> Content:
        """What is at the path. Raises ModelError if the file is empty or cannot be read."""
        from dsconv.formats.content import Content

        return Content.of(self.path)

    @cached_property
    def format(self) -> Format:
        """The format, one of dsconv's own. Raises ModelError as `content` does."""
        from dsconv.formats.identify import identify

        return identify(self.content)

    @cached_property
    def digest(self) -> Digest:
        """The SHA-256 of the model, which is computed in the background from now on."""
        files = self.format.files
        return Digest(*files(self.path)) if files else Digest(self.path)

    @property
    def size(self) -> int:
        """The bytes of all files of the model."""
        suffix = self.format.weights_suffix
        beside = [self.path.with_suffix(suffix)] if suffix else []
        return disk_size(self.path, *filter(Path.is_file, beside))

    @property
    def network(self) -> Network:
        """The acoustic network in the file.

        Raises ModelError as `graph` does, and ConversionError if it holds another network.
        """
        found = self._recognised
        if isinstance(found, ConversionError):
            raise ConversionError(str(found)) from found
        return found

    @property
    def why_not_recognised(self) -> str | None:
        """Why the file holds no acoustic network that dsconv knows; None if it does."""
        found = self._recognised
        return str(found) if isinstance(found, ConversionError) else None

    @cached_property
    def _recognised(self) -> Network | ConversionError:
        from dsconv.acoustic.recognise import recognise

        try:
            return recognise(self.graph)
        except ConversionError as error:
            return error
