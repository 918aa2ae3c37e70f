"""How much room files and packages take."""

from pathlib import Path


def disk_size(*paths: Path) -> int:
    """The bytes of files, and of all files below folders. Raises OSError if one is not there."""
    return sum(map(_size, paths))


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
