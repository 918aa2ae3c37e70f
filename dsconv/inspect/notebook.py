"""Results as a notebook shows them: the tables of the command line."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

_PRE = '<pre style="line-height: normal; white-space: pre; overflow-x: auto">{code}</pre>'


def table_html(renderable: RenderableType) -> str:
    """A table of the command line as HTML."""
    from rich.console import Console

    console = Console(record=True, width=80, file=io.StringIO(), highlight=False, markup=False)
    console.print(renderable)
    return console.export_html(inline_styles=True, code_format=_PRE)


def text_html(text: str) -> str:
    """A text of the command line as HTML."""
    return _PRE.format(code=html.escape(text))
