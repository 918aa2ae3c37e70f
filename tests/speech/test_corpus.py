"""Paths stand for clips with their texts."""

from pathlib import Path

import pytest

from dsconv.errors import ModelError
from dsconv.speech.corpus import find_clips


def test_a_wav_takes_the_text_beside_it(tmp_path: Path) -> None:
    """The .txt of the same name, without the line's end; none is none."""
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    (tmp_path / "a.txt").write_text("so it is\n", "utf-8")
    clips = find_clips([tmp_path / "a.wav", tmp_path / "b.wav"])
    found = [(clip.name, clip.transcript) for clip in clips]
    assert found == [
        ("a.wav", "so it is"),
        ("b.wav", None),
    ]


def test_a_folder_stands_for_its_wavs_in_order(tmp_path: Path) -> None:
    """Sorted by name, other files left out."""
    for name in ("b.wav", "a.wav", "notes.md"):
        (tmp_path / name).touch()
    assert [clip.name for clip in find_clips([tmp_path])] == ["a.wav", "b.wav"]


def test_names_are_unique(tmp_path: Path) -> None:
    """Clips of the same name in two folders are told apart."""
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").touch()
    clips = find_clips([tmp_path / "one", tmp_path / "two", tmp_path / "three"])
    assert [clip.name for clip in clips] == ["a.wav", "a.wav#2", "a.wav#3"]


def test_a_csv_without_transcripts(tmp_path: Path) -> None:
    """Texts are optional; paths count from the CSV's folder, absolute ones stay."""
    table = tmp_path / "clips.csv"
    table.write_text("wav_filename,wav_filesize\nsub/a.wav,1\n/far/b.wav,2\n", "utf-8")
    clips = find_clips([table])
    assert [clip.wav for clip in clips] == [tmp_path / "sub/a.wav", Path("/far/b.wav")]
    assert [clip.transcript for clip in clips] == [None, None]


@pytest.mark.parametrize(
    ("content", "says"),
    [("a,b\n1,2\n", "without wav_filename"), ("wav_filename\n", "holds no recordings")],
)
def test_a_csv_of_something_else(content: str, says: str, tmp_path: Path) -> None:
    """A table without clips is an error that says so."""
    table = tmp_path / "clips.csv"
    table.write_text(content, "utf-8")
    with pytest.raises(ModelError, match=says):
        find_clips([table])


def test_an_empty_folder(tmp_path: Path) -> None:
    """No recordings is an error, not a check that passes for nothing."""
    with pytest.raises(ModelError, match="holds no recordings"):
        find_clips([tmp_path])
