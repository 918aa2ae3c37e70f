"""What a file is, by its content and never by its suffix, and what to do with a wrong one."""

import re
import shlex
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Protocol

from dsconv.errors import ModelError
from dsconv.formats.checkpoint.locate import LAST, has_index, saved_model_folder
from dsconv.formats.checkpoint.table import is_table
from dsconv.formats.graphdef import package
from dsconv.formats.graphdef.node import parse_node
from dsconv.formats.output import MANIFEST
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Storage, unreadable


class Format(Protocol):
    """A format: a key for programs and a name for people."""

    @property
    def key(self) -> str:
        """Such as ``tflite``."""

    @property
    def label(self) -> str:
        """Such as ``TensorFlow Lite model``."""


class FileFormat(Enum):
    """Formats that dsconv can tell apart: a key for programs and a name for people."""

    GRAPH = ("pb", "TensorFlow graph")
    PACKAGE = ("pbmm", "memory-mappable TensorFlow graph")
    SAVED_MODEL = ("savedmodel", "TensorFlow SavedModel")
    META_GRAPH = ("metagraph", "TensorFlow MetaGraph")
    CHECKPOINT = ("checkpoint", "TensorFlow checkpoint")
    GRAPH_TEXT = ("pbtxt", "TensorFlow graph in text form")
    TFLITE = ("tflite", "TensorFlow Lite model")
    ONNX = ("onnx", "ONNX model")
    COREML_PACKAGE = ("mlpackage", "Core ML package")
    COREML_MODEL = ("mlmodel", "Core ML model")
    OPENVINO = ("openvino", "OpenVINO IR")
    HDF5 = ("hdf5", "HDF5 file (Keras)")
    ZIP = ("zip", "ZIP archive")
    GZIP = ("gzip", "gzip archive")
    WAV = ("wav", "WAV recording")
    SCORER = ("scorer", "language model (scorer)")
    LFS_POINTER = ("lfs", "Git LFS pointer")
    WEB_PAGE = ("html", "web page")
    TEXT = ("text", "text file")
    FOLDER = ("folder", "folder")
    UNKNOWN = ("unknown", "file of no format that dsconv knows")

    def __init__(self, key: str, label: str) -> None:
        self.key = key
        self.label = label


_EXPORT = "pass the output_graph.pb that it was made from"
_FREEZE = "freeze it with `dsconv freeze {path}`, and pass the output_graph.pb that it writes"

_ADVICE = {
    FileFormat.SAVED_MODEL: _FREEZE,
    FileFormat.META_GRAPH: "freeze its checkpoint with `dsconv freeze`, and pass the "
    "output_graph.pb that it writes",
    FileFormat.CHECKPOINT: _FREEZE,
    FileFormat.GRAPH_TEXT: "save it in binary form, and pass that",
    FileFormat.HDF5: "dsconv reads frozen graphs: pass an output_graph.pb",
    FileFormat.ZIP: "unpack it, and pass the model inside",
    FileFormat.GZIP: "unpack it, and pass the model inside",
    FileFormat.WAV: "pass the model here",
    FileFormat.SCORER: "pass the acoustic model (.pb or .pbmm) here",
    FileFormat.LFS_POINTER: "fetch the model itself with `git lfs pull`",
    FileFormat.WEB_PAGE: "the download went wrong: download the model again",
    FileFormat.TEXT: "pass an output_graph.pb or .pbmm",
    FileFormat.FOLDER: "pass the model file inside it",
    FileFormat.UNKNOWN: "pass an output_graph.pb or .pbmm; if it is one, it is damaged: "
    "copy or download it again",
}


def identify(path: Path) -> FileFormat:
    """Tell what a file or folder is. Raises ModelError if it cannot be read or is empty."""
    try:
        if path.is_dir():
            return _identify_folder(path)
        if not path.exists() and has_index(path):
            return FileFormat.CHECKPOINT
    except OSError as error:
        raise unreadable(path, error) from error
    storage = Storage.of_file(path)
    head = bytes(storage.view[:512])
    for signature, found in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return found
    if package.is_package(storage):
        return FileFormat.PACKAGE
    if is_table(storage):
        return FileFormat.CHECKPOINT
    for matches, found in _MESSAGES:
        if matches(storage):
            return found
    data = _DATA_FILE.search(path.name)
    if data and has_index(path.with_name(path.name[: data.start()])):
        return FileFormat.CHECKPOINT
    return FileFormat.TEXT if _is_text(head) else FileFormat.UNKNOWN


def describe(path: Path, found: FileFormat) -> str:
    """One line for someone who passed this file where a frozen graph is wanted."""
    advice = _ADVICE.get(found, _EXPORT).format(path=shlex.quote(str(path)))
    if found is FileFormat.UNKNOWN and ".pbmm" in path.name:
        return (
            f"{path} has no package directory at its end, so it is no .pbmm or was cut off; "
            "copy or download it again."
        )
    article = "an" if found.label[0] in "AEHOaeio" else "a"
    return f"{path} is {article} {found.label}, not a frozen graph; {advice}."


def _identify_folder(path: Path) -> FileFormat:
    if saved_model_folder(path) is not None:
        return FileFormat.SAVED_MODEL
    if (path / MANIFEST).exists() and (path / "Data").is_dir():
        return FileFormat.COREML_PACKAGE
    if (path / LAST).exists() or any(path.glob("*.index")):
        return FileFormat.CHECKPOINT
    return FileFormat.FOLDER


# A checkpoint's values have no signature: the index beside them tells what they are.
_DATA_FILE = re.compile(r"\.data-\d{5}-of-\d{5}$")

_SIGNATURES: tuple[tuple[bytes, FileFormat], ...] = (
    (rb"....TFL3", FileFormat.TFLITE),
    (rb"PK\x03\x04", FileFormat.ZIP),
    (rb"\x1f\x8b", FileFormat.GZIP),
    (rb"\x89HDF", FileFormat.HDF5),
    (rb"RIFF....WAVE", FileFormat.WAV),
    (rb"TRIE|EIRT|mmap lm http://kheafield", FileFormat.SCORER),
    (rb"version https://git-lfs", FileFormat.LFS_POINTER),
    (rb"(?i)\s*(<!doctype html|<html)", FileFormat.WEB_PAGE),
    (rb"\s*(<\?xml[^>]*>\s*)?<net\b", FileFormat.OPENVINO),
    (rb"\s*(#[^\n]*\n\s*)*node\s*\{", FileFormat.GRAPH_TEXT),
    (rb"model_checkpoint_path:", FileFormat.CHECKPOINT),
)


def _is_graph(storage: Storage) -> bool:
    """A GraphDef starts with a node that has a name and an op, or with its few other fields."""
    for field in wire.fields(storage.view, 0, len(storage)):
        if field.number == 1 and field.wire_type == wire.LENGTH_DELIMITED:
            node = parse_node(storage.span(field.start, field.end))
            return bool(node.name and re.fullmatch(r"[A-Za-z_][\w.>/-]*", node.op))
        if field.number > 4:
            return False
    return False


def _field_kinds(storage: Storage) -> dict[int, int]:
    """The wire type of each field number in a message."""
    return {f.number: f.wire_type for f in wire.fields(storage.view, 0, len(storage))}


def _is_onnx(storage: Storage) -> bool:
    """ModelProto: ir_version (1), graph (7) and opset_import (8)."""
    kinds = _field_kinds(storage)
    return kinds.get(1) == wire.VARINT and kinds.get(7) == kinds.get(8) == wire.LENGTH_DELIMITED


def _is_coreml_model(storage: Storage) -> bool:
    """Model: specificationVersion (1), description (2), and one model type numbered 200 or more."""
    kinds = _field_kinds(storage)
    return kinds.get(1) == wire.VARINT and 2 in kinds and any(number >= 200 for number in kinds)


def _is_saved_model(storage: Storage) -> bool:
    """SavedModel: schema version (1), then MetaGraphs (2) and nothing else."""
    kinds = _field_kinds(storage)
    return kinds == {1: wire.VARINT, 2: wire.LENGTH_DELIMITED}


def _is_meta_graph(storage: Storage) -> bool:
    """MetaGraphDef: a description (1), then a GraphDef (2)."""
    kinds: dict[int, int] = {}
    for field in wire.fields(storage.view, 0, len(storage)):
        kinds[field.number] = field.wire_type
        if field.number == 2 and field.wire_type == wire.LENGTH_DELIMITED:
            graph = Storage.of_bytes(storage.view[field.start : field.end])
            return kinds.get(1) == wire.LENGTH_DELIMITED and _is_graph(graph)
    return False


def _guarded(matches: Callable[[Storage], bool]) -> Callable[[Storage], bool]:
    """Take bytes that are no message at all for a mismatch."""

    def matches_or_not(storage: Storage) -> bool:
        try:
            return matches(storage)
        except ModelError:
            return False

    return matches_or_not


_MESSAGES = (
    (_guarded(_is_graph), FileFormat.GRAPH),
    (_guarded(_is_onnx), FileFormat.ONNX),
    (_guarded(_is_coreml_model), FileFormat.COREML_MODEL),
    (_guarded(_is_saved_model), FileFormat.SAVED_MODEL),
    (_guarded(_is_meta_graph), FileFormat.META_GRAPH),
)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut at the end of what was read.
        text = head[: error.start].decode("utf-8") if error.start > len(head) - 4 else "\0"
    return all(letter.isprintable() or letter.isspace() for letter in text)
