"""The layout of the memory-mappable package is the original tool's."""

import io
from collections.abc import Iterable
from pathlib import Path

import pytest

from dsconv.convert.pbmm import PbmmTarget
from dsconv.convert.run import convert_file
from dsconv.errors import ModelError
from dsconv.formats.graphdef import package
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, Storage, write_chunks


def joined(chunks: Iterable[Chunk]) -> bytes:
    file = io.BytesIO()
    write_chunks(file, chunks)
    return file.getvalue()


@pytest.fixture
def packaged(small_model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "small.pbmm"
    convert_file(PbmmTarget(), small_model, path)
    return path


def test_regions_are_aligned_and_in_order(packaged: Path) -> None:
    """Tensors start at multiples of 64, the graph right after them, all in rising order."""
    storage = Storage.of_file(packaged)
    regions = package.read_directory(storage)
    *tensors, graph = regions.values()
    assert list(regions)[-1] == package.GRAPH_REGION
    assert all(span.start % 64 == 0 for span in tensors)
    assert graph.start == tensors[-1].end
    starts = [span.start for span in regions.values()]
    assert starts == sorted(starts)


def test_footer_points_to_the_directory(packaged: Path) -> None:
    """The last eight bytes hold the offset of the directory, which follows the graph."""
    data = packaged.read_bytes()
    directory = int.from_bytes(data[-8:], "little")
    graph = package.read_directory(Storage.of_bytes(data))[package.GRAPH_REGION]
    assert directory == graph.end
    elements = list(wire.fields(memoryview(data), directory, len(data) - 8))
    assert [element.number for element in elements] == [1] * len(elements)


def test_a_converted_constant_has_three_attributes(packaged: Path, small_graph: Graph) -> None:
    """dtype, shape and the region's name, and the same values as before."""
    graph = open_graph(packaged)
    converted = [node for node in graph if node.op == "ImmutableConst"]
    assert converted
    for node in converted:
        assert set(node.attributes) == {"dtype", "shape", "memory_region_name"}
        before = small_graph.tensor(small_graph[node.name]).array()
        assert (graph.tensor(node).array() == before).all()


def test_names_of_regions_are_clean_and_unique() -> None:
    """Other characters than letters, digits, _ and . become _, and _ is added while taken."""
    writer = package.PackageWriter()
    names = [writer.add_tensor(name, b"x")[0] for name in ("a/b.c", "a_b.c", "a-b.c")]
    assert names == [package.PREFIX + name for name in ("a_b.c", "a_b.c_", "a_b.c__")]


def test_a_directory_without_lengths_is_read(packaged: Path) -> None:
    """Files written for TensorFlow 1 leave the lengths out; a region ends where the next starts."""
    data = packaged.read_bytes()
    directory = int.from_bytes(data[-8:], "little")
    before = package.read_directory(Storage.of_bytes(data))
    shortened = bytearray(data[:directory])
    for name, span in before.items():
        offset = b"\x08" + wire.varint(span.start) if span.start else b""
        body = offset + b"\x12" + wire.varint(len(name)) + name.encode()
        shortened += b"\x0a" + wire.varint(len(body)) + body
    shortened += data[-8:]
    path = packaged.with_name("old.pbmm")
    path.write_bytes(shortened)
    old, new = open_graph(path), open_graph(packaged)
    for node in new:
        if node.op == "ImmutableConst":
            assert bytes(old.tensor(old[node.name]).array()) == bytes(new.tensor(node).array())


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_cut_package_is_an_error(packaged: Path, kept: float) -> None:
    """A package without its end is no package, and says so."""
    data = packaged.read_bytes()
    packaged.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ModelError, match="no package directory at its end"):
        open_graph(packaged)


def test_a_region_outside_the_file_is_damage() -> None:
    """Offsets and lengths are checked against the file."""
    element = b"\x08\xff\x01\x12\x16memmapped_package://ab\x18\x05"
    directory = b"\x0a" + wire.varint(len(element)) + element
    data = bytes(16) + directory + (16).to_bytes(8, "little")
    with pytest.raises(ModelError, match="does not fit into the file"):
        package.read_directory(Storage.of_bytes(data))


def test_padding_goes_to_the_next_multiple_of_64() -> None:
    """A tensor of any size is followed by zeros up to the start of the next one."""
    writer = package.PackageWriter()
    data = b""
    for size in (1, 64, 65, 100):
        data += joined(writer.add_tensor("t", b"x" * size)[1])
    data += joined(writer.finish([b"graph"]))
    spans = list(package.read_directory(Storage.of_bytes(data)).values())
    assert [(span.start, len(span)) for span in spans] == [
        (0, 1),
        (64, 64),
        (128, 65),
        (256, 100),
        (356, 5),
    ]
    assert data[1:64] == bytes(63)
