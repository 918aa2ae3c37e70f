"""Options that several commands have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dsconv.commands.sections import SectionOption

F = TypeVar("F", bound=Callable[..., Any])

_ANY_GRAPH = "Other networks, by the toolkit's converter"


def output_option(what: str) -> Callable[[F], F]:
    """--output, with what it names."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), help=what)


force_option = click.option("--force", is_flag=True, help="Replace existing files.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print only errors.")


beam_option = click.option(
    "--beam",
    type=click.IntRange(min=1),
    help="Width of the beam search. Default: the model's own.",
)
resample_option = click.option(
    "--resample",
    is_flag=True,
    help="Convert recordings to the sample rate of the model, and to mono.",
)


def _parse_shapes(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> dict[str | None, tuple[int, ...]]:
    """Shapes as in 1,16,19,26 or [1,16,19,26], by the name before a =; ? is dynamic."""
    shapes: dict[str | None, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if (name or None) in shapes:
            raise click.BadParameter("pass the shape of each input once.", ctx, param)
        try:
            numbers = (int(size.replace("?", "-1")) for size in sizes.strip("[]").split(","))
            shapes[name or None] = tuple(numbers)
        except ValueError:
            raise click.BadParameter("pass a shape, such as 1,16,19,26.", ctx, param) from None
    return shapes


def _parse_names(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    texts: tuple[str, ...],
) -> tuple[str, ...]:
    """Names as in a,b or given one by one."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _parse_values(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, Any]:
    """Values in JSON as in NAME=[1,2], by their names; what is not JSON is a string."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or name in values:
            raise click.BadParameter("pass NAME=VALUE once for each input.", ctx, param)
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


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


_NETWORK = "The network"


def network_option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """An option about the network that is converted."""
    return click.option(*names, cls=SectionOption, section=_NETWORK, **settings)


steps_option = network_option(
    "--n-steps", "steps", type=int, help="Frames per call; -1 for any number."
)
reference_evaluator_option = click.option(
    "--reference-evaluator",
    "evaluated",
    is_flag=True,
    help="Evaluate Core ML models in numpy, on macOS too.",
)


require_validation_option = click.option(
    "--require-validation",
    is_flag=True,
    help="Write nothing if the result cannot be compared with MODEL here.",
)


def overrides_options(function: F) -> F:
    """What the user knows better than the file."""
    options = [
        click.option(
            "--alphabet",
            type=click.Path(path_type=Path),
            help="A file with the labels of the classes, if MODEL does not hold them.",
        ),
        click.option(
            "--sample-rate",
            type=click.IntRange(min=1),
            help="Samples per second, if MODEL does not say it.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def network_options(
    *precisions: str, steps: Callable[[Any], Any] = steps_option
) -> Callable[[F], F]:
    """What can be asked of a target that holds a network; the first precision is the default."""
    options = [
        steps,
        network_option(
            "--input-shape",
            callback=_parse_shapes,
            multiple=True,
            help="The shape of the input, such as 1,16,19,26; NAME=SHAPE if there are several.",
        ),
        network_option(
            "--precision", type=click.Choice(precisions), help=f"Default: {precisions[0]}."
        ),
        network_option(
            "--lengths",
            type=click.Choice(["frozen", "input"]),
            help="frozen: all frames of a call are valid. input: their number is an input.",
        ),
        network_option(
            "--states",
            type=click.Choice(["io", "internal"]),
            help="io: states are inputs and outputs. internal: the model keeps them.",
        ),
        network_option(
            "--front-end",
            is_flag=True,
            help="Take the samples of a whole clip instead of features.",
        ),
        network_option(
            "--scores",
            # What logits were called in 0.1 is still taken, and not shown.
            type=click.Choice(["probabilities", "logits", "raw"]),
            metavar="[probabilities|logits]",
            default="probabilities",
            help="probabilities (the default), or logits: those before the softmax.",
        ),
        overrides_options,
        *_check_options(),
        *_toolkit_options(),
    ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class _Rate(click.FloatRange):
    """A number that is one: no limit is above NaN."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        rate = float(super().convert(value, param, ctx))
        if rate != rate:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return rate


def limit_options(function: F) -> F:
    """From which cost on a file fails."""
    options = [
        click.option("--strict", is_flag=True, help="Fail if a transcript differs."),
        click.option(
            "--max-cer",
            type=_Rate(min=0),
            metavar="RATE",
            help="Fail if the CER to MODEL's transcripts is above this.",
        ),
        click.option(
            "--max-wer-increase",
            type=_Rate(min=0),
            metavar="RATE",
            help="Fail if the WER is above MODEL's by more than this.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _check_options() -> list[Callable[[Any], Any]]:
    """How the result of a conversion is validated."""
    return [
        click.option(
            "--validate/--no-validate",
            default=True,
            help="Check the weights and the outputs of the result, the default, or not.",
        ),
        click.option(
            "--audio",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Speech of your own to compare on: a WAV, a folder of WAVs or a CSV of clips. "
            "Default: packaged English speech.",
        ),
        resample_option,
        limit_options,
    ]


def asked_check(asked: dict[str, Any], *, validate: bool) -> Any:
    """The `SpeechCheck` of a conversion, of what `network_options` give.

    Raises UsageError for options of a validation that is switched off.
    """
    from dsconv.workflows.speech_check import SpeechCheck

    names = ("audio", "resample", "strict", "max_cer", "max_wer_increase")
    check = SpeechCheck(**{name: asked.pop(name) for name in names})
    if not validate and check.asked:
        raise click.UsageError(
            f"{', '.join(check.asked)} is for the validation; leave out --no-validate."
        )
    return check


def _toolkit_options() -> list[Callable[[Any], Any]]:
    """How a network that dsconv does not know is cut and converted."""

    def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
        return click.option(*names, cls=SectionOption, section=_ANY_GRAPH, **settings)

    return [
        option(
            "--route",
            type=click.Choice(["auto", "build", "toolkit"]),
            default="auto",
            help="build: by dsconv. toolkit: by the toolkit's own converter. auto (the "
            "default): by that converter only if dsconv does not recognise the network.",
        ),
        option(
            "--inputs",
            callback=_parse_names,
            multiple=True,
            metavar="NAME,...",
            help="Tensors to feed. Default: the graph's inputs that the outputs need.",
        ),
        option(
            "--outputs",
            callback=_parse_names,
            multiple=True,
            metavar="NAME,...",
            help="Tensors to compute. Default: the results that no node uses.",
        ),
        option(
            "--freeze",
            callback=_parse_values,
            multiple=True,
            metavar="NAME=VALUE",
            help="Make an input a constant: a number, or a list such as [16].",
        ),
        option(
            "--check-inputs",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            metavar="FILE.npz",
            help="Compare with TensorFlow on these inputs, by their names. Default: random ones.",
        ),
    ]


def asked_options(asked: dict[str, Any], alphabet: Path | None, sample_rate: int | None) -> Any:
    """The `Options` of a conversion, of what `network_options` give."""
    from dsconv.acoustic.overrides import Overrides
    from dsconv.convert.options import Options
    from dsconv.convert.toolkit.options import ToolkitOptions

    shapes: dict[str | None, tuple[int, ...]] = asked.pop("input_shape")
    toolkit = ToolkitOptions(
        asked.pop("inputs"),
        asked.pop("outputs"),
        asked.pop("freeze"),
        {name: shape for name, shape in shapes.items() if name is not None},
        asked.pop("check_inputs"),
    )
    return Options(
        **asked,
        input_shape=shapes.get(None),
        overrides=Overrides.of(alphabet, sample_rate),
        toolkit=toolkit,
    )


def model_argument(default: str) -> Callable[[F], F]:
    """MODEL, a file in the current folder unless it is given."""
    return click.argument("model", type=click.Path(path_type=Path), default=default)
