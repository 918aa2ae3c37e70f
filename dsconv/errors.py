"""Families of errors, an exit code each.

Every message is one line that says what is wrong and what to do next. The command line prints it
and exits with the family's code; a library user catches the family.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class DsconvError(Exception):
    """Base of every error that dsconv raises on purpose."""

    exit_code = 1


class ParityError(DsconvError):
    """A result does not say the same as what it was made from."""

    exit_code = 1


class ModelError(DsconvError):
    """The input is not a model that dsconv knows, or it is damaged."""

    exit_code = 3


class ConversionError(DsconvError):
    """The model is known, but cannot be converted or edited in the way that was asked for."""

    exit_code = 4


class ToolkitError(DsconvError):
    """A toolkit or a runtime is missing, or it failed."""

    exit_code = 5


class OutputError(DsconvError):
    """The output cannot be written."""

    exit_code = 6


@contextmanager
def about(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the model that is worked on in front of the errors about it, unless they name it."""
    try:
        yield
    except (ModelError, ConversionError, ToolkitError) as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
