"""Options under headings in a command's help, for commands that have many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click


class SectionOption(click.Option):
    """An option that the help lists under a heading."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def write_sections(
    parameters: Iterable[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """List the options under their headings, in the order in which the headings appear.

    Options without a heading come last.
    """
    sections: dict[str, list[tuple[str, str]]] = {}
    others: list[tuple[str, str]] = []
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is None or not isinstance(parameter, click.Option):
            continue
        if isinstance(parameter, SectionOption):
            sections.setdefault(parameter.section, []).append(record)
        else:
            others.append(record)
    for heading, records in (*sections.items(), ("Options", others)):
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)
