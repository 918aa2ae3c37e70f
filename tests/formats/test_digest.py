"""Files are hashed in the background, whatever their size."""

import hashlib
from pathlib import Path

import pytest

from dsconv.errors import ModelError
from dsconv.formats.digest import Digest


@pytest.mark.parametrize("size", [1, 4096, (1 << 23) - 1, 1 << 23, (1 << 23) + 1])
def test_equals_hashlib(size: int, tmp_path: Path) -> None:
    """Whole pieces and rests give the hash of the whole file."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    assert Digest(path).hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_went_away_is_an_error(tmp_path: Path) -> None:
    """The error of the thread reaches the one who asks for the result."""
    with pytest.raises(ModelError, match="cannot be read"):
        Digest(tmp_path / "gone").hexdigest()
