"""Latency of a call of 16 frames at the release size, side by side in one process.

8-bit models are in one group and the others in another, each beside the yardstick: models of 189 MB
leave nothing of the others in the caches.

The yardstick is the 0.9.3 exporter's own TFLite file of that size, which is looked for in the
folder that DSCONV_MODELS names; without it the first of the others is. Beside each ratio stand the
resident memory of a process that runs the model alone, and how far the model is from TensorFlow
running the graph, over a clip with the states fed back.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.table import Table

from benchmarks import loaders
from benchmarks.loaders import STEPS
from benchmarks.measure import Samples
from benchmarks.memory import resident_mb
from benchmarks.tables import figure_table
from dsconv.convert.options import Options, Precision
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file
from dsconv.fixtures.demo_model import SPEECH
from dsconv.formats.graphdef.edit import extract, freeze_input
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.toolkits import import_openvino
from dsconv.inspect.parity.validate import Options as ParityOptions
from dsconv.inspect.parity.validate import validate_models
from dsconv.speech.corpus import find_clips, shortest

UPSTREAM = "deepspeech-0.9.3-2048.tflite"
# The first calls of a turn find the caches full of the other models.
WARM, TIMED = 2, 4
# Threads of a runtime may go on spinning for a while after a call.
PAUSE = 0.03


@dataclass(frozen=True)
class Contestant:
    """A model file, and the name of the function that loads it."""

    name: str
    path: Path
    loader: str
    same_weights: bool = True


def benchmark_latency(model: Path, runs: int) -> Iterator[Table]:
    """A table for one thread and one for two."""
    contestants = list(make_contestants(model))
    # In a process of its own: with TensorFlow in the process others run at another speed.
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        differences = apart.submit(differences_to_tensorflow, model, contestants).result()
    memory = {c.name: resident_mb(c.loader, c.path) for c in contestants}
    for threads in (1, 2):
        for integers in (True, False):
            group = [c for c in contestants if not c.same_weights or ("int8" in c.name) == integers]
            samples = take_turns(group, threads, runs)
            title = f"{STEPS} frames, {threads} threads"
            yield latency_table(title, samples, differences, memory)


def make_contestants(model: Path) -> Iterator[Contestant]:
    """Every form of the model, and what there was before."""
    folder = os.environ.get("DSCONV_MODELS")
    if folder and (upstream := Path(folder, UPSTREAM)).exists():
        yield Contestant("upstream's TFLite", upstream, "load_tflite", same_weights=False)
    yield Contestant("stock OpenVINO IR", stock_ir(model), "load_openvino")
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    forms = {"tflite": "load_tflite", "openvino": "load_openvino", "onnx": "load_onnx"}
    for target, loader in forms.items():
        for precision in precisions:
            output = model.with_name(f"{precision}{TARGETS[target].suffix_for(Options())}")
            options = Options(precision=precision)
            convert_file(TARGETS[target], model, output, options=options)
            yield Contestant(f"{target} {precision}", output, loader)
    output = model.with_name("dynamic.xml")
    convert_file(
        TARGETS["openvino"],
        model,
        output,
        options=Options(steps=-1, lengths="input", precision="int8"),
    )
    yield Contestant("openvino int8, any steps", output, "load_openvino")


def stock_ir(model: Path) -> Path:
    """The IR that OpenVINO's own converter makes of the graph, prepared as it needs it."""
    openvino = import_openvino()
    graph = extract(open_graph(model), ["logits", "new_state_c", "new_state_h"])
    prepared = model.with_name("prepared.pb")
    with prepared.open("wb") as file:
        write_graph(file, freeze_input(graph, "input_lengths", [STEPS]))
    path = model.with_name("stock.xml")
    converted = openvino.convert_model(prepared)
    for port in (*converted.inputs, *converted.outputs):
        port.get_tensor().set_names({name.removesuffix(":0") for name in port.names})
    openvino.save_model(converted, path, compress_to_fp16=False)
    return path


def take_turns(contestants: list[Contestant], threads: int, runs: int) -> dict[str, Samples]:
    """Time all of them in turn, so that a slow moment slows all of them."""
    calls = {c.name: getattr(loaders, c.loader)(c.path, threads) for c in contestants}
    samples = {name: Samples() for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            for number in range(WARM + TIMED):
                start = time.perf_counter()
                call()
                if number >= WARM:
                    samples[name].seconds.append(time.perf_counter() - start)
            time.sleep(PAUSE)
    return samples


def differences_to_tensorflow(
    model: Path, contestants: list[Contestant]
) -> dict[str, tuple[float, float]]:
    """The largest differences of the probabilities and of the states, by name."""
    same = [contestant for contestant in contestants if contestant.same_weights]
    options = ParityOptions(tensorflow=True, beam=1)
    clips = shortest(find_clips([SPEECH]), 1)
    results = validate_models(model, [c.path for c in same], clips, options).candidates
    found = {}
    for contestant, result in zip(same, results, strict=True):
        largest = {d.tensor: d.max_abs for d in result.differences}
        states = max(largest.get("new_state_c", 0.0), largest.get("new_state_h", 0.0))
        found[contestant.name] = (largest["probabilities"], states)
    return found


def latency_table(
    title: str,
    samples: dict[str, Samples],
    differences: dict[str, tuple[float, float]],
    memory: dict[str, float],
) -> Table:
    """A row for each contestant; the first is what the others are compared to."""
    table = figure_table(title, "ms", "ratio", "MB", "probabilities", "states")
    first = next(iter(samples.values())).median
    for name, sample in samples.items():
        far = [f"{value:.1e}" for value in differences.get(name, ())] or ["-", "-"]
        table.add_row(
            name,
            f"{sample.median * 1e3:.1f}",
            f"{sample.median / first:.2f}",
            f"{memory[name]:.0f}",
            *far,
        )
    return table
