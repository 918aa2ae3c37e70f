"""Metadata is read from every version's graph, and survives as text properties."""

import json
from pathlib import Path

import pytest

from dsconv.acoustic.metadata import Metadata, read_metadata
from dsconv.formats.graphdef.graph import open_graph
from dsconv.speech.alphabet import Alphabet

ENGLISH = Alphabet(tuple(letter.encode() for letter in " abcdefghijklmnopqrstuvwxyz'"))
BYTES = Alphabet(tuple(bytes([value]) for value in range(1, 256)))


@pytest.mark.parametrize(
    "metadata",
    [
        Metadata(),
        Metadata(version=6, sample_rate=8000, feature_win_len=32, feature_win_step=20),
        Metadata(version=6, beam_width=500, language="de-Latn-DE", alphabet=ENGLISH),
        Metadata(language="", beam_width=0),
        Metadata(language="日本語\n"),
        Metadata(alphabet=Alphabet(())),
        Metadata(alphabet=Alphabet(("ß".encode(), "語".encode(), "👍🏽".encode(), b'"', b"\\"))),
        Metadata(alphabet=BYTES),
        Metadata(alphabet=Alphabet((b"\xc3", b"\xed\xb3\xbf", b"a\xff", b"\n", b""))),
    ],
    ids=[
        "nothing",
        "numbers",
        "all-but-audio",
        "empty-and-zero",
        "language",
        "no-labels",
        "letters",
        "bytes",
        "pieces",
    ],
)
def test_round_trip_as_text(metadata: Metadata) -> None:
    """Text properties give back the same metadata, whatever the labels are."""
    values = metadata.to_text()
    assert Metadata.from_text(values) == metadata
    assert Metadata.from_text({**values, "producer": "someone"}) == metadata


def test_text_is_text() -> None:
    """Properties are digits and JSON that any format holds, also for bytes that are no text."""
    values = Metadata(version=6, beam_width=500, alphabet=Alphabet((b"\xff", "ß".encode())))
    assert values.to_text() == {
        "metadata_version": "6",
        "metadata_beam_width": "500",
        "metadata_alphabet": r'["\udcff", "\u00df"]',
    }


def test_letters_are_a_plain_list() -> None:
    """Other programs read the alphabet without knowing this one."""
    text = Metadata(alphabet=ENGLISH).to_text()["metadata_alphabet"]
    assert "".join(json.loads(text)) == " abcdefghijklmnopqrstuvwxyz'"


@pytest.mark.parametrize("name", ["version", "sample_rate", "feature_win_len", "beam_width"])
def test_what_is_missing_is_none(name: str) -> None:
    """One property alone sets one field and no other."""
    metadata = Metadata.from_text({f"metadata_{name}": "7"})
    assert metadata == Metadata(**{name: 7})  # type: ignore[arg-type]


def test_values_of_a_graph() -> None:
    """Numbers are digits, the language is UTF-8 that may be damaged, the alphabet a blob."""
    metadata = Metadata.from_values(
        {
            "metadata_sample_rate": b"8000",
            "metadata_language": b"\xc3\xa4\xff",
            "metadata_alphabet": ENGLISH.to_blob(),
        }
    )
    assert metadata == Metadata(sample_rate=8000, language="ä\ufffd", alphabet=ENGLISH)


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deepspeech-0.1.1-static.pb", Metadata()),
        ("deepspeech-0.2.0-static.pb", Metadata()),
        ("deepspeech-0.4.1-static.pb", Metadata()),
        ("deepspeech-0.5.1-static.pb", Metadata(1, 16000, 32, 20)),
        ("deepspeech-0.6.1-static.pb", Metadata(5, 16000, 32, 20, alphabet=ENGLISH)),
    ],
)
def test_originals_before_0_7(name: str, expected: Metadata, models: Path) -> None:
    """Nothing, attributes of a node, or constants without a beam width and a language."""
    assert read_metadata(open_graph(models / name)) == expected


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "rate", "alphabet"),
    [
        ("deepspeech-0.9.3-static.pb", 16000, ENGLISH),
        ("deepspeech-0.9.3-8k-static.pb", 8000, ENGLISH),
        ("deepspeech-0.9.3-bytes-static.pb", 16000, BYTES),
        ("coqui-1.4.0-static.pb", 16000, ENGLISH),
    ],
)
def test_originals_since_0_7(name: str, rate: int, alphabet: Alphabet, models: Path) -> None:
    """Every field is there; the language is the sentence that nobody filled in."""
    metadata = read_metadata(open_graph(models / name))
    language = metadata.language or ""
    assert language.startswith("<language the model was trained on")
    assert metadata == Metadata(6, rate, 32, 20, 500, language, alphabet)
    assert Metadata.from_text(metadata.to_text()) == metadata
