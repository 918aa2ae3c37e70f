"""What all commands have in common: errors of one line, and help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from dsconv.commands.sections import write_sections
from dsconv.errors import DsconvError


class Command(click.Command):
    """A command whose errors are one line and an exit code; --traceback shows where they arose."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        option = click.Option(
            ["--traceback"],
            is_flag=True,
            help="Show the traceback of an error.",
            expose_value=False,
        )
        self.params.append(option)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["traceback"] = "--traceback" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DsconvError as error:
            if ctx.meta["traceback"]:
                raise
            report_error(error)
            ctx.exit(error.exit_code)


class SectionedCommand(Command):
    """A command with so many options that its help has headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_sections(self.get_params(ctx), ctx, formatter)


class Group(click.Group):
    """The group of all commands, in the order in which they are defined.

    A name that is none of them may be a target of a plug-in: `plugin_command` makes a command of
    it, or gives None.
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        plugin_names: Callable[[], list[str]] = list,
        plugin_command: Callable[[str], click.Command | None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._plugin_names = plugin_names
        self._plugin_command = plugin_command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*self.commands, *self._plugin_names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of dsconv's commands, else one of a plug-in."""
        try:
            return super().get_command(ctx, cmd_name) or self._plugin_command(cmd_name)
        except DsconvError as error:
            report_error(error)
            ctx.exit(error.exit_code)


def report_error(error: DsconvError) -> None:
    """Print an error as one line."""
    click.echo(f"dsconv: {' '.join(str(error).split())}", err=True)
