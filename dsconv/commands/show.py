"""Progress, tables and JSON, as a terminal or a pipe needs them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from dsconv.progress import Progress


@contextmanager
def progress_bar(label: str, quiet: bool) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing in a pipe; the share of the work moves it."""
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(length=1000, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield lambda share: bar.update(int(1000 * share) - bar.pos)


def print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rich(renderable: Any) -> None:
    """Print tables; outside a terminal plain text without the padding of the lines."""
    from rich.console import Console

    # Names of files and nodes are no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as capture:
        console.print(renderable)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()).rstrip())
