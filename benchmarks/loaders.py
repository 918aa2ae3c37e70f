"""Ways to run a model file by its own runtime: each gives a call of 16 frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dsconv.formats.toolkits import import_onnxruntime, import_openvino

STEPS = 16

Call: TypeAlias = Callable[[], object]


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
    feed = {}
    for port in compiled.inputs:
        sizes = [STEPS if d.is_dynamic else d.get_length() for d in port.get_partial_shape()]
        feed[port] = values(port.get_any_name(), sizes)
    return lambda: request.infer(feed)


def load_onnx(path: Path, threads: int) -> Call:
    """A call of an ONNX model."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {port.name: values(port.name, port.shape) for port in session.get_inputs()}
    return lambda: session.run(None, feed)


def values(name: str, shape: Any) -> np.ndarray[Any, Any]:
    """Something to feed: what it is does not change the time."""
    if "lengths" in name:
        return np.array([STEPS], np.int32)
    return np.random.default_rng(0).standard_normal(list(shape)).astype(np.float32) / 8
