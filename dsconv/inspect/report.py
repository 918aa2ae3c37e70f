"""The result of an inspection: one schema for every format, and its text.

`SCHEMA_VERSION` changes when a field changes its meaning or goes away; new fields do not change it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from dsconv.inspect.facts import (
    FEWEST_ELEMENTS,
    CheckpointInfo,
    CoreMlInfo,
    MetaGraphInfo,
    SignatureInfo,
    StateInfo,
    TargetInfo,
    TensorInfo,
    WeightInfo,
    weight_types,
)
from dsconv.inspect.identity import Identity
from dsconv.inspect.text import (
    Rows,
    checkpoint_rows,
    core_ml_rows,
    identity_rows,
    refusals_text,
    shape_text,
    signature_rows,
    tensor_rows,
    weight_rows,
)

__all__ = [
    "FEWEST_ELEMENTS",
    "SCHEMA_VERSION",
    "CheckpointInfo",
    "CoreMlInfo",
    "Inspection",
    "MetaGraphInfo",
    "SignatureInfo",
    "StateInfo",
    "TargetInfo",
    "TensorInfo",
    "WeightInfo",
    "render",
    "weight_types",
]

SCHEMA_VERSION = 1

_WIDTH = 80


@dataclass(frozen=True)
class Inspection:
    """All that is known about a model file. `bytes` and `sha256` are those of the file.

    Of a folder, or a model of several files, `bytes` are those of all its files, and `sha256` is
    the one that dsconv.formats.digest defines. `parameters` and `parameter_bytes` are those of all
    `weights`; `compression` lists the ways in which weights are compressed, the one with the most
    parameters first. Of several `meta_graphs` the rest of the inspection is about the one for
    serving, else the first. `next_step` says how to come to a frozen graph from what is none.
    """

    path: str
    format: str
    format_label: str
    bytes: int
    sha256: str
    identity: Identity
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    states: list[StateInfo]
    metadata: dict[str, Any]
    nodes: int
    ops: dict[str, int]
    parameters: int = field(init=False)
    parameter_bytes: int = field(init=False)
    weights: list[WeightInfo]
    opened_by: list[str]
    not_opened_because: str | None
    converts_to: list[TargetInfo]
    compression: list[str] = field(default_factory=list)
    core_ml: CoreMlInfo | None = None
    checkpoint: CheckpointInfo | None = None
    meta_graphs: list[MetaGraphInfo] = field(default_factory=list)
    next_step: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", sum(each.parameters for each in self.weights))
        object.__setattr__(self, "parameter_bytes", sum(each.bytes for each in self.weights))

    def to_json(self) -> dict[str, Any]:
        """The inspection as plain values."""
        return asdict(self)

    def _repr_html_(self) -> str:
        from dsconv.inspect.notebook import text_html

        return text_html(render(self))


def render(inspection: Inspection) -> str:
    """An inspection as people read it, without a line break at its end.

    Lists fit 80 columns, and names stay whole for copying. They are laid out by click, which the
    command line has loaded anyway: inspecting a file should take no longer than hashing it.
    """
    import click

    lists = click.HelpFormatter(width=_WIDTH)
    lists.write(f"{inspection.path}: {inspection.format_label} ({inspection.format})\n")
    lists.write_dl(
        [
            *_file_facts(inspection),
            *identity_rows(inspection.identity, has_graph=inspection.nodes > 0),
            *_frame_facts(inspection),
            *_use_facts(inspection),
        ]
    )
    for heading, rows in (
        *_interface(inspection),
        ("States", _states_inside(inspection)),
        ("Weights", weight_rows(inspection.weights)),
        ("Other variables", weight_rows(_other_variables(inspection))),
    ):
        if listed := list(rows):
            with lists.section(heading):
                lists.write_dl(listed)
    return lists.getvalue().rstrip()


def _interface(inspection: Inspection) -> Iterator[tuple[str, Rows]]:
    """The signatures where a graph has some, else its inputs and outputs."""
    signatures = [
        (signature, meta_graph.tags)
        for meta_graph in inspection.meta_graphs
        for signature in meta_graph.signatures
    ]
    for signature, tags in signatures:
        tagged = f", tagged {', '.join(tags)}" if tags else ""
        yield f"Signature {signature.name}{tagged}", signature_rows(signature)
    if not signatures:
        yield "Inputs", tensor_rows(inspection.inputs, inspection.states)
        yield "Outputs", tensor_rows(inspection.outputs, inspection.states)


def _other_variables(inspection: Inspection) -> list[WeightInfo]:
    """What a training keeps beside the weights."""
    if inspection.checkpoint is None:
        return []
    names = {weight.name for weight in inspection.weights}
    return [each for each in inspection.checkpoint.variables if each.name not in names]


def _file_facts(inspection: Inspection) -> Rows:
    yield "bytes", f"{inspection.bytes:,}"
    yield "sha256", inspection.sha256
    if inspection.core_ml:
        yield from core_ml_rows(inspection.core_ml)
    if inspection.checkpoint:
        yield from checkpoint_rows(inspection.checkpoint)


def _frame_facts(inspection: Inspection) -> Rows:
    """The size of a frame, where the context is not told."""
    if inspection.checkpoint and inspection.checkpoint.window_values:
        yield "frame", f"{inspection.checkpoint.window_values} values"


def _use_facts(inspection: Inspection) -> Rows:
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
    yield "converts to", ", ".join(possible) or "nothing: " + refusals_text(inspection.converts_to)


def _states_inside(inspection: Inspection) -> Rows:
    """States that are neither inputs nor outputs."""
    seen = {tensor.name for tensor in (*inspection.inputs, *inspection.outputs)}
    for state in inspection.states:
        if state.input not in seen:
            yield state.input, f"{state.dtype or ''} {shape_text(state.shape)}".strip()
