"""Every file is called by its name, whatever its suffix, with what to do about it."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dsconv.errors import ModelError
from dsconv.formats import table
from dsconv.formats.format import Format
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.identify import identify

RANDOM = bytes((i * 7919 + i * i * 31) % 256 for i in range(4096))


def zip_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("output_graph.pb", b"x")


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def folder(*names: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(b"x")

    return make


# What it is, how to make one, and what the error must say.
FOREIGN: list[tuple[Format, Callable[[Path], object], str]] = [
    (table.SAVED_MODEL, folder("saved_model.pb"), "TensorFlow SavedModel.*freeze it"),
    (table.SAVED_MODEL, content(b"\x08\x01\x12\x02\x0a\x00"), "TensorFlow SavedModel"),
    (
        table.META_GRAPH,
        content(b"\x0a\x02\x22\x00\x12\x0b\x0a\x09\x0a\x01a\x12\x04NoOp"),
        "Meta.*freeze its checkpoint",
    ),
    (
        table.CHECKPOINT,
        folder("checkpoint", "best.index"),
        "checkpoint.*dsconv freeze .*/model.pb`",
    ),
    (table.CHECKPOINT, content(b"x" * 40 + bytes.fromhex("57fb808b247547db")), "checkpoint"),
    (table.GRAPH_TEXT, content(b'node {\n  name: "a"\n}\n'), "in text form.*binary"),
    (table.TFLITE, content(b"\x1c\0\0\0TFL3" + bytes(40)), "TensorFlow Lite.*made from"),
    (table.ONNX, content(b"\x08\x08\x3a\x02\x0a\x00\x42\x02\x10\x11"), "ONNX model"),
    (table.CORE_ML_PACKAGE, folder("Manifest.json", "Data/model"), "Core ML package"),
    (table.CORE_ML_MODEL, content(b"\x08\x04\x12\x00\xa2\x1f\x00"), "Core ML model"),
    (table.OPENVINO, content(b'<?xml version="1.0"?>\n<net name="a">'), "OpenVINO IR"),
    (table.HDF5, content(b"\x89HDF\r\n\x1a\n" + bytes(9)), "HDF5"),
    (table.ZIP, zip_file, "ZIP archive.*unpack"),
    (table.GZIP, content(b"\x1f\x8b\x08\0" + bytes(20)), "gzip archive.*unpack"),
    (table.WAV, content(b"RIFF\x24\0\0\0WAVEfmt "), "WAV recording"),
    (table.SCORER, content(b"EIRT" + bytes(30)), r"scorer.*acoustic model"),
    (table.LFS_POINTER, content(b"version https://git-lfs.github.com/spec/v1\n"), "lfs pull"),
    (table.WEB_PAGE, content(b"<!DOCTYPE html><html>404"), "web page.*download"),
    (table.TEXT, content("größe\n".encode() * 200), "text file"),
    (table.UNKNOWN, content(RANDOM), "no format that dsconv knows"),
    (table.FOLDER, folder("notes"), "is a folder.*inside it"),
]


@pytest.mark.parametrize(("found", "make", "says"), FOREIGN, ids=lambda v: getattr(v, "key", ""))
def test_foreign_files_are_named(
    found: Format, make: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    """A file that is no frozen graph is called what it is, although its suffix is .pb."""
    path = tmp_path / "model.pb"
    make(path)
    assert identify(path) is found
    with pytest.raises(ModelError, match=f"model.pb.*{says}"):
        open_graph(path)


def test_suffixes_do_not_count(small_model: Path, tmp_path: Path) -> None:
    """A graph is a graph under any name."""
    path = tmp_path / "model.tflite"
    path.write_bytes(small_model.read_bytes())
    assert identify(path) is table.GRAPH


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path, "does not exist"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.symlink_to("/proc/self/mem"), "cannot be read|is empty"),
        (lambda path: path.symlink_to("/dev/null"), "not a regular file"),
    ],
)
def test_what_cannot_be_read_says_why(
    make: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    """Missing, empty and special files are errors of their own."""
    path = tmp_path / "model.pb"
    make(path)
    with pytest.raises(ModelError, match=f"model.pb .*({says})"):
        identify(path)


@pytest.mark.models
def test_originals(models: Path) -> None:
    """The original exports are told apart by content."""
    found = {path.name: identify(path) for path in models.iterdir()}
    for name, kind in found.items():
        if name.endswith(".pb"):
            assert kind is table.GRAPH, name
        if name.endswith(".tflite"):
            assert kind is table.TFLITE, name
    assert found["checkpoint-0.9.3"] is table.CHECKPOINT
    assert identify(models / "checkpoint-0.9.3" / "best_dev-150.index") is table.CHECKPOINT
