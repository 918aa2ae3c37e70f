"""What a model takes on disk is counted, be it a file, several or a folder."""

from pathlib import Path

import pytest

from dsconv.formats.storage import disk_size


def test_files_and_folders_are_added(tmp_path: Path) -> None:
    """Files anywhere below a folder count, the folders themselves do not."""
    (tmp_path / "package" / "Data").mkdir(parents=True)
    (tmp_path / "package" / "manifest").write_bytes(bytes(5))
    (tmp_path / "package" / "Data" / "weights").write_bytes(bytes(70))
    (tmp_path / "file").write_bytes(bytes(300))
    assert disk_size(tmp_path / "file") == 300
    assert disk_size(tmp_path / "package") == 75
    assert disk_size(tmp_path / "package", tmp_path / "file") == 375


def test_a_missing_file_is_not_counted_as_empty(tmp_path: Path) -> None:
    """A size that leaves out a file would be wrong without a word."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FileNotFoundError):
        disk_size(tmp_path / "file", tmp_path / "gone")
