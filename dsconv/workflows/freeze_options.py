"""What a user may ask of a frozen checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from dsconv.acoustic.export import ExportSettings
from dsconv.acoustic.versions import DEFAULT_EXPORTER, EXPORTERS, Exporter
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.steps import check_steps
from dsconv.workflows.model_card import ModelCard

Load: TypeAlias = Literal["auto", "best", "last"]


@dataclass(frozen=True)
class FreezeOptions:
    """What a checkpoint does not hold; the defaults are those of the exporters' flags.

    `n_steps` is -1 for any number of frames a call. Windows are in milliseconds. `load` chooses
    between the best and the last checkpoint of a folder, "auto" as the exporter does. None leaves
    `alphabet` to what lies beside the checkpoint, and `beam_width` and `language` to the exporter;
    an empty language is not written. A `card` is written beside the graph.
    """

    n_steps: int = ExportSettings.n_steps
    alphabet: Path | None = None
    bytes_output_mode: bool = False
    sample_rate: int = ExportSettings.sample_rate
    feature_win_len: int = ExportSettings.feature_win_len
    feature_win_step: int = ExportSettings.feature_win_step
    n_context: int = ExportSettings.n_context
    n_input: int = ExportSettings.n_input
    relu_clip: float = ExportSettings.relu_clip
    beam_width: int | None = None
    language: str | None = None
    batch_size: int = ExportSettings.batch_size
    exporter: str = DEFAULT_EXPORTER.name
    load: Load = "auto"
    card: ModelCard | None = None


def checked_exporter(options: FreezeOptions) -> Exporter:
    """The exporter that is asked for. Raises ConversionError for options that cannot be."""
    if options.exporter not in EXPORTERS:
        raise ConversionError(
            f"'{options.exporter}' is not an exporter that dsconv knows; pass one of "
            f"{', '.join(EXPORTERS)}."
        )
    if options.load not in get_args(Load):
        raise ConversionError(
            f"--load {options.load} is unknown; pass one of {', '.join(get_args(Load))}."
        )
    exporter = EXPORTERS[options.exporter]
    check_steps(options.n_steps)
    _check_sizes(options)
    _check_window("--feature-win-len", options.feature_win_len, options.sample_rate)
    _check_window("--feature-win-step", options.feature_win_step, options.sample_rate)
    if options.beam_width is not None and not exporter.writes_beam_width:
        raise ConversionError(
            f"the exporter {exporter.name} writes no beam width; leave out --beam-width, or pass "
            "another --exporter."
        )
    if options.bytes_output_mode and options.alphabet:
        raise ConversionError(
            "a model of bytes has no alphabet file; pass --alphabet or --bytes-output-mode."
        )
    return exporter


def _check_sizes(options: FreezeOptions) -> None:
    sizes = {
        "--audio-sample-rate": options.sample_rate,
        "--feature-win-len": options.feature_win_len,
        "--feature-win-step": options.feature_win_step,
        "--n-input": options.n_input,
        "--relu-clip": options.relu_clip,
        "--batch-size": options.batch_size,
    }
    if options.beam_width is not None:
        sizes["--beam-width"] = options.beam_width
    for option, size in sizes.items():
        # Written so that a NaN is refused too.
        if not size > 0:
            raise ConversionError(f"{option} {size} makes no sense; pass a number above 0.")
    if options.n_context < 0:
        raise ConversionError(f"--n-context {options.n_context} makes no sense; pass 0 or more.")


def _check_window(option: str, milliseconds: int, sample_rate: int) -> None:
    if milliseconds * sample_rate % 1000:
        raise ConversionError(
            f"{option} {milliseconds} is not a whole number of samples at {sample_rate} Hz; pass "
            "another length."
        )
