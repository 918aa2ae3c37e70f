"""What other packages add to dsconv: targets to convert to, formats to inspect, run and draw.

A package names an object of type `Plugin` in its entry point group ``dsconv.plugins``. It is loaded
when a command needs what dsconv itself does not have, so plug-ins cost nothing until then.
`dsconv.plugins` has all that their authors need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsconv.errors import ToolkitError
from dsconv.formats.format import Format

GROUP = "dsconv.plugins"
"""The group of the entry points."""


@dataclass(frozen=True)
class FormatPlugin:
    """A format of files: a key for programs and a name for people.

    `matches` tells by its content whether a file or folder is of the format; it is asked about
    what dsconv itself cannot inspect, run or draw. `inspect`, `open_model` and `draw` are None
    where the plug-in cannot do that: `inspect` is called with the file, the format and the file's
    `Digest` and returns an `Inspection`; the others are called with the file and return a `Model`
    and an `OpGraph`.
    """

    key: str
    label: str
    matches: Callable[[Path], bool]
    inspect: Callable[[Path, Format, Any], Any] | None = None
    open_model: Callable[[Path], Any] | None = None
    draw: Callable[[Path], Any] | None = None

    @property
    def row(self) -> Format:
        """The format as dsconv's own are described."""
        return Format(
            self.key,
            self.label,
            lambda content: self.matches(content.path),
            inspect=self.inspect,
            open_model=self.open_model,
            draw=self.draw,
            no_drawing="its plug-in does not read the operations",
        )


@dataclass(frozen=True)
class Plugin:
    """All that a package adds: targets of the protocol `Target`, and formats."""

    targets: tuple[Any, ...] = ()
    formats: tuple[FormatPlugin, ...] = ()


@lru_cache
def plugins() -> tuple[Plugin, ...]:
    """The plug-ins that are installed, in the order of their names.

    Raises ToolkitError for one that cannot be loaded, and names it.
    """
    from importlib.metadata import entry_points

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


def plugin_targets() -> dict[str, Any]:
    """The targets of all plug-ins by their names."""
    return {target.name: target for plugin in plugins() for target in plugin.targets}


def plugin_formats() -> list[Format]:
    """The formats of all plug-ins."""
    return [each.row for plugin in plugins() for each in plugin.formats]
