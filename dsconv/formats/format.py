"""What dsconv knows of a format: one row, in which the rest is named and not imported.

A function of another room is named as ``module:function``, so that its module, and the toolkit that
this needs, is loaded when a file of the format comes. A plug-in names its own functions directly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dsconv.formats.content import Content
from dsconv.formats.toolkits import Toolkit

Entry: TypeAlias = str | Callable[..., Any]
"""A function, or its name as ``module:function``."""

Use: TypeAlias = Literal["inspect", "open_model", "draw"]
"""What can be done with files of a format: a field of its row."""

ModelFiles: TypeAlias = tuple[Path, list[Path]]
"""The folder that the files of a model are below, and they."""


@dataclass(frozen=True)
class Format:
    """A format: `key` for programs, `label` for people. What is None cannot be done with it.

    `matches` recognises it by its content. `suffix` is what the names of files that are written end
    in, `weights_suffix` those of a second file beside it that has its weights, `target` the name of
    what writes them, `toolkit` what must be installed for that.

    With `takes_source` the functions that are called with the path get a `Source` instead, whose
    file may be open already.
    """

    key: str
    label: str
    matches: Callable[[Content], bool]
    suffix: str = ""
    weights_suffix: str | None = None
    target: str | None = None
    toolkit: Toolkit | None = None
    takes_source: bool = False

    inspect: Entry | None = None
    """Called with the path, this row and the file's `Digest`; returns an `Inspection`."""

    open_model: Entry | None = None
    """Called with the path; returns a `Model`, which dsconv runs."""

    open_in_tensorflow: Entry | None = None
    """As `open_model`, where TensorFlow is asked for."""

    open_evaluated: Entry | None = None
    """As `open_model`, where an evaluation in numpy is asked for."""

    open_runtime: Entry | None = None
    """Called with the path and a `Spec`; returns what runs any network, for random inputs."""

    draw: Entry | None = None
    """Called with the path; returns an `OpGraph`, which is drawn."""

    files: Callable[[Path], ModelFiles] | None = None
    """Called with the path; returns the files of a model that is more than one, to be hashed."""

    advice: str = "pass the output_graph.pb that it was made from"
    """What to do with a file that was passed where a frozen graph is expected."""

    no_drawing: str | None = None
    """What to do instead of drawing a file."""


def load(entry: Entry) -> Callable[..., Any]:
    """The function that a row names."""
    if not isinstance(entry, str):
        return entry
    module, name = entry.split(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
