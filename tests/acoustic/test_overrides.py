"""What a user says of a model goes before what is assumed, and not before what the file says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.overrides import Overrides
from dsconv.errors import ConversionError, ModelError
from dsconv.formats.graphdef.graph import Graph
from dsconv.runtime.graph import NumpyGraphModel
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.settings import EarlySettings
from tests.acoustic.early import early

ENGLISH = Alphabet.english()
OTHER = Alphabet(tuple(reversed(ENGLISH.labels)))
ASSUMED = Metadata(sample_rate=16000, alphabet=ENGLISH, assumed=("sample_rate", "alphabet"))


def test_nothing_said_changes_nothing() -> None:
    """Neither what is there nor what was assumed."""
    assert Overrides().apply(ASSUMED, 29) == ASSUMED
    assert Overrides.of(None, None) == Overrides()


def test_what_is_said_goes_before_what_is_assumed() -> None:
    """And is not assumed any more."""
    found = Overrides(OTHER, 8000).apply(ASSUMED, 29)
    assert found == Metadata(sample_rate=8000, alphabet=OTHER)
    found = Overrides(OTHER).apply(ASSUMED, 29)
    assert found == Metadata(sample_rate=16000, alphabet=OTHER, assumed=("sample_rate",))


def test_what_is_missing_is_filled_in() -> None:
    """A file that says nothing."""
    assert Overrides(OTHER, 8000).apply(Metadata(), 29) == Metadata(
        sample_rate=8000, alphabet=OTHER
    )


def test_an_alphabet_goes_before_that_of_the_file() -> None:
    """Labels can be wrong in a file; their number cannot."""
    own = Metadata(alphabet=ENGLISH, beam_width=7)
    assert Overrides(OTHER).apply(own, 29) == replace(own, alphabet=OTHER)


@pytest.mark.parametrize("classes", [28, 30, 256])
def test_an_alphabet_of_another_size_is_refused(classes: int) -> None:
    """With both sizes."""
    says = f"it has {classes} classes, one of them the blank, and --alphabet has 28 labels"
    with pytest.raises(ConversionError, match=says):
        Overrides(ENGLISH).apply(Metadata(), classes)


def test_a_rate_is_refused_where_the_file_says_another() -> None:
    """The front end in the graph was made for that; the same rate may be said again."""
    own = Metadata(sample_rate=16000)
    assert Overrides(sample_rate=16000).apply(own, 29) == own
    with pytest.raises(ConversionError, match="trained with 16000 Hz .* --sample-rate 8000"):
        Overrides(sample_rate=8000).apply(own, 29)


def test_alphabets_are_read_from_files(tmp_path: Path) -> None:
    """A label a line, whatever its bytes are."""
    path = tmp_path / "alphabet.txt"
    path.write_bytes(b"# comment\n \n\xc3\xa4\n\xff\n\\#\n")
    assert Overrides.of(path, 8000) == Overrides(Alphabet((b" ", b"\xc3\xa4", b"\xff", b"#")), 8000)


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_files_that_cannot_be_read(what: str, tmp_path: Path) -> None:
    """They are named."""
    path = tmp_path / "missing.txt" if what == "missing" else tmp_path
    with pytest.raises(ModelError, match=path.name):
        Overrides.of(path, None)


def test_a_rate_goes_to_the_features(small_graph: Graph) -> None:
    """Those of before 0.5 are made at the rate that is said; nothing else of them changes."""
    for version in ("0.2", "0.4"):
        interface = NumpyGraphModel(early(small_graph, version)).interface
        before = interface.features_from
        assert isinstance(before, EarlySettings)
        assert (before.sample_rate, interface.metadata.sample_rate) == (16000, 16000)
        said = interface.with_overrides(Overrides(sample_rate=8000))
        assert said.features_from == replace(before, sample_rate=8000)
        assert said.feature_settings.sample_rate == said.metadata.sample_rate == 8000
        assert interface.with_overrides(Overrides()) == interface
        assert interface.with_overrides(Overrides(OTHER)).alphabet == OTHER


def test_a_graph_of_0_5_has_its_own_rate(small_graph: Graph) -> None:
    """Its front end and its metadata say it."""
    interface = NumpyGraphModel(early(small_graph, "0.5")).interface
    with pytest.raises(ConversionError, match="trained with 16000 Hz"):
        interface.with_overrides(Overrides(sample_rate=8000))
    assert interface.with_overrides(Overrides(OTHER)).alphabet == OTHER
