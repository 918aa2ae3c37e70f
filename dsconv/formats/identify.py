"""What a file is, by its content and never by its suffix, and what to do with a wrong one."""

from __future__ import annotations

import shlex
from pathlib import Path

from dsconv.formats import table
from dsconv.formats.content import Content
from dsconv.formats.extensions import plugin_formats
from dsconv.formats.format import Format, Use
from dsconv.formats.storage import unreadable


def identify(path: Path | Content, use: Use | None = None) -> Format:
    """Tell what a file or folder is, which may be open already.

    `use` is what the caller will do with it: plug-ins are asked for their formats where dsconv
    itself cannot do that. Raises ModelError for what cannot be read or is empty, ToolkitError for a
    plug-in that cannot be loaded.
    """
    content = path if isinstance(path, Content) else Content.of(path)
    try:
        found = next(each for each in table.FORMATS if each.matches(content))
    except OSError as error:
        raise unreadable(content.path, error) from error
    if use is None or getattr(found, use):
        return found
    return next((each for each in plugin_formats() if each.matches(content)), found)


def describe(path: Path, found: Format) -> str:
    """One line for someone who passed this file where a frozen graph is expected."""
    if found is table.UNKNOWN and ".pbmm" in path.name:
        return (
            f"{path} has no package directory at its end, so it is no .pbmm or was cut off; "
            "copy or download it again."
        )
    article = "an" if found.label[0] in "AEHOaeio" else "a"
    advice = found.advice.format(path=shlex.quote(str(path)))
    return f"{path} is {article} {found.label}, not a frozen graph; {advice}."
