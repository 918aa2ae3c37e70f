"""Alphabets are read from models and files, and written as the exporter writes them."""

from pathlib import Path

import pytest

from dsconv.acoustic.metadata import read_metadata
from dsconv.errors import ModelError
from dsconv.formats.graphdef.graph import open_graph
from dsconv.speech.alphabet import Alphabet


@pytest.mark.models
@pytest.mark.parametrize("name", ["deepspeech-0.9.3-static.pb", "deepspeech-0.9.3-bytes-static.pb"])
def test_blob_equals_the_exporters(name: str, models: Path) -> None:
    """The same labels in the order of the exporter's hash map, for few labels and for many."""
    graph = open_graph(models / name)
    (blob,) = graph.tensor(graph["metadata_alphabet"]).strings()
    assert Alphabet.from_blob(blob).to_blob() == blob


@pytest.mark.models
def test_bytes_output_is_recognised(models: Path) -> None:
    """255 labels that are the bytes 1 to 255."""
    many = read_metadata(open_graph(models / "deepspeech-0.9.3-bytes-static.pb")).alphabet
    few = read_metadata(open_graph(models / "deepspeech-0.9.3-static.pb")).alphabet
    assert many is not None
    assert few is not None
    assert (many.is_bytes, len(many.labels)) == (True, 255)
    assert (few.is_bytes, "".join(few.texts)) == (False, " abcdefghijklmnopqrstuvwxyz'")


@pytest.mark.parametrize("count", [0, 1, 13, 14, 29, 30, 300])
def test_blob_round_trip(count: int) -> None:
    """Any number of labels, of any length, come back in their order."""
    alphabet = Alphabet(tuple(f"{i}ß".encode() for i in range(count)))
    assert Alphabet.from_blob(alphabet.to_blob()) == alphabet


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (b"", "cut off"),
        (b"\x02\x00\x00\x00\x01\x00a", "cut off"),
        (b"\x01\x00\x00\x00\x05\x00a", "damaged"),
        (b"\x01\x00\x03\x00\x01\x00a", "damaged"),
        (b"\x01\x00\x00\x00\x01\x00ab", "damaged"),
    ],
)
def test_damage_is_named(blob: bytes, says: str) -> None:
    """A blob that does not add up is no alphabet."""
    with pytest.raises(ModelError, match=says):
        Alphabet.from_blob(blob)


def test_file_with_comments_and_escapes(tmp_path: Path) -> None:
    """A label a line; a space is a label, a # a comment unless it is escaped."""
    path = tmp_path / "alphabet.txt"
    path.write_text("# comment\n \na\n\\#\nß\n", encoding="utf-8")
    assert Alphabet.from_file(path).texts == [" ", "a", "#", "ß"]


@pytest.mark.parametrize("lines", [b"a\n\nb\n", b"a\r\nb\r\n", b"a\nb", b"a\rb\n\n"])
def test_file_with_other_line_endings(lines: bytes, tmp_path: Path) -> None:
    """Lines end as on any system or not at all; an empty one is no label."""
    path = tmp_path / "alphabet.txt"
    path.write_bytes(lines)
    assert Alphabet.from_file(path).texts == ["a", "b"]


def test_only_the_label_itself_is_escaped(tmp_path: Path) -> None:
    r"""A longer label keeps its \#, as in the original."""
    path = tmp_path / "alphabet.txt"
    path.write_bytes(b"\\#a\n\\#\n")
    assert Alphabet.from_file(path).texts == [r"\#a", "#"]


def test_blob_in_order() -> None:
    """As the exporters of 0.6 and of Coqui STT write it."""
    blob = Alphabet((b"a", b"bc")).to_blob(in_order=True)
    assert blob == b"\2\0" + b"\0\0\1\0a" + b"\1\0\2\0bc"
