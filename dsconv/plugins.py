"""What other packages add to dsconv: targets to convert to, formats to inspect and to run.

A package names an object of type `Plugin` in its entry point group ``dsconv.plugins``. It is loaded
when a command wants what dsconv itself does not have, so plug-ins cost nothing until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.errors import ToolkitError

if TYPE_CHECKING:
    from dsconv.convert.target import Target
    from dsconv.formats.digest import Digest
    from dsconv.formats.identify import Format
    from dsconv.inspect.report import Inspection
    from dsconv.runtime.model import Model

GROUP = "dsconv.plugins"
"""The group of the entry points."""


@dataclass(frozen=True)
class FormatPlugin:
    """A format of files: a key for programs and a name for people.

    `matches` tells by its content whether a file or folder is of the format; it is asked about
    what dsconv itself cannot inspect or run. `inspect` and `open_model` are None where the plug-in
    cannot do that; `inspect` is called with the file, the format and the file's hash.
    """

    key: str
    label: str
    matches: Callable[[Path], bool]
    inspect: Callable[[Path, Format, Digest], Inspection] | None = None
    open_model: Callable[[Path], Model] | None = None


@dataclass(frozen=True)
class Plugin:
    """All that a package adds."""

    targets: tuple[Target, ...] = ()
    formats: tuple[FormatPlugin, ...] = ()


@lru_cache
def plugins() -> tuple[Plugin, ...]:
    """The plug-ins that are installed, in the order of their names.

    Raises ToolkitError for one that cannot be loaded, and names it.
    """
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        package = entry.dist.name if entry.dist else "?"
        try:
            plugin = entry.load()
        except Exception as error:  # Whatever the code of others raises.
            raise ToolkitError(
                f"the plug-in '{entry.name}' of {package} cannot be loaded ({error}); update or "
                f"uninstall {package}."
            ) from error
        if not isinstance(plugin, Plugin):
            raise ToolkitError(
                f"the plug-in '{entry.name}' of {package} is a {type(plugin).__name__} and not a "
                f"dsconv.plugins.Plugin; update or uninstall {package}."
            )
        found.append(plugin)
    return tuple(found)


def plugin_targets() -> dict[str, Target]:
    """The targets of all plug-ins by their names."""
    return {target.name: target for plugin in plugins() for target in plugin.targets}


def plugin_format(path: Path) -> FormatPlugin | None:
    """The format of a file as the first plug-in that knows it says; None if none does."""
    formats = (each for plugin in plugins() for each in plugin.formats)
    return next((each for each in formats if each.matches(path)), None)
