"""Latency of a call of 16 frames at the release size, side by side in one process.

The yardstick is the 0.9.3 exporter's own TFLite file of that size, which is looked for in the
folder that DSCONV_MODELS names; without it the first of the others is. Beside each ratio stands how
far the model is from TensorFlow running the graph, over a clip with the states fed back.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from rich.table import Table

from benchmarks.measure import Samples
from dsconv.convert.options import Options, Precision
from dsconv.convert.registry import TARGETS, convert_file
from dsconv.fixtures.demo_model import SPEECH
from dsconv.graph.edit import extract, freeze_input
from dsconv.graph.graph import open_graph
from dsconv.graph.write import write_graph
from dsconv.inspect.parity.validate import Options as ParityOptions
from dsconv.inspect.parity.validate import validate_models
from dsconv.speech.corpus import find_clips, shortest
from dsconv.toolkits import import_onnxruntime, import_openvino

UPSTREAM = "deepspeech-0.9.3-2048.tflite"
STEPS = 16
# The first call of a turn finds the caches full of the other models.
WARM, TIMED = 1, 3
# Threads of a runtime may go on spinning for a while after a call.
PAUSE = 0.03

Call: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Contestant:
    """A model file, and how to run it: `load` takes the number of threads."""

    name: str
    path: Path
    load: Callable[[Path, int], Call]
    same_weights: bool = True


def benchmark_latency(model: Path, runs: int) -> Iterator[Table]:
    """A table for one thread and one for two."""
    contestants = list(make_contestants(model))
    differences = differences_to_tensorflow(model, contestants)
    for threads in (1, 2):
        samples = take_turns(contestants, threads, runs)
        yield latency_table(f"{STEPS} frames, {threads} threads", samples, differences)


def make_contestants(model: Path) -> Iterator[Contestant]:
    """Every form of the model, and what there was before."""
    folder = os.environ.get("DSCONV_MODELS")
    if folder and (upstream := Path(folder, UPSTREAM)).exists():
        yield Contestant("upstream's TFLite int8", upstream, load_tflite, same_weights=False)
    yield Contestant("stock OpenVINO IR, f32", stock_ir(model), load_openvino)
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    loaders = {"openvino": load_openvino, "onnx": load_onnx}
    for target, load in loaders.items():
        for precision in precisions:
            output = model.with_name(f"{precision}{TARGETS[target].suffix}")
            options = Options(precision=precision)
            convert_file(TARGETS[target], model, output, options=options)
            yield Contestant(f"dsconv {target} {precision}", output, load)
    output = model.with_name("dynamic.xml")
    convert_file(
        TARGETS["openvino"],
        model,
        output,
        options=Options(steps=-1, lengths="input", precision="int8"),
    )
    yield Contestant("dsconv openvino int8, any steps", output, load_openvino)


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


def load_tflite(path: Path, threads: int) -> Call:
    """A call of a TFLite model."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], values(detail["name"], detail["shape"]))
    return lambda: interpreter.invoke()


def load_openvino(path: Path, threads: int) -> Call:
    """A call of an IR in full precision; of one that takes any number of frames, with 16."""
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = import_openvino().Core().compile_model(path, "CPU", hints)
    request = compiled.create_infer_request()
    feed = {
        port: values(
            port.get_any_name(), [STEPS if d.is_dynamic else d.get_length() for d in sizes]
        )
        for port in compiled.inputs
        for sizes in [port.get_partial_shape()]
    }
    return lambda: request.infer(feed)


def load_onnx(path: Path, threads: int) -> Call:
    """A call of an ONNX model."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {
        argument.name: values(argument.name, argument.shape) for argument in session.get_inputs()
    }
    return lambda: session.run(None, feed)


def values(name: str, shape: Any) -> np.ndarray[Any, Any]:
    """Something to feed: what it is does not change the time."""
    if "lengths" in name:
        return np.array([STEPS], np.int32)
    return np.random.default_rng(0).standard_normal(list(shape)).astype(np.float32) / 8


def take_turns(contestants: list[Contestant], threads: int, runs: int) -> dict[str, Samples]:
    """Time all of them in turn, so that a slow moment slows all of them."""
    calls = {c.name: c.load(c.path, threads) for c in contestants}
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
    title: str, samples: dict[str, Samples], differences: dict[str, tuple[float, float]]
) -> Table:
    """A row for each contestant; the first is what the others are compared to."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "median ms", "ratio", "probabilities", "states"):
        table.add_column(heading, justify="left" if not heading else "right")
    first = next(iter(samples.values())).median
    for name, sample in samples.items():
        far = [f"{value:.1e}" for value in differences.get(name, ())] or ["-", "-"]
        table.add_row(name, f"{sample.median * 1e3:.1f}", f"{sample.median / first:.2f}", *far)
    return table
