"""The formats that dsconv tells apart, a row for each."""

from __future__ import annotations

from dataclasses import replace

from dsconv.formats import content
from dsconv.formats.checkpoint.files import checkpoint_files, saved_model_files
from dsconv.formats.content import starts_with
from dsconv.formats.format import Format
from dsconv.formats.toolkits import Toolkit

_UNPACK = "unpack it, and pass the model inside"
_FREEZE = "freeze it with `dsconv freeze {path}`, and pass the output_graph.pb that it writes"
_DRAW_FROZEN = "freeze it with `dsconv freeze`, and draw the frozen graph"

TFLITE = Format(
    "tflite",
    "TensorFlow Lite model",
    starts_with(rb"....TFL3"),
    suffix=".tflite",
    target="tflite",
    toolkit=Toolkit("tflite", ("ai_edge_litert",)),
    inspect="dsconv.inspect.tflite:inspect_tflite",
    open_model="dsconv.runtime.tflite:open_tflite_model",
    open_runtime="dsconv.convert.toolkit.runner:open_tflite",
    draw="dsconv.inspect.drawing.tflite:read_tflite",
)
ZIP = Format("zip", "ZIP archive", starts_with(rb"PK\x03\x04"), advice=_UNPACK)
GZIP = Format("gzip", "gzip archive", starts_with(rb"\x1f\x8b"), advice=_UNPACK)
HDF5 = Format(
    "hdf5",
    "HDF5 file (Keras)",
    starts_with(rb"\x89HDF"),
    advice="dsconv reads frozen graphs: pass an output_graph.pb",
)
WAV = Format("wav", "WAV recording", starts_with(rb"RIFF....WAVE"), advice="pass the model here")
SCORER = Format(
    "scorer",
    "language model (scorer)",
    starts_with(rb"TRIE|EIRT|mmap lm http://kheafield"),
    advice="pass the acoustic model (.pb or .pbmm) here",
)
LFS_POINTER = Format(
    "lfs",
    "Git LFS pointer",
    starts_with(rb"version https://git-lfs"),
    advice="fetch the model itself with `git lfs pull`",
)
WEB_PAGE = Format(
    "html",
    "web page",
    starts_with(rb"(?i)\s*(<!doctype html|<html)"),
    advice="the download went wrong: download the model again",
)
OPENVINO = Format(
    "openvino",
    "OpenVINO IR",
    starts_with(rb"\s*(<\?xml[^>]*>\s*)?<net\b"),
    suffix=".xml",
    weights_suffix=".bin",
    target="openvino",
    toolkit=Toolkit("openvino", ("openvino",)),
    inspect="dsconv.inspect.openvino:inspect_openvino",
    open_model="dsconv.runtime.openvino:open_openvino_model",
    open_runtime="dsconv.convert.toolkit.runner:open_openvino",
    draw="dsconv.inspect.drawing.openvino:read_openvino",
)
GRAPH_TEXT = Format(
    "pbtxt",
    "TensorFlow graph in text form",
    starts_with(rb"\s*(#[^\n]*\n\s*)*node\s*\{"),
    advice="save it in binary form, and pass that",
)
GRAPH = Format(
    "pb",
    "TensorFlow graph",
    content.is_graph,
    suffix=".pb",
    target="pb",
    takes_source=True,
    inspect="dsconv.inspect.graph:inspect_graph",
    open_model="dsconv.runtime.graph:open_graph_model",
    open_in_tensorflow="dsconv.runtime.graph:open_tensorflow_model",
    draw="dsconv.inspect.drawing.tensorflow:read_tensorflow",
)
PACKAGE = replace(
    GRAPH,
    key="pbmm",
    label="memory-mappable TensorFlow graph",
    matches=content.is_package,
    suffix=".pbmm",
    target="pbmm",
)
ONNX = Format(
    "onnx",
    "ONNX model",
    content.is_onnx,
    suffix=".onnx",
    target="onnx",
    toolkit=Toolkit("onnx", ("onnx", "onnxruntime")),
    inspect="dsconv.inspect.onnx:inspect_onnx",
    open_model="dsconv.runtime.onnx:open_onnx_model",
    open_runtime="dsconv.convert.toolkit.runner:open_onnx",
    draw="dsconv.inspect.drawing.onnx:read_onnx",
)
CORE_ML_MODEL = Format(
    "mlmodel",
    "Core ML model",
    content.is_core_ml_model,
    suffix=".mlmodel",
    target="coreml",
    toolkit=Toolkit("coreml", ("coremltools",)),
    inspect="dsconv.inspect.coreml.model:inspect_core_ml",
    open_model="dsconv.runtime.coreml.model:open_core_ml_model",
    open_evaluated="dsconv.runtime.coreml.model:evaluate_core_ml_model",
    open_runtime="dsconv.convert.toolkit.runner:open_core_ml",
    draw="dsconv.inspect.drawing.coreml:read_core_ml",
)
CORE_ML_PACKAGE = replace(
    CORE_ML_MODEL,
    key="mlpackage",
    label="Core ML package",
    matches=content.is_core_ml_package,
    suffix=".mlpackage",
    # Without the manifest, in which the toolkit puts new random names whenever it saves a model.
    files=lambda path: (path, list((path / "Data").rglob("*"))),
)
SAVED_MODEL = Format(
    "savedmodel",
    "TensorFlow SavedModel",
    content.is_saved_model,
    inspect="dsconv.inspect.saved_model:inspect_saved_model",
    files=saved_model_files,
    advice=_FREEZE,
    no_drawing=_DRAW_FROZEN,
)
META_GRAPH = Format(
    "metagraph",
    "TensorFlow MetaGraph",
    content.is_meta_graph,
    suffix=".meta",
    inspect="dsconv.inspect.meta_graph:inspect_meta_graph",
    advice="freeze its checkpoint with `dsconv freeze`, and pass the output_graph.pb that it "
    "writes",
    no_drawing=_DRAW_FROZEN,
)
CHECKPOINT = Format(
    "checkpoint",
    "TensorFlow checkpoint",
    content.is_checkpoint,
    inspect="dsconv.inspect.checkpoint:inspect_checkpoint",
    files=checkpoint_files,
    advice=_FREEZE,
    no_drawing=_DRAW_FROZEN,
)
TEXT = Format("text", "text file", content.is_text, advice="pass an output_graph.pb or .pbmm")
FOLDER = Format("folder", "folder", content.is_folder, advice="pass the model file inside it")
UNKNOWN = Format(
    "unknown",
    "file of no format that dsconv knows",
    content.is_anything,
    advice="pass an output_graph.pb or .pbmm; if it is one, it is damaged: copy or download it "
    "again",
)

FORMATS = (
    # By what they start with.
    TFLITE,
    ZIP,
    GZIP,
    HDF5,
    WAV,
    SCORER,
    LFS_POINTER,
    WEB_PAGE,
    OPENVINO,
    GRAPH_TEXT,
    # By their fields.
    PACKAGE,
    GRAPH,
    ONNX,
    CORE_ML_MODEL,
    SAVED_MODEL,
    META_GRAPH,
    # By several files.
    CORE_ML_PACKAGE,
    CHECKPOINT,
    # What is left over.
    TEXT,
    FOLDER,
    UNKNOWN,
)
"""In the order in which they are looked for."""
