"""Files that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dsconv.errors import OutputError

MANIFEST = "Manifest.json"
"""The file in a folder that makes it a Core ML package, which is taken for one file."""


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Write a file that appears when the block ends.

    Raises OutputError if the file exists and `force` is not set, or if it cannot be written; then
    nothing is left behind. Any other error inside the block leaves nothing behind either.
    """
    with new_files([path], force=force) as folder, (folder / path.name).open("xb") as file:
        yield file


@contextmanager
def new_files(paths: Sequence[Path], *, force: bool = False) -> Iterator[Path]:
    """Write files, or packages that are folders, that appear when the block ends.

    Yields a folder beside them in which each is to be written under its own name. They are moved in
    the opposite order: the first one, which the others belong to, last. Raises what `new_file`
    raises.
    """
    for path in paths:
        check_writable(path, force=force)
    main = paths[0]
    folder = main.with_name(f".{main.name}.{os.getpid()}.part")
    try:
        folder.mkdir()
        yield folder
        for path in reversed(paths):
            _replace(folder / path.name, path)
    except OSError as error:
        raise _unwritable(main, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(new: Path, path: Path) -> None:
    """Replace a file or a folder by another, or leave it as it is."""
    if not path.exists() or not (path.is_dir() or new.is_dir()):
        new.replace(path)
        return
    # A folder cannot replace another, so the old one moves out of the way.
    old = new.with_name(f"{new.name}.old")
    path.replace(old)
    try:
        new.replace(path)
    except OSError:
        old.replace(path)
        raise


def check_writable(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a path that cannot take the file. Raises OutputError."""
    try:
        if path.is_dir() and not (path / MANIFEST).exists():
            raise OutputError(f"{path} is a folder; pass the name of a file, with --output.")
        if path.exists() and not force:
            raise OutputError(f"{path} exists; pass --force to replace it, or another --output.")
        if not path.parent.is_dir():
            raise OutputError(
                f"{path.parent} is not a folder; create it, or pass another --output."
            )
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{path} cannot be written ({reason}); fix that, or pass another --output.")
