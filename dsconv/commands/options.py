"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def output_option(what: str) -> Callable[[F], F]:
    """--output, with what it names."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), help=what)


force_option = click.option("--force", is_flag=True, help="Replace files that exist.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")


beam_option = click.option(
    "--beam",
    type=click.IntRange(min=1),
    help="Width of the beam search; the model's own by default.",
)
resample_option = click.option(
    "--resample", is_flag=True, help="Convert recordings of other rates or channels."
)


def _parse_shape(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Sizes as in 1,16,19,26 or [1,16,19,26]; a ? is any size."""
    if text is None:
        return None
    try:
        return tuple(int(size.replace("?", "-1")) for size in text.strip("[]").split(","))
    except ValueError:
        raise click.BadParameter("pass sizes, such as 1,16,19,26.", ctx, param) from None


def parse_steps(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> int | tuple[int, ...] | None:
    """A number of steps, or a choice of them as in 1,16,32."""
    if text is None:
        return None
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("pass a number, or several as in 1,16,32.", ctx, param) from None
    return steps[0] if len(steps) == 1 else steps


steps_option = click.option(
    "--n-steps", "steps", type=int, help="Frames per call; -1 for any number."
)
reference_evaluator_option = click.option(
    "--reference-evaluator",
    "evaluated",
    is_flag=True,
    help="Run Core ML models in numpy on macOS too.",
)


def overrides_options(function: F) -> F:
    """What the user knows better than the file."""
    options = [
        click.option(
            "--alphabet",
            type=click.Path(path_type=Path),
            help="The labels of the classes, where MODEL does not hold them.",
        ),
        click.option(
            "--sample-rate",
            type=click.IntRange(min=1),
            help="Samples a second, where MODEL does not say it.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def network_options(
    *precisions: str, steps: Callable[[Any], Any] = steps_option
) -> Callable[[F], F]:
    """What can be asked of a target that builds the network afresh; the first is the default."""
    options = [
        steps,
        click.option(
            "--input-shape", callback=_parse_shape, help="The same as a shape, such as 1,16,19,26."
        ),
        click.option(
            "--precision", type=click.Choice(precisions), help=f"Default: {precisions[0]}."
        ),
        click.option(
            "--lengths",
            type=click.Choice(["frozen", "input"]),
            help="All frames of a call are valid, or their number is an input.",
        ),
        click.option(
            "--states",
            type=click.Choice(["io", "internal"]),
            help="Inputs and outputs, or kept inside the model.",
        ),
        click.option(
            "--front-end", is_flag=True, help="Take the samples of a whole clip, not features."
        ),
        click.option(
            "--scores",
            type=click.Choice(["probabilities", "raw"]),
            default="probabilities",
            help="What comes out: after a softmax, the default, or before.",
        ),
        overrides_options,
        click.option(
            "--validate/--no-validate",
            default=True,
            help="Compare the result with MODEL on the packaged speech; the default.",
        ),
    ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def model_argument(default: str) -> Callable[[F], F]:
    """MODEL, a file in the current folder unless it is given."""
    return click.argument("model", type=click.Path(path_type=Path), default=default)
