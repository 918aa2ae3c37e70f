"""``dsconv inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dsconv.commands.command import Command, report_error
from dsconv.commands.options import force_option, json_option
from dsconv.commands.show import print_json
from dsconv.errors import DsconvError


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--graph",
    "drawing",
    type=click.Path(path_type=Path),
    help="Draw the graph as an SVG, with its scopes folded. Pass a single file.",
)
@force_option
@json_option
@click.pass_context
def inspect(
    ctx: click.Context, files: tuple[Path, ...], drawing: Path | None, force: bool, as_json: bool
) -> None:
    """Show what is in FILES: format, network, inputs, outputs, weights, possible targets.

    The format is recognised by the content of a file, whatever its name. All files are inspected.
    The exit code is that of the first file that fails.
    """
    from dsconv.acoustic.source import Source
    from dsconv.formats.output import check_writable
    from dsconv.inspect.report import SCHEMA_VERSION
    from dsconv.workflows.inspection import inspect_model

    if drawing is not None:
        if len(files) != 1:
            raise click.UsageError("--graph draws a single file; pass only one.")
        check_writable(drawing, force=force)
    inspected: list[dict[str, Any]] = []
    errors: list[DsconvError] = []
    for number, path in enumerate(files):
        try:
            source = Source(path)
            inspection = inspect_model(source)
        except DsconvError as error:
            if ctx.meta["traceback"]:
                raise
            errors.append(error)
            inspected.append({"path": str(path), "error": str(error)})
            report_error(error)
            continue
        inspected.append(inspection.to_json())
        if not as_json:
            from dsconv.inspect.report import render

            click.echo(("\n" if number else "") + render(inspection))
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "files": inspected})
    if drawing is not None and not errors:
        from dsconv.inspect.drawing.draw import draw_graph

        draw_graph(source, drawing, force=force)
    if errors:
        ctx.exit(errors[0].exit_code)
