"""Freeze a training checkpoint: its weights go into the graph that the original exporter writes."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dsconv.acoustic.checkpoint import TrainedShape, read_weights, trained_shape
from dsconv.acoustic.export import ExportSettings, export_chunks
from dsconv.acoustic.versions import Exporter
from dsconv.errors import ConversionError, ModelError, about
from dsconv.formats.checkpoint.bundle import open_checkpoint
from dsconv.formats.checkpoint.locate import BEST, LAST, beside, find_checkpoint
from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.formats.output import check_writable, new_files
from dsconv.formats.storage import unreadable, write_chunks
from dsconv.speech.alphabet import BYTES_CLASSES, ENGLISH_CLASSES, Alphabet
from dsconv.workflows.freeze_options import FreezeOptions, Load, checked_exporter

_ALPHABET_NAME = "alphabet.txt"
_ENGLISH = "the default, English"


@dataclass(frozen=True)
class Frozen:
    """A frozen checkpoint.

    `checkpoint` is what the names of its files start with. `bytes` are those of the graph.
    `alphabet` says where the alphabet comes from. `notes` are for the user.
    """

    checkpoint: Path
    output: Path
    card: Path | None
    bytes: int
    seconds: float
    exporter: str
    n_hidden: int
    n_steps: int
    classes: int
    layer_norm: bool
    alphabet: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        paths = {"checkpoint": str(self.checkpoint), "output": str(self.output)}
        card = str(self.card) if self.card else None
        return {"schema_version": 1, **asdict(self), **paths, "card": card}


def freeze_checkpoint(
    checkpoint: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: FreezeOptions | None = None,
    *,
    force: bool = False,
) -> Frozen:
    """Write the graph of a checkpoint.

    `checkpoint` is its folder, its .index file, the start of its files, or a SavedModel's folder.

    Raises ModelError if the checkpoint or the alphabet is missing or damaged, ConversionError if
    they do not fit each other or the options, and OutputError if the output cannot be written.
    """
    start = time.perf_counter()
    options, output = options or FreezeOptions(), Path(output)
    exporter = checked_exporter(options)
    paths = _outputs(options, output)
    for path in paths:
        check_writable(path, force=force)
    opened = open_checkpoint(find_checkpoint(Path(checkpoint), _states(exporter, options.load)))
    shape = trained_shape(opened)
    alphabet, origin = _find_alphabet(exporter, options, opened.prefix, shape.classes)
    with about(opened.prefix):
        settings = _settings(exporter, options, shape, alphabet)
    weights = read_weights(opened, shape.n_hidden, settings)
    with new_files(paths, force=force) as folder:
        with (folder / output.name).open("xb") as file:
            write_chunks(file, export_chunks(weights, settings))
            size = file.tell()
        for path in paths[1:]:
            assert options.card is not None
            text = options.card.text(exporter, options.language)
            (folder / path.name).write_bytes(text.encode())
    return Frozen(
        opened.prefix,
        output,
        paths[1] if paths[1:] else None,
        size,
        time.perf_counter() - start,
        exporter.name,
        shape.n_hidden,
        options.n_steps,
        shape.classes,
        shape.layer_norm,
        origin,
        _notes(options, origin),
    )


def _outputs(options: FreezeOptions, output: Path) -> list[Path]:
    """The files to write: the graph, and the card if there is one."""
    if options.card is None:
        return [output]
    card = output.with_name(options.card.file_name)
    if card == output:
        raise ConversionError(
            f"{output} is the name of the model's description too; pass another --output."
        )
    return [output, card]


def _states(exporter: Exporter, load: Load) -> tuple[str, ...]:
    """The files that name the checkpoint of a folder, in the order in which they count."""
    named = {"best": (BEST,), "last": (LAST,)}
    return named.get(load, (BEST, LAST) if exporter.loads_best else (LAST,))


def _find_alphabet(
    exporter: Exporter, options: FreezeOptions, prefix: Path, classes: int
) -> tuple[Alphabet, str]:
    """The alphabet and where it comes from.

    Coqui STT keeps an alphabet beside its checkpoints and in its SavedModels; DeepSpeech's
    exporters take the English one if they are given no other. Raises ConversionError if none fits
    the classes of the checkpoint.
    """
    kept = next((path for path in beside(prefix, _ALPHABET_NAME) if path.is_file()), None)
    if options.bytes_output_mode:
        alphabet, origin = Alphabet.of_bytes(), "the bytes of UTF-8"
    elif path := options.alphabet or kept:
        alphabet, origin = _read_alphabet(path), str(path)
    elif exporter.assumes_english and classes == ENGLISH_CLASSES:
        alphabet, origin = Alphabet.english(), _ENGLISH
    else:
        raise ConversionError(
            f"{prefix}: the checkpoint has {classes} classes, and does not say what they stand "
            f"for; {_advice(classes)}"
        )
    labels = len(alphabet.labels)
    if labels + 1 != classes:
        raise ConversionError(
            f"{prefix}: the checkpoint has {classes} classes, and the alphabet ({origin}) has "
            f"{labels} labels, {labels + 1} classes with the blank; {_advice(classes)}"
        )
    return alphabet, origin


def _advice(classes: int) -> str:
    advice = "pass --alphabet with the file that it was trained with"
    if classes == BYTES_CLASSES:
        return f"{advice}, or --bytes-output-mode if it was trained so."
    return f"{advice}."


def _read_alphabet(path: Path) -> Alphabet:
    try:
        return Alphabet.from_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; pass the path of an alphabet file.") from None
    except OSError as error:
        raise unreadable(path, error) from error


def _settings(
    exporter: Exporter, options: FreezeOptions, shape: TrainedShape, alphabet: Alphabet
) -> ExportSettings:
    """What the exporter is told. Raises ConversionError if the windows are not the checkpoint's."""
    language = exporter.default_language if options.language is None else options.language
    settings = ExportSettings(
        alphabet,
        n_steps=options.n_steps,
        sample_rate=options.sample_rate,
        feature_win_len=options.feature_win_len,
        feature_win_step=options.feature_win_step,
        n_context=options.n_context,
        n_input=options.n_input,
        relu_clip=options.relu_clip,
        beam_width=options.beam_width or ExportSettings.beam_width,
        # As in the exporters, an empty one is none.
        language=language or None,
        batch_size=options.batch_size,
        layer_norm=shape.layer_norm,
        exporter=exporter,
    )
    if settings.window_values != shape.window_values:
        raise ConversionError(
            f"the checkpoint's 'layer_1/weights' take {shape.window_values} values per frame, and "
            f"{options.n_context} frames of context on either side with {options.n_input} features "
            f"each make {settings.window_values}; pass the --n-context and --n-input that it was "
            "trained with."
        )
    return settings


def _notes(options: FreezeOptions, alphabet: str) -> tuple[str, ...]:
    """What the user should know of the result."""
    notes = []
    if alphabet == _ENGLISH:
        notes.append(
            "no alphabet was given, so the English one is taken, as by the original exporter; if "
            "it was trained with another, pass --alphabet."
        )
    if options.n_steps == DYNAMIC:
        notes.append(
            "the original runtimes do not open a graph for any number of frames; for them, pass "
            "--n-steps 16."
        )
    if options.batch_size != 1:
        notes.append(
            "the original runtimes transcribe nothing with a graph for more than one clip at a "
            "time; for them, pass --batch-size 1."
        )
    return tuple(notes)
