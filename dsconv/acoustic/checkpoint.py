"""The weights of an acoustic model among the variables of a training checkpoint.

Sizes are read from the shapes of the variables. Everything in a checkpoint must be known: the
weights themselves, what an optimizer keeps for each of them, and single numbers such as the step.

Source: `create_model` and `create_optimizer` in DeepSpeech 0.9.3's training code. Its CuDNN
training saves the LSTM under the same names and in the same form as the rest does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dsconv.acoustic.export import LSTM, ExportSettings, norm_weights, weight_shapes
from dsconv.acoustic.versions import FREEZABLE, VERSIONS, label_of
from dsconv.errors import ConversionError, ModelError, about
from dsconv.formats.checkpoint.bundle import Checkpoint
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.tensor import Tensor

_LAYERS = ("layer_1", "layer_2", "layer_3", "layer_5", "layer_6")
_NORMALIZED = _LAYERS[:-1]
_KERNEL = f"{LSTM}/kernel"
# The LSTM as CuDNN keeps it in memory; its optimizer's values are saved under this name.
_OPAQUE_KERNEL = "cudnn_lstm/opaque_kernel"

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class TrainedShape:
    """The sizes of a trained network, `window_values` being those of one input frame."""

    n_hidden: int
    classes: int
    window_values: int
    layer_norm: bool


def trained_shape(checkpoint: Checkpoint) -> TrainedShape:
    """The sizes of the network in a checkpoint.

    Raises ModelError if a weight is missing, and ConversionError if there are weights that
    belong to no network of the original training code.
    """
    with about(checkpoint.prefix):
        _check_names(checkpoint)
        window_values, n_hidden = _matrix(checkpoint, "layer_1/weights")
        _, classes = _matrix(checkpoint, "layer_6/weights")
        return TrainedShape(n_hidden, classes, window_values, _has_norms(checkpoint))


def read_weights(
    checkpoint: Checkpoint, n_hidden: int, settings: ExportSettings
) -> dict[str, Tensor]:
    """The weights for `export_chunks`, each on the mapped file.

    Raises ModelError if one is damaged, and ConversionError if one is of another shape or type
    than the settings ask for.
    """
    with about(checkpoint.prefix):
        weights = {}
        for name, shape in weight_shapes(n_hidden, settings).items():
            if checkpoint[name] != shape:
                raise ConversionError(
                    f"variable '{name}' has the shape {list(checkpoint[name])} where a network of "
                    f"{n_hidden} hidden units has {list(shape)}; the training code was changed."
                )
            weights[name] = checkpoint.tensor(name)
            if weights[name].dtype is not DataType.FLOAT:
                raise ConversionError(
                    f"variable '{name}' is in {weights[name].dtype.label}, not in float32; save "
                    "the checkpoint without mixed precision."
                )
        return weights


def _check_names(shapes: Shapes) -> None:
    """Refuse missing weights, and variables that may be part of another network."""
    earlier = [
        version
        for version in VERSIONS
        if version.variables and all(name in shapes for name in version.variables)
    ]
    if earlier:
        raise ConversionError(
            f"it is a checkpoint of {label_of(earlier)}, and dsconv freezes those of {FREEZABLE}; "
            "export a graph with that version's training code (--export_dir) and convert it."
        )
    if not any(name in shapes for name in ("layer_1/weights", _KERNEL, _OPAQUE_KERNEL)):
        raise ModelError(
            f"it is a checkpoint, but not of an acoustic model of {FREEZABLE}; its first variables "
            f"are {', '.join(list(shapes)[:3]) or 'none'}."
        )
    if _OPAQUE_KERNEL in shapes and _KERNEL not in shapes:
        raise ConversionError(
            f"its LSTM is in CuDNN's own form only ('{_OPAQUE_KERNEL}'), which only CuDNN reads; "
            "save it with the original training code, which writes the usual form too."
        )
    expected = weight_names(shapes)
    missing = [name for name in expected if name not in shapes]
    if missing:
        raise ModelError(
            f"the checkpoint has no variable '{missing[0]}'"
            + (f" and {len(missing) - 1} more of the weights" if missing[1:] else "")
            + "; pass the checkpoint of a whole network."
        )
    for name, shape in shapes.items():
        if shape and not _belongs(name, (*expected, _OPAQUE_KERNEL)):
            raise ConversionError(
                f"variable '{name}' {list(shape)} belongs to no network of the original training "
                "code, so freezing without it would change the model; use the code that made it."
            )


def weight_names(shapes: Shapes) -> tuple[str, ...]:
    """The weights that a network has, with those of its normalizations if it has any."""
    names = [f"{layer}/{weight}" for layer in _LAYERS for weight in ("bias", "weights")]
    names += [_KERNEL, f"{LSTM}/bias"]
    if _has_norms(shapes):
        names += [name for layer in _NORMALIZED for name in norm_weights(layer)]
    return tuple(names)


def _has_norms(shapes: Shapes) -> bool:
    return any(name in shapes for layer in _NORMALIZED for name in norm_weights(layer))


def _belongs(name: str, weights: tuple[str, ...]) -> bool:
    """Whether a variable is a weight, or what an optimizer keeps for it, such as WEIGHT/Adam_1."""
    return name in weights or name.rpartition("/")[0] in weights


def _matrix(shapes: Shapes, name: str) -> tuple[int, int]:
    if len(shapes[name]) != 2:
        raise ModelError(f"variable '{name}' has the shape {list(shapes[name])}, not of a matrix.")
    rows, columns = shapes[name]
    return rows, columns
