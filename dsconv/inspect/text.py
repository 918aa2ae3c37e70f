"""The facts of an inspection as rows of text: a label, and what there is to say."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.facts import (
    CheckpointInfo,
    CoreMlInfo,
    SignatureInfo,
    StateInfo,
    TargetInfo,
    TensorInfo,
    WeightInfo,
)
from dsconv.inspect.identity import DEFAULT_LANGUAGE_START, Identity

Rows: TypeAlias = Iterator[tuple[str, str]]

_SHOWN_WEIGHTS = 20
_SHOWN_LABELS = 40


def signature_rows(signature: SignatureInfo) -> Rows:
    """The tensors of a signature by the names that a caller gives them."""
    for side, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for key, tensor in tensors.items():
            node = f", {tensor.name}" if tensor.name != key else ""
            yield key, f"{side}, {tensor.dtype} {shape_text(tensor.shape)}{node}"


def checkpoint_rows(info: CheckpointInfo) -> Rows:
    """What only checkpoints tell."""
    chosen = f", named by the file {info.chosen_by}" if info.chosen_by else ""
    yield "checkpoint", info.prefix + chosen
    if info.others:
        yield "others here", ", ".join(info.others)
    if info.missing:
        yield "missing", ", ".join(info.missing)
    if info.step is not None:
        yield "trained for", f"{info.step:,} steps"


def core_ml_rows(info: CoreMlInfo) -> Rows:
    """What only Core ML models tell."""
    opset = f", opset {info.opset}" if info.opset else ""
    yield "kind", f"{info.kind}, specification version {info.specification_version}{opset}"
    if info.deployment_target:
        yield "opens on", f"{info.deployment_target} and later"
    if len(info.functions) > 1:
        yield "functions", ", ".join(info.functions)
    for label, text in (
        ("description", info.short_description),
        ("version", info.version),
        ("author", info.author),
        ("license", info.license),
    ):
        if text:
            yield label, text


def identity_rows(identity: Identity, *, has_graph: bool) -> Rows:
    """Which network it is, its shape and its settings."""
    yield "network", identity.network
    if identity.exported_by:
        version = f", graph version {identity.graph_version}" if identity.graph_version else ""
        yield "exported by", identity.exported_by + version
    if not identity.frozen:
        elsewhere = "no: its weights are variables, whose values are in a checkpoint"
        yield "frozen", elsewhere if has_graph else "no: it holds variables and no graph"
    if identity.n_hidden:
        norm = ", layer normalization" if identity.layer_norm else ""
        yield "n_hidden", f"{identity.n_hidden}{norm}"
    if identity.steps:
        yield "steps", "any number of frames" if identity.steps == DYNAMIC else str(identity.steps)
    if identity.features:
        yield "frame", f"{identity.features} features, context {identity.context}"
    if identity.output:
        yield "output", f"{identity.output} of {identity.classes} classes, the blank last"
    elif identity.classes and identity.network.startswith("bidirectional"):
        yield "output", f"decoded labels of {identity.classes} classes"
    elif identity.classes:
        yield "output", f"{identity.classes} classes, the blank last"
    if identity.states != "none":
        yield "states", identity.states
    yield from _speech_rows(identity)


def _speech_rows(identity: Identity) -> Rows:
    if identity.alphabet is not None:
        yield "alphabet", _alphabet(identity)
    if identity.sample_rate:
        window = f", window {identity.window} ms, step {identity.window_step} ms"
        yield "audio", f"{identity.sample_rate} Hz{window if identity.window else ''}"
    if identity.language:
        named = not identity.language.startswith(DEFAULT_LANGUAGE_START)
        yield "language", identity.language if named else "not named by who exported it"
    if identity.beam_width:
        yield "beam width", str(identity.beam_width)


def _alphabet(identity: Identity) -> str:
    labels = identity.alphabet or []
    if identity.bytes_output:
        return f"the {len(labels)} bytes of UTF-8 text"
    shown = " ".join("[space]" if label == " " else label for label in labels[:_SHOWN_LABELS])
    more = f" and {len(labels) - _SHOWN_LABELS} more" if len(labels) > _SHOWN_LABELS else ""
    return f"{len(labels)} labels: {shown}{more}"


def refusals_text(targets: list[TargetInfo]) -> str:
    """Each reason once, with the targets that it stands against."""
    by_reason: dict[str, list[str]] = {}
    for target in targets:
        by_reason.setdefault(target.refusal or "", []).append(target.target)
    return " ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())


def tensor_rows(tensors: Iterable[TensorInfo], states: Iterable[StateInfo]) -> Rows:
    """Each with its type and shape, and whether it is a state."""
    names = {name for state in states for name in (state.input, state.output)}
    for tensor in tensors:
        state = ", state" if tensor.name in names else ""
        yield tensor.name, f"{tensor.dtype} {tensor_shape_text(tensor)}{state}"


def weight_rows(weights: list[WeightInfo]) -> Rows:
    """The largest first."""
    largest = sorted(weights, key=lambda weight: -weight.bytes)
    for weight in largest[:_SHOWN_WEIGHTS]:
        how = f", {weight.compression}" if weight.compression else ""
        stored = f"{weight.dtype} {shape_text(weight.shape)}, {weight.bytes:,} bytes"
        yield weight.name, stored + how
    if len(largest) > _SHOWN_WEIGHTS:
        yield "...", f"and {len(largest) - _SHOWN_WEIGHTS} smaller ones; --json lists all"


def shape_text(shape: list[int] | None) -> str:
    """A shape for people: dynamic dimensions as a question mark."""
    if shape is None:
        return "?"
    return "[" + ", ".join("?" if size == -1 else str(size) for size in shape) + "]"


def tensor_shape_text(tensor: TensorInfo) -> str:
    """The shape with its limits: ``[1, 1..512, 19]``, ``[1, 16|32, 19]``."""
    if tensor.ranges is not None:
        return "[" + ", ".join(_range_text(least, most) for least, most in tensor.ranges) + "]"
    if tensor.shapes is None:
        return shape_text(tensor.shape)
    choices = [list(dict.fromkeys(sizes)) for sizes in zip(*tensor.shapes, strict=True)]
    if sum(len(sizes) > 1 for sizes in choices) > 1:
        # Not every size goes with every other.
        return " | ".join(map(shape_text, tensor.shapes))
    return "[" + ", ".join("|".join(map(str, sizes)) for sizes in choices) + "]"


def _range_text(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least}.." + ("" if most == -1 else str(most))
