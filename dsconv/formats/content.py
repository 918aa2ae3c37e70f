"""What is at a path, looked at once, and the tests that recognise each format in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dsconv.errors import ModelError
from dsconv.formats.checkpoint.locate import LAST, has_index, saved_model_folder
from dsconv.formats.checkpoint.table import is_table
from dsconv.formats.graphdef import package
from dsconv.formats.graphdef.node import parse_node
from dsconv.formats.graphdef.schema import GraphDef, MetaGraphDef, SavedModelProto
from dsconv.formats.output import MANIFEST
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Storage, unreadable

# More than the longest signature, so that comments before a graph in text form fit too.
_HEAD_BYTES = 512

# A checkpoint's values have no signature: the index beside them tells what they are.
_DATA_FILE = re.compile(r"\.data-\d{5}-of-\d{5}$")
_OP = re.compile(r"[A-Za-z_][\w.>/-]*")
_NODE, _VERSIONS = GraphDef.field_numbers("node", "versions")


@dataclass(frozen=True)
class Content:
    """What is at a path: a folder, a file, or nothing but the start of the names of a checkpoint.

    `storage` and `head`, its first bytes, are those of a file.
    """

    path: Path
    is_folder: bool
    storage: Storage | None
    head: bytes

    @classmethod
    def of(cls, path: Path) -> Content:
        """Open a file, or look at a folder. Raises ModelError if a file is empty or unreadable."""
        try:
            is_folder = path.is_dir()
            if is_folder or (not path.exists() and has_index(path)):
                return cls(path, is_folder, None, b"")
        except OSError as error:
            raise unreadable(path, error) from error
        storage = Storage.of_file(path)
        return cls(path, is_folder, storage, bytes(storage.view[:_HEAD_BYTES]))


Test: TypeAlias = Callable[[Content], bool]


def starts_with(pattern: bytes) -> Test:
    """A test for files whose first bytes match a pattern, in which a dot stands for any byte."""
    return lambda content: bool(re.match(pattern, content.head, re.DOTALL))


def of_bytes(matches: Callable[[Storage], bool]) -> Test:
    """A test of a file's bytes, which no folder passes, and nothing that is no message at all."""

    def matches_or_not(content: Content) -> bool:
        try:
            return content.storage is not None and matches(content.storage)
        except ModelError:
            return False

    return matches_or_not


is_package = of_bytes(package.is_package)


def _is_graph_def(storage: Storage) -> bool:
    """A GraphDef starts with a node that has a name and an op, or with its few other fields."""
    for field in wire.fields(storage.view, 0, len(storage)):
        if field.number == _NODE and field.wire_type == wire.LENGTH_DELIMITED:
            node = parse_node(storage.span(field.start, field.end))
            return bool(node.name and _OP.fullmatch(node.op))
        if field.number > _VERSIONS:
            return False
    return False


is_graph = of_bytes(_is_graph_def)


@of_bytes
def is_onnx(storage: Storage) -> bool:
    """A version, a graph and the opsets that it uses."""
    from dsconv.formats.onnx.schema import ModelProto

    types = _wire_types(storage)
    version, graph, opsets = ModelProto.field_numbers("ir_version", "graph", "opset_import")
    return (
        types.get(version) == wire.VARINT
        and types.get(graph) == types.get(opsets) == wire.LENGTH_DELIMITED
    )


@of_bytes
def is_core_ml_model(storage: Storage) -> bool:
    """A version, a description, and a model of some kind."""
    from dsconv.formats.coreml.schema import FIRST_KIND, Model

    types = _wire_types(storage)
    version, description = Model.field_numbers("specificationVersion", "description")
    return (
        types.get(version) == wire.VARINT
        and description in types
        and any(number >= FIRST_KIND for number in types)
    )


def is_core_ml_package(content: Content) -> bool:
    """A folder with a manifest beside its data."""
    return (content.path / MANIFEST).exists() and (content.path / "Data").is_dir()


def is_saved_model(content: Content) -> bool:
    """The folder of a SavedModel, or the file in it."""
    if content.is_folder:
        return saved_model_folder(content.path) is not None
    return _is_saved_model_file(content)


@of_bytes
def _is_saved_model_file(storage: Storage) -> bool:
    """The version of its schema, MetaGraphs, and nothing else."""
    version, graphs = SavedModelProto.field_numbers("saved_model_schema_version", "meta_graphs")
    return _wire_types(storage) == {version: wire.VARINT, graphs: wire.LENGTH_DELIMITED}


@of_bytes
def is_meta_graph(storage: Storage) -> bool:
    """A description, then a GraphDef."""
    description, graph_def = MetaGraphDef.field_numbers("meta_info_def", "graph_def")
    described = False
    for field in wire.fields(storage.view, 0, len(storage)):
        delimited = field.wire_type == wire.LENGTH_DELIMITED
        if field.number == description:
            described = delimited
        if field.number == graph_def and delimited:
            graph = Storage.of_bytes(storage.view[field.start : field.end])
            return described and _is_graph_def(graph)
    return False


def is_checkpoint(content: Content) -> bool:
    """A folder with a checkpoint, what the names of its files start with, or one of them."""
    path = content.path
    if content.is_folder:
        return (path / LAST).exists() or any(path.glob("*.index"))
    if content.storage is None or content.head.startswith(b"model_checkpoint_path:"):
        return True
    data = _DATA_FILE.search(path.name)
    return is_table(content.storage) or bool(
        data and has_index(path.with_name(path.name[: data.start()]))
    )


def is_folder(content: Content) -> bool:
    """Any folder."""
    return content.is_folder


def is_text(content: Content) -> bool:
    """A file that starts with characters in UTF-8 that can be read."""
    if content.storage is None:
        return False
    try:
        text = content.head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut at the end of what was read.
        cut = error.start > len(content.head) - 4
        text = content.head[: error.start].decode("utf-8") if cut else "\0"
    return all(letter.isprintable() or letter.isspace() for letter in text)


def is_anything(_: Content) -> bool:
    """Whatever nothing else is."""
    return True


def _wire_types(storage: Storage) -> dict[int, int]:
    """The wire type of each field number in a message."""
    return {f.number: f.wire_type for f in wire.fields(storage.view, 0, len(storage))}
