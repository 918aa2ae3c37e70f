"""The formats that can be inspected, and the inspection of a file of any of them."""

import os
from collections.abc import Callable
from pathlib import Path

from dsconv.errors import ModelError
from dsconv.graph.identify import FileFormat, describe, identify
from dsconv.inspect.graph import inspect_graph
from dsconv.inspect.report import Inspection

INSPECTORS: dict[FileFormat, Callable[[Path, FileFormat], Inspection]] = {
    FileFormat.GRAPH: inspect_graph,
    FileFormat.PACKAGE: inspect_graph,
}


def inspect_file(path: str | os.PathLike[str]) -> Inspection:
    """Tell what is in a model file, its format told by its content.

    Raises ModelError if it is no model that dsconv knows, and says what it is.
    """
    path = Path(path)
    found = identify(path)
    if found not in INSPECTORS:
        raise ModelError(describe(path, found))
    return INSPECTORS[found](path, found)
