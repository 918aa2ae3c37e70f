"""The table of `dsconv formats`; it fits 80 columns."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from dsconv.convert.target import Target


def render_formats(targets: list[Target]) -> RenderableType:
    """Each target, whether it is installed, and how to install it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "format", "installed"):
        table.add_column(heading, overflow="fold")
    for target in targets:
        toolkit = target.toolkit
        missing = toolkit is not None and toolkit.missing
        table.add_row(target.name, target.label, toolkit.install if missing and toolkit else "yes")
    return table
