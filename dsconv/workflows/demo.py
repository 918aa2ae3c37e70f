"""The demo: what dsconv does, done once in a folder on the packaged model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsconv.convert.network_target import NetworkTarget
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.errors import ParityError, ToolkitError
from dsconv.fixtures import demo_model
from dsconv.fixtures.write import write_demo_model
from dsconv.inspect.parity.validate import Options, validate_models
from dsconv.speech.corpus import find_clips
from dsconv.workflows.inspection import inspect_model

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class DemoFile:
    """A file that the demo wrote, the command that wrote it, and what validation said of it."""

    path: str
    format: str
    bytes: int
    seconds: float
    command: str
    verdict: str | None = None


@dataclass
class Demo:
    """What the demo did, in order."""

    files: list[DemoFile] = field(default_factory=list)
    schema_version: int = 1

    def to_json(self) -> dict[str, Any]:
        """The demo's result as plain values."""
        return asdict(self)


def run_demo(folder: Path, *, force: bool = False, say: Callable[[str], object] = str) -> Demo:
    """Write the demo model into `folder`, convert it to every format, and check what each says.

    `say` is called with each command before it runs. What needs an extra that is not installed is
    left out. Raises ParityError if the way back from the package does not lead to where it started,
    or a file does not say what the model says.
    """
    demo = Demo()
    graph, back = _write_graphs(demo, folder, force, say)
    if back.read_bytes() != graph.read_bytes():
        raise ParityError(f"{back} differs from {graph}; please report this.")
    package = graph.with_suffix(".pbmm")
    networks = [name for name, target in TARGETS.items() if isinstance(target, NetworkTarget)]
    built = [_build(demo, name, graph, force, say) for name in networks]
    try:
        _check_parity(demo, graph, [package, *filter(None, built)], say)
    except ToolkitError as error:
        say(f"  left out: {error}")
    return demo


def _write_graphs(
    demo: Demo, folder: Path, force: bool, say: Callable[[str], object]
) -> tuple[Path, Path]:
    """The demo model, its package, and the graph that the package leads back to."""
    graph, package, back = (
        folder / name for name in ("output_graph.pb", "output_graph.pbmm", "from_pbmm.pb")
    )
    pbmm, pb = TARGETS["pbmm"], TARGETS["pb"]
    steps: list[tuple[str, Path, Callable[[], object]]] = [
        (f"fixture -o {folder}", graph, lambda: write_demo_model(folder, force=force)),
        (f"pbmm {graph}", package, lambda: convert_file(pbmm, graph, package, force=force)),
        (f"pb {package} -o {back}", back, lambda: convert_file(pb, package, back, force=force)),
    ]
    for command, output, work in steps:
        say(f"+ dsconv {command}")
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        say(f"+ dsconv inspect {output}")
        found = inspect_model(output)
        demo.files.append(DemoFile(output.name, found.format, found.bytes, seconds, command))
    return graph, back


def _build(
    demo: Demo, name: str, graph: Path, force: bool, say: Callable[[str], object]
) -> Path | None:
    """Convert the graph; None if the toolkit is not installed."""
    command = f"{name} {graph} --no-validate"
    say(f"+ dsconv {command}")
    try:
        conversion = convert_file(TARGETS[name], graph, force=force)
    except ToolkitError as error:
        say(f"  left out: {error}")
        return None
    output = conversion.output
    demo.files.append(DemoFile(output.name, name, conversion.bytes, conversion.seconds, command))
    return output


def _check_parity(
    demo: Demo, reference: Path, candidates: list[Path], say: Callable[[str], object]
) -> None:
    """Validate the files over the packaged speech. Raises ParityError if one fails."""
    say(f"+ dsconv validate {' '.join(map(str, [reference, *candidates]))}")
    clips = find_clips([demo_model.SPEECH])
    validation = validate_models(reference, candidates, clips, Options())
    verdicts = {Path(result.model.path).name: result.verdict for result in validation.candidates}
    for file in demo.files:
        file.verdict = verdicts.get(file.path)
    if not validation.passed:
        raise ParityError(
            f"a file in {reference.parent} does not give the same results; please report this."
        )
    for transcript in validation.candidates[0].transcripts:
        say(f"  {transcript.clip}: {transcript.candidate.beam}")


def render(demo: Demo) -> Table:
    """The closing table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("format")
    table.add_column("bytes", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("parity")
    for file in demo.files:
        table.add_row(
            file.path, file.format, f"{file.bytes:,}", f"{file.seconds:.2f}", file.verdict or ""
        )
    return table
