"""An inspection as people read it: lists that fit 80 columns, names whole for copying.

They are laid out by click, which the command line has loaded anyway, because inspecting a file
should take no longer than hashing it.
"""

from collections.abc import Iterable, Iterator

import click

from dsconv.formats.graphdef.steps import DYNAMIC
from dsconv.inspect.identity import DEFAULT_LANGUAGE_START, Identity
from dsconv.inspect.report import (
    CheckpointInfo,
    CoreMlInfo,
    Inspection,
    SignatureInfo,
    TargetInfo,
    TensorInfo,
    WeightInfo,
)

_WIDTH = 80
_SHOWN_WEIGHTS = 20
_SHOWN_LABELS = 40


def render(inspection: Inspection) -> str:
    """The whole inspection, without a line break at its end."""
    lists = click.HelpFormatter(width=_WIDTH)
    lists.write(f"{inspection.path}: {inspection.format_label} ({inspection.format})\n")
    lists.write_dl(
        [
            *_file_facts(inspection),
            *_identity_facts(inspection),
            *_frame_facts(inspection),
            *_use_facts(inspection),
        ]
    )
    for heading, rows in (
        *_interface(inspection),
        ("States", _states_inside(inspection)),
        ("Weights", _weights(inspection.weights)),
        ("Other variables", _weights(_other_variables(inspection))),
    ):
        if listed := list(rows):
            with lists.section(heading):
                lists.write_dl(listed)
    return lists.getvalue().rstrip()


def _interface(inspection: Inspection) -> Iterator[tuple[str, Iterator[tuple[str, str]]]]:
    """The signatures where a graph has some, else its inputs and outputs."""
    signatures = [
        (signature, meta_graph.tags)
        for meta_graph in inspection.meta_graphs
        for signature in meta_graph.signatures
    ]
    for signature, tags in signatures:
        tagged = f", tagged {', '.join(tags)}" if tags else ""
        yield f"Signature {signature.name}{tagged}", _signature(signature)
    if not signatures:
        yield "Inputs", _tensors(inspection, inspection.inputs)
        yield "Outputs", _tensors(inspection, inspection.outputs)


def _signature(signature: SignatureInfo) -> Iterator[tuple[str, str]]:
    for side, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for key, tensor in tensors.items():
            node = f", {tensor.name}" if tensor.name != key else ""
            yield key, f"{side}, {tensor.dtype} {shape_text(tensor.shape)}{node}"


def _other_variables(inspection: Inspection) -> list[WeightInfo]:
    """What a training keeps beside the weights."""
    if inspection.checkpoint is None:
        return []
    names = {weight.name for weight in inspection.weights}
    return [each for each in inspection.checkpoint.variables if each.name not in names]


def _file_facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    yield "bytes", f"{inspection.bytes:,}"
    yield "sha256", inspection.sha256
    if inspection.core_ml:
        yield from _core_ml_facts(inspection.core_ml)
    if inspection.checkpoint:
        yield from _checkpoint_facts(inspection.checkpoint)


def _checkpoint_facts(info: CheckpointInfo) -> Iterator[tuple[str, str]]:
    chosen = f", named by the file {info.chosen_by}" if info.chosen_by else ""
    yield "checkpoint", info.prefix + chosen
    if info.others:
        yield "others here", ", ".join(info.others)
    if info.missing:
        yield "missing", ", ".join(info.missing)
    if info.step is not None:
        yield "trained for", f"{info.step:,} steps"


def _core_ml_facts(info: CoreMlInfo) -> Iterator[tuple[str, str]]:
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


def _identity_facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    identity = inspection.identity
    yield "network", identity.network
    if identity.exported_by:
        version = f", graph version {identity.graph_version}" if identity.graph_version else ""
        yield "exported by", identity.exported_by + version
    if not identity.frozen:
        elsewhere = "no: its weights are variables, whose values are in a checkpoint"
        yield "frozen", elsewhere if inspection.nodes else "no: it holds variables and no graph"
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
    yield from _speech_facts(identity)


def _frame_facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    """The size of a frame, where the context is not told."""
    if inspection.checkpoint and inspection.checkpoint.window_values:
        yield "frame", f"{inspection.checkpoint.window_values} values"


def _speech_facts(identity: Identity) -> Iterator[tuple[str, str]]:
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


def _use_facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    parameters = f"{inspection.parameters:,} in {inspection.parameter_bytes:,} bytes"
    quantized = ", quantized" if inspection.identity.quantized else ""
    yield "parameters", f"{parameters}, {inspection.identity.weights}{quantized}"
    if inspection.compression:
        yield "compression", "; ".join(inspection.compression)
    if inspection.nodes:
        ops = ", ".join(f"{op} {count}" for op, count in inspection.ops.items())
        yield "nodes", f"{inspection.nodes}: {ops}"
    runtimes = ", ".join(inspection.opened_by).replace(", deepspeech ", ", ")
    reason = f"no original runtime: {inspection.not_opened_because}"
    yield "opened by", runtimes or reason
    if inspection.next_step:
        yield "next", inspection.next_step
    if not inspection.converts_to:
        return
    possible = [target.target for target in inspection.converts_to if target.refusal is None]
    yield "converts to", ", ".join(possible) or "nothing: " + _refusals(inspection.converts_to)


def _refusals(targets: list[TargetInfo]) -> str:
    """Each reason once, with the targets that it stands against."""
    by_reason: dict[str, list[str]] = {}
    for target in targets:
        by_reason.setdefault(target.refusal or "", []).append(target.target)
    return " ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())


def _tensors(inspection: Inspection, tensors: Iterable[TensorInfo]) -> Iterator[tuple[str, str]]:
    states = {state.input for state in inspection.states}
    states |= {state.output for state in inspection.states if state.output}
    for tensor in tensors:
        state = ", state" if tensor.name in states else ""
        yield tensor.name, f"{tensor.dtype} {sizes_text(tensor)}{state}"


def _states_inside(inspection: Inspection) -> Iterator[tuple[str, str]]:
    """States that are neither inputs nor outputs."""
    seen = {tensor.name for tensor in (*inspection.inputs, *inspection.outputs)}
    for state in inspection.states:
        if state.input not in seen:
            yield state.input, f"{state.dtype or ''} {shape_text(state.shape)}".strip()


def _weights(weights: list[WeightInfo]) -> Iterator[tuple[str, str]]:
    """The largest first."""
    largest = sorted(weights, key=lambda weight: -weight.bytes)
    for weight in largest[:_SHOWN_WEIGHTS]:
        how = f", {weight.compression}" if weight.compression else ""
        sizes = f"{weight.dtype} {shape_text(weight.shape)}, {weight.bytes:,} bytes"
        yield weight.name, sizes + how
    if len(largest) > _SHOWN_WEIGHTS:
        yield "...", f"and {len(largest) - _SHOWN_WEIGHTS} smaller ones; --json lists all"


def shape_text(shape: list[int] | None) -> str:
    """A shape for people: open sizes as a question mark."""
    if shape is None:
        return "?"
    return "[" + ", ".join("?" if size == -1 else str(size) for size in shape) + "]"


def sizes_text(tensor: TensorInfo) -> str:
    """The shape with the sizes that are allowed: ``[1, 1..512, 19]``, ``[1, 16|32, 19]``."""
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
