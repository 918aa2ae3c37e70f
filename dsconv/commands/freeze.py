"""``dsconv freeze``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from dsconv.commands.command import SectionedCommand
from dsconv.commands.options import F, force_option, json_option, quiet_option
from dsconv.commands.sections import SectionOption
from dsconv.commands.show import print_json


class _ExporterChoice(click.Choice[str]):
    """The exporters in the table of versions, which is not read before they are asked for."""

    @property
    def choices(self) -> tuple[str, ...]:
        """Their names."""
        from dsconv.acoustic.versions import EXPORTERS

        return tuple(EXPORTERS)

    @choices.setter
    def choices(self, _: object) -> None:
        """What click's own constructor sets is not needed."""


class _ExporterOption(SectionOption):
    """An option whose default is in the table of versions."""

    def get_default(self, ctx: click.Context, call: bool = True) -> str:  # noqa: ARG002
        """The exporter unless another one is asked for."""
        from dsconv.acoustic.versions import DEFAULT_EXPORTER

        return DEFAULT_EXPORTER.name


def _section(heading: str) -> Callable[..., Callable[[F], F]]:
    """`click.option`, for options under a heading of the help."""
    return partial(click.option, cls=SectionOption, section=heading)


_graph_option = _section("The graph")
_training_option = _section("Settings of the training that the checkpoint does not hold")
_card_option = _section("The model card")


@click.command(cls=SectionedCommand)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@_graph_option(
    "--n-steps",
    type=int,
    default=16,
    show_default=True,
    help="Frames per call; -1 for any number.",
)
@_graph_option(
    "--exporter",
    cls=_ExporterOption,
    type=_ExporterChoice(()),
    show_default=True,
    help="The exporter whose graph to write.",
)
@_graph_option(
    "--load",
    "--load-evaluate",
    "load",
    type=click.Choice(["auto", "best", "last"]),
    default="auto",
    show_default=True,
    help="Which checkpoint of the folder to read; auto chooses as the exporter does.",
)
@_graph_option(
    "--batch-size",
    "--export-batch-size",
    "batch_size",
    type=int,
    default=1,
    show_default=True,
    help="Clips per call.",
)
@_graph_option(
    "--beam-width",
    "--export-beam-width",
    "beam_width",
    type=int,
    help="Default: 500; 0.6.1 has none.",
)
@_graph_option(
    "--language",
    "--export-language",
    "language",
    help='A tag such as de-Latn-DE, or "" for none. Default: the exporter\'s.',
)
@_training_option(
    "--alphabet",
    "--alphabet-config-path",
    "alphabet",
    type=click.Path(path_type=Path),
    help="The alphabet of the training. Default: the one beside the checkpoint, else English.",
)
@_training_option(
    "--bytes-output-mode",
    "--utf8",
    "bytes_output_mode",
    is_flag=True,
    help="The model was trained on the bytes of UTF-8.",
)
@_training_option(
    "--audio-sample-rate",
    "sample_rate",
    type=int,
    default=16000,
    show_default=True,
    help="Samples per second.",
)
@_training_option(
    "--feature-win-len", type=int, default=32, show_default=True, help="Length of a window, in ms."
)
@_training_option(
    "--feature-win-step",
    type=int,
    default=20,
    show_default=True,
    help="Step between windows, in ms.",
)
@_training_option("--n-input", type=int, default=26, show_default=True, help="Features per frame.")
@_training_option(
    "--n-context", type=int, default=9, show_default=True, help="Frames of context on either side."
)
@_training_option(
    "--relu-clip",
    type=float,
    default=20.0,
    show_default=True,
    help="Upper limit of the activations.",
)
@_card_option(
    "--metadata",
    "--model-card",
    "metadata",
    is_flag=True,
    help="Write the model card, AUTHOR_NAME_VERSION.md, beside the graph, as the exporter did. "
    "Each option below does this too.",
)
@_card_option("--export-author-id", "author_id", help="Default: author.")
@_card_option("--export-model-name", "model_name", help="Default: model.")
@_card_option("--export-model-version", "model_version", help="Default: 0.0.1.")
@_card_option("--export-contact-info", "contact_info", help="How to reach the author.")
@_card_option("--export-license", "license", help="SPDX identifier of the license.")
@_card_option("--export-description", "description", help="What the model is, in Markdown.")
@_card_option(
    "--export-min-ds-version",
    "--export-min-stt-version",
    "min_version",
    help="The oldest version of the runtimes that the model is for.",
)
@_card_option(
    "--export-max-ds-version", "--export-max-stt-version", "max_version", help="The newest one."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("output_graph.pb"),
    show_default=True,
    help="The file to write.",
)
@force_option
@json_option
@quiet_option
def freeze(
    checkpoint: Path,
    output: Path,
    force: bool,
    as_json: bool,
    quiet: bool,
    metadata: bool,
    **asked: Any,
) -> None:
    """Freeze CHECKPOINT to the graph that the original exporter makes from it.

    CHECKPOINT is a training folder of DeepSpeech 0.6 or later or of Coqui STT, the .index file of
    one of its checkpoints, or a SavedModel of Coqui STT. The sizes of the network are read from it.
    The defaults of the options are those of the exporter.
    """
    from dsconv.api import freeze_checkpoint
    from dsconv.workflows.freeze_options import FreezeOptions
    from dsconv.workflows.model_card import ModelCard

    about_model = {name: asked.pop(name) for name in vars(ModelCard())}
    about_model = {name: text for name, text in about_model.items() if text is not None}
    card = ModelCard(**about_model) if metadata or about_model else None
    frozen = freeze_checkpoint(checkpoint, output, FreezeOptions(**asked, card=card), force=force)
    if as_json:
        print_json(frozen.to_json())
    elif not quiet:
        click.echo(f"{frozen.output}: {frozen.bytes:,} bytes, {frozen.seconds:.2f} s")
        if frozen.card:
            click.echo(f"{frozen.card}: {frozen.card.stat().st_size:,} bytes")
    if not quiet:
        for note in frozen.notes:
            click.echo(f"dsconv: note: {note}", err=True)
