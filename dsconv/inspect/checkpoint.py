"""Inspect a checkpoint that a training saved: its variables, and the network that they make."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsconv.acoustic.checkpoint import TrainedShape, trained_shape, weight_names
from dsconv.acoustic.export import ExportSettings
from dsconv.errors import ConversionError, ModelError
from dsconv.formats.checkpoint.bundle import Checkpoint, open_checkpoint
from dsconv.formats.checkpoint.files import checkpoint_files
from dsconv.formats.checkpoint.locate import BEST, LAST, beside, find_checkpoint
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.storage import disk_size
from dsconv.inspect.identity import STREAMING, UNKNOWN, Identity
from dsconv.inspect.report import CheckpointInfo, Inspection, WeightInfo, weight_types
from dsconv.speech.alphabet import BYTES_CLASSES, ENGLISH_CLASSES

_STEP = "global_step"


@dataclass(frozen=True)
class Trained:
    """A checkpoint that was read.

    `shape` is that of its network, None if it is not known; `refusal` says why it is not frozen,
    None if it is; `missing` names data files.
    """

    checkpoint: Checkpoint
    shape: TrainedShape | None
    refusal: str | None
    missing: tuple[str, ...]

    @property
    def variables(self) -> list[WeightInfo]:
        """All variables of the checkpoint."""
        return [
            WeightInfo(
                each.name, each.dtype.label, list(each.shape), math.prod(each.shape), each.bytes
            )
            for each in self.checkpoint.variables
        ]

    @property
    def weights(self) -> list[WeightInfo]:
        """The weights of the network; all variables if it is not known."""
        names = weight_names(self.checkpoint) if self.shape else tuple(self.checkpoint)
        return [variable for variable in self.variables if variable.name in names]

    @property
    def weight_types(self) -> str:
        """The types of the weights, the one with the most bytes first."""
        return ", ".join(weight_types(self.weights)) or "none"

    def info(self, chosen_by: str | None = None, others: Sequence[str] = ()) -> CheckpointInfo:
        """What the report says of the checkpoint."""
        return CheckpointInfo(
            prefix=str(self.checkpoint.prefix),
            chosen_by=chosen_by,
            others=list(others),
            missing=list(self.missing),
            step=_training_step(self.checkpoint),
            variables=self.variables,
            window_values=self.shape.window_values if self.shape else None,
            refusal=self.refusal,
        )

    def next_step(self, path: Path) -> str:
        """How to come to a frozen graph from the checkpoint at this path."""
        if self.shape is None or self.refusal is not None:
            return f"`dsconv freeze` does not take it: {self.refusal}"
        kept = any(file.is_file() for file in beside(self.checkpoint.prefix, "alphabet.txt"))
        words = ["dsconv freeze", shlex.quote(str(path)), *_needed_options(self.shape, kept)]
        either = ""
        if "--bytes-output-mode" in words:
            either = ", or with --alphabet FILE instead if it was trained with one"
        return f"`{' '.join(words)}` writes its output_graph.pb{either}."


def read_trained(prefix: Path) -> Trained:
    """Read the index of a checkpoint. Raises ModelError if it is missing or damaged."""
    checkpoint = open_checkpoint(prefix)
    missing = tuple(file.name for file in checkpoint.files if not file.exists())
    try:
        shape = trained_shape(checkpoint)
    except (ConversionError, ModelError) as error:
        return Trained(checkpoint, None, str(error).removeprefix(f"{prefix}: "), missing)
    refusal = None
    if missing:
        refusal = f"its data file {missing[0]} is missing; copy it into the folder of its .index."
    return Trained(checkpoint, shape, refusal, missing)


def inspect_checkpoint(path: Path, found: Format, digest: Digest) -> Inspection:
    """Inspect a checkpoint, given by its folder, one of its files or the start of their names.

    Raises ModelError if it is missing or damaged, or if a folder does not say which one it is.
    """
    prefix = find_checkpoint(path)
    trained = read_trained(prefix)
    return Inspection(
        path=str(path),
        format=found.key,
        format_label=found.label,
        bytes=disk_size(*checkpoint_files(path)[1]),
        sha256=digest.hexdigest(),
        identity=_identity(trained),
        inputs=[],
        outputs=[],
        states=[],
        metadata={},
        nodes=0,
        ops={},
        weights=trained.weights,
        opened_by=[],
        not_opened_because="they read frozen graphs",
        converts_to=[],
        checkpoint=trained.info(_chosen_by(path), _others(path, prefix)),
        next_step=trained.next_step(path),
    )


def _identity(trained: Trained) -> Identity:
    """What the variables tell; the rest is told when the checkpoint is frozen."""
    shape = trained.shape
    return Identity(
        network=STREAMING if shape else UNKNOWN,
        exported_by=None,
        frozen=False,
        weights=trained.weight_types,
        quantized=False,
        graph_version=None,
        n_hidden=shape.n_hidden if shape else None,
        steps=None,
        batch=None,
        context=None,
        features=None,
        classes=shape.classes if shape else None,
        alphabet=None,
        bytes_output=None,
        output=None,
        states="none",
        takes_lengths=False,
        layer_norm=shape.layer_norm if shape else False,
        forget_bias=None,
        sample_rate=None,
        window=None,
        window_step=None,
        beam_width=None,
        language=None,
    )


def _chosen_by(path: Path) -> str | None:
    """The file of a folder that says which of its checkpoints to take."""
    if not path.is_dir():
        return None
    return next((name for name in (BEST, LAST) if (path / name).is_file()), None)


def _others(path: Path, prefix: Path) -> list[str]:
    if not path.is_dir():
        return []
    found = sorted(file.with_suffix("") for file in prefix.parent.glob("*.index"))
    return [str(each) for each in found if each != prefix]


def _needed_options(shape: TrainedShape, kept: bool) -> list[str]:
    """What `dsconv freeze` has to be told, as no default fits.

    `kept` says whether an alphabet lies beside the checkpoint.
    """
    options = []
    if shape.classes == BYTES_CLASSES and not kept:
        options.append("--bytes-output-mode")
    elif shape.classes != ENGLISH_CLASSES and not kept:
        options.append("--alphabet FILE")
    usual = (2 * ExportSettings.n_context + 1) * ExportSettings.n_input
    if shape.window_values != usual:
        options.append("--n-context FRAMES --n-input FEATURES")
    return options


def _training_step(checkpoint: Checkpoint) -> int | None:
    """The number that a training counts its steps with, None if it is not there or damaged."""
    try:
        return int(checkpoint.tensor(_STEP).numbers()[0]) if _STEP in checkpoint else None
    except (IndexError, ModelError):
        return None
