"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dsconv.errors import OutputError


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Write a file beside its final place and rename it there at the end.

    Raises OutputError if the file exists and `force` is not set, or if it cannot be written; then
    nothing is left behind. Any other error inside the block leaves nothing behind either.
    """
    check_writable(path, force=force)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def check_writable(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a place that cannot take the file. Raises OutputError."""
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; pass a file name with --output.")
        if path.exists() and not force:
            raise OutputError(f"{path} exists; pass --force to replace it, or --output.")
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent} is not a folder; create it, or choose another place.")
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"{path} cannot be written ({reason}); make room or choose another place with --output."
    )
