"""A converted file's answers, in a process of its own: FILE SPEC FEEDS ANSWERS.

Its own runtime computes them, in full precision.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dsconv.convert.toolkit.calls import read_calls, write_calls
from dsconv.convert.toolkit.spec import Spec
from dsconv.convert.toolkit.worker import run
from dsconv.errors import ModelError, ToolkitError
from dsconv.formats.coreml.names import core_ml_name
from dsconv.formats.format import load
from dsconv.formats.identify import describe, identify
from dsconv.formats.toolkits import (
    import_coremltools,
    import_litert,
    import_onnxruntime,
    import_openvino,
)
from dsconv.runtime.model import Tensors

LABEL = "the runtime"

Call: TypeAlias = Callable[[Tensors], Tensors]
"""Runs a model once: inputs by name, outputs by name."""


def answer(path: Path, spec_path: Path, feeds: Path, answers: Path) -> None:
    """Run the file once for each call.

    Raises ToolkitError if its runtime is missing or refuses it, or an output is missing.
    """
    spec = Spec.read(spec_path)
    names = [given.name for given in spec.inputs]
    file_format = identify(path)
    if file_format.open_runtime is None:
        raise ModelError(describe(path, file_format))
    call: Call = load(file_format.open_runtime)(path, spec)
    found = []
    for arrays in read_calls(feeds):
        tensors = call(dict(zip(names, arrays, strict=True)))
        for name in spec.outputs:
            if name not in tensors:
                raise ToolkitError(f"the file has no output '{name}'; it has {', '.join(tensors)}.")
        found.append([tensors[name] for name in spec.outputs])
    write_calls(answers, found)


def open_onnx(path: Path, spec: Spec) -> Call:
    """By ONNX Runtime."""
    session = import_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = list(spec.outputs)
    return lambda feeds: dict(zip(names, session.run(names, feeds), strict=True))


def open_openvino(path: Path, spec: Spec) -> Call:
    """By OpenVINO, in float32."""
    core = import_openvino().Core()
    # Else it computes in bfloat16 where the CPU can.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(str(path)), "CPU", exact).create_infer_request()

    def call(feeds: Tensors) -> Tensors:
        request.infer(feeds)
        return {name: np.array(request.get_tensor(name).data) for name in spec.outputs}

    return call


def open_tflite(path: Path, _: Spec) -> Call:
    """By LiteRT, for inputs of any shape."""
    interpreter = import_litert().Interpreter(model_content=path.read_bytes())

    def call(feeds: Tensors) -> Tensors:
        for detail in interpreter.get_input_details():
            interpreter.resize_tensor_input(detail["index"], feeds[detail["name"]].shape)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], feeds[detail["name"]])
        interpreter.invoke()
        details = interpreter.get_output_details()
        return {detail["name"]: interpreter.get_tensor(detail["index"]) for detail in details}

    return call


def open_core_ml(path: Path, spec: Spec) -> Call:
    """By Core ML itself on macOS, elsewhere by an evaluation of the saved file."""
    if sys.platform == "darwin" and not spec.settings.get("evaluated"):
        coremltools = import_coremltools()
        units = coremltools.ComputeUnit.CPU_ONLY
        predict = coremltools.models.MLModel(str(path), compute_units=units).predict
        return _by_names_of_graph(predict, spec)
    from dsconv.formats.coreml.file import open_core_ml
    from dsconv.runtime.coreml.evaluator import ProgramEvaluator

    return _by_names_of_graph(ProgramEvaluator(open_core_ml(path)).run, spec)


def _by_names_of_graph(run_model: Call, spec: Spec) -> Call:
    """Runs a Core ML model, whose names have no slashes."""
    outputs = {core_ml_name(name): name for name in spec.outputs}

    def call(feeds: Tensors) -> Tensors:
        found = run_model({core_ml_name(name): value for name, value in feeds.items()})
        return {outputs.get(name, name): value for name, value in found.items()}

    return call


if __name__ == "__main__":
    run(LABEL, answer)
