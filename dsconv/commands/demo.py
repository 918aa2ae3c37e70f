"""``dsconv fixture`` and ``dsconv demo``."""

from __future__ import annotations

from pathlib import Path

import click

from dsconv.commands.command import Command
from dsconv.commands.options import force_option, json_option, output_option, quiet_option
from dsconv.commands.show import print_json, print_rich


@click.command(cls=Command)
@click.option(
    "--n-hidden",
    type=click.IntRange(min=1),
    help="Write a random model with this many hidden units; released models have 2048.",
)
@click.option("--n-steps", type=int, help="Frames per call; -1 for any number. Default: 16.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the random weights. Default: 0.")
@output_option("The folder to write into. Default: the current folder.")
@force_option
@json_option
@quiet_option
def fixture(
    n_hidden: int | None,
    n_steps: int | None,
    seed: int | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the demo model and its speech, or a random model of any size.

    The demo model transcribes the clips that are written beside it. A random model has the graph of
    an original export, and exactly its size, but random weights.
    """
    from dsconv.fixtures.write import write_demo_model, write_random_model

    if seed is not None and n_hidden is None:
        raise click.UsageError("--seed needs --n-hidden, because the demo model is not random.")
    folder = output or Path()
    if n_hidden is None:
        files = write_demo_model(folder, n_steps, force=force)
    else:
        steps = 16 if n_steps is None else n_steps
        files = write_random_model(folder, n_hidden, steps, seed or 0, force=force)
    sizes = {str(path): path.stat().st_size for path in files}
    if as_json:
        listed = [{"path": path, "bytes": size} for path, size in sizes.items()]
        print_json({"schema_version": 1, "files": listed})
    elif not quiet:
        for path, size in sizes.items():
            click.echo(f"{path}: {size:,} bytes")


@click.command(cls=Command)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("dsconv-demo"),
    show_default=True,
    help="The folder to write into.",
)
@force_option
@json_option
def demo(output: Path, force: bool, as_json: bool) -> None:
    """Run dsconv on its demo model, in a new folder.

    Writes the demo model, converts it to every format, inspects each graph, and prints a table of
    the files, their sizes and the time that each took.
    """
    from dsconv.workflows.demo import render, run_demo

    result = run_demo(output, force=force, say=str if as_json else click.echo)
    if as_json:
        print_json(result.to_json())
    else:
        print_rich(render(result))
