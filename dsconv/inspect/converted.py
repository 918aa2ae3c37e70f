"""From what a reader finds in a converted file, of whatever format, to the report on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.names import LENGTHS, PROBABILITIES, STATE_C, STATE_H
from dsconv.formats.digest import Digest
from dsconv.formats.format import Format
from dsconv.formats.storage import disk_size
from dsconv.inspect.identity import STREAMING, UNKNOWN, Identity, metadata_values
from dsconv.inspect.report import (
    CoreMlInfo,
    Inspection,
    StateInfo,
    TensorInfo,
    WeightInfo,
    weight_types,
)
from dsconv.inspect.runtimes import Runtimes

_QUANTIZED = ("int4", "int8", *(f"uint{bits}" for bits in range(1, 9)))
_NORMALIZATIONS = ("LAYERNORMALIZATION", "LAYER_NORM", "MVN", "SQUARED_DIFFERENCE")
_SOFTMAXES = ("SOFTMAX", "SOFTMAXND")


@dataclass
class ConvertedFile:
    """What a reader finds in a file. `produced_by` is what wrote it, by the file's own account.

    `source_sha256` is that of the graph that it was made from, where dsconv wrote it; `states` are
    those that are kept inside the model; `classes` is their number where outputs have no shapes.
    """

    inputs: list[TensorInfo] = field(default_factory=list)
    outputs: list[TensorInfo] = field(default_factory=list)
    ops: Counter[str] = field(default_factory=Counter)
    weights: list[WeightInfo] = field(default_factory=list)
    metadata: Metadata = field(default_factory=Metadata)
    produced_by: str | None = None
    source_sha256: str | None = None
    states: list[TensorInfo] = field(default_factory=list)
    classes: int | None = None
    core_ml: CoreMlInfo | None = None


def inspection_of(
    path: Path, found: Format, digest: Digest, file: ConvertedFile, runtimes: Runtimes
) -> Inspection:
    """The report on a converted file."""
    values = metadata_values(file.metadata)
    if file.source_sha256:
        values["source_sha256"] = file.source_sha256
    return Inspection(
        path=str(path),
        format=found.key,
        format_label=found.label,
        bytes=disk_size(path),
        sha256=digest.hexdigest(),
        identity=identify_file(file),
        inputs=file.inputs,
        outputs=file.outputs,
        states=_states(file),
        metadata=values,
        nodes=file.ops.total(),
        ops=dict(file.ops.most_common()),
        weights=file.weights,
        opened_by=list(runtimes.opened_by),
        not_opened_because=runtimes.reason,
        converts_to=[],
        compression=_compression(file.weights),
        core_ml=file.core_ml,
    )


def identify_file(file: ConvertedFile) -> Identity:
    """Which acoustic model a file holds, as far as its interface and its metadata tell."""
    shapes = {tensor.name: tensor.shape for tensor in file.outputs}
    windows = next((t.shape for t in file.inputs if t.shape and len(t.shape) == 4), None)
    batch, steps, frames, features = windows or (None, None, None, None)
    states = _states(file)
    scores = shapes.get(PROBABILITIES)
    classes = scores[-1] if scores else file.classes
    alphabet = file.metadata.alphabet
    types = weight_types(file.weights)
    metadata = file.metadata
    return Identity(
        network=_network(file, windows is not None),
        exported_by=file.produced_by,
        frozen=True,
        weights=", ".join(types) or "none",
        quantized=any(dtype in _QUANTIZED for dtype in types),
        graph_version=metadata.version,
        n_hidden=states[0].shape[-1] if states and states[0].shape else None,
        steps=steps,
        batch=batch,
        context=(frames - 1) // 2 if frames else None,
        features=features,
        classes=classes,
        alphabet=alphabet.texts if alphabet else None,
        bytes_output=alphabet.is_bytes if alphabet else None,
        output=_output_kind(file) if classes else None,
        states=_state_kind(file, states),
        takes_lengths=any(map(_is_lengths, file.inputs)),
        layer_norm=any(op.upper() in _NORMALIZATIONS for op in file.ops),
        forget_bias=None,
        sample_rate=metadata.sample_rate,
        window=metadata.feature_win_len,
        window_step=metadata.feature_win_step,
        beam_width=metadata.beam_width,
        language=metadata.language,
    )


def _network(file: ConvertedFile, takes_windows: bool) -> str:
    if all(tensor.name != PROBABILITIES for tensor in file.outputs):
        return UNKNOWN
    if takes_windows:
        return STREAMING
    return "LSTM acoustic model of whole clips of samples"


def _is_lengths(tensor: TensorInfo) -> bool:
    """Whether an input is the numbers of valid frames; neural networks of Core ML take floats."""
    is_vector = len(tensor.shape or []) == 1
    return is_vector and (tensor.dtype == "int32" or tensor.name == LENGTHS)


def _states(file: ConvertedFile) -> list[StateInfo]:
    inputs = {tensor.name: tensor for tensor in file.inputs}
    after = {tensor.name for tensor in file.outputs}
    states = [
        StateInfo(before, new, inputs[before].shape, inputs[before].dtype)
        for before, new in (STATE_C, STATE_H)
        if before in inputs and new in after
    ]
    return states + [StateInfo(t.name, t.name, t.shape, t.dtype) for t in file.states]


def _state_kind(file: ConvertedFile, states: list[StateInfo]) -> str:
    if file.states or "ReadValue" in file.ops:
        return "inside the model"
    return "inputs and outputs" if states else "none"


def _output_kind(file: ConvertedFile) -> str:
    return "probabilities" if any(op.upper() in _SOFTMAXES for op in file.ops) else "logits"


def _compression(weights: list[WeightInfo]) -> list[str]:
    """The ways of compression, the one with the most parameters first."""
    sizes: Counter[str] = Counter()
    for weight in weights:
        if weight.compression is not None:
            sizes[weight.compression] += weight.parameters
    return [compression for compression, _ in sizes.most_common()]
